/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "io/weights.h"
#include "model/config.h"
#include "model/wordpiece.h"
#include <dinor1/model.h>

G_BEGIN_DECLS

const DinoR1Config *dinor1_model_get_config(const DinoR1Model *model);
DinoR1Weights *dinor1_model_get_weights(const DinoR1Model *model);
/* NULL if the directory has no vocab.txt or the model no text encoder. */
const DinoR1WordPiece *dinor1_model_get_tokenizer(const DinoR1Model *model);

/* Whether the checkpoint holds @name, under any of its names. */
gboolean dinor1_model_has_weight(const DinoR1Model *model, const gchar *name);

/* A DinoR1WeightFunc; user_data is the DinoR1Model. Resolves the names that checkpoints share between modules. */
gboolean dinor1_model_find_weight(
    gpointer model, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error);

G_END_DECLS
