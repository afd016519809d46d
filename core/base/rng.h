/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Counter-based random numbers (Philox4x32-10; Salmon et al., 2011): the state is a key and a position, so that any
 * part of a run can be repeated from (seed, stream, position) and a checkpoint saves three numbers. Passed, never
 * global. Zero-cost to copy. */
typedef struct {
    guint64 seed;
    guint64 stream;   /* independent sequences of one seed: one per use, per step, per image */
    guint64 position; /* numbers drawn so far */
} DinoR1Rng;

DinoR1Rng dinor1_rng_new(guint64 seed, guint64 stream);
guint32 dinor1_rng_u32(DinoR1Rng *rng);
gfloat dinor1_rng_uniform(DinoR1Rng *rng);           /* [0, 1), 24 bits */
guint32 dinor1_rng_below(DinoR1Rng *rng, guint32 n); /* 0 … n-1, unbiased; n >= 1 */
gfloat dinor1_rng_normal(DinoR1Rng *rng);            /* mean 0, variance 1 (Box-Muller, one value per call) */
/* A permutation of 0 … n-1 (Fisher-Yates). */
void dinor1_rng_shuffle(DinoR1Rng *rng, guint32 *items, guint n);

G_END_DECLS
