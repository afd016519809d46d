/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* With tiles enough each thread has its own; with fewer the depth is cut. */
#define ENOUGH_TILES 8
/* Parts of the depth, and what makes a part worth a sum of its own. */
#define MAX_PARTS 8
#define MIN_DEPTH 1024

typedef struct {
    const DinoR1Gemm *gemm;
    DinoR1Tiles tiles;
    DinoR1Blocks depth;
    gfloat *sums; /* [depth blocks, m, n] */
} Job;

static Job
make_job(const DinoR1Gemm *gemm)
{
    Job job = {.gemm = gemm, .tiles = dinor1_fast_tiles(gemm, 1)};
    const gboolean whole = dinor1_fast_n_tiles(&job.tiles) >= ENOUGH_TILES || gemm->bias || gemm->residual ||
                           gemm->activation != DINOR1_ACT_NONE;

    job.depth = dinor1_fast_blocks(gemm->k, whole ? gemm->k : MAX((gemm->k + MAX_PARTS - 1) / MAX_PARTS, MIN_DEPTH), 1);
    return job;
}

gsize
ISA_NAME(fast_tall_product_workspace)(const DinoR1Gemm *gemm)
{
    const Job job = make_job(gemm);

    return job.depth.count == 1 ? 0 : (gsize)(job.depth.count * gemm->m * gemm->n) * sizeof(gfloat);
}

static void
run_tile(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gint64 part = (gint64)(task / dinor1_fast_n_tiles(&job->tiles));
    DinoR1Gemm gemm = *job->gemm;
    const gint64 first = dinor1_fast_block(job->depth, job->gemm->k, part, &gemm.k);

    gemm.a += gemm.trans_a ? first * gemm.lda : first;
    gemm.b += gemm.trans_b ? first : first * gemm.ldb;
    gemm.out = job->sums + part * gemm.m * gemm.n;
    gemm.ldo = gemm.n;
    const DinoR1Gemm tile = dinor1_fast_tile(&gemm, &job->tiles, task % dinor1_fast_n_tiles(&job->tiles));
    ISA_NAME(fast_gemm)(&tile);
}

void
ISA_NAME(fast_tall_product)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm, gpointer workspace)
{
    Job job = make_job(gemm);

    if (job.depth.count == 1) {
        ISA_NAME(fast_gemm_threaded)(args, gemm);
        return;
    }
    job.sums = workspace;
    dinor1_fast_run(args, (gsize)job.depth.count * dinor1_fast_n_tiles(&job.tiles), dinor1_fast_gemm_nanoseconds(gemm),
        run_tile, &job);
    ISA_NAME(fast_sum)(args, job.sums, 1, (gsize)job.depth.count, (gsize)(gemm->m * gemm->n), gemm->out);
}
