/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/blas.h"

#include <cblas.h>
#include <math.h>

struct DinoR1CudaBlas {
    int unused;
};

DinoR1CudaBlas *
dinor1_cuda_blas_new(gchar **)
{
    return new DinoR1CudaBlas();
}

void
dinor1_cuda_blas_free(DinoR1CudaBlas *blas)
{
    delete blas;
}

/* One product of the batch, as cuBLASLt's epilogue finishes it. */
static void
multiply(const DinoR1CudaGemm *g, gint64 batch)
{
    float *out = g->out + batch * g->stride_out;                                             /* [M, N] */
    const float *residual = g->residual ? g->residual + batch * g->stride_out : g->residual; /* [M, N]? */

    for (gint64 i = 0; residual && residual != out && i < g->m; i++)
        for (gint64 j = 0; j < g->n; j++)
            out[i * g->ldc + j] = residual[i * g->ldc + j];
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans,
        (blasint)g->m, (blasint)g->n, (blasint)g->k, g->alpha, g->a + batch * g->stride_a, (blasint)g->lda,
        g->b + batch * g->stride_b, (blasint)g->ldb, residual ? 1.0f : 0.0f, out, (blasint)g->ldc);
    for (gint64 i = 0; i < g->m; i++) {
        for (gint64 j = 0; j < g->n; j++) {
            const float sum = out[i * g->ldc + j] + (g->bias ? g->bias[j] : 0);
            out[i * g->ldc + j] = g->relu ? fmaxf(sum, 0) : sum;
        }
    }
}

void
dinor1_cuda_gemm(DinoR1CudaRun *run, const DinoR1CudaGemm *gemm)
{
    if (run->failure)
        return;
    const DinoR1CudaGemm copy = *gemm;
    DINOR1_CUDA_CHECK(run, dinor1_emu::submit(run->stream, [copy] {
        for (gint64 i = 0; i < copy.batch; i++)
            multiply(&copy, i);
    }));
}
