/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CONV2D and its adjoint as products. What lies under the kernel becomes a row of a matrix [B Ho Wo, Ci kh kw] in the
 * weight's order, in the workspace; a 1x1 kernel needs no such matrix, for x is one.
 */
#include "backend/cuda/blas.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* Rows of the matrix that a thread writes one element of. */
constexpr int RUN = 8;

/* x [B, H, W, Ci], weight [Co, Ci, kh, kw], the output [B, Ho, Wo, Co]. */
struct Conv {
    gint64 batches, height, width, channels;
    gint64 out_channels, kernel_height, kernel_width, out_height, out_width;
    gint64 stride, top, left;

    /* The matrix: positions of the output, and elements of x under the kernel. */
    __host__ __device__ gint64 rows() const
    {
        return batches * out_height * out_width;
    }
    __host__ __device__ gint64 columns() const
    {
        return channels * kernel_height * kernel_width;
    }
};

/* @out: the shape of the forward op's output. */
Conv
find_conv(const DinoR1KernelArgs *args, const DinoR1Shape &out)
{
    const gint64 *x = args->inputs[0].shape.dims, *weight = args->inputs[1].shape.dims;

    return {x[0], x[1], x[2], x[3], weight[0], weight[2], weight[3], out.dims[1], out.dims[2],
        args->params->conv.stride, args->params->conv.pad_top, args->params->conv.pad_left};
}

/* Whether x is the matrix already. */
bool
is_product(const Conv &c)
{
    return c.kernel_height == 1 && c.kernel_width == 1 && c.stride == 1 && c.top == 0 && c.left == 0 &&
           c.out_height == c.height && c.out_width == c.width;
}

gsize
matrix_size(const Conv &c, DinoR1DType dtype)
{
    return is_product(c) ? 0 : (gsize)(c.rows() * c.columns()) * dinor1_dtype_size(dtype);
}

/* A column of RUN rows a thread; neighbours have the columns beside it. */
template <typename T, typename I>
__global__ void
unfold(const T *__restrict__ x, T *__restrict__ matrix, Conv c)
{
    const I thread = (I)blockIdx.x * THREADS + (I)threadIdx.x, columns = (I)c.columns();
    const I run = thread / columns, column = thread - run * columns;
    const gint64 first = (gint64)run * RUN, rows = c.rows();

    if (first >= rows)
        return;
    const I taps = (I)(c.kernel_height * c.kernel_width), channel = column / taps, tap = column - channel * taps;
    const I tap_y = tap / (I)c.kernel_width, tap_x = tap - tap_y * (I)c.kernel_width;
    const I line = (I)first / (I)c.out_width;
    gint64 out_x = (I)first - line * (I)c.out_width, batch = line / (I)c.out_height;
    gint64 out_y = line - batch * c.out_height;

    for (gint64 row = first; row < MIN(first + RUN, rows); row++) {
        const gint64 from_y = out_y * c.stride - c.top + tap_y, from_x = out_x * c.stride - c.left + tap_x;
        const bool inside = from_y >= 0 && from_y < c.height && from_x >= 0 && from_x < c.width;
        const gint64 at = ((batch * c.height + from_y) * c.width + from_x) * c.channels + channel;

        matrix[row * columns + column] = inside ? x[at] : T();
        if (++out_x == c.out_width) {
            out_x = 0;
            if (++out_y == c.out_height) {
                out_y = 0;
                batch++;
            }
        }
    }
}

/* dx [B, H, W, Ci]: an element gathers the elements of the matrix that it went to. */
template <typename T, typename I>
__global__ void
fold(const T *__restrict__ matrix, T *__restrict__ dx, gint64 n, Conv c)
{
    const gint64 i = (gint64)blockIdx.x * THREADS + threadIdx.x;

    if (i >= n)
        return;
    const I pixel = (I)i / (I)c.channels, channel = (I)i - pixel * (I)c.channels;
    const I line = pixel / (I)c.width, batch = line / (I)c.height;
    const gint64 y = line - batch * (I)c.height + c.top, x = pixel - line * (I)c.width + c.left;
    float sum = 0;

    for (I tap_y = 0; tap_y < (I)c.kernel_height && tap_y <= y; tap_y++) {
        const I out_y = (I)(y - tap_y) / (I)c.stride;

        if (out_y * c.stride != y - tap_y || out_y >= c.out_height)
            continue;
        for (I tap_x = 0; tap_x < (I)c.kernel_width && tap_x <= x; tap_x++) {
            const I out_x = (I)(x - tap_x) / (I)c.stride;

            if (out_x * c.stride != x - tap_x || out_x >= c.out_width)
                continue;
            sum += load(matrix + (((gint64)batch * c.out_height + out_y) * c.out_width + out_x) * c.columns() +
                        (channel * c.kernel_height + tap_y) * c.kernel_width + tap_x);
        }
    }
    store(dx + i, sum);
}

