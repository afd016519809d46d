/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that depends on the sizes of the images of a batch and on nothing else. N = positions of all levels.
 */
#pragma once

#include "model/config.h"
#include "nn/layers.h"

G_BEGIN_DECLS

/* Height and width in pixels of one image inside the batch's canvas, from the top left corner. */
typedef struct {
    gint height, width;
} DinoR1ImageSize;

typedef struct {
    DinoR1Levels levels;
    gint64 n_positions; /* N */
    gint batch;         /* 1 if no image is padded: all tables are then the same for every image */
    gboolean padded;
    gfloat *coordinates; /* [batch, N, 2]: (y, x), 0 … 1 over the valid part (SinePositionEmbedding, normalised) */
    gint32 *level_index; /* [N] */
    gfloat *reference;   /* [batch, N, L or 1, 2]: (x, y) of each position in each level; 1 if not padded */
    gfloat *proposals;   /* [batch, N, 4]: logits of (cx, cy, w, h), +inf where invalid */
    gfloat *proposal_ok; /* [batch, N]: 1 or 0 */
    gfloat *valid;       /* [batch, N]: 1 inside an image, 0 in its padding */
    gfloat *ratios;      /* [batch, L, 2]: valid part (width, height) of each level */
} DinoR1Geometry;

/* The feature maps that a canvas gives. */
void dinor1_geometry_levels(const DinoR1Config *config, gint height, gint width, DinoR1Levels *levels);

/* @sizes: @n_images sizes, or NULL if all fill the canvas. */
DinoR1Geometry *dinor1_geometry_new(
    const DinoR1Config *config, gint height, gint width, const DinoR1ImageSize *sizes, gint n_images);
void dinor1_geometry_free(DinoR1Geometry *geometry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Geometry, dinor1_geometry_free)

G_END_DECLS
