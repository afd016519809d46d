/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SOFTMAX and its adjoint. Along the last axis threads share a row; along another one a thread has a column, and its
 * neighbours the columns beside it.
 */
#include "backend/cuda/numbers.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

/* Threads of a long row, and how long a row may be for one warp. */
constexpr int THREADS = 256;
constexpr gint64 SHORT_ROW = 1024;

/* e^(x - max), 0 where everything is -inf. */
__device__ __forceinline__ float
weight(float x, float max)
{
    return max == -INFINITY ? 0 : expf(x - max);
}

/* A row of n by SHARE threads: a warp, or the whole block. */
template <typename T, int SHARE>
__global__ void
softmax_rows(const T *__restrict__ x, T *__restrict__ out, gint64 rows, gint64 n)
{
    const gint64 row = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE, first = threadIdx.x % SHARE;
    float max = -INFINITY, sum = 0;

    if (row >= rows)
        return;
    x += row * n;
    out += row * n;
    for (gint64 i = first; i < n; i += SHARE)
        max = fmaxf(max, load(x + i));
    max = reduce_block<SHARE>(max, Max());
    for (gint64 i = first; i < n; i += SHARE)
        sum += weight(load(x + i), max);
    sum = reduce_block<SHARE>(sum, Sum());
    const float scale = max == -INFINITY ? 0 : 1 / sum;
    for (gint64 i = first; i < n; i += SHARE)
        store(out + i, weight(load(x + i), max) * scale);
}

template <typename T>
__global__ void
softmax_columns(const T *__restrict__ x, T *__restrict__ out, Axis axis)
{
    const gint64 column = (gint64)blockIdx.x * THREADS + threadIdx.x;
    const gint64 first = column / axis.inner * axis.n * axis.inner + column % axis.inner;
    float max = -INFINITY, sum = 0;

    if (column >= axis.outer * axis.inner)
        return;
    for (gint64 i = 0; i < axis.n; i++)
        max = fmaxf(max, load(x + first + i * axis.inner));
    for (gint64 i = 0; i < axis.n; i++)
        sum += weight(load(x + first + i * axis.inner), max);
    const float scale = max == -INFINITY ? 0 : 1 / sum;
    for (gint64 i = 0; i < axis.n; i++)
        store(out + first + i * axis.inner, weight(load(x + first + i * axis.inner), max) * scale);
}

/* dx = y (dy - sum(y dy)). */
template <typename T, int SHARE>
__global__ void
softmax_grad_rows(const T *__restrict__ y, const T *__restrict__ dy, T *__restrict__ dx, gint64 rows, gint64 n)
{
    const gint64 row = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE, first = threadIdx.x % SHARE;
    float sum = 0;

    if (row >= rows)
        return;
    y += row * n;
    dy += row * n;
    dx += row * n;
    for (gint64 i = first; i < n; i += SHARE)
        sum += load(y + i) * load(dy + i);
    sum = reduce_block<SHARE>(sum, Sum());
    for (gint64 i = first; i < n; i += SHARE)
        store(dx + i, load(y + i) * (load(dy + i) - sum));
}

template <typename T>
__global__ void
softmax_grad_columns(const T *__restrict__ y, const T *__restrict__ dy, T *__restrict__ dx, Axis axis)
{
    const gint64 column = (gint64)blockIdx.x * THREADS + threadIdx.x;
    const gint64 first = column / axis.inner * axis.n * axis.inner + column % axis.inner;
    float sum = 0;

    if (column >= axis.outer * axis.inner)
        return;
    for (gint64 i = 0; i < axis.n; i++)
        sum += load(y + first + i * axis.inner) * load(dy + first + i * axis.inner);
    for (gint64 i = 0; i < axis.n; i++) {
        const gint64 at = first + i * axis.inner;
        store(dx + at, load(y + at) * (load(dy + at) - sum));
    }
}

template <typename T>
void
run_softmax(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->softmax.axis);
    const T *x = static_cast<const T *>(args->inputs[0].data);
    T *out = static_cast<T *>(args->outputs[0].data);

    if (axis.inner > 1)
        DINOR1_LAUNCH(run, softmax_columns<T>, blocks_for(axis.outer * axis.inner, THREADS), THREADS, 0, x, out, axis);
    else if (axis.n <= SHORT_ROW)
        DINOR1_LAUNCH(run, (softmax_rows<T, (int)WARP>), blocks_for(axis.outer, THREADS / WARP), THREADS, 0, x, out,
            axis.outer, axis.n);
    else
        DINOR1_LAUNCH(
            run, (softmax_rows<T, THREADS>), blocks_for(axis.outer, 1), THREADS, 0, x, out, axis.outer, axis.n);
}

template <typename T>
void
run_softmax_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->softmax.axis);
    const T *y = static_cast<const T *>(args->inputs[0].data), *dy = static_cast<const T *>(args->inputs[1].data);
    T *dx = static_cast<T *>(args->outputs[0].data);

    if (axis.inner > 1)
        DINOR1_LAUNCH(
            run, softmax_grad_columns<T>, blocks_for(axis.outer * axis.inner, THREADS), THREADS, 0, y, dy, dx, axis);
    else if (axis.n <= SHORT_ROW)
        DINOR1_LAUNCH(run, (softmax_grad_rows<T, (int)WARP>), blocks_for(axis.outer, THREADS / WARP), THREADS, 0, y, dy,
            dx, axis.outer, axis.n);
    else
        DINOR1_LAUNCH(
            run, (softmax_grad_rows<T, THREADS>), blocks_for(axis.outer, 1), THREADS, 0, y, dy, dx, axis.outer, axis.n);
}

} // namespace

void
dinor1_cuda_init_softmax(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_SOFTMAX] = {run_softmax<float>, NULL};
    kernels->ops[DINOR1_OP_SOFTMAX_GRAD] = {run_softmax_grad<float>, NULL};
}
