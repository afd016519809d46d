/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/weights.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <string.h>

static const gfloat f32[] = {1, -2, 3.5f, 1e-30f};
static const guint16 f16[] = {0x3c00, 0xc000};
static const gint64 i64[] = {7};

static const DinoR1StoredTensor tensors[] = {
    {"a.half", DINOR1_STORED_F16, 2, {1, 2}, (const guint8 *)f16, sizeof f16},
    {"b.float", DINOR1_STORED_F32, 2, {2, 2}, (const guint8 *)f32, sizeof f32},
    {"c.ids", DINOR1_STORED_I64, 1, {1}, (const guint8 *)i64, sizeof i64},
    {"d.scalar", DINOR1_STORED_BF16, 0, {0}, (const guint8 *)&f16[0], 2},
    {"e.empty", DINOR1_STORED_F16, 1, {0}, NULL, 0},
};

typedef struct {
    gchar *directory;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("dinor1-XXXXXX", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->directory, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree gchar *path = g_build_filename(fixture->directory, name, NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
}

/* Tensors first … first + n - 1 of the table. */
static void
write_file(Fixture *fixture, const gchar *name, guint first, guint n)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, name, NULL);
    g_autoptr(GError) error = NULL;

    dinor1_safetensors_write(path, tensors + first, n, NULL, &error);
    g_assert_no_error(error);
}

static void
write_index(Fixture *fixture, const gchar *json)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, "model.safetensors.index.json", NULL);

    g_assert_true(g_file_set_contents(path, json, -1, NULL));
}

static DinoR1Weights *
open_weights(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    DinoR1Weights *weights = dinor1_weights_open(fixture->directory, &error);

    g_assert_no_error(error);
    return weights;
}

static void
assert_refused(Fixture *fixture, DinoR1Error code, const gchar *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_weights_open(fixture->directory, &error));
    g_assert_error(error, DINOR1_ERROR, (gint)code);
    g_assert_true(g_str_has_prefix(error->message, fixture->directory));
    if (!strstr(error->message, reason))
        g_error("\"%s\" does not contain \"%s\"", error->message, reason);
}

#define A_B_FIRST  "\"a.half\":\"s1.safetensors\",\"b.float\":\"s1.safetensors\""
#define REST       "\"c.ids\":\"s2.safetensors\",\"d.scalar\":\"s2.safetensors\",\"e.empty\":\"s2.safetensors\""
#define INDEX(map) "{\"metadata\":{\"total_size\":1},\"weight_map\":{" map "}}"

static void
check_content(DinoR1Weights *weights)
{
    g_autoptr(GError) error = NULL;
    DinoR1View view, again;

    g_assert_cmpuint(dinor1_weights_get_n_tensors(weights), ==, G_N_ELEMENTS(tensors));
    for (guint i = 0; i < G_N_ELEMENTS(tensors); i++) {
        g_assert_cmpstr(dinor1_weights_get_tensor(weights, i)->name, ==, tensors[i].name);
        g_assert_true(dinor1_weights_has(weights, tensors[i].name));
    }
    g_assert_false(dinor1_weights_has(weights, "f"));

    g_assert_true(dinor1_weights_find(weights, "b.float", &view, &error));
    g_assert_cmpint(view.dtype, ==, DINOR1_F32);
    g_assert_true(dinor1_shape_equal(&view.shape, &DINOR1_SHAPE(2, 2)));
    g_assert_cmpmem(view.data, sizeof f32, f32, sizeof f32);

    g_assert_true(dinor1_weights_find(weights, "a.half", &view, &error));
    g_assert_true(((gfloat *)view.data)[0] == 1 && ((gfloat *)view.data)[1] == -2);
    g_assert_true(dinor1_weights_find(weights, "a.half", &again, &error));
    g_assert_true(again.data == view.data);

    g_assert_true(dinor1_weights_find(weights, "d.scalar", &view, &error));
    g_assert_cmpint(view.shape.ndim, ==, 0);
    g_assert_true(dinor1_weights_find(weights, "e.empty", &view, &error));
    g_assert_nonnull(view.data);
    g_assert_cmpint(dinor1_shape_size(&view.shape), ==, 0);
    g_assert_no_error(error);
}

