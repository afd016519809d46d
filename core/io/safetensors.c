/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/safetensors.h"

#include "base/half.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors_internal.h"

#include <dinor1/error.h>
#include <string.h>

G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN); /* the format's order: f32 data is used in place */

struct _DinoR1Safetensors {
    gchar *path;
    guint8 *mapping; /* NULL for memory of the caller */
    gsize mapping_size;
    GStringChunk *names;
    GHashTable *by_name;  /* name -> DinoR1StoredTensor, which it owns */
    GPtrArray *tensors;   /* the same, by name order */
    GHashTable *metadata; /* gchar * -> gchar * */
};

static const struct {
    const gchar *name;
    gsize size;
} stored_types[] = {
    [DINOR1_STORED_F32] = {"F32", 4},
    [DINOR1_STORED_F16] = {"F16", 2},
    [DINOR1_STORED_BF16] = {"BF16", 2},
    [DINOR1_STORED_F64] = {"F64", 8},
    [DINOR1_STORED_I64] = {"I64", 8},
    [DINOR1_STORED_I32] = {"I32", 4},
    [DINOR1_STORED_I16] = {"I16", 2},
    [DINOR1_STORED_I8] = {"I8", 1},
    [DINOR1_STORED_U8] = {"U8", 1},
    [DINOR1_STORED_BOOL] = {"BOOL", 1},
};

const gchar *
dinor1_stored_type_name(DinoR1StoredType type)
{
    return stored_types[type].name;
}

gsize
dinor1_stored_type_size(DinoR1StoredType type)
{
    return stored_types[type].size;
}

static gboolean
find_type(const gchar *name, DinoR1StoredType *type)
{
    for (guint i = 0; i < G_N_ELEMENTS(stored_types); i++)
        if (g_str_equal(stored_types[i].name, name)) {
            *type = i;
            return TRUE;
        }
    return FALSE;
}

/* The product of the dimensions other than 0 must fit too: kernels multiply parts of a shape. */
const gchar *
dinor1_stored_tensor_bytes(const DinoR1StoredTensor *tensor, gsize *bytes)
{
    gsize product = dinor1_stored_type_size(tensor->dtype);
    gboolean empty = FALSE;

    for (guint i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0)
            return "a negative dimension";
        if (tensor->dims[i] == 0)
            empty = TRUE;
        else if (!g_size_checked_mul(&product, product, tensor->dims[i]) || product > G_MAXINT64)
            return "dimensions whose product is too large";
    }
    *bytes = empty ? 0 : product;
    return NULL;
}

/* What is being read; every failure names the file and, inside an entry, the tensor. */
typedef struct {
    DinoR1Safetensors *file;
    DinoR1Json json;
    const guint8 *data; /* the bytes after the header */
    gsize data_size;
    const gchar *tensor; /* NULL outside entries */
    GString *scratch;
    GError **error;
} Reader;

