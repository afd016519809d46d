/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>

struct _CocoIds {
    gchar *path;
    GHashTable *images;     /* file_name → gint64 */
    GHashTable *base_names; /* the last part of file_name → gint64, where only one image has it */
    GHashTable *categories; /* name → gint64 */
};

void
coco_ids_free(CocoIds *ids)
{
    g_free(ids->path);
    g_hash_table_unref(ids->images);
    g_hash_table_unref(ids->base_names);
    g_hash_table_unref(ids->categories);
    g_free(ids);
}

static gint64 *
copy_id(gint64 id)
{
    gint64 *copy = g_new(gint64, 1);

    *copy = id;
    return copy;
}

static gboolean
set_format_error(const CocoIds *ids, const gchar *reason, const gchar *list, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "'%s' is not a COCO annotation file: %s '%s'", ids->path,
        reason, list);
    return FALSE;
}

/* Reads one of the lists of objects that have an integer "id" and a string @key. */
static gboolean
read_list(CocoIds *ids, JsonObject *root, const gchar *list, const gchar *key, GHashTable *table, GError **error)
{
    JsonNode *node = json_object_get_member(root, list);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (!array)
        return set_format_error(ids, "it has no list", list, error);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *element = json_array_get_element(array, i);
        JsonObject *object = JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;
        JsonNode *id = object ? json_object_get_member(object, "id") : NULL;
        JsonNode *name = object ? json_object_get_member(object, key) : NULL;

        if (!id || !name || json_node_get_value_type(id) != G_TYPE_INT64 ||
            json_node_get_value_type(name) != G_TYPE_STRING)
            return set_format_error(ids, "an id or name is missing in", list, error);
        g_hash_table_insert(table, json_node_dup_string(name), copy_id(json_node_get_int(id)));
    }
    return TRUE;
}

static void
index_base_names(CocoIds *ids)
{
    g_autoptr(GHashTable) ambiguous = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, ids->images);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        gchar *base = g_path_get_basename(key);

        if (!g_hash_table_contains(ids->base_names, base))
            g_hash_table_insert(ids->base_names, base, copy_id(*(gint64 *)value));
        else {
            g_hash_table_add(ambiguous, g_hash_table_lookup(ids->base_names, base));
            g_free(base);
        }
    }
    g_hash_table_iter_init(&iter, ids->base_names);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (g_hash_table_contains(ambiguous, value))
            g_hash_table_iter_remove(&iter);
}

static GHashTable *
make_table(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

CocoIds *
coco_ids_load(const gchar *path, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(CocoIds) ids = g_new0(CocoIds, 1);
    JsonNode *root;

    *ids = (CocoIds){g_strdup(path), make_table(), make_table(), make_table()};
    if (!json_parser_load_from_file(parser, path, error)) {
        g_prefix_error(error, "cannot read '%s': ", path);
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        set_format_error(ids, "it is no object with", "images", error);
        return NULL;
    }
    if (!read_list(ids, json_node_get_object(root), "images", "file_name", ids->images, error) ||
        !read_list(ids, json_node_get_object(root), "categories", "name", ids->categories, error))
        return NULL;
    index_base_names(ids);
    return g_steal_pointer(&ids);
}

gboolean
coco_ids_find_category(const CocoIds *ids, const gchar *name, gint64 *id, GError **error)
{
    const gint64 *found = g_hash_table_lookup(ids->categories, name);
    g_autofree gchar **names = NULL;
    g_autofree gchar *list = NULL;

    if (found) {
        *id = *found;
        return TRUE;
    }
    names = (gchar **)g_hash_table_get_keys_as_array(ids->categories, NULL);
    list = g_strjoinv(", ", names);
    g_set_error(
        error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "'%s' has no category '%s' (it has: %.200s)", ids->path, name, list);
    return FALSE;
}

gboolean
coco_ids_find_image(const CocoIds *ids, const Source *source, gint64 frame, gint64 *id)
{
    g_autofree gchar *name = source_is_image(source->name)
                                 ? g_strdup(source->name)
                                 : g_strdup_printf("%s#frame=%" G_GINT64_FORMAT, source->name, frame);
    g_autofree gchar *base = g_path_get_basename(name);
    const gint64 *found = g_hash_table_lookup(ids->images, name);

    if (!found)
        found = g_hash_table_lookup(ids->images, base);
    if (!found)
        found = g_hash_table_lookup(ids->base_names, base);
    if (found)
        *id = *found;
    return found != NULL;
}

static void
append_number(GString *text, const gchar *format, gdouble value)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(text, g_ascii_formatd(buffer, sizeof buffer, format, value));
}

void
coco_append_result(GString *text, gint64 image_id, gint64 category_id, const DinoR1Detection *detection)
{
    const gfloat box[] = {detection->box.x, detection->box.y, detection->box.width, detection->box.height};

    g_string_append_printf(text, "{\"image_id\":%" G_GINT64_FORMAT ",\"category_id\":%" G_GINT64_FORMAT ",\"bbox\":[",
        image_id, category_id);
    for (guint i = 0; i < G_N_ELEMENTS(box); i++) {
        append_number(text, "%.2f", box[i]);
        g_string_append(text, i < 3 ? "," : "],\"score\":");
    }
    append_number(text, "%.6f", detection->score);
    g_string_append_c(text, '}');
}
