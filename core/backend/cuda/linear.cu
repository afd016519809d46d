/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LINEAR, MLP and MATMUL: products by blas.h, and the ends of LINEAR and MLP that a product cannot have.
 */
#include "backend/cuda/blas.h"
#include "backend/cuda/functions.h"
#include "backend/cuda/index.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;

/* out[i] = f(out[i]) + residual[i]; residual NULL = 0. A pack a thread; the last thread takes what is left. */
template <typename T, DinoR1Activation activation>
__global__ void
finish(T *out, const T *residual, gint64 count)
{
    constexpr int N = PACK<T>;
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= count) {
        float values[N], added[N] = {};
        load_pack<N>(out + first, values);
        if (residual)
            load_pack<N>(residual + first, added);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = activate(activation, values[i]) + added[i];
        store_pack<N>(out + first, values);
    } else {
        for (gint64 i = first; i < count; i++)
            store(out + i, activate(activation, load(out + i)) + (residual ? load(residual + i) : 0));
    }
}

/* What a product could not do. */
void
run_finish(
    DinoR1CudaRun *run, DinoR1Activation activation, DinoR1DType dtype, void *out, const void *residual, gint64 count)
{
    with_type(run, dtype, [=](auto zero) {
        using T = decltype(zero);
        T *numbers = static_cast<T *>(out);
        const T *added = static_cast<const T *>(residual);
        const unsigned blocks = blocks_for(count, THREADS * PACK<T>);

        if (activation == DINOR1_ACT_GELU)
            DINOR1_LAUNCH(run, (finish<T, DINOR1_ACT_GELU>), blocks, THREADS, 0, numbers, added, count);
        else
            DINOR1_LAUNCH(run, (finish<T, DINOR1_ACT_RELU>), blocks, THREADS, 0, numbers, added, count);
    });
}

/* The product adds the bias, and the residual or an activation when they come next; what it cannot have, and a residual
 * behind an activation, is a pass of its own. */
void
run_linear(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Activation activation = args->params->linear.activation;
    const void *residual = args->inputs[3].data; /* [M, N]? */
    const bool plain = activation == DINOR1_ACT_NONE;
    const gint64 count = dinor1_shape_size(&args->outputs[0].shape);
    DinoR1CudaGemm gemm = {};

    if (count == 0)
        return;
    gemm.n = dinor1_shape_dim(&args->outputs[0].shape, -1);
    gemm.m = count / gemm.n;
    gemm.k = dinor1_shape_dim(&args->inputs[0].shape, -1);
    gemm.batch = 1;
    gemm.trans_b = TRUE;
    gemm.dtype = args->inputs[0].dtype;
    gemm.out_dtype = args->outputs[0].dtype;
    gemm.a = args->inputs[0].data;    /* [M, K] */
    gemm.b = args->inputs[1].data;    /* [N, K] */
    gemm.out = args->outputs[0].data; /* [M, N] */
    gemm.lda = gemm.ldb = gemm.k;
    gemm.ldc = gemm.n;
    gemm.alpha = 1;
    gemm.bias = args->inputs[2].data;
    gemm.residual = plain ? residual : NULL;
    if (!residual && dinor1_cuda_gemm_has(activation, gemm.out_dtype))
        gemm.activation = activation;
    dinor1_cuda_gemm(run, &gemm);
    if (!plain && gemm.activation != activation)
        run_finish(run, activation, gemm.out_dtype, gemm.out, residual, count);
}

/* Rows of an MLP at a time. Their middle, [rows, F] of x's type, is to stay in a device's second-level cache between
 * the two products; enough rows to keep it busy. */
gint64
mlp_rows(const DinoR1KernelArgs *args)
{
    constexpr gint64 MIDDLE = 32 << 20, FEWEST = 1024;
    const gint64 row = args->inputs[1].shape.dims[0] * (gint64)dinor1_dtype_size(args->inputs[0].dtype);

    return MIN(MAX(MIDDLE / MAX(row, 1), FEWEST),
        dinor1_shape_span(&args->outputs[0].shape, 0, args->outputs[0].shape.ndim - 1));
}

gsize
workspace_mlp(const DinoR1KernelArgs *args)
{
    return (gsize)(mlp_rows(args) * args->inputs[1].shape.dims[0]) * dinor1_dtype_size(args->inputs[0].dtype);
}

