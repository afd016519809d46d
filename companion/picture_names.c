/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "picture_names.h"

#include <dinor1/dataset.h>
#include <dinor1/error.h>
#include <string.h>

#define N_DIGITS 8 /* before the '-' that Label Studio puts before a name */

/* After the last '/', or '\' as in an export from Windows. */
static const gchar *
last_part(const gchar *file_name)
{
    const gchar *part = file_name;

    for (const gchar *at = file_name; *at; at++)
        if (*at == '/' || *at == '\\')
            part = at + 1;
    return part;
}

static const gchar *
skip_digits(const gchar *name)
{
    for (guint i = 0; i < N_DIGITS; i++)
        if (!g_ascii_isxdigit(name[i]))
            return name;
    return name[N_DIGITS] == '-' && name[N_DIGITS + 1] ? name + N_DIGITS + 1 : name;
}

/* The path of @name in @directory if there is such a file, or one that @name is a frame of. */
static gchar *
find(const gchar *directory, const gchar *name)
{
    g_autofree gchar *path = g_build_filename(directory, name, NULL);
    g_autofree gchar *clip = NULL;
    gint64 frame, time;

    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&path);
    if (!dinor1_coco_split_file_name(path, &clip, &frame, &time, NULL) || !g_file_test(clip, G_FILE_TEST_IS_REGULAR))
        return NULL;
    return g_steal_pointer(&path);
}

gchar *
picture_find(const gchar *directory, const gchar *file_name, GError **error)
{
    const gchar *part = last_part(file_name);
    const gchar *const names[] = {file_name, part, skip_digits(part)};
    g_autofree gchar *path = NULL, *clip = NULL;
    gint64 frame, time;

    for (guint i = 0; i < G_N_ELEMENTS(names) && !path; i++)
        path = *names[i] ? find(directory, names[i]) : NULL;
    if (path)
        return g_steal_pointer(&path);
    path = g_build_filename(directory, file_name, NULL);
    if (dinor1_coco_split_file_name(path, &clip, &frame, &time, error))
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "there is no file '%s'", clip);
    return NULL;
}

gchar *
picture_make_name(const gchar *clip, gint64 number)
{
    g_autofree gchar *base = g_path_get_basename(clip);
    gchar *dot = strrchr(base, '.');

    if (dot && dot > base)
        *dot = '\0';
    for (gchar *at = base; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            *at = '_';
    return number < 0 ? g_strconcat(base, ".png", NULL)
                      : g_strdup_printf("%s-%06" G_GINT64_FORMAT ".png", base, number);
}
