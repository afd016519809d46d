/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/rng.h"
#include "model/config.h"

G_BEGIN_DECLS

/* Fills a new tensor as _init_weights of the published classes does for the module that owns @name; the visual prompt
 * encoder follows the rules of its parts. */
void dinor1_initialise(
    const DinoR1Config *config, const gchar *name, const DinoR1Shape *shape, DinoR1Rng *rng, gfloat *data);

G_END_DECLS
