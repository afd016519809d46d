/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/gemm.h"

/* Rows that amortise BLAS's packing of b while a tile of out stays in the second-level cache. */
#define TILE_ROWS 384
/* Whole groups of rows, whole panels of columns, for every instruction set. */
#define ROW_MULTIPLE    24
#define COLUMN_MULTIPLE 32
/* Tiles enough to balance, and columns that still amortise the packing of a. */
#define MIN_TILES   8
#define MIN_COLUMNS 128
/* Below this many multiply-accumulates a second tile costs more than it saves. */
#define MIN_TILE_MACS 500000.0

DinoR1Tiles
dinor1_fast_tiles(const DinoR1Gemm *gemm, gint64 batch)
{
    const gdouble macs = (gdouble)gemm->m * (gdouble)gemm->n * (gdouble)gemm->k;
    const gint64 wanted = (gint64)CLAMP(macs / MIN_TILE_MACS, 1, (MIN_TILES + batch - 1) / batch);
    DinoR1Tiles tiles = {.rows = dinor1_fast_blocks(gemm->m, TILE_ROWS, ROW_MULTIPLE)};

    const gint64 columns = MAX((wanted + tiles.rows.count - 1) / tiles.rows.count, 1);
    const gint64 width = (gemm->n + columns - 1) / columns;
    tiles.columns = dinor1_fast_blocks(gemm->n, MAX(width, MIN_COLUMNS), COLUMN_MULTIPLE);
    return tiles;
}

DinoR1Gemm
dinor1_fast_tile(const DinoR1Gemm *gemm, const DinoR1Tiles *tiles, gsize index)
{
    DinoR1Gemm tile = *gemm;
    const gint64 row = dinor1_fast_block(tiles->rows, gemm->m, (gint64)index / tiles->columns.count, &tile.m);
    const gint64 column = dinor1_fast_block(tiles->columns, gemm->n, (gint64)index % tiles->columns.count, &tile.n);
    const gint64 offset = row * gemm->ldo + column;

    tile.a += gemm->trans_a ? row : row * gemm->lda;
    tile.b += gemm->trans_b ? column * gemm->ldb : column;
    tile.bias = gemm->bias ? gemm->bias + column : NULL;
    tile.residual = gemm->residual ? gemm->residual + offset : NULL;
    tile.out += offset;
    return tile;
}
