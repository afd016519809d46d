/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/pool.h"
#include <dinor1/image.h>

G_BEGIN_DECLS

/* Resampling tables and row buffers for one pair of sizes; reused, so that the second frame of a size allocates
 * nothing. Not thread-safe. */
typedef struct _DinoR1Preprocess DinoR1Preprocess;

DinoR1Preprocess *dinor1_preprocess_new(void);
void dinor1_preprocess_free(DinoR1Preprocess *preprocess);

/**
 * dinor1_preprocess_run:
 * @image: any format; sizes may change from call to call
 * @pool: (nullable): NULL = the calling thread alone; the result is the same bits with any number of threads
 * @out: (out caller-allocates): [out_height, out_width, 3] f32, R G B: (x * rescale - mean) / std
 *
 * Resizes as PIL's Image.resize(BILINEAR) does (triangle filter that widens when shrinking), which is what the
 * published GroundingDinoImageProcessor uses. PIL rounds to 8 bits after each of its two passes; here everything stays
 * in float, so a value differs from PIL's by at most one of the 255 levels. Chroma is taken from the nearest sample.
 *
 * Returns: TRUE; FALSE with ARGUMENT (the image, or an output size outside 1 … DINOR1_IMAGE_MAX_SIDE) or UNSUPPORTED
 * (it is in a device's memory).
 */
gboolean dinor1_preprocess_run(DinoR1Preprocess *preprocess, const DinoR1Image *image, gint out_width, gint out_height,
    gfloat rescale, const gfloat mean[3], const gfloat std[3], DinoR1Pool *pool, gfloat *out, GError **error);

/* The published resize rule (get_size_with_aspect_ratio of GroundingDinoImageProcessor), its rounding included: the
 * shortest side to @shortest, but the longest at most @longest. Sides are at least 1. */
void dinor1_resize_rule(gint width, gint height, gint shortest, gint longest, gint *out_w, gint *out_h);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Preprocess, dinor1_preprocess_free)

G_END_DECLS
