/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/weights.h"

#include "base/sha256.h"
#include "io/file.h"
#include "io/json.h"

#include <dinor1/error.h>
#include <string.h>

#define SINGLE_NAME    "model.safetensors"
#define INDEX_NAME     "model.safetensors.index.json"
#define MAX_INDEX_SIZE (64 << 20)

typedef struct {
    const DinoR1StoredTensor *stored;
    const DinoR1Safetensors *file;
    gfloat *widened; /* guarded by the mutex; NULL until asked for, and for tensors used in place */
} Entry;

struct _DinoR1Weights {
    gchar *directory;
    GPtrArray *files;    /* DinoR1Safetensors */
    GArray *entries;     /* Entry, by name order */
    GHashTable *by_name; /* name -> position in entries */
    GMutex mutex;
    gchar *hash; /* guarded by the mutex; NULL until asked for */
};

static gboolean G_GNUC_PRINTF(3, 4) fail(GError **error, const gchar *path, const gchar *format, ...)
{
    g_autofree gchar *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %s", path, reason);
    return FALSE;
}

static void
add_file(DinoR1Weights *weights, DinoR1Safetensors *file)
{
    g_ptr_array_add(weights->files, file);
    for (guint i = 0; i < dinor1_safetensors_get_n_tensors(file); i++) {
        Entry entry = {.stored = dinor1_safetensors_get_tensor(file, i), .file = file};
        g_array_append_val(weights->entries, entry);
    }
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Entry *)a)->stored->name, ((const Entry *)b)->stored->name);
}

static void
index_entries(DinoR1Weights *weights)
{
    g_array_sort(weights->entries, compare_entries);
    for (guint i = 0; i < weights->entries->len; i++)
        g_hash_table_insert(
            weights->by_name, (gpointer)g_array_index(weights->entries, Entry, i).stored->name, GUINT_TO_POINTER(i));
}

/* The index's weight_map: tensor name -> shard name. */
static gboolean
read_weight_map(const gchar *path, DinoR1Json *json, GHashTable *map, GError **error)
{
    g_autoptr(GString) name = g_string_new(NULL);
    g_autoptr(GString) shard = g_string_new(NULL);

    dinor1_json_enter(json, '{');
    while (dinor1_json_next(json, '}') && dinor1_json_key(json, name) && dinor1_json_string(json, shard)) {
        if (shard->len == 0 || strchr(shard->str, '/') || shard->str[0] == '.')
            return fail(
                error, path, "weight_map: '%s' is in '%s', which is not a plain file name", name->str, shard->str);
        if (!g_hash_table_insert(map, g_strdup(name->str), g_strdup(shard->str)))
            return fail(error, path, "weight_map: '%s' appears twice", name->str);
    }
    return TRUE;
}

static gboolean
read_index(const gchar *path, GHashTable *map, GError **error)
{
    g_autoptr(GString) key = g_string_new(NULL);
    g_autofree gchar *text = NULL;
    gboolean found = FALSE;
    gsize length = 0;
    DinoR1Json json;

    text = dinor1_file_read(path, MAX_INDEX_SIZE, &length, error);
    if (!text)
        return FALSE;
    dinor1_json_init(&json, text, length);
    dinor1_json_enter(&json, '{');
    while (dinor1_json_next(&json, '}') && dinor1_json_key(&json, key)) {
        if (!g_str_equal(key->str, "weight_map")) {
            dinor1_json_skip(&json);
            continue;
        }
        if (found)
            return fail(error, path, "weight_map appears twice");
        found = TRUE;
        if (!read_weight_map(path, &json, map, error))
            return FALSE;
    }
    if (!dinor1_json_end(&json))
        return fail(error, path, "byte %" G_GSIZE_FORMAT ": %s", (gsize)(json.at - json.text), json.problem);
    return found || fail(error, path, "weight_map is missing");
}

/* Every tensor of @file must be listed, for this shard. */
static gboolean
check_shard(DinoR1Safetensors *file, const gchar *shard, const gchar *index_path, GHashTable *map, GError **error)
{
    for (guint i = 0; i < dinor1_safetensors_get_n_tensors(file); i++) {
        const gchar *name = dinor1_safetensors_get_tensor(file, i)->name;
        const gchar *listed = g_hash_table_lookup(map, name);

        if (!listed)
            return fail(
                error, index_path, "tensor '%s' is in shard '%s', but weight_map does not list it", name, shard);
        if (!g_str_equal(listed, shard))
            return fail(
                error, index_path, "tensor '%s' is in shard '%s', but weight_map has it in '%s'", name, shard, listed);
    }
    return TRUE;
}

/* Every listed tensor must be there; its place is right if the shards were checked. */
static gboolean
check_map(DinoR1Weights *weights, const gchar *index_path, GHashTable *map, GError **error)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(map), (GCompareFunc)strcmp);

    for (GList *item = names; item; item = item->next)
        if (!g_hash_table_contains(weights->by_name, item->data))
            return fail(error, index_path, "weight_map has tensor '%s' in '%s', but it is not there",
                (gchar *)item->data, (gchar *)g_hash_table_lookup(map, item->data));
    return TRUE;
}

static gboolean
open_shards(DinoR1Weights *weights, const gchar *index_path, GError **error)
{
    g_autoptr(GHashTable) map = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) shards = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GList) names = NULL;
    GHashTableIter iter;
    gpointer shard;

    if (!read_index(index_path, map, error))
        return FALSE;
    g_hash_table_iter_init(&iter, map);
    while (g_hash_table_iter_next(&iter, NULL, &shard))
        g_hash_table_add(shards, shard);
    names = g_list_sort(g_hash_table_get_keys(shards), (GCompareFunc)strcmp);
    for (GList *item = names; item; item = item->next) {
        g_autofree gchar *path = g_build_filename(weights->directory, item->data, NULL);
        DinoR1Safetensors *file = dinor1_safetensors_open(path, error);

        if (!file) {
            g_prefix_error(error, "%s: shard '%s': ", index_path, (gchar *)item->data);
            return FALSE;
        }
        add_file(weights, file);
        if (!check_shard(file, item->data, index_path, map, error))
            return FALSE;
    }
    index_entries(weights);
    return check_map(weights, index_path, map, error);
}

