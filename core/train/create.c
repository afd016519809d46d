/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/model_internal.h"
#include "train/export.h"
#include "train/step.h"

#include <dinor1/error.h>
#include <dinor1/train.h>

static gboolean
create(const gchar *from, DinoR1Config *config, guint64 seed, const gchar *directory, GError **error)
{
    g_autoptr(DinoR1Model) text = config->has_text ? dinor1_model_load(from, error) : NULL;
    g_autoptr(DinoR1Parameters) parameters = NULL;

    if (config->has_text && !text) {
        g_prefix_error(error, "the text encoder is not trained here and must be read: ");
        return FALSE;
    }
    parameters = dinor1_parameters_new(config, text, seed);
    dinor1_parameters_start_fresh(parameters);
    return dinor1_train_complete_parameters(parameters, config, error) &&
           dinor1_export_model(from, config, FALSE, parameters, directory, FALSE, error);
}

gboolean
dinor1_model_create(const gchar *from, guint64 seed, const gchar *directory, GError **error)
{
    g_autoptr(DinoR1Config) config = dinor1_config_load(from, error);

    if (!config)
        return FALSE;
    dinor1_config_become_dino_r1(config);
    return create(from, config, seed, directory, error);
}
