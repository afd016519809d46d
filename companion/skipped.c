/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "skipped.h"

#include "output.h"
#include "train_log.h"

#include <json-glib/json-glib.h>
#include <string.h>

struct _Skipped {
    GMutex mutex;
    GTree *reasons; /* path → reason */
};

static gint
compare_paths(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

Skipped *
skipped_new(void)
{
    Skipped *skipped = g_new0(Skipped, 1);

    g_mutex_init(&skipped->mutex);
    skipped->reasons = g_tree_new_full(compare_paths, NULL, g_free, g_free);
    return skipped;
}

void
skipped_free(Skipped *skipped)
{
    g_tree_unref(skipped->reasons);
    g_mutex_clear(&skipped->mutex);
    g_free(skipped);
}

void
skipped_add(Skipped *skipped, const gchar *path, const gchar *reason)
{
    g_mutex_lock(&skipped->mutex);
    if (!g_tree_lookup(skipped->reasons, path))
        g_tree_insert(skipped->reasons, g_strdup(path), g_strdup(reason));
    g_mutex_unlock(&skipped->mutex);
}

gchar *
skipped_find(Skipped *skipped, const gchar *path)
{
    gchar *reason;

    g_mutex_lock(&skipped->mutex);
    reason = g_strdup(g_tree_lookup(skipped->reasons, path));
    g_mutex_unlock(&skipped->mutex);
    return reason;
}

guint
skipped_get_n(Skipped *skipped)
{
    guint n;

    g_mutex_lock(&skipped->mutex);
    n = (guint)g_tree_nnodes(skipped->reasons);
    g_mutex_unlock(&skipped->mutex);
    return n;
}

/* The list of reasons that may still grow. */
typedef struct {
    GPtrArray *texts;
    guint limit;
} Listing;

static gboolean
list_reason(gpointer path, gpointer reason, gpointer data)
{
    Listing *listing = data;

    if (listing->texts->len == listing->limit)
        return TRUE;
    g_ptr_array_add(listing->texts, g_strdup(reason));
    return FALSE;
}

gchar **
skipped_list(Skipped *skipped, guint limit)
{
    Listing listing = {g_ptr_array_new(), limit};

    g_mutex_lock(&skipped->mutex);
    g_tree_foreach(skipped->reasons, list_reason, &listing);
    g_mutex_unlock(&skipped->mutex);
    g_ptr_array_add(listing.texts, NULL);
    return (gchar **)g_ptr_array_free(listing.texts, FALSE);
}

static const gchar *
get_text(JsonObject *line, const gchar *member)
{
    return json_object_get_string_member_with_default(line, member, "");
}

gboolean
skipped_load(Skipped *skipped, const gchar *path, GError **error)
{
    g_autoptr(GPtrArray) lines = train_log_read_lines(path, error);

    for (guint i = 0; lines && i < lines->len; i++)
        skipped_add(skipped, get_text(lines->pdata[i], "file"), get_text(lines->pdata[i], "reason"));
    return lines != NULL;
}

static gboolean
append_line(gpointer path, gpointer reason, gpointer data)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree gchar *text = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "file");
    json_builder_add_string_value(builder, path);
    json_builder_set_member_name(builder, "reason");
    json_builder_add_string_value(builder, reason);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    text = json_to_string(root, FALSE);
    g_string_append_printf(data, "%s\n", text);
    return FALSE;
}

gboolean
skipped_save(Skipped *skipped, const gchar *path, GError **error)
{
    g_autoptr(TextOutput) output = text_output_new(path, error);
    g_autoptr(GString) text = g_string_new(NULL);

    if (!output)
        return FALSE;
    g_mutex_lock(&skipped->mutex);
    g_tree_foreach(skipped->reasons, append_line, text);
    g_mutex_unlock(&skipped->mutex);
    return text_output_write(output, text->str, text->len, error) && text_output_commit(output, error);
}
