/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrix products: cuBLASLt on a device, CBLAS in the host build.
 */
#pragma once

#include "backend/cuda/cuda.h"

/* NULL with @why (transfer full) on failure. Owns a workspace on the current device. */
DinoR1CudaBlas *dinor1_cuda_blas_new(gchar **why);
void dinor1_cuda_blas_free(DinoR1CudaBlas *blas);

/* out = activation(alpha * op(a) . op(b) + residual + bias), @batch times, all row-major f32.
 *
 * op(a) is [m, k]: a is stored [m, lda], or [k, lda] if trans_a; op(b) is [k, n]: [k, ldb], or [n, ldb] if trans_b;
 * out and residual are [m, ldc]. Strides are elements from one product of the batch to the next; 0 = the same matrix.
 * The residual has out's stride and may be out itself. */
typedef struct {
    gint64 m, n, k, batch;
    gboolean trans_a, trans_b;
    const float *a, *b;
    float *out;
    gint64 lda, ldb, ldc;
    gint64 stride_a, stride_b, stride_out;
    float alpha;
    const float *residual; /* NULL = none */
    const float *bias;     /* [n]; NULL = none */
    gboolean relu;
} DinoR1CudaGemm;

void dinor1_cuda_gemm(DinoR1CudaRun *run, const DinoR1CudaGemm *gemm);
