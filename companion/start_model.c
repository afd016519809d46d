/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "start_model.h"

#include <dinor1/model.h>
#include <glib/gstdio.h>

DinoR1Model *
start_model_load(const TrainConfig *config, const gchar *directory, GError **error)
{
    if (!config->from_scratch)
        return dinor1_model_load(config->model, error);
    if (!dinor1_model_create(config->model, config->options.seed, directory, error))
        return NULL;
    return dinor1_model_load(directory, error);
}

gchar *
start_model_make_temporary(GError **error)
{
    return g_dir_make_tmp("dinor1-XXXXXX", error);
}

void
start_model_remove_temporary(gchar *directory)
{
    g_autoptr(GDir) entries = directory ? g_dir_open(directory, 0, NULL) : NULL;
    const gchar *name;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree gchar *path = g_build_filename(directory, name, NULL);

        g_unlink(path);
    }
    if (directory)
        g_rmdir(directory);
    g_free(directory);
}
