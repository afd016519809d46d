/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/simd_math.h"

#include <cblas.h>

/* BLAS adds the product to what out holds, so bias and residual cost one pass that it would spend on zeros. */
static void
fill_row(gfloat *out, gsize n, const gfloat *bias, const gfloat *residual)
{
    for (gsize i = 0; i < n; i += VW) {
        vf v = v_set(0);
        if (bias)
            v += v_load_n(bias + i, n - i);
        if (residual)
            v += v_load_n(residual + i, n - i);
        v_store_n(out + i, v, n - i);
    }
}

V_INLINE vf
activate(DinoR1Activation activation, vf x)
{
    return activation == DINOR1_ACT_GELU ? v_gelu(x) : activation == DINOR1_ACT_RELU ? v_relu(x) : x;
}

V_INLINE void
finish_row(gfloat *out, gsize n, const gfloat *residual, DinoR1Activation activation)
{
    for (gsize i = 0; i < n; i += VW) {
        vf v = activate(activation, v_load_n(out + i, n - i));
        if (residual)
            v += v_load_n(residual + i, n - i);
        v_store_n(out + i, v, n - i);
    }
}

static void
finish(const DinoR1Gemm *g)
{
    for (gint64 i = 0; i < g->m; i++) {
        gfloat *out = g->out + i * g->ldo;
        const gfloat *residual = g->residual ? g->residual + i * g->ldo : NULL;
        if (g->activation == DINOR1_ACT_GELU)
            finish_row(out, (gsize)g->n, residual, DINOR1_ACT_GELU);
        else
            finish_row(out, (gsize)g->n, residual, DINOR1_ACT_RELU);
    }
}

void
ISA_NAME(fast_gemm)(const DinoR1Gemm *g)
{
    const gboolean active = g->activation != DINOR1_ACT_NONE;
    const gboolean filled = g->bias || (g->residual && !active);

    for (gint64 i = 0; filled && i < g->m; i++)
        fill_row(g->out + i * g->ldo, (gsize)g->n, g->bias, g->residual && !active ? g->residual + i * g->ldo : NULL);
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans,
        (blasint)g->m, (blasint)g->n, (blasint)g->k, g->alpha, g->a, (blasint)g->lda, g->b, (blasint)g->ldb,
        filled ? 1 : 0, g->out, (blasint)g->ldo);
    if (active)
        finish(g);
}

typedef struct {
    const DinoR1Gemm *gemm;
    DinoR1Tiles tiles;
} Job;

static void
run_tile(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const DinoR1Gemm tile = dinor1_fast_tile(job->gemm, &job->tiles, task);

    ISA_NAME(fast_gemm)(&tile);
}

void
ISA_NAME(fast_gemm_threaded)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm)
{
    Job job = {gemm, dinor1_fast_tiles(gemm, 1)};

    dinor1_fast_run(args, dinor1_fast_n_tiles(&job.tiles), dinor1_fast_gemm_nanoseconds(gemm), run_tile, &job);
}
