/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors_internal.h"

#include <dinor1/error.h>
#include <string.h>

#define DATA_ALIGNMENT 64 /* of the data in the file, so that f32 tensors can be used in the mapping */

static gboolean
fail(GError **error, const gchar *path, const gchar *name, const gchar *reason)
{
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s: tensor '%s': %s", path, name, reason);
    return FALSE;
}

static gboolean
check_tensor(const gchar *path, const DinoR1StoredTensor *tensor, GHashTable *names, GError **error)
{
    const gchar *problem;
    gsize bytes;

    if (!g_utf8_validate(tensor->name, -1, NULL) || g_str_equal(tensor->name, "__metadata__"))
        return fail(error, path, "?", "impossible name");
    if (!g_hash_table_add(names, (gpointer)tensor->name))
        return fail(error, path, tensor->name, "given twice");
    if (tensor->n_dims > G_N_ELEMENTS(tensor->dims))
        return fail(error, path, tensor->name, "too many dimensions");
    problem = dinor1_stored_tensor_bytes(tensor, &bytes);
    if (problem)
        return fail(error, path, tensor->name, problem);
    if (bytes != tensor->size)
        return fail(error, path, tensor->name, "its size is not that of its shape");
    return TRUE;
}

static gboolean
check_metadata(const gchar *path, GHashTable *metadata, GError **error)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, metadata);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (!g_utf8_validate(key, -1, NULL) || !g_utf8_validate(value, -1, NULL)) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s: metadata are not valid UTF-8", path);
            return FALSE;
        }
    return TRUE;
}

/* By key order, so that equal content makes equal files. */
static void
append_metadata(GString *header, GHashTable *metadata)
{
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(metadata), (GCompareFunc)strcmp);

    dinor1_json_append_string(header, "__metadata__");
    g_string_append(header, ":{");
    for (GList *item = keys; item; item = item->next) {
        dinor1_json_append_string(header, item->data);
        g_string_append_c(header, ':');
        dinor1_json_append_string(header, g_hash_table_lookup(metadata, item->data));
        g_string_append_c(header, item->next ? ',' : '}');
    }
    if (!keys)
        g_string_append_c(header, '}');
}

static void
append_tensor(GString *header, const DinoR1StoredTensor *tensor, gsize begin)
{
    if (header->len > 1)
        g_string_append_c(header, ',');
    dinor1_json_append_string(header, tensor->name);
    g_string_append_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", dinor1_stored_type_name(tensor->dtype));
    for (guint i = 0; i < tensor->n_dims; i++)
        g_string_append_printf(header, "%s%" G_GINT64_FORMAT, i ? "," : "", tensor->dims[i]);
    g_string_append_printf(
        header, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}", begin, begin + tensor->size);
}

gboolean
dinor1_safetensors_write(
    const gchar *path, const DinoR1StoredTensor *tensors, guint n_tensors, GHashTable *metadata, GError **error)
{
    g_autoptr(GString) header = g_string_new("{");
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree DinoR1FilePart *parts = g_new(DinoR1FilePart, n_tensors + 2);
    guint64 header_size;
    gsize end = 0;

    if (metadata) {
        if (!check_metadata(path, metadata, error))
            return FALSE;
        append_metadata(header, metadata);
    }
    for (guint i = 0; i < n_tensors; i++) {
        if (!check_tensor(path, &tensors[i], names, error))
            return FALSE;
        append_tensor(header, &tensors[i], end);
        if (!g_size_checked_add(&end, end, tensors[i].size) || end > G_MAXINT64)
            return fail(error, path, tensors[i].name, "the file would be too large");
        parts[i + 2] = (DinoR1FilePart){tensors[i].data, tensors[i].size};
    }
    g_string_append_c(header, '}');
    while ((sizeof header_size + header->len) % DATA_ALIGNMENT != 0)
        g_string_append_c(header, ' ');
    if (header->len > DINOR1_SAFETENSORS_MAX_HEADER) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s: its header would be longer than the format allows", path);
        return FALSE;
    }
    header_size = header->len;
    parts[0] = (DinoR1FilePart){&header_size, sizeof header_size};
    parts[1] = (DinoR1FilePart){header->str, header->len};
    return dinor1_file_replace(path, parts, n_tensors + 2, error);
}
