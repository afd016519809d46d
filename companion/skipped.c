/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "skipped.h"

#include "output.h"
#include "train_log.h"

#include <string.h>

#define MAX_REPORTED 10

struct _Skipped {
    GMutex mutex;
    GTree *reasons;   /* path → reason, of pictures */
    GString *news;    /* lines of the pictures that other processes may not know */
    GString *entries; /* lines of the entries of annotation files */
    guint n_entries;
    GString *in_a_word; /* a sentence about these */
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
    skipped->news = g_string_new(NULL);
    skipped->entries = g_string_new(NULL);
    skipped->in_a_word = g_string_new(NULL);
    return skipped;
}

void
skipped_free(Skipped *skipped)
{
    g_tree_unref(skipped->reasons);
    g_string_free(skipped->news, TRUE);
    g_string_free(skipped->entries, TRUE);
    g_string_free(skipped->in_a_word, TRUE);
    g_mutex_clear(&skipped->mutex);
    g_free(skipped);
}

/* @member: what @path is. */
static void
append_line(GString *lines, const gchar *member, const gchar *path, const gchar *reason)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree gchar *text = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, member);
    json_builder_add_string_value(builder, path);
    json_builder_set_member_name(builder, "reason");
    json_builder_add_string_value(builder, reason);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    text = json_to_string(root, FALSE);
    g_string_append_printf(lines, "%s\n", text);
}

/* Under the mutex. FALSE if the picture is known. */
static gboolean
insert(Skipped *skipped, const gchar *path, const gchar *reason)
{
    if (g_tree_lookup(skipped->reasons, path))
        return FALSE;
    g_tree_insert(skipped->reasons, g_strdup(path), g_strdup(reason));
    return TRUE;
}

void
skipped_add(Skipped *skipped, const gchar *path, const gchar *reason)
{
    g_mutex_lock(&skipped->mutex);
    if (insert(skipped, path, reason))
        append_line(skipped->news, "file", path, reason);
    g_mutex_unlock(&skipped->mutex);
}

static guint
count(const DinoR1Coco *coco)
{
    guint n = 0;

    for (guint i = 0; i < DINOR1_COCO_N_BAD; i++)
        n += dinor1_coco_get_n_bad(coco, (DinoR1CocoBad)i);
    return n;
}

/* How many of each kind. */
static gchar *
list_kinds(const DinoR1Coco *coco)
{
    GString *kinds = g_string_new(NULL);

    for (guint i = 0; i < DINOR1_COCO_N_BAD; i++) {
        const guint n = dinor1_coco_get_n_bad(coco, (DinoR1CocoBad)i);

        if (n > 0)
            g_string_append_printf(
                kinds, "%s%u %s", kinds->len ? ", " : "", n, dinor1_coco_bad_to_string((DinoR1CocoBad)i));
    }
    return g_string_free(kinds, FALSE);
}

void
skipped_add_entries(Skipped *skipped, const gchar *path, const DinoR1Coco *coco)
{
    guint n;
    const gchar *const *reasons = dinor1_coco_get_reasons(coco, &n);
    g_autofree gchar *kinds = list_kinds(coco);

    if (n == 0)
        return;
    g_mutex_lock(&skipped->mutex);
    skipped->n_entries += count(coco);
    g_string_append_printf(skipped->in_a_word, "%s%s: %u entries (%s), the first: %s",
        skipped->in_a_word->len ? "; " : "", path, count(coco), kinds, reasons[0]);
    for (guint i = 0; i < n; i++)
        append_line(skipped->entries, "annotations", path, reasons[i]);
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
skipped_get_n_pictures(Skipped *skipped)
{
    guint n;

    g_mutex_lock(&skipped->mutex);
    n = (guint)g_tree_nnodes(skipped->reasons);
    g_mutex_unlock(&skipped->mutex);
    return n;
}

guint
skipped_get_n_entries(Skipped *skipped)
{
    guint n;

    g_mutex_lock(&skipped->mutex);
    n = skipped->n_entries;
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

gchar *
skipped_describe_entries(Skipped *skipped)
{
    gchar *text;

    g_mutex_lock(&skipped->mutex);
    text = skipped->in_a_word->len ? g_strdup(skipped->in_a_word->str) : NULL;
    g_mutex_unlock(&skipped->mutex);
    return text;
}

void
skipped_report(Skipped *skipped)
{
    const guint n = skipped_get_n_pictures(skipped);
    g_autofree gchar *entries = skipped_describe_entries(skipped);
    g_auto(GStrv) reasons = skipped_list(skipped, MAX_REPORTED);

    if (entries)
        g_printerr("dinor1: warning: left out of %s\n", entries);
    if (n > 0)
        g_printerr("dinor1: warning: left out %u pictures:\n", n);
    for (gchar **reason = reasons; *reason; reason++)
        g_printerr("  %s\n", *reason);
    if (n > MAX_REPORTED)
        g_printerr("  and more\n");
}

static gboolean
append_picture(gpointer path, gpointer reason, gpointer lines)
{
    append_line(lines, "file", path, reason);
    return FALSE;
}

gboolean
skipped_save(Skipped *skipped, const gchar *path, GError **error)
{
    g_autoptr(TextOutput) output = text_output_new(path, error);
    g_autoptr(GString) text = NULL;

    if (!output)
        return FALSE;
    g_mutex_lock(&skipped->mutex);
    text = g_string_new_len(skipped->entries->str, (gssize)skipped->entries->len);
    g_tree_foreach(skipped->reasons, append_picture, text);
    g_mutex_unlock(&skipped->mutex);
    return text_output_write(output, text->str, text->len, error) && text_output_commit(output, error);
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
        if (json_object_has_member(lines->pdata[i], "file"))
            skipped_add(skipped, get_text(lines->pdata[i], "file"), get_text(lines->pdata[i], "reason"));
    return lines != NULL;
}

gchar *
skipped_take_news(Skipped *skipped)
{
    GString *news;

    g_mutex_lock(&skipped->mutex);
    news = skipped->news;
    skipped->news = g_string_new(NULL);
    g_mutex_unlock(&skipped->mutex);
    return g_string_free(news, FALSE);
}

gboolean
skipped_add_news(Skipped *skipped, const gchar *lines, GError **error)
{
    g_autoptr(GPtrArray) objects = train_log_parse_lines(lines, error);

    g_mutex_lock(&skipped->mutex);
    for (guint i = 0; objects && i < objects->len; i++)
        insert(skipped, get_text(objects->pdata[i], "file"), get_text(objects->pdata[i], "reason"));
    g_mutex_unlock(&skipped->mutex);
    return objects != NULL;
}
