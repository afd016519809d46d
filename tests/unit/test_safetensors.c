/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/half.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file: header size, @header, @n_data bytes 0, 1, 2, … */
static GByteArray *
make_file(const gchar *header, gsize n_data)
{
    GByteArray *file = g_byte_array_new();
    guint64 size = strlen(header);

    g_byte_array_append(file, (const guint8 *)&size, sizeof size);
    g_byte_array_append(file, (const guint8 *)header, size);
    for (gsize i = 0; i < n_data; i++)
        g_byte_array_append(file, &(guint8){i}, 1);
    return file;
}

static DinoR1Safetensors *
open_bytes(const GByteArray *file, GError **error)
{
    return dinor1_safetensors_open_memory("x.safetensors", file->data, file->len, error);
}

static void
assert_refused(const GByteArray *file, const gchar *reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Safetensors) opened = open_bytes(file, &error);

    g_assert_null(opened);
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "x.safetensors: "));
    if (!strstr(error->message, reason))
        g_error("\"%s\" does not contain \"%s\"", error->message, reason);
}

typedef struct {
    const gchar *name, *header;
    gsize n_data;
    const gchar *reason;
} Broken;

#define F32(name, shape, begin, end)                                                                                   \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"

static const Broken broken[] = {
    {"not-an-object", "[]", 0, "does not begin with '{'"},
    {"leading-space", " {}", 0, "does not begin with '{'"},
    {"no-header", "", 0, "does not begin with '{'"},
    {"unfinished", "{\"a\":{", 0, "byte 6: the text ends too early"},
    {"trailing-comma", "{" F32("a", "1", 0, 4) ",}", 4, "a string was expected"},
    {"garbage-after", "{}x", 0, "more text than one value"},
    {"entry-is-number", "{\"a\":1}", 0, "tensor 'a': its entry is not an object"},
    {"entry-is-list", "{\"a\":[]}", 0, "tensor 'a': its entry is not an object"},
    {"unknown-dtype", "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
        "tensor 'a': unknown dtype 'F33'"},
    {"dtype-is-number", "{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a string was expected"},
    {"no-dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 'a': key 'dtype' is missing"},
    {"no-shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 'a': key 'shape' is missing"},
    {"no-offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor 'a': key 'data_offsets' is missing"},
    {"unknown-key", "{\"a\":{\"dtype\":\"F32\",\"strides\":[1]}}", 0, "tensor 'a': unknown key 'strides'"},
    {"key-twice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "tensor 'a': key 'dtype' appears twice"},
    {"offsets-is-object", "{\"a\":{\"data_offsets\":{}}}", 0, "an array was expected"},
    {"offsets-are-strings", "{\"a\":{\"data_offsets\":[\"0\",\"4\"]}}", 0, "a non-negative integer was expected"},
    {"offsets-are-reals", "{\"a\":{\"data_offsets\":[0.0,4.0]}}", 0, "a non-negative integer was expected"},
    {"offsets-with-exponent", "{\"a\":{\"data_offsets\":[0,4e0]}}", 0, "a non-negative integer was expected"},
    {"offsets-one", "{\"a\":{\"data_offsets\":[4]}}", 4, "tensor 'a': data_offsets must be [begin, end]"},
    {"offsets-none", "{\"a\":{\"data_offsets\":[]}}", 4, "tensor 'a': data_offsets must be [begin, end]"},
    {"offsets-three", "{\"a\":{\"data_offsets\":[0,4,8]}}", 8, "tensor 'a': data_offsets must be [begin, end]"},
    {"offsets-negative", "{\"a\":{\"data_offsets\":[-4,0]}}", 4, "a non-negative integer was expected"},
    {"offsets-huge", "{\"a\":{\"data_offsets\":[0,18446744073709551616]}}", 4, "an integer is too large"},
    {"begin-after-end", "{" F32("a", "1", 8, 4) "}", 8, "tensor 'a': data_offsets begin at 8 after their end 4"},
    {"out-of-file", "{" F32("a", "2", 0, 8) "}", 4, "tensor 'a': data_offsets end at 8, but the file has 4 bytes"},
    {"size-mismatch", "{" F32("a", "3", 0, 8) "}", 8, "need 12 bytes, data_offsets give 8"},
    {"scalar-mismatch", "{" F32("a", "", 0, 8) "}", 8, "need 4 bytes, data_offsets give 8"},
    {"product-overflow", "{" F32("a", "4294967296,4294967296", 0, 0) "}", 0,
        "tensor 'a': its shape has dimensions whose"},
    {"product-overflow-bytes", "{" F32("a", "4611686018427387904", 0, 0) "}", 0,
        "tensor 'a': its shape has dimensions"},
    {"product-over-int64", "{" F32("a", "2305843009213693952", 0, 0) "}", 0, "tensor 'a': its shape has dimensions"},
    {"dimension-over-int64", "{" F32("a", "9223372036854775808", 0, 0) "}", 0, "an integer is too large"},
    {"overflow-beside-zero", "{" F32("a", "0,4294967296,4294967296", 0, 0) "}", 0,
        "tensor 'a': its shape has dimensions"},
    {"dimension-too-large", "{" F32("a", "99999999999999999999", 0, 0) "}", 0, "an integer is too large"},
    {"dimension-negative", "{" F32("a", "-1", 0, 4) "}", 4, "a non-negative integer was expected"},
    {"nine-dimensions", "{" F32("a", "1,1,1,1,1,1,1,1,1", 0, 4) "}", 4, "tensor 'a': more than 8 dimensions"},
    {"name-twice", "{" F32("a", "1", 0, 4) "," F32("a", "1", 4, 8) "}", 8, "tensor 'a': appears twice"},
    {"name-twice-escaped", "{" F32("a", "1", 0, 4) "," F32("\\u0061", "1", 4, 8) "}", 8, "tensor 'a': appears twice"},
    {"overlap", "{" F32("a", "2", 0, 8) "," F32("b", "2", 4, 12) "}", 12,
        "tensor 'b': its data overlap those of tensor 'a'"},
    {"same-place", "{" F32("a", "1", 0, 4) "," F32("b", "1", 0, 4) "}", 4, "its data overlap those of"},
    {"hole", "{" F32("a", "1", 0, 4) "," F32("b", "1", 8, 12) "}", 12,
        "tensor 'b': 4 bytes before its data belong to no"},
    {"hole-at-begin", "{" F32("a", "1", 4, 8) "}", 8, "tensor 'a': 4 bytes before its data"},
    {"hole-at-end", "{" F32("a", "1", 0, 4) "}", 5, "1 bytes at its end belong to no tensor"},
    {"no-tensors-but-data", "{}", 1, "1 bytes at its end belong to no tensor"},
    {"name-invalid-utf8", "{" F32("a\xff", "1", 0, 4) "}", 4, "invalid UTF-8"},
    {"name-nul", "{" F32("a\\u0000b", "1", 0, 4) "}", 4, "NUL in a string"},
    {"name-half-surrogate", "{" F32("\\ud800", "1", 0, 4) "}", 4, "half a surrogate pair"},
    {"name-two-high-surrogates", "{" F32("\\ud800\\ud800", "1", 0, 4) "}", 4, "half a surrogate pair"},
    {"name-bad-escape", "{" F32("\\x41", "1", 0, 4) "}", 4, "unknown escape"},
    {"name-newline", "{" F32("a\n", "1", 0, 4) "}", 4, "control character in a string"},
    {"name-without-end", "{\"abc", 0, "a string without end"},
    {"metadata-is-list", "{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"metadata-number", "{\"__metadata__\":{\"k\":1}}", 0, "__metadata__: 'k' is not a string"},
    {"metadata-nested", "{\"__metadata__\":{\"k\":{}}}", 0, "__metadata__: 'k' is not a string"},
    {"metadata-twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ appears twice"},
    {"metadata-key-twice", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "__metadata__: 'k' appears twice"},
};

static void
test_broken(gconstpointer data)
{
    const Broken *row = data;
    g_autoptr(GByteArray) file = make_file(row->header, row->n_data);

    assert_refused(file, row->reason);
}

static void
test_sizes(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    guint64 huge = G_MAXUINT64, limit = 100000001, more = 3;

    assert_refused(file, "is 0 bytes long, too short");
    g_byte_array_append(file, (const guint8 *)&huge, 7);
    assert_refused(file, "is 7 bytes long, too short");
    g_byte_array_append(file, (const guint8 *)"\xff", 1);
    assert_refused(file, "its header would be 18446744073709551615 bytes long");
    memcpy(file->data, &limit, sizeof limit);
    assert_refused(file, "its header would be 100000001 bytes long");
    memcpy(file->data, &more, sizeof more);
    g_byte_array_append(file, (const guint8 *)"{}", 2);
    assert_refused(file, "its header is 3 bytes long, but only 2 follow: it is truncated");
}

/* Every prefix of a good file is refused. */
static void
test_truncated(void)
{
    g_autoptr(GByteArray) file = make_file("{" F32("a", "2,2", 0, 16) "," F32("b", "", 16, 20) "}", 20);

    for (guint length = file->len; length-- > 0;) {
        g_autoptr(GError) error = NULL;
        g_autofree guint8 *copy = g_memdup2(file->data, length); /* its end is the allocation's, for the sanitizers */

        g_assert_null(dinor1_safetensors_open_memory("x", copy ? copy : file->data, length, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    }
}

static void
test_depth(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    DinoR1Json json;

    for (gint depth = 1; depth <= DINOR1_JSON_MAX_DEPTH + 1; depth++) {
        g_string_truncate(text, 0);
        for (gint i = 0; i < depth; i++)
            g_string_append_c(text, '[');
        for (gint i = 0; i < depth; i++)
            g_string_append_c(text, ']');
        dinor1_json_init(&json, text->str, text->len);
        dinor1_json_skip(&json);
        g_assert_cmpint(dinor1_json_end(&json), ==, depth <= DINOR1_JSON_MAX_DEPTH);
    }
    g_assert_cmpstr(json.problem, ==, "nested too deeply");
}

static void
test_json(void)
{
    static const gchar *const good[] = {"0", "-0", "-1.5e+10", "1E-3", "true", "false", "null", "\"\"", "[]", "{}",
        " [ 1 , 2 ] ", "{\"a\":[{}]}", "\"\\ud83d\\ude00\\n\\/\"", "\"\xc3\xa4\""};
    static const gchar *const bad[] = {"", " ", "01", "-", "+1", ".5", "1.", "1e", "1e+", "tru", "nul", "NaN",
        "Infinity", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "'a'", "\"\\u12\"",
        "\"\\udc00\"", "\"\t\"", "1 1", "[", "{", "]", "// x\n1", "\"\xc3\"", "\"\\"};
    DinoR1Json json;

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        dinor1_json_init(&json, good[i], strlen(good[i]));
        dinor1_json_skip(&json);
        if (!dinor1_json_end(&json))
            g_error("%s: %s", good[i], json.problem);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        dinor1_json_init(&json, bad[i], strlen(bad[i]));
        dinor1_json_skip(&json);
        if (dinor1_json_end(&json))
            g_error("%s was accepted", bad[i]);
    }
}

static void
test_strings(void)
{
    static const gchar text[] = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00x\"";
    static const gchar value[] = "\"\\/\b\f\n\r\t\xc3\xa4\xf0\x9f\x98\x80x";
    g_autoptr(GString) s = g_string_new("old"), again = g_string_new(NULL);
    DinoR1Json json;

    dinor1_json_init(&json, text, strlen(text));
    g_assert_true(dinor1_json_string(&json, s));
    g_assert_cmpstr(s->str, ==, value);
    dinor1_json_append_string(again, s->str);
    dinor1_json_init(&json, again->str, again->len);
    g_assert_true(dinor1_json_string(&json, s));
    g_assert_cmpstr(s->str, ==, value);
}

static void
test_good(void)
{
    g_autoptr(GByteArray) file =
        make_file("{\"__metadata__\":{\"format\":\"pt\"}," F32("z", "2,1", 4, 12) "," F32("a", "", 0,
                      4) ","
                         "\"empty\":{\"shape\":[0,3],\"data_offsets\":[4,4],\"dtype\":\"I64\"},"
                         "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[12,14]}}  \n",
            14);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Safetensors) opened = open_bytes(file, &error);
    static const gchar *const names[] = {"a", "bool", "empty", "z"};
    const DinoR1StoredTensor *tensor;

    g_assert_no_error(error);
    g_assert_cmpstr(dinor1_safetensors_get_path(opened), ==, "x.safetensors");
    g_assert_cmpuint(dinor1_safetensors_get_n_tensors(opened), ==, 4);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpstr(dinor1_safetensors_get_tensor(opened, i)->name, ==, names[i]);
    g_assert_cmpstr(dinor1_safetensors_get_metadata(opened, "format"), ==, "pt");
    g_assert_null(dinor1_safetensors_get_metadata(opened, "none"));
    g_assert_null(dinor1_safetensors_find(opened, "__metadata__"));
    tensor = dinor1_safetensors_find(opened, "z");
    g_assert_cmpuint(tensor->n_dims, ==, 2);
    g_assert_cmpint(tensor->dims[0], ==, 2);
    g_assert_cmpint(tensor->dims[1], ==, 1);
    g_assert_cmpuint(tensor->size, ==, 8);
    g_assert_cmpuint(tensor->data[0], ==, 4);
    g_assert_cmpuint(dinor1_safetensors_find(opened, "empty")->size, ==, 0);
    g_assert_cmpuint(dinor1_safetensors_find(opened, "bool")->n_dims, ==, 8);
}

typedef struct {
    gchar *directory, *path;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("dinor1-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "out.safetensors", NULL);
}

static guint
count_files(const gchar *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_unlink(fixture->path);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0); /* no temporary file was left */
    g_free(fixture->path);
    g_free(fixture->directory);
}

static void
assert_open_fails(const gchar *path, const gchar *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_safetensors_open(path, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_nonnull(strstr(error->message, reason));
}

static void
test_files(Fixture *fixture, gconstpointer data)
{
    assert_open_fails(fixture->path, "No such file");
    assert_open_fails(fixture->directory, "is a directory, not a file");
    g_assert_true(g_file_set_contents(fixture->path, "", 0, NULL));
    assert_open_fails(fixture->path, "is empty");
    if (geteuid() != 0) {
        g_assert_cmpint(g_chmod(fixture->path, 0), ==, 0);
        assert_open_fails(fixture->path, "Permission denied");
    }
    g_unlink(fixture->path);
    g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
    assert_open_fails(fixture->path, "is a device or pipe, not a file");
}

static const gfloat values[] = {1.5f, -2, 0.25f, 1e-40f};
static const guint8 bytes[] = {9, 8, 7};

static gboolean
write_sample(const gchar *path, const gchar *second_name, gsize second_size, GError **error)
{
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    const DinoR1StoredTensor tensors[] = {
        {"odd \"bytes\"", DINOR1_STORED_U8, 1, {3}, bytes, sizeof bytes},
        {second_name, DINOR1_STORED_F32, 2, {2, 2}, (const guint8 *)values, second_size},
        {"none", DINOR1_STORED_F16, 3, {4, 0, 2}, NULL, 0},
    };

    g_hash_table_insert(metadata, "b", "two\n\"lines\"");
    g_hash_table_insert(metadata, "a", "\xc3\xa4");
    return dinor1_safetensors_write(path, tensors, G_N_ELEMENTS(tensors), metadata, error);
}

static void
test_write(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Safetensors) file = NULL;

    g_assert_true(write_sample(fixture->path, "values", sizeof values, &error));
    g_assert_no_error(error);
    file = dinor1_safetensors_open(fixture->path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(dinor1_safetensors_get_n_tensors(file), ==, 3);
    g_assert_cmpmem(dinor1_safetensors_find(file, "values")->data, sizeof values, values, sizeof values);
    g_assert_cmpmem(dinor1_safetensors_find(file, "odd \"bytes\"")->data, sizeof bytes, bytes, sizeof bytes);
    g_assert_cmpint(dinor1_safetensors_find(file, "none")->dims[2], ==, 2);
    g_assert_cmpstr(dinor1_safetensors_get_metadata(file, "a"), ==, "\xc3\xa4");
    g_assert_cmpstr(dinor1_safetensors_get_metadata(file, "b"), ==, "two\n\"lines\"");
    g_assert_cmpuint((guintptr)dinor1_safetensors_find(file, "odd \"bytes\"")->data % 64, ==, 0);
    g_assert_cmpuint(count_files(fixture->directory), ==, 1);
}

static void
test_write_nothing(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;

    for (gint with_metadata = 0; with_metadata < 2; with_metadata++) {
        g_autoptr(DinoR1Safetensors) file = NULL;

        g_assert_true(dinor1_safetensors_write(fixture->path, NULL, 0, with_metadata ? metadata : NULL, &error));
        file = dinor1_safetensors_open(fixture->path, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(dinor1_safetensors_get_n_tensors(file), ==, 0);
    }
}

/* Whatever goes wrong, the old file is what it was and nothing lies beside it. */
static void
test_write_fails(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const gchar *name;
        gsize size;
        const gchar *reason;
    } rows[] = {
        {"values", sizeof values - 1, "tensor 'values': its size is not that of its shape"},
        {"none", sizeof values, "tensor 'none': given twice"},
        {"__metadata__", sizeof values, "impossible name"},
        {"\xff", sizeof values, "impossible name"},
    };
    g_autofree gchar *text = NULL;

    g_assert_true(g_file_set_contents(fixture->path, "old", -1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(write_sample(fixture->path, rows[i].name, rows[i].size, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
        g_assert_nonnull(strstr(error->message, rows[i].reason));
    }
    g_assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "old");
    g_assert_cmpuint(count_files(fixture->directory), ==, 1);
}

static void
test_write_impossible(Fixture *fixture, gconstpointer data)
{
    static const struct {
        DinoR1StoredTensor tensor;
        const gchar *reason;
    } rows[] = {
        {{"x", DINOR1_STORED_U8, 9, {1}, bytes, 1}, "tensor 'x': too many dimensions"},
        {{"x", DINOR1_STORED_U8, 2, {-1, -1}, bytes, 1}, "tensor 'x': a negative dimension"},
        {{"x", DINOR1_STORED_U8, 2, {G_MAXINT64, 3}, bytes, 1}, "tensor 'x': dimensions whose product is too large"},
    };
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_false(dinor1_safetensors_write(fixture->path, &rows[i].tensor, 1, NULL, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
        g_assert_nonnull(strstr(error->message, rows[i].reason));
        g_clear_error(&error);
    }
    g_hash_table_insert(metadata, "key", "\xff");
    g_assert_false(dinor1_safetensors_write(fixture->path, NULL, 0, metadata, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "metadata are not valid UTF-8"));
    g_assert_cmpuint(count_files(fixture->directory), ==, 0);
}

static void
test_write_nowhere(Fixture *fixture, gconstpointer data)
{
    g_autofree gchar *nowhere = g_build_filename(fixture->directory, "none", "x.safetensors", NULL);
    g_autofree gchar *child = g_build_filename(fixture->path, "child", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_false(write_sample(nowhere, "values", sizeof values, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_assert_nonnull(strstr(error->message, nowhere));
    g_clear_error(&error);

    /* The rename fails: the target is a directory. */
    g_assert_cmpint(g_mkdir(fixture->path, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(child, 0700), ==, 0);
    g_assert_false(write_sample(fixture->path, "values", sizeof values, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "cannot rename"));
    g_assert_cmpuint(count_files(fixture->directory), ==, 1);
    g_rmdir(child);
    g_rmdir(fixture->path);
}

/* By the definition: (-1)^s * 2^(e-15) * 1.m, subnormal 2^-14 * 0.m */
static gdouble
half_value(guint bits)
{
    gint exponent = (bits >> 10) & 31;
    gdouble mantissa = bits & 1023;
    gdouble magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);

    return bits & 0x8000 ? -magnitude : magnitude;
}

static void
test_half(void)
{
    for (guint bits = 0; bits < 65536; bits++) {
        gfloat value = dinor1_half_to_float(bits);

        if ((bits & 0x7c00) != 0x7c00)
            g_assert_true(value == half_value(bits));
        else if (bits & 0x3ff)
            g_assert_true(isnan(value));
        else
            g_assert_true(isinf(value));
        g_assert_cmpint(!!signbit(value), ==, bits >> 15);
    }
}

static void
test_widen(void)
{
    static const guint16 halves[] = {0x3c00, 0xc000, 0x0001, 0x7c00}; /* 1, -2, 2^-24, inf */
    static const guint16 bf16[] = {0x3f80, 0xc000, 0x0001, 0xff80};   /* 1, -2, 2^-133, -inf */
    static const gdouble doubles[] = {1, -2, 0.1, 1e-300};
    const DinoR1StoredTensor tensors[] = {
        {"h", DINOR1_STORED_F16, 1, {4}, (const guint8 *)halves, sizeof halves},
        {"b", DINOR1_STORED_BF16, 1, {4}, (const guint8 *)bf16, sizeof bf16},
        {"d", DINOR1_STORED_F64, 1, {4}, (const guint8 *)doubles, sizeof doubles},
        {"i", DINOR1_STORED_I64, 1, {4}, (const guint8 *)doubles, sizeof doubles},
    };
    gfloat out[4];

    g_assert_true(dinor1_stored_to_f32(&tensors[0], out));
    g_assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f && out[3] == INFINITY);
    g_assert_true(dinor1_stored_to_f32(&tensors[1], out));
    g_assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-133f && out[3] == -INFINITY);
    g_assert_true(dinor1_stored_to_f32(&tensors[2], out));
    g_assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0.1f && out[3] == 0);
    g_assert_false(dinor1_stored_to_f32(&tensors[3], out));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree gchar *path = g_strconcat("/safetensors/broken/", broken[i].name, NULL);
        g_test_add_data_func(path, &broken[i], test_broken);
    }
    g_test_add_func("/safetensors/sizes", test_sizes);
    g_test_add_func("/safetensors/truncated", test_truncated);
    g_test_add_func("/safetensors/good", test_good);
    g_test_add_func("/safetensors/half", test_half);
    g_test_add_func("/safetensors/widen", test_widen);
    g_test_add("/safetensors/files", Fixture, NULL, set_up, test_files, tear_down);
    g_test_add("/safetensors/write", Fixture, NULL, set_up, test_write, tear_down);
    g_test_add("/safetensors/write-nothing", Fixture, NULL, set_up, test_write_nothing, tear_down);
    g_test_add("/safetensors/write-fails", Fixture, NULL, set_up, test_write_fails, tear_down);
    g_test_add("/safetensors/write-impossible", Fixture, NULL, set_up, test_write_impossible, tear_down);
    g_test_add("/safetensors/write-nowhere", Fixture, NULL, set_up, test_write_nowhere, tear_down);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/values", test_json);
    g_test_add_func("/json/strings", test_strings);
    return g_test_run();
}
