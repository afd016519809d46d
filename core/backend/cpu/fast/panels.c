/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/panels.h"
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/simd_math.h"

/* Weights [4, depth] that lie in order along k become 4 columns of a panel. */
static void
pack_four(const gfloat *weight, gint64 n_step, gint64 depth, gfloat *to)
{
    gint64 i = 0;

    for (; i + 4 <= depth; i += 4) {
        v_quad block[4];
        for (gint64 r = 0; r < 4; r++)
            memcpy(&block[r], weight + r * n_step + i, sizeof(v_quad));
        v_transpose4(block);
        for (gint64 r = 0; r < 4; r++)
            memcpy(to + (i + r) * PANEL_WIDTH, &block[r], sizeof(v_quad));
    }
    for (; i < depth; i++)
        for (gint64 r = 0; r < 4; r++)
            to[i * PANEL_WIDTH + r] = weight[r * n_step + i];
}

/* One panel of one block: PANEL_WIDTH rows of the weights become columns. */
static void
pack_panel(gpointer user_data, gsize task, guint thread)
{
    const DinoR1Panels *panels = user_data;
    const gint64 panel = (gint64)task % panels->n_panels, first = panel * PANEL_WIDTH;
    const gint64 width = MIN(PANEL_WIDTH, panels->n - first);
    gint64 depth, column = 0;
    const gint64 from = dinor1_fast_block(panels->depth, panels->k, (gint64)task / panels->n_panels, &depth);
    const gfloat *weight = panels->weight + first * panels->n_step + from * panels->k_step;
    gfloat *to = panels->data + PANEL_WIDTH * (from * panels->n_panels + panel * depth);

    for (; panels->k_step == 1 && column + 4 <= width; column += 4)
        pack_four(weight + column * panels->n_step, panels->n_step, depth, to + column);
    for (gint64 i = 0; i < depth; i++)
        for (gint64 c = column; c < PANEL_WIDTH; c++)
            to[i * PANEL_WIDTH + c] = c < width ? weight[c * panels->n_step + i * panels->k_step] : 0;
}

void
ISA_NAME(fast_pack)(const DinoR1KernelArgs *args, const DinoR1Panels *panels)
{
    dinor1_fast_run(args, (gsize)(panels->depth.count * panels->n_panels), 0.4 * (gdouble)(panels->n * panels->k),
        pack_panel, (gpointer)panels);
}

typedef struct {
    vf row[PANEL_ROWS][2];
} Sums;

/* x[r] [n] . panel [n, PANEL_WIDTH] */
V_INLINE Sums
multiply(const gfloat *const x[PANEL_ROWS], const gfloat *panel, gsize n)
{
    Sums sums;

    for (gint r = 0; r < PANEL_ROWS; r++)
        sums.row[r][0] = sums.row[r][1] = v_set(0);
    for (gsize i = 0; i < n; i++) {
        const vf left = v_load(panel + i * PANEL_WIDTH), right = v_load(panel + i * PANEL_WIDTH + VW);
        for (gint r = 0; r < PANEL_ROWS; r++) {
            const vf factor = v_set(x[r][i]);
            sums.row[r][0] = v_fma(factor, left, sums.row[r][0]);
            sums.row[r][1] = v_fma(factor, right, sums.row[r][1]);
        }
    }
    return sums;
}

V_INLINE vf
activate(DinoR1Activation activation, vf x)
{
    return activation == DINOR1_ACT_GELU ? v_gelu(x) : activation == DINOR1_ACT_RELU ? v_relu(x) : x;
}

/* What a block does with its sums. */
typedef struct {
    const DinoR1Gemm *tile;
    gboolean first, last;
    gsize depth;
} Step;