/* The matrix of x: in @matrix, or x itself. */
template <typename T>
const T *
run_unfold(DinoR1CudaRun *run, const Conv &c, const T *x, T *matrix)
{
    const gint64 threads = (c.rows() + RUN - 1) / RUN * c.columns();

    if (is_product(c))
        return x;
    /* The last block's threads count too. */
    if (MAX(threads, c.rows()) > G_MAXINT32 - THREADS)
        DINOR1_LAUNCH(run, (unfold<T, gint64>), blocks_for(threads, THREADS), THREADS, 0, x, matrix, c);
    else
        DINOR1_LAUNCH(run, (unfold<T, gint32>), blocks_for(threads, THREADS), THREADS, 0, x, matrix, c);
    return matrix;
}

template <typename T>
void
run_fold(DinoR1CudaRun *run, const Conv &c, const T *matrix, T *dx)
{
    const gint64 n = c.batches * c.height * c.width * c.channels;

    if (n > G_MAXINT32)
        DINOR1_LAUNCH(run, (fold<T, gint64>), blocks_for(n, THREADS), THREADS, 0, matrix, dx, n, c);
    else
        DINOR1_LAUNCH(run, (fold<T, gint32>), blocks_for(n, THREADS), THREADS, 0, matrix, dx, n, c);
}

/* out [m, n] = op(a) . op(b), all of @dtype and without gaps. */
DinoR1CudaGemm
product(DinoR1DType dtype, gint64 m, gint64 n, gint64 k, const void *a, gboolean trans_a, const void *b,
    gboolean trans_b, void *out)
{
    DinoR1CudaGemm gemm = {};

    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.batch = 1;
    gemm.trans_a = trans_a;
    gemm.trans_b = trans_b;
    gemm.dtype = gemm.out_dtype = dtype;
    gemm.a = a;
    gemm.b = b;
    gemm.out = out;
    gemm.lda = trans_a ? m : k;
    gemm.ldb = trans_b ? k : n;
    gemm.ldc = n;
    gemm.alpha = 1;
    return gemm;
}

gsize
workspace_conv2d(const DinoR1KernelArgs *args)
{
    return matrix_size(find_conv(args, args->outputs[0].shape), args->inputs[0].dtype);
}

gsize
workspace_conv2d_grad(const DinoR1KernelArgs *args)
{
    return matrix_size(find_conv(args, args->inputs[2].shape), args->inputs[0].dtype);
}

template <typename T>
void
run_conv2d(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Conv c = find_conv(args, args->outputs[0].shape);
    const T *x = static_cast<const T *>(args->inputs[0].data);
    const T *matrix = run_unfold(run, c, x, static_cast<T *>(args->workspace));
    DinoR1CudaGemm gemm = product(args->inputs[0].dtype, c.rows(), c.out_channels, c.columns(), matrix, FALSE,
        args->inputs[1].data, TRUE, args->outputs[0].data);

    gemm.bias = args->inputs[2].data;
    dinor1_cuda_gemm(run, &gemm);
}

/* The matrix of x, for dweight = dy^T . matrix, makes room for its own gradient dy . weight. */
void
run_conv2d_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Conv c = find_conv(args, args->inputs[2].shape);
    const float *x = static_cast<const float *>(args->inputs[0].data);
    const float *weight = static_cast<const float *>(args->inputs[1].data);
    const float *dy = static_cast<const float *>(args->inputs[2].data); /* [B Ho Wo, Co] */
    float *dx = static_cast<float *>(args->outputs[0].data), *dweight = static_cast<float *>(args->outputs[1].data);
    float *workspace = static_cast<float *>(args->workspace), *dmatrix = is_product(c) ? dx : workspace;
    const float *matrix = run_unfold(run, c, x, workspace);
    const DinoR1CudaGemm for_weight =
        product(DINOR1_F32, c.out_channels, c.columns(), c.rows(), dy, TRUE, matrix, FALSE, dweight);
    const DinoR1CudaGemm for_matrix =
        product(DINOR1_F32, c.rows(), c.columns(), c.out_channels, dy, FALSE, weight, FALSE, dmatrix);

    dinor1_cuda_gemm(run, &for_weight);
    dinor1_cuda_gemm(run, &for_matrix);
    if (!is_product(c))
        run_fold(run, c, static_cast<const float *>(dmatrix), dx);
}

} // namespace

void
dinor1_cuda_init_conv(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_CONV2D] = {DINOR1_BY_SIZE(run_conv2d), workspace_conv2d};
    kernels->ops[DINOR1_OP_CONV2D_GRAD] = {run_conv2d_grad, workspace_conv2d_grad};
}
