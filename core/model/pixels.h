/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>

G_BEGIN_DECLS

#define DINOR1_COLOUR_SIZE 20

/* What PREPROCESS makes of the bytes of @image (graph/frame.h), [5, 4]: levels of R' G' B', normalised as
 * (level * rescale - mean) / std. */
void dinor1_pixels_colour(const DinoR1Image *image, gfloat rescale, const gfloat mean[3], const gfloat std[3],
    gfloat colour[DINOR1_COLOUR_SIZE]);

G_END_DECLS
