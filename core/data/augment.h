/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/rng.h"
#include "model/config.h"
#include "model/preprocess.h"

G_BEGIN_DECLS

/* The specification's augmentation: horizontal flip with probability 1/2; then, one half of the time, the shortest side
 * resized to one of n_sizes sizes evenly spaced from min_size to max_size (the longest at most longest); the other half
 * resized to one of crop_sizes first, cut to a random crop of crop_min … crop_max pixels a side, and resized as above.
 * With enabled off: the model's own resize rule, nothing random. */
typedef struct {
    gboolean enabled;
    gint min_size, max_size, n_sizes; /* 480, 800, 11 */
    gint longest;                     /* 1333 */
    gint crop_sizes[3];               /* 400, 500, 600; 0 = no crops */
    gint crop_min, crop_max;          /* 384, 600 */
} DinoR1AugmentOptions;

/* The specification's numbers scaled to the model's shortest edge (800 = the specification's). */
void dinor1_augment_options_init(DinoR1AugmentOptions *options, const DinoR1Config *config);

/* What is done to one image: a crop of the source in source pixels, resized to width x height, mirrored or not. */
typedef struct {
    gint crop_x, crop_y, crop_width, crop_height;
    gint width, height;
    gboolean mirrored;
} DinoR1Augmentation;

/* Draws one for a source of @source_width x @source_height. */
DinoR1Augmentation dinor1_augment_draw(const DinoR1AugmentOptions *options, const DinoR1Config *config,
    gint source_width, gint source_height, DinoR1Rng *rng);

/* @source: RGB. @out: [height, width, 3] floats, rows @stride floats apart. FALSE with ARGUMENT. */
gboolean dinor1_augment_pixels(const DinoR1Augmentation *augmentation, const DinoR1Config *config,
    DinoR1Preprocess *preprocess, const DinoR1Image *source, gfloat *out, gsize stride, GError **error);

/* A box in source pixels as (cx, cy, w, h), 0 … 1 of the result. Returns FALSE, and drops it, if less than a quarter of
 * its area or less than one pixel of the result is left. */
gboolean dinor1_augment_box(const DinoR1Augmentation *augmentation, const DinoR1Box *box, gfloat out[4]);

G_END_DECLS
