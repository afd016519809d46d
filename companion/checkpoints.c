/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "checkpoints.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static gchar *
make_path(const gchar *folder, guint update)
{
    g_autofree gchar *name = g_strdup_printf("update-%08u.safetensors", update);

    return g_build_filename(folder, name, NULL);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    const guint number_a = *(const guint *)a, number_b = *(const guint *)b;

    return number_a < number_b ? -1 : number_a > number_b;
}

/* The numbers of all checkpoints, rising. */
static GArray *
list(const gchar *folder)
{
    GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const gchar *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        int end = 0;
        guint number;

        if (sscanf(name, "update-%8u.safetensors%n", &number, &end) == 1 && end == (int)strlen(name))
            g_array_append_val(numbers, number);
    }
    g_array_sort(numbers, compare);
    return numbers;
}

gboolean
checkpoints_find(const gchar *folder, guint *update)
{
    g_autoptr(GArray) numbers = list(folder);

    if (numbers->len == 0)
        return FALSE;
    *update = g_array_index(numbers, guint, numbers->len - 1);
    return TRUE;
}

gboolean
checkpoints_save(const gchar *folder, const DinoR1Trainer *trainer, guint update, guint keep, GError **error)
{
    g_autofree gchar *path = make_path(folder, update);
    g_autoptr(GArray) numbers = NULL;

    if (!dinor1_trainer_save(trainer, path, error))
        return FALSE;
    numbers = list(folder);
    for (guint i = 0; i + keep < numbers->len; i++) {
        g_autofree gchar *old = make_path(folder, g_array_index(numbers, guint, i));

        g_unlink(old);
    }
    return TRUE;
}

gboolean
checkpoints_resume(const gchar *folder, DinoR1Trainer *trainer, guint update, GError **error)
{
    g_autofree gchar *path = make_path(folder, update);

    return dinor1_trainer_resume(trainer, path, error);
}
