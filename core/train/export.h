/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/parameters.h"

G_BEGIN_DECLS

/* Writes a dino-r1 model directory: config.json of the directory @from, saying whether it is @trained, its
 * preprocessor and tokenizer files, and @parameters as model.safetensors (@half: fp16). Each file is replaced whole. */
gboolean dinor1_export_model(const gchar *from, const DinoR1Config *config, gboolean trained,
    const DinoR1Parameters *parameters, const gchar *directory, gboolean half, GError **error);

G_END_DECLS