/* A vector of sums to row @row, column @column of the tile. */
V_INLINE void
finish(const Step *step, gint64 row, gint64 column, vf sum, const DinoR1Activation activation)
{
    const DinoR1Gemm *tile = step->tile;
    const gint64 at = row * tile->ldo + column;
    const gsize left = (gsize)(tile->n - column);

    sum = v_fma(sum, v_set(tile->alpha), step->first ? v_set(0) : v_load_n(tile->out + at, left));
    if (step->last) {
        if (tile->bias)
            sum += v_load_n(tile->bias + column, left);
        sum = activate(activation, sum);
        if (tile->residual)
            sum += v_load_n(tile->residual + at, left);
    }
    v_store_n(tile->out + at, sum, left);
}

V_INLINE void
panel_rows(const Step *step, const gfloat *panel, gint64 column, const DinoR1Activation activation)
{
    const DinoR1Gemm *tile = step->tile;

    for (gint64 row = 0; row < tile->m; row += PANEL_ROWS) {
        const gint64 rows = MIN(PANEL_ROWS, tile->m - row);
        const gfloat *x[PANEL_ROWS];
        /* Missing rows repeat the last; their sums are not stored. */
        for (gint64 r = 0; r < PANEL_ROWS; r++)
            x[r] = tile->a + (row + MIN(r, rows - 1)) * tile->lda;
        const Sums sums = multiply(x, panel, step->depth);
        for (gint r = 0; r < PANEL_ROWS; r++) {
            if (r >= rows)
                break;
            finish(step, row + r, column, sums.row[r][0], activation);
            if (column + VW < tile->n)
                finish(step, row + r, column + VW, sums.row[r][1], activation);
        }
    }
}

void
ISA_NAME(fast_panel_block)(const DinoR1Gemm *tile, const DinoR1Panels *panels, gint64 column, gint64 block)
{
    gint64 depth;
    const gint64 from = dinor1_fast_block(panels->depth, panels->k, block, &depth);
    const gfloat *panel = panels->data + PANEL_WIDTH * (from * panels->n_panels + column / PANEL_WIDTH * depth);
    const Step step = {tile, block == 0, block == panels->depth.count - 1, (gsize)depth};

    for (gint64 i = 0; i < tile->n; i += PANEL_WIDTH, panel += PANEL_WIDTH * depth) {
        if (step.last && tile->activation == DINOR1_ACT_GELU)
            panel_rows(&step, panel, i, DINOR1_ACT_GELU);
        else if (step.last && tile->activation == DINOR1_ACT_RELU)
            panel_rows(&step, panel, i, DINOR1_ACT_RELU);
        else
            panel_rows(&step, panel, i, DINOR1_ACT_NONE);
    }
}

void
ISA_NAME(fast_panel_product)(const DinoR1Gemm *tile, const DinoR1Panels *panels, gint64 column)
{
    DinoR1Gemm part = *tile;

    for (gint64 block = 0; block < panels->depth.count; block++) {
        part.a = tile->a + block * panels->depth.size;
        ISA_NAME(fast_panel_block)(&part, panels, column, block);
    }
}

typedef struct {
    const DinoR1Gemm *gemm;
    const DinoR1Panels *panels;
    DinoR1Tiles tiles;
} Job;

static void
run_tile(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const DinoR1Gemm tile = dinor1_fast_tile(job->gemm, &job->tiles, task);

    ISA_NAME(fast_panel_product)
    (&tile, job->panels, (gint64)task % job->tiles.columns.count * job->tiles.columns.size);
}

gsize
ISA_NAME(fast_product_workspace)(const DinoR1Gemm *gemm)
{
    const DinoR1Panels panels = panels_of(gemm);

    return gemm->m < PANEL_MIN_ROWS ? 0 : panels_size(&panels);
}

void
ISA_NAME(fast_product)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm, gpointer workspace)
{
    DinoR1Panels panels = panels_of(gemm);
    Job job = {gemm, &panels, dinor1_fast_tiles(gemm, 1)};

    if (gemm->m < PANEL_MIN_ROWS) {
        ISA_NAME(fast_gemm_threaded)(args, gemm);
        return;
    }
    panels.data = workspace;
    ISA_NAME(fast_pack)(args, &panels);
    dinor1_fast_run(args, dinor1_fast_n_tiles(&job.tiles), dinor1_fast_gemm_nanoseconds(gemm), run_tile, &job);
}
