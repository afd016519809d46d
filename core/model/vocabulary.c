/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/vocabulary.h"

#include <dinor1/error.h>
#include <string.h>

static gboolean
add_line(DinoR1Vocabulary *vocabulary, const gchar *name, gchar *line, gsize length, GError **error)
{
    guint id = g_hash_table_size(vocabulary->ids);

    if (length == 0) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: line %u is empty", name, id + 1);
        return FALSE;
    }
    if (length > DINOR1_VOCABULARY_MAX_TOKEN) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
            "%s: line %u has %" G_GSIZE_FORMAT " bytes, at most %d allowed", name, id + 1, length,
            DINOR1_VOCABULARY_MAX_TOKEN);
        return FALSE;
    }
    if (memchr(line, '\r', length)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
            "%s: line %u holds a carriage return; lines must end with a line feed alone", name, id + 1);
        return FALSE;
    }
    if (!g_utf8_validate_len(line, length, NULL)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: line %u is not valid UTF-8", name, id + 1);
        return FALSE;
    }
    line[length] = '\0';
    if (g_hash_table_contains(vocabulary->ids, line)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: line %u repeats the token '%s' of line %d", name,
            id + 1, line, dinor1_vocabulary_find(vocabulary, line) + 1);
        return FALSE;
    }
    g_hash_table_insert(vocabulary->ids, line, GUINT_TO_POINTER(id));
    vocabulary->longest = MAX(vocabulary->longest, length);
    return TRUE;
}

DinoR1Vocabulary *
dinor1_vocabulary_parse(const gchar *name, const gchar *text, gsize length, GError **error)
{
    g_autoptr(DinoR1Vocabulary) vocabulary = g_new0(DinoR1Vocabulary, 1);

    if (length == 0 || length > DINOR1_VOCABULARY_MAX_BYTES) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %" G_GSIZE_FORMAT " bytes, must be from 1 to %d",
            name, length, DINOR1_VOCABULARY_MAX_BYTES);
        return NULL;
    }
    vocabulary->ids = g_hash_table_new(g_str_hash, g_str_equal);
    vocabulary->text = g_malloc(length + 1);
    memcpy(vocabulary->text, text, length);

    gchar *end = vocabulary->text + length;
    for (gchar *line = vocabulary->text; line < end;) {
        gchar *feed = memchr(line, '\n', (gsize)(end - line));
        gchar *line_end = feed ? feed : end;

        if (!add_line(vocabulary, name, line, (gsize)(line_end - line), error))
            return NULL;
        line = line_end + 1;
    }
    return g_steal_pointer(&vocabulary);
}

DinoR1Vocabulary *
dinor1_vocabulary_load(const gchar *path, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &reason);

    if (!file) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: %s", path, reason->message);
        return NULL;
    }
    return dinor1_vocabulary_parse(path, g_mapped_file_get_contents(file), g_mapped_file_get_length(file), error);
}

void
dinor1_vocabulary_free(DinoR1Vocabulary *vocabulary)
{
    if (!vocabulary)
        return;

    g_clear_pointer(&vocabulary->ids, g_hash_table_unref);
    g_free(vocabulary->text);
    g_free(vocabulary);
}

guint
dinor1_vocabulary_get_n_tokens(const DinoR1Vocabulary *vocabulary)
{
    return g_hash_table_size(vocabulary->ids);
}

gint
dinor1_vocabulary_find(const DinoR1Vocabulary *vocabulary, const gchar *token)
{
    gpointer id;

    return g_hash_table_lookup_extended(vocabulary->ids, token, NULL, &id) ? (gint)GPOINTER_TO_UINT(id) : -1;
}