void
run_mlp(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Activation activation = args->params->linear.activation;
    const gint64 f = args->inputs[1].shape.dims[0], k = dinor1_shape_dim(&args->inputs[0].shape, -1);
    const gint64 n = dinor1_shape_dim(&args->outputs[0].shape, -1), count = dinor1_shape_size(&args->outputs[0].shape);
    const DinoR1DType dtype = args->inputs[0].dtype, out_dtype = args->outputs[0].dtype;
    const DinoR1View &x = args->inputs[0], &residual = args->inputs[5]; /* [M, K], [M, N]? */
    const bool finished = dinor1_cuda_gemm_has(activation, dtype);
    const gint64 m = count ? count / n : 0;
    DinoR1CudaGemm first = {}, second = {};

    first.n = second.k = first.ldc = second.lda = second.ldb = f;
    first.k = first.lda = first.ldb = k;
    second.n = second.ldc = n;
    first.batch = second.batch = 1;
    first.trans_b = second.trans_b = TRUE;
    first.alpha = second.alpha = 1;
    first.dtype = first.out_dtype = second.dtype = dtype;
    second.out_dtype = out_dtype;
    first.b = args->inputs[1].data;     /* [F, K] */
    first.bias = args->inputs[2].data;  /* [F] */
    second.b = args->inputs[3].data;    /* [N, F] */
    second.bias = args->inputs[4].data; /* [N] */
    first.activation = finished ? activation : DINOR1_ACT_NONE;
    first.out = args->workspace;
    second.a = args->workspace;
    for (gint64 row = 0; row < m; row += first.m) {
        first.m = second.m = MIN(mlp_rows(args), m - row);
        first.a = dinor1_cuda_element(x.data, row * k, dtype);
        second.out = const_cast<void *>(dinor1_cuda_element(args->outputs[0].data, row * n, out_dtype));
        second.residual = residual.data ? dinor1_cuda_element(residual.data, row * n, out_dtype) : NULL;
        dinor1_cuda_gemm(run, &first);
        if (!finished)
            run_finish(run, activation, dtype, args->workspace, NULL, first.m * f);
        dinor1_cuda_gemm(run, &second);
    }
}

/* The matrices of a batch: a shape without its last two dimensions. */
DinoR1Shape
leading(const DinoR1Shape &shape)
{
    DinoR1Shape lead = shape;
    lead.ndim -= 2;
    return lead;
}

/* One call for the innermost of the leading dimensions, as often as the others ask. */
void
multiply_batches(DinoR1CudaRun *run, DinoR1CudaGemm gemm, const DinoR1KernelArgs *args)
{
    const DinoR1Shape lead = leading(args->outputs[0].shape);
    const DinoR1Shape lead_a = leading(args->inputs[0].shape), lead_b = leading(args->inputs[1].shape);
    const Broadcast<2> batches = broadcast<2>(lead, {&lead_a, &lead_b}); /* in matrices */
    const int inner = batches.ndim - 1;
    const gint64 size_a = gemm.m * gemm.k, size_b = gemm.k * gemm.n, size_out = gemm.m * gemm.n;
    const void *a = gemm.a, *b = gemm.b, *out = gemm.out, *residual = gemm.residual;

    gemm.batch = batches.dims[inner];
    gemm.stride_a = batches.strides[0][inner] * size_a;
    gemm.stride_b = batches.strides[1][inner] * size_b;
    gemm.stride_out = size_out;
    for (gint64 first = 0; first < dinor1_shape_size(&lead); first += gemm.batch) {
        gint64 offsets[2];

        locate(batches, first, offsets);
        gemm.a = dinor1_cuda_element(a, offsets[0] * size_a, gemm.dtype);
        gemm.b = dinor1_cuda_element(b, offsets[1] * size_b, gemm.dtype);
        gemm.out = const_cast<void *>(dinor1_cuda_element(out, first * size_out, gemm.out_dtype));
        gemm.residual = residual ? dinor1_cuda_element(residual, first * size_out, gemm.out_dtype) : NULL;
        dinor1_cuda_gemm(run, &gemm);
    }
}

void
run_matmul(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Shape &shape = args->outputs[0].shape;
    const gint64 matrices_b = dinor1_shape_span(&args->inputs[1].shape, 0, args->inputs[1].shape.ndim - 2);
    DinoR1CudaGemm gemm = {};

    if (dinor1_shape_size(&shape) == 0)
        return;
    gemm.trans_a = args->params->matmul.trans_a;
    gemm.trans_b = args->params->matmul.trans_b;
    gemm.m = dinor1_shape_dim(&shape, -2);
    gemm.n = dinor1_shape_dim(&shape, -1);
    gemm.k = dinor1_shape_dim(&args->inputs[0].shape, gemm.trans_a ? -2 : -1);
    gemm.dtype = args->inputs[0].dtype;
    gemm.out_dtype = args->outputs[0].dtype;
    gemm.a = args->inputs[0].data;
    gemm.b = args->inputs[1].data;
    gemm.out = args->outputs[0].data;
    gemm.lda = gemm.trans_a ? gemm.m : gemm.k;
    gemm.ldb = gemm.trans_b ? gemm.k : gemm.n;
    gemm.ldc = gemm.n;
    gemm.alpha = args->params->matmul.alpha;
    gemm.bias = args->inputs[2].data;
    gemm.residual = args->inputs[3].data;
    if (matrices_b == 1 && !gemm.trans_a) {
        /* All rows with one matrix: one tall product. */
        gemm.m = dinor1_shape_size(&shape) / gemm.n;
        gemm.batch = 1;
        dinor1_cuda_gemm(run, &gemm);
    } else {
        multiply_batches(run, gemm, args);
    }
}

} // namespace

void
dinor1_cuda_init_linear(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_LINEAR] = {run_linear, NULL};
    kernels->ops[DINOR1_OP_MLP] = {run_mlp, workspace_mlp};
    kernels->ops[DINOR1_OP_MATMUL] = {run_matmul, NULL};
}