static void
check_errors(DinoR1Weights *weights)
{
    g_autoptr(GError) error = NULL;
    DinoR1View view;

    g_assert_false(dinor1_weights_find(weights, "f", &view, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS);
    g_assert_nonnull(strstr(error->message, "tensor 'f' is missing"));
    g_clear_error(&error);
    g_assert_false(dinor1_weights_find(weights, "c.ids", &view, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS);
    g_assert_nonnull(strstr(error->message, "tensor 'c.ids' is I64, not a float type"));
}

static void
test_single(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Weights) weights = NULL;

    write_file(fixture, "model.safetensors", 0, 5);
    weights = open_weights(fixture);
    check_content(weights);
    check_errors(weights);
}

static void
test_shards(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Weights) weights = NULL;

    write_file(fixture, "s1.safetensors", 0, 2);
    write_file(fixture, "s2.safetensors", 2, 3);
    write_index(fixture, INDEX(REST "," A_B_FIRST));
    weights = open_weights(fixture);
    check_content(weights);
    check_errors(weights);
}

/* The digest is that of the tensors, not of the files that hold them. */
static void
test_hash(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Weights) whole = NULL;
    g_autoptr(DinoR1Weights) sharded = NULL;
    g_autoptr(DinoR1Weights) fewer = NULL;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree gchar *single = g_build_filename(fixture->directory, "model.safetensors", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(tensors); i++) {
        const gchar *type = dinor1_stored_type_name(tensors[i].dtype);

        g_checksum_update(checksum, (const guchar *)tensors[i].name, strlen(tensors[i].name) + 1);
        g_checksum_update(checksum, (const guchar *)type, strlen(type) + 1);
        g_checksum_update(checksum, (const guchar *)tensors[i].dims, tensors[i].n_dims * 8);
        g_checksum_update(checksum, tensors[i].data, tensors[i].size);
    }
    write_file(fixture, "model.safetensors", 0, 5);
    whole = open_weights(fixture);
    g_assert_cmpstr(dinor1_weights_get_hash(whole), ==, g_checksum_get_string(checksum));
    g_assert_true(dinor1_weights_get_hash(whole) == dinor1_weights_get_hash(whole));

    g_unlink(single);
    write_file(fixture, "s1.safetensors", 0, 2);
    write_file(fixture, "s2.safetensors", 2, 3);
    write_index(fixture, INDEX(A_B_FIRST "," REST));
    sharded = open_weights(fixture);
    g_assert_cmpstr(dinor1_weights_get_hash(sharded), ==, dinor1_weights_get_hash(whole));

    write_file(fixture, "model.safetensors", 0, 4);
    fewer = open_weights(fixture);
    g_assert_cmpstr(dinor1_weights_get_hash(fewer), !=, dinor1_weights_get_hash(whole));
}

typedef struct {
    const gchar *name, *index, *reason;
} BrokenIndex;