static gboolean
open_files(DinoR1Weights *weights, GError **error)
{
    g_autofree gchar *single = g_build_filename(weights->directory, SINGLE_NAME, NULL);
    g_autofree gchar *index_path = g_build_filename(weights->directory, INDEX_NAME, NULL);
    DinoR1Safetensors *file;

    if (!g_file_test(single, G_FILE_TEST_EXISTS) && g_file_test(index_path, G_FILE_TEST_EXISTS))
        return open_shards(weights, index_path, error);
    file = dinor1_safetensors_open(single, error);
    if (!file)
        return FALSE;
    add_file(weights, file);
    index_entries(weights);
    return TRUE;
}

DinoR1Weights *
dinor1_weights_open(const gchar *directory, GError **error)
{
    g_autoptr(DinoR1Weights) weights = g_new0(DinoR1Weights, 1);

    g_mutex_init(&weights->mutex);
    weights->directory = g_strdup(directory);
    weights->files = g_ptr_array_new_with_free_func((GDestroyNotify)dinor1_safetensors_close);
    weights->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    weights->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return open_files(weights, error) ? g_steal_pointer(&weights) : NULL;
}

void
dinor1_weights_close(DinoR1Weights *weights)
{
    if (!weights)
        return;
    for (guint i = 0; i < weights->entries->len; i++)
        g_aligned_free(g_array_index(weights->entries, Entry, i).widened);
    g_hash_table_unref(weights->by_name);
    g_array_unref(weights->entries);
    g_ptr_array_unref(weights->files);
    g_mutex_clear(&weights->mutex);
    g_free(weights->hash);
    g_free(weights->directory);
    g_free(weights);
}

static Entry *
find_entry(const DinoR1Weights *weights, const gchar *name)
{
    gpointer position;

    if (!g_hash_table_lookup_extended(weights->by_name, name, NULL, &position))
        return NULL;
    return &g_array_index(weights->entries, Entry, GPOINTER_TO_UINT(position));
}

static gfloat *
widen(const DinoR1StoredTensor *stored)
{
    gsize n = stored->size / dinor1_stored_type_size(stored->dtype);
    gfloat *values = g_aligned_alloc(MAX(n, 1), sizeof(gfloat), 64);

    if (!dinor1_stored_to_f32(stored, values))
        g_clear_pointer(&values, g_aligned_free);
    return values;
}

/* fp32 data of @entry, or NULL if its type is no float type. */
static gpointer
get_data(DinoR1Weights *weights, Entry *entry)
{
    const DinoR1StoredTensor *stored = entry->stored;

    if (stored->dtype == DINOR1_STORED_F32 && (guintptr)stored->data % G_ALIGNOF(gfloat) == 0)
        return (gpointer)stored->data;
    g_mutex_lock(&weights->mutex);
    if (!entry->widened)
        entry->widened = widen(stored);
    g_mutex_unlock(&weights->mutex);
    return entry->widened;
}

gboolean
dinor1_weights_find(DinoR1Weights *weights, const gchar *name, DinoR1View *view, GError **error)
{
    Entry *entry = find_entry(weights, name);
    gpointer data;

    if (!entry) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS, "%s: tensor '%s' is missing", weights->directory, name);
        return FALSE;
    }
    data = get_data(weights, entry);
    if (!data) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS, "%s: tensor '%s' is %s, not a float type",
            dinor1_safetensors_get_path(entry->file), name, dinor1_stored_type_name(entry->stored->dtype));
        return FALSE;
    }
    *view = (DinoR1View){.dtype = DINOR1_F32, .shape = {.ndim = entry->stored->n_dims}, .data = data};
    memcpy(view->shape.dims, entry->stored->dims, sizeof entry->stored->dims);
    return TRUE;
}

gboolean
dinor1_weights_has(const DinoR1Weights *weights, const gchar *name)
{
    return g_hash_table_contains(weights->by_name, name);
}

guint
dinor1_weights_get_n_tensors(const DinoR1Weights *weights)
{
    return weights->entries->len;
}

const DinoR1StoredTensor *
dinor1_weights_get_tensor(const DinoR1Weights *weights, guint index)
{
    return g_array_index(weights->entries, Entry, index).stored;
}

static void
hash_string(DinoR1Sha256 *sha, const gchar *s)
{
    dinor1_sha256_update(sha, s, strlen(s) + 1);
}

static gchar *
compute_hash(const DinoR1Weights *weights)
{
    DinoR1Sha256 sha;

    dinor1_sha256_init(&sha, FALSE);
    for (guint i = 0; i < weights->entries->len; i++) {
        const DinoR1StoredTensor *stored = dinor1_weights_get_tensor(weights, i);

        hash_string(&sha, stored->name);
        hash_string(&sha, dinor1_stored_type_name(stored->dtype));
        dinor1_sha256_update(&sha, stored->dims, stored->n_dims * sizeof *stored->dims);
        dinor1_sha256_update(&sha, stored->data, stored->size);
    }
    return dinor1_sha256_finish(&sha);
}

const gchar *
dinor1_weights_get_hash(DinoR1Weights *weights)
{
    g_mutex_lock(&weights->mutex);
    if (!weights->hash)
        weights->hash = compute_hash(weights);
    g_mutex_unlock(&weights->mutex);
    return weights->hash;
}
