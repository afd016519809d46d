/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/blas.h"

#include <cblas.h>
#include <cstring>
#include <math.h>
#include <vector>

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

/* Tensor cores read 11 bits of an f32 factor. */
static float
round_tf32(float value)
{
    guint32 bits;

    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000u) != 0x7f800000u)
        bits += 0xfffu + (bits >> 13 & 1u);
    return dinor1_float_from_bits(bits & ~0x1fffu);
}

static float
read_number(const void *matrix, gint64 index, DinoR1DType dtype)
{
    switch (dtype) {
    case DINOR1_F16:
        return dinor1_half_to_float(static_cast<const guint16 *>(matrix)[index]);
    case DINOR1_BF16:
        return dinor1_bf16_to_float(static_cast<const guint16 *>(matrix)[index]);
    default:
        return static_cast<const float *>(matrix)[index];
    }
}

static void
write_number(void *matrix, gint64 index, DinoR1DType dtype, float value)
{
    if (dtype == DINOR1_F32)
        static_cast<float *>(matrix)[index] = value;
    else
        dinor1_narrow(dtype, static_cast<guint16 *>(matrix) + index, &value, 1);
}

/* [rows, columns] of a factor as the products see it, without gaps. */
static std::vector<float>
read_factor(const void *factor, DinoR1DType dtype, bool tf32, gint64 first, gint64 rows, gint64 columns, gint64 ld)
{
    std::vector<float> values((size_t)(rows * columns));

    for (gint64 i = 0; i < rows; i++) {
        for (gint64 j = 0; j < columns; j++) {
            const float value = read_number(factor, first + i * ld + j, dtype);
            values[(size_t)(i * columns + j)] = tf32 && dtype == DINOR1_F32 ? round_tf32(value) : value;
        }
    }
    return values;
}

/* As cuBLASLt's epilogue has it: the tanh form of GELU. */
static float
activate(DinoR1Activation activation, float x)
{
    if (activation == DINOR1_ACT_GELU)
        return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    return activation == DINOR1_ACT_RELU ? fmaxf(x, 0) : x;
}

/* One product of the batch, as cuBLASLt finishes it: everything in float, rounded once. */
static void
multiply(const DinoR1CudaGemm *g, bool tf32, gint64 batch)
{
    const gint64 first = batch * g->stride_out, a_rows = g->trans_a ? g->k : g->m, b_rows = g->trans_b ? g->n : g->k;
    const gint64 a_columns = g->trans_a ? g->m : g->k, b_columns = g->trans_b ? g->k : g->n;
    const std::vector<float> a = read_factor(g->a, g->dtype, tf32, batch * g->stride_a, a_rows, a_columns, g->lda);
    const std::vector<float> b = read_factor(g->b, g->dtype, tf32, batch * g->stride_b, b_rows, b_columns, g->ldb);
    std::vector<float> sums((size_t)(g->m * g->n)); /* [M, N] */

    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans,
        (blasint)g->m, (blasint)g->n, (blasint)g->k, g->alpha, a.data(), (blasint)a_columns, b.data(),
        (blasint)b_columns, 0, sums.data(), (blasint)g->n);
    for (gint64 i = 0; i < g->m; i++) {
        for (gint64 j = 0; j < g->n; j++) {
            const gint64 at = first + i * g->ldc + j;
            const float residual = g->residual ? read_number(g->residual, at, g->out_dtype) : 0;
            const float bias = g->bias ? read_number(g->bias, j, g->out_dtype) : 0;

            write_number(
                g->out, at, g->out_dtype, activate(g->activation, sums[(size_t)(i * g->n + j)] + residual + bias));
        }
    }
}

void
dinor1_cuda_gemm(DinoR1CudaRun *run, const DinoR1CudaGemm *gemm)
{
    if (run->failure)
        return;
    const DinoR1CudaGemm copy = *gemm;
    const bool tf32 = run->tf32;
    DINOR1_CUDA_CHECK(run, dinor1_emu::submit(run->stream, [copy, tf32] {
        for (gint64 i = 0; i < copy.batch; i++)
            multiply(&copy, tf32, i);
    }));
}