static const BrokenIndex broken[] = {
    {"not-json", "{", "byte 1: the text ends too early"},
    {"no-map", "{\"metadata\":{}}", "weight_map is missing"},
    {"map-twice", "{\"weight_map\":{},\"weight_map\":{}}", "weight_map appears twice"},
    {"map-is-list", "{\"weight_map\":[]}", "an object was expected"},
    {"shard-is-number", INDEX("\"a.half\":1"), "a string was expected"},
    {"not-utf8", INDEX("\"a\xff\":\"s1.safetensors\""), "invalid UTF-8"},
    {"too-deep", INDEX("\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), "a string was expected"},
    {"slash", INDEX("\"a.half\":\"../s1.safetensors\""), "'../s1.safetensors', which is not a plain file name"},
    {"folder", INDEX("\"a.half\":\"sub/s1.safetensors\""), "'sub/s1.safetensors', which is not a plain file name"},
    {"dot", INDEX("\"a.half\":\"..\""), "'..', which is not a plain file name"},
    {"empty-name", INDEX("\"a.half\":\"\""), "'', which is not a plain file name"},
    {"tensor-twice", INDEX("\"a.half\":\"s1.safetensors\",\"a.half\":\"s1.safetensors\""), "'a.half' appears twice"},
    {"wrong-shard", INDEX("\"a.half\":\"s1.safetensors\",\"b.float\":\"s2.safetensors\"," REST),
        "tensor 'b.float' is in shard 's1.safetensors', but weight_map has it in 's2.safetensors'"},
    {"not-there", INDEX(A_B_FIRST "," REST ",\"x\":\"s2.safetensors\""),
        "weight_map has tensor 'x' in 's2.safetensors', but it is not there"},
    {"not-listed", INDEX("\"b.float\":\"s1.safetensors\"," REST),
        "tensor 'a.half' is in shard 's1.safetensors', but weight_map does not list it"},
};

static void
test_broken(Fixture *fixture, gconstpointer data)
{
    const BrokenIndex *row = data;

    write_file(fixture, "s1.safetensors", 0, 2);
    write_file(fixture, "s2.safetensors", 2, 3);
    write_index(fixture, row->index);
    assert_refused(fixture, DINOR1_ERROR_FORMAT, row->reason);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
    assert_refused(fixture, DINOR1_ERROR_IO, "model.safetensors: cannot open: No such file");
    write_index(fixture, INDEX(A_B_FIRST "," REST));
    write_file(fixture, "s1.safetensors", 0, 2);
    assert_refused(fixture, DINOR1_ERROR_IO, "shard 's2.safetensors'");
}

/* f32 data that begin at an odd byte are copied, not used in place. */
static void
test_misaligned(Fixture *fixture, gconstpointer data)
{
    static const guint8 one = 1;
    const DinoR1StoredTensor odd[] = {{"byte", DINOR1_STORED_U8, 1, {1}, &one, 1},
        {"float", DINOR1_STORED_F32, 1, {4}, (const guint8 *)f32, sizeof f32}};
    g_autofree gchar *path = g_build_filename(fixture->directory, "model.safetensors", NULL);
    g_autoptr(DinoR1Weights) weights = NULL;
    g_autoptr(GError) error = NULL;
    DinoR1View view;

    g_assert_true(dinor1_safetensors_write(path, odd, 2, NULL, &error));
    weights = open_weights(fixture);
    g_assert_cmpuint((guintptr)dinor1_weights_get_tensor(weights, 1)->data % 4, ==, 1);
    g_assert_true(dinor1_weights_find(weights, "float", &view, &error));
    g_assert_cmpuint((guintptr)view.data % 4, ==, 0);
    g_assert_cmpmem(view.data, sizeof f32, f32, sizeof f32);
}

/* Aligned f32 data are the mapping itself. */
static void
test_in_place(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Weights) weights = NULL;
    DinoR1View view;

    write_file(fixture, "model.safetensors", 1, 1);
    weights = open_weights(fixture);
    g_assert_true(dinor1_weights_find(weights, "b.float", &view, NULL));
    g_assert_true(view.data == dinor1_weights_get_tensor(weights, 0)->data);
}

static gpointer
find_half(gpointer data)
{
    DinoR1View view = {0};

    g_assert_true(dinor1_weights_find(data, "a.half", &view, NULL));
    return view.data;
}

static void
test_threads(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Weights) weights = NULL;
    GThread *threads[8];
    gpointer first = NULL;

    write_file(fixture, "model.safetensors", 0, 5);
    weights = open_weights(fixture);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("find", find_half, weights);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        gpointer found = g_thread_join(threads[i]);

        g_assert_true(!first || found == first);
        first = found;
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/weights/single", Fixture, NULL, set_up, test_single, tear_down);
    g_test_add("/weights/shards", Fixture, NULL, set_up, test_shards, tear_down);
    g_test_add("/weights/hash", Fixture, NULL, set_up, test_hash, tear_down);
    g_test_add("/weights/missing", Fixture, NULL, set_up, test_missing, tear_down);
    g_test_add("/weights/misaligned", Fixture, NULL, set_up, test_misaligned, tear_down);
    g_test_add("/weights/in-place", Fixture, NULL, set_up, test_in_place, tear_down);
    g_test_add("/weights/threads", Fixture, NULL, set_up, test_threads, tear_down);
    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree gchar *path = g_strconcat("/weights/broken/", broken[i].name, NULL);
        g_test_add(path, Fixture, &broken[i], set_up, test_broken, tear_down);
    }
    return g_test_run();
}