static gboolean G_GNUC_PRINTF(2, 3) fail(Reader *reader, const gchar *format, ...)
{
    g_autofree gchar *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    if (reader->tensor)
        g_set_error(reader->error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: tensor '%s': %s", reader->file->path,
            reader->tensor, reason);
    else
        g_set_error(reader->error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %s", reader->file->path, reason);
    return FALSE;
}

static gboolean
fail_json(Reader *reader)
{
    return fail(reader, "header, byte %" G_GSIZE_FORMAT ": %s", (gsize)(reader->json.at - reader->json.text),
        reader->json.problem);
}

static gboolean
read_dtype(Reader *reader, DinoR1StoredTensor *tensor)
{
    if (!dinor1_json_string(&reader->json, reader->scratch))
        return fail_json(reader);
    return find_type(reader->scratch->str, &tensor->dtype) || fail(reader, "unknown dtype '%s'", reader->scratch->str);
}

static gboolean
read_shape(Reader *reader, DinoR1StoredTensor *tensor)
{
    gint64 dim;

    dinor1_json_enter(&reader->json, '[');
    while (dinor1_json_next(&reader->json, ']') && dinor1_json_size(&reader->json, &dim)) {
        if (tensor->n_dims == G_N_ELEMENTS(tensor->dims))
            return fail(reader, "more than %u dimensions", (guint)G_N_ELEMENTS(tensor->dims));
        tensor->dims[tensor->n_dims++] = dim;
    }
    return !reader->json.problem || fail_json(reader);
}

static gboolean
read_offsets(Reader *reader, DinoR1StoredTensor *tensor)
{
    gint64 offsets[2];
    guint n = 0;

    dinor1_json_enter(&reader->json, '[');
    while (dinor1_json_next(&reader->json, ']') && n < 2 && dinor1_json_size(&reader->json, &offsets[n]))
        n++;
    if (reader->json.problem)
        return fail_json(reader);
    if (n != 2 || reader->json.at[-1] != ']')
        return fail(reader, "data_offsets must be [begin, end]");
    if (offsets[0] > offsets[1])
        return fail(reader, "data_offsets begin at %" G_GINT64_FORMAT " after their end %" G_GINT64_FORMAT, offsets[0],
            offsets[1]);
    if ((guint64)offsets[1] > reader->data_size)
        return fail(reader,
            "data_offsets end at %" G_GINT64_FORMAT ", but the file has %" G_GSIZE_FORMAT
            " bytes of data (is it truncated?)",
            offsets[1], reader->data_size);
    tensor->data = reader->data + offsets[0];
    tensor->size = offsets[1] - offsets[0];
    return TRUE;
}

typedef gboolean (*FieldFunc)(Reader *reader, DinoR1StoredTensor *tensor);

static const struct {
    const gchar *key;
    FieldFunc read;
} fields[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};

static gboolean
read_fields(Reader *reader, DinoR1StoredTensor *tensor)
{
    gboolean seen[G_N_ELEMENTS(fields)] = {FALSE};

    if (dinor1_json_peek(&reader->json) != '{')
        return fail(reader, "its entry is not an object");
    dinor1_json_enter(&reader->json, '{');
    while (dinor1_json_next(&reader->json, '}') && dinor1_json_key(&reader->json, reader->scratch)) {
        guint i = 0;

        while (i < G_N_ELEMENTS(fields) && !g_str_equal(fields[i].key, reader->scratch->str))
            i++;
        if (i == G_N_ELEMENTS(fields))
            return fail(reader, "unknown key '%s'", reader->scratch->str);
        if (seen[i])
            return fail(reader, "key '%s' appears twice", fields[i].key);
        seen[i] = TRUE;
        if (!fields[i].read(reader, tensor))
            return FALSE;
    }
    if (reader->json.problem)
        return fail_json(reader);
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
        if (!seen[i])
            return fail(reader, "key '%s' is missing", fields[i].key);
    return TRUE;
}

static gboolean
read_entry(Reader *reader)
{
    g_autofree DinoR1StoredTensor *tensor = g_new0(DinoR1StoredTensor, 1);
    const gchar *problem;
    gsize bytes;

    tensor->name = g_string_chunk_insert(reader->file->names, reader->scratch->str);
    reader->tensor = tensor->name;
    if (g_hash_table_contains(reader->file->by_name, tensor->name))
        return fail(reader, "appears twice");
    if (!read_fields(reader, tensor))
        return FALSE;
    problem = dinor1_stored_tensor_bytes(tensor, &bytes);
    if (problem)
        return fail(reader, "its shape has %s", problem);
    if (bytes != tensor->size)
        return fail(reader, "its shape and dtype need %" G_GSIZE_FORMAT " bytes, data_offsets give %" G_GSIZE_FORMAT,
            bytes, tensor->size);
    g_hash_table_insert(reader->file->by_name, (gpointer)tensor->name, tensor);
    g_ptr_array_add(reader->file->tensors, tensor);
    g_steal_pointer(&tensor);
    reader->tensor = NULL;
    return TRUE;
}

static gboolean
read_metadata(Reader *reader)
{
    g_autoptr(GString) key = g_string_new(NULL);

    if (reader->file->metadata)
        return fail(reader, "__metadata__ appears twice");
    reader->file->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (dinor1_json_peek(&reader->json) != '{')
        return fail(reader, "__metadata__ is not an object");
    dinor1_json_enter(&reader->json, '{');
    while (dinor1_json_next(&reader->json, '}') && dinor1_json_key(&reader->json, key)) {
        if (dinor1_json_peek(&reader->json) != '"')
            return fail(reader, "__metadata__: '%s' is not a string", key->str);
        if (!dinor1_json_string(&reader->json, reader->scratch))
            break;
        if (!g_hash_table_insert(reader->file->metadata, g_strdup(key->str), g_strdup(reader->scratch->str)))
            return fail(reader, "__metadata__: '%s' appears twice", key->str);
    }
    return !reader->json.problem || fail_json(reader);
}

static gboolean
read_header(Reader *reader)
{
    DinoR1Json *json = &reader->json;

    if (json->problem)
        return fail_json(reader);
    if (json->at == json->end || *json->at != '{')
        return fail(reader, "its header does not begin with '{': this is not a safetensors file");
    dinor1_json_enter(json, '{');
    while (dinor1_json_next(json, '}') && dinor1_json_key(json, reader->scratch))
        if (!(g_str_equal(reader->scratch->str, "__metadata__") ? read_metadata(reader) : read_entry(reader)))
            return FALSE;
    return dinor1_json_end(json) || fail_json(reader);
}

static gint
compare_begin(gconstpointer a, gconstpointer b)
{
    const DinoR1StoredTensor *left = *(const DinoR1StoredTensor *const *)a;
    const DinoR1StoredTensor *right = *(const DinoR1StoredTensor *const *)b;

    if (left->data != right->data)
        return left->data < right->data ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

static gint
compare_name(gconstpointer a, gconstpointer b)
{
    const DinoR1StoredTensor *left = *(const DinoR1StoredTensor *const *)a;
    const DinoR1StoredTensor *right = *(const DinoR1StoredTensor *const *)b;

    return strcmp(left->name, right->name);
}

/* The data must be covered from the first byte to the last, each byte by one tensor. Leaves the tensors in name order.
 */
static gboolean
check_cover(Reader *reader)
{
    GPtrArray *tensors = reader->file->tensors;
    const guint8 *end = reader->data;

    g_ptr_array_sort(tensors, compare_begin);
    for (guint i = 0; i < tensors->len; i++) {
        const DinoR1StoredTensor *tensor = g_ptr_array_index(tensors, i);

        reader->tensor = tensor->name;
        if (tensor->data < end)
            return fail(reader, "its data overlap those of tensor '%s'",
                ((const DinoR1StoredTensor *)g_ptr_array_index(tensors, i - 1))->name);
        if (tensor->data > end)
            return fail(
                reader, "%" G_GSIZE_FORMAT " bytes before its data belong to no tensor", (gsize)(tensor->data - end));
        end = tensor->data + tensor->size;
    }
    reader->tensor = NULL;
    if (end != reader->data + reader->data_size)
        return fail(reader, "%" G_GSIZE_FORMAT " bytes at its end belong to no tensor",
            (gsize)(reader->data + reader->data_size - end));
    g_ptr_array_sort(tensors, compare_name);
    return TRUE;
}

static gboolean
read_file(DinoR1Safetensors *file, const guint8 *data, gsize size, GError **error)
{
    g_autoptr(GString) scratch = g_string_new(NULL);
    Reader reader = {.file = file, .scratch = scratch, .error = error};
    guint64 header_size;

    if (size < sizeof header_size)
        return fail(&reader, "is %" G_GSIZE_FORMAT " bytes long, too short for a safetensors file", size);
    memcpy(&header_size, data, sizeof header_size);
    if (header_size > DINOR1_SAFETENSORS_MAX_HEADER)
        return fail(&reader,
            "its header would be %" G_GUINT64_FORMAT " bytes long, at most %d are legal: this is not a "
            "safetensors file",
            header_size, DINOR1_SAFETENSORS_MAX_HEADER);
    if (header_size > size - sizeof header_size)
        return fail(&reader,
            "its header is %" G_GUINT64_FORMAT " bytes long, but only %" G_GSIZE_FORMAT " follow: it is truncated",
            header_size, size - sizeof header_size);
    reader.data = data + sizeof header_size + header_size;
    reader.data_size = size - sizeof header_size - header_size;
    dinor1_json_init(&reader.json, (const gchar *)data + sizeof header_size, header_size);
    return read_header(&reader) && check_cover(&reader);
}

static DinoR1Safetensors *
new_file(const gchar *path)
{
    DinoR1Safetensors *file = g_new0(DinoR1Safetensors, 1);

    file->path = g_strdup(path);
    file->names = g_string_chunk_new(4096);
    file->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    file->tensors = g_ptr_array_new();
    return file;
}

DinoR1Safetensors *
dinor1_safetensors_open_memory(const gchar *name, const guint8 *data, gsize size, GError **error)
{
    g_autoptr(DinoR1Safetensors) file = new_file(name);

    return read_file(file, data, size, error) ? g_steal_pointer(&file) : NULL;
}

DinoR1Safetensors *
dinor1_safetensors_open(const gchar *path, GError **error)
{
    g_autoptr(DinoR1Safetensors) file = new_file(path);

    file->mapping = dinor1_file_map(path, &file->mapping_size, error);
    if (!file->mapping || !read_file(file, file->mapping, file->mapping_size, error))
        return NULL;
    return g_steal_pointer(&file);
}

void
dinor1_safetensors_close(DinoR1Safetensors *file)
{
    if (file->mapping)
        dinor1_file_unmap(file->mapping, file->mapping_size);
    g_clear_pointer(&file->metadata, g_hash_table_unref);
    g_ptr_array_unref(file->tensors);
    g_hash_table_unref(file->by_name);
    g_string_chunk_free(file->names);
    g_free(file->path);
    g_free(file);
}

const gchar *
dinor1_safetensors_get_path(const DinoR1Safetensors *file)
{
    return file->path;
}

guint
dinor1_safetensors_get_n_tensors(const DinoR1Safetensors *file)
{
    return file->tensors->len;
}

const DinoR1StoredTensor *
dinor1_safetensors_get_tensor(const DinoR1Safetensors *file, guint index)
{
    return g_ptr_array_index(file->tensors, index);
}

const DinoR1StoredTensor *
dinor1_safetensors_find(const DinoR1Safetensors *file, const gchar *name)
{
    return g_hash_table_lookup(file->by_name, name);
}

const gchar *
dinor1_safetensors_get_metadata(const DinoR1Safetensors *file, const gchar *key)
{
    return file->metadata ? g_hash_table_lookup(file->metadata, key) : NULL;
}

gboolean
dinor1_stored_to_f32(const DinoR1StoredTensor *tensor, gfloat *out)
{
    gsize n = tensor->size / dinor1_stored_type_size(tensor->dtype);

    switch (tensor->dtype) {
    case DINOR1_STORED_F32:
        if (n > 0)
            memcpy(out, tensor->data, tensor->size);
        return TRUE;
    case DINOR1_STORED_F16:
    case DINOR1_STORED_BF16:
        for (gsize i = 0; i < n; i++) {
            guint16 bits;
            memcpy(&bits, tensor->data + 2 * i, sizeof bits);
            out[i] = tensor->dtype == DINOR1_STORED_F16 ? dinor1_half_to_float(bits) : dinor1_bf16_to_float(bits);
        }
        return TRUE;
    case DINOR1_STORED_F64:
        for (gsize i = 0; i < n; i++) {
            gdouble value;
            memcpy(&value, tensor->data + 8 * i, sizeof value);
            out[i] = (gfloat)value;
        }
        return TRUE;
    default:
        return FALSE;
    }
}
