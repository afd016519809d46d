/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train_config.h"

G_BEGIN_DECLS

/* The model that training starts from: the configuration's, or with from_scratch a new one, written to
 * @directory: the same for the same seed. Returns: (transfer full). */
DinoR1Model *start_model_load(const TrainConfig *config, const gchar *directory, GError **error);

/* (transfer full): a new folder for a model that nobody keeps; NULL with an error. */
gchar *start_model_make_temporary(GError **error);
/* Removes it. @directory: (nullable) (transfer full) */
void start_model_remove_temporary(gchar *directory);

G_END_DECLS
