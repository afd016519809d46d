/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/fast/fast.h"

G_BEGIN_DECLS

/* act(alpha * op(a) . op(b) + bias) + residual: one matrix, or one tile of it. */
typedef struct {
    gint64 m, n, k;
    const gfloat *a; /* [m, k], or [k, m] if trans_a */
    const gfloat *b; /* [k, n], or [n, k] if trans_b */
    gint64 lda, ldb; /* from one row to the next */
    gboolean trans_a, trans_b;
    gfloat alpha;
    const gfloat *bias;     /* [n]? */
    const gfloat *residual; /* [m, n]? */
    gfloat *out;            /* [m, n] */
    gint64 ldo;             /* of residual and out */
    DinoR1Activation activation;
} DinoR1Gemm;

/* A grid of tiles that covers [m, n]. */
typedef struct {
    DinoR1Blocks rows, columns;
} DinoR1Tiles;

/* @batch: how many such matrices there are. */
DinoR1Tiles dinor1_fast_tiles(const DinoR1Gemm *gemm, gint64 batch);
DinoR1Gemm dinor1_fast_tile(const DinoR1Gemm *gemm, const DinoR1Tiles *tiles, gsize index);

static inline gsize
dinor1_fast_n_tiles(const DinoR1Tiles *tiles)
{
    return (gsize)(tiles->rows.count * tiles->columns.count);
}

/* About what it takes on one core. */
static inline gdouble
dinor1_fast_gemm_nanoseconds(const DinoR1Gemm *gemm)
{
    return (gdouble)gemm->m * (gdouble)gemm->n * (gdouble)gemm->k / 30;
}

G_END_DECLS
