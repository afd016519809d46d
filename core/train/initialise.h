/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/rng.h"
#include "model/config.h"

G_BEGIN_DECLS

/* Fills a new tensor as mmdetection's Grounding DINO does before training: Xavier-uniform matrices, N(0, 1) embeddings,
 * sampling offsets on rays, box heads that start at their references, class bias -log 99; Swin's (and BERT's) matrices
 * N(0, 0.02), its patch embedding uniform as nn.Conv2d, bias too: with a bias of 0 the zeros around a picture stay 0
 * through the whole backbone, where every LayerNorm multiplies the gradient by 1/sqrt(eps). The visual prompt encoder
 * follows the rules of its parts. */
void dinor1_initialise(
    const DinoR1Config *config, const gchar *name, const DinoR1Shape *shape, DinoR1Rng *rng, gfloat *data);

G_END_DECLS
