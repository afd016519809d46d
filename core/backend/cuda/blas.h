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

/* out = activation(alpha * op(a) . op(b) + residual + bias), @batch times, all row-major; sums are float.
 *
 * op(a) is [m, k]: a is stored [m, lda], or [k, lda] if trans_a; op(b) is [k, n]: [k, ldb], or [n, ldb] if trans_b;
 * out and residual are [m, ldc]. Strides are elements from one product of the batch to the next; 0 = the same matrix.
 * The residual has out's stride and may be out itself. a and b are of @dtype, the others of @out_dtype, which is the
 * same or f32. */
typedef struct {
    gint64 m, n, k, batch;
    gboolean trans_a, trans_b;
    DinoR1DType dtype, out_dtype;
    const void *a, *b;
    void *out;
    gint64 lda, ldb, ldc;
    gint64 stride_a, stride_b, stride_out;
    float alpha;
    const void *residual; /* NULL = none */
    const void *bias;     /* [n]; NULL = none */
    DinoR1Activation activation;
} DinoR1CudaGemm;

/* Whether the product can end in @activation. A GELU is its tanh form, off by 5e-4 at most: the rounding of a half type
 * hides that, f32 would show it. */
static inline gboolean
dinor1_cuda_gemm_has(DinoR1Activation activation, DinoR1DType out_dtype)
{
    return activation != DINOR1_ACT_GELU || dinor1_dtype_is_half(out_dtype);
}

/* Element @index of a matrix of @dtype. */
static inline const void *
dinor1_cuda_element(const void *matrix, gint64 index, DinoR1DType dtype)
{
    return (const guint8 *)matrix + index * (gint64)dinor1_dtype_size(dtype);
}

void dinor1_cuda_gemm(DinoR1CudaRun *run, const DinoR1CudaGemm *gemm);
