/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "source.h"

#include "command.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>

static const gchar *const image_endings[] = {
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"};

gboolean
source_is_image(const gchar *name)
{
    g_autofree gchar *lower = g_ascii_strdown(name, -1);

    for (guint i = 0; i < G_N_ELEMENTS(image_endings); i++)
        if (g_str_has_suffix(lower, image_endings[i]))
            return TRUE;
    return FALSE;
}

gboolean
source_is_directory(const gchar *text)
{
    return g_file_test(text, G_FILE_TEST_IS_DIR);
}

void
source_free(Source *source)
{
    g_free(source->text);
    g_free(source->name);
    g_free(source->uri);
    g_free(source);
}

static gboolean
parse_frame_number(const gchar *text, gint64 *frame)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL))
        return FALSE;
    *frame = (gint64)value;
    return TRUE;
}

static gboolean
parse_seconds(const gchar *text, gint64 *time)
{
    gchar *end;
    const gdouble seconds = g_ascii_strtod(text, &end);

    if (end == text || *end || !(seconds >= 0 && seconds < 1e9))
        return FALSE;
    *time = (gint64)(seconds * GST_SECOND + 0.5);
    return TRUE;
}

/* Reads and cuts off "#frame=N" or "#t=SECONDS". */
static gboolean
parse_fragment(Source *source, GError **error)
{
    gchar *hash = strrchr(source->name, '#');
    gboolean understood;

    if (!hash)
        return TRUE;
    if (g_str_has_prefix(hash, "#frame="))
        understood = parse_frame_number(hash + strlen("#frame="), &source->frame);
    else if (g_str_has_prefix(hash, "#t="))
        understood = parse_seconds(hash + strlen("#t="), &source->time);
    else
        return TRUE;
    if (!understood) {
        g_set_error(error, USAGE_ERROR, 0, "'%s': expected '#frame=NUMBER' (from 0) or '#t=SECONDS' after the name",
            source->text);
        return FALSE;
    }
    *hash = '\0';
    return TRUE;
}

static gboolean
check_readable(const gchar *name, GError **error)
{
    GStatBuf status;
    const gboolean readable = !g_stat(name, &status) && !g_access(name, R_OK);
    const int code = errno;

    if (!readable)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "cannot open '%s': %s", name, g_strerror(code));
    else if (S_ISDIR(status.st_mode)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "'%s' is a directory; a file is needed here", name);
        return FALSE;
    }
    return readable;
}

Source *
source_parse(const gchar *text, GError **error)
{
    g_autoptr(Source) source = g_new0(Source, 1);

    *source = (Source){.text = g_strdup(text), .name = g_strdup(text), .frame = -1, .time = -1};
    if (!g_file_test(text, G_FILE_TEST_EXISTS) && !parse_fragment(source, error))
        return NULL;
    source->is_local = g_file_test(source->name, G_FILE_TEST_EXISTS) || !gst_uri_is_valid(source->name);
    if (source->is_local && !check_readable(source->name, error))
        return NULL;
    source->uri = source->is_local ? gst_filename_to_uri(source->name, error) : g_strdup(source->name);
    return source->uri ? g_steal_pointer(&source) : NULL;
}

static gint
compare_natural(gconstpointer a, gconstpointer b)
{
    g_autofree gchar *key_a = g_utf8_collate_key_for_filename(*(const gchar *const *)a, -1);
    g_autofree gchar *key_b = g_utf8_collate_key_for_filename(*(const gchar *const *)b, -1);

    return strcmp(key_a, key_b);
}

static GPtrArray *
list_images(const gchar *directory, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const int code = errno;

    if (!dir) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "cannot open directory '%s': %s", directory,
            g_strerror(code));
        return NULL;
    }
    for (const gchar *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir))
        if (source_is_image(name) && *name != '.')
            g_ptr_array_add(names, g_build_filename(directory, name, NULL));
    if (names->len == 0) {
        g_set_error(
            error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "directory '%s' has no images (.jpg, .png, .bmp, …)", directory);
        return NULL;
    }
    g_ptr_array_sort(names, compare_natural);
    return g_steal_pointer(&names);
}

static gboolean
add_source(GPtrArray *sources, const gchar *text, GError **error)
{
    Source *source = source_parse(text, error);

    if (source)
        g_ptr_array_add(sources, source);
    return source != NULL;
}

static gboolean
add_directory(GPtrArray *sources, const gchar *directory, GError **error)
{
    g_autoptr(GPtrArray) names = list_images(directory, error);

    for (guint i = 0; names && i < names->len; i++)
        if (!add_source(sources, names->pdata[i], error))
            return FALSE;
    return names != NULL;
}

GPtrArray *
source_expand(gchar **texts, GError **error)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func((GDestroyNotify)source_free);

    for (; *texts; texts++)
        if (!(source_is_directory(*texts) ? add_directory(sources, *texts, error) : add_source(sources, *texts, error)))
            return NULL;
    return g_steal_pointer(&sources);
}
