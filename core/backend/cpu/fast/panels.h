/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* Products x . weight^T of many rows. The weights are repacked once a call, for all rows and threads, and x is read
 * where it lies; BLAS would pack both again for every slab. Bias, activation and residual happen in registers. */

#include "backend/cpu/fast/gemm.h"
#include "backend/cpu/fast/simd.h"

/* Columns of a panel: two vectors. */
#define PANEL_WIDTH (2 * VW)
/* Rows of x that share each load of a panel: 6 rows by 2 vectors fill 12 of the 16 registers of AVX2. */
#define PANEL_ROWS 6
/* A panel's rows in one go: they stay in the first-level cache for all rows of x. */
#define PANEL_DEPTH 256
/* Fewer rows of x than this do not pay for the packing. */
#define PANEL_MIN_ROWS 48

/* Weights [n, k] as [k blocks][panels][rows of the block][PANEL_WIDTH], zeros past n. */
typedef struct {
    const gfloat *weight;
    gint64 n_step, k_step; /* from one weight to the next along n and k */
    gint64 n, k, n_panels;
    DinoR1Blocks depth;
    gfloat *data;
} DinoR1Panels;

/* The weights are b of @gemm: [n, k] if trans_b, [k, n] otherwise. */
static inline DinoR1Panels
panels_of(const DinoR1Gemm *gemm)
{
    return (DinoR1Panels){
        .weight = gemm->b,
        .n_step = gemm->trans_b ? gemm->ldb : 1,
        .k_step = gemm->trans_b ? 1 : gemm->ldb,
        .n = gemm->n,
        .k = gemm->k,
        .n_panels = (gemm->n + PANEL_WIDTH - 1) / PANEL_WIDTH,
        .depth = dinor1_fast_blocks(gemm->k, PANEL_DEPTH, 1),
    };
}

static inline gsize
panels_size(const DinoR1Panels *panels)
{
    return dinor1_fast_slice_size((gsize)(panels->n_panels * PANEL_WIDTH * panels->k) * sizeof(gfloat));
}

/* Fills panels->data on the pool. */
void ISA_NAME(fast_pack)(const DinoR1KernelArgs *args, const DinoR1Panels *panels);

/* A tile of a product: columns from @column (whole panels before it) on, k block @block only. tile->a points at the
 * tile's rows and the block's first column. The first block starts from nothing, the later ones from what out holds,
 * the last one adds bias, activation and residual. */
void ISA_NAME(fast_panel_block)(const DinoR1Gemm *tile, const DinoR1Panels *panels, gint64 column, gint64 block);
/* The same over all blocks. */
void ISA_NAME(fast_panel_product)(const DinoR1Gemm *tile, const DinoR1Panels *panels, gint64 column);

/* A whole product in tiles on the pool, through panels if it has rows enough, by BLAS otherwise. Not for trans_a. */
gsize ISA_NAME(fast_product_workspace)(const DinoR1Gemm *gemm);
void ISA_NAME(fast_product)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm, gpointer workspace);
