/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * REDUCE_MAX_GRAD. Along the last axis threads share a row; along another one a thread has a column.
 */
#include "backend/cuda/numbers.h"
#include "backend/cuda/place.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
constexpr gint64 SHORT_ROW = 1024;

/* The first of all threads' places, for each of them; SHARE is a warp or the block. */
template <int SHARE>
__device__ __forceinline__ Place
first_place(Place place)
{
#pragma unroll
    for (int bit = WARP / 2; bit > 0; bit /= 2) {
        const Place other = __shfl_xor_sync(ALL_LANES, place, bit);
        place = other > place ? other : place;
    }
    if (SHARE == WARP)
        return place;

    DINOR1_SHARED(Place, places, [THREADS / WARP]);
    if (threadIdx.x % WARP == 0)
        places[threadIdx.x / WARP] = place;
    __syncthreads();
#pragma unroll
    for (int warp = 0; warp < THREADS / (int)WARP; warp++)
        place = places[warp] > place ? places[warp] : place;
    return place;
}

/* A row of n by SHARE threads. A NaN is never greater than what came before it, nor is anything greater than a NaN that
 * came first: it stays. */
template <typename T, int SHARE>
__global__ void
max_grad_rows(const T *__restrict__ x, const T *__restrict__ dy, T *__restrict__ dx, gint64 rows, gint64 n)
{
    const gint64 row = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE, first = threadIdx.x % SHARE;
    Place place = 0;

    if (row >= rows)
        return;
    x += row * n;
    for (gint64 i = first; i < n; i += SHARE) {
        const float value = load(x + i);
        const Place own = place_of(i == 0 && value != value ? INFINITY : value, i);
        place = own > place ? own : place;
    }
    const gint64 best = index_at(first_place<SHARE>(place));
    const float gradient = load(dy + row);
    for (gint64 i = first; i < n; i += SHARE)
        store(dx + row * n + i, i == best ? gradient : 0);
}

template <typename T>
__global__ void
max_grad_columns(const T *__restrict__ x, const T *__restrict__ dy, T *__restrict__ dx, Axis axis)
{
    const gint64 column = (gint64)blockIdx.x * THREADS + threadIdx.x;
    const gint64 first = column / axis.inner * axis.n * axis.inner + column % axis.inner;
    gint64 best = 0;

    if (column >= axis.outer * axis.inner)
        return;
    float max = load(x + first);
    for (gint64 i = 1; i < axis.n; i++) {
        const float value = load(x + first + i * axis.inner);
        if (value > max) {
            max = value;
            best = i;
        }
    }
    const float gradient = load(dy + column);
    for (gint64 i = 0; i < axis.n; i++)
        store(dx + first + i * axis.inner, i == best ? gradient : 0);
}

template <typename T>
void
run_reduce_max_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->reduce.axis);
    const T *x = static_cast<const T *>(args->inputs[0].data), *dy = static_cast<const T *>(args->inputs[1].data);
    T *dx = static_cast<T *>(args->outputs[0].data);

    if (axis.inner > 1)
        DINOR1_LAUNCH(
            run, max_grad_columns<T>, blocks_for(axis.outer * axis.inner, THREADS), THREADS, 0, x, dy, dx, axis);
    else if (axis.n <= SHORT_ROW)
        DINOR1_LAUNCH(run, (max_grad_rows<T, (int)WARP>), blocks_for(axis.outer, THREADS / WARP), THREADS, 0, x, dy, dx,
            axis.outer, axis.n);
    else
        DINOR1_LAUNCH(
            run, (max_grad_rows<T, THREADS>), blocks_for(axis.outer, 1), THREADS, 0, x, dy, dx, axis.outer, axis.n);
}

} // namespace

void
dinor1_cuda_init_reduce_grad(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_REDUCE_MAX_GRAD] = {run_reduce_max_grad<float>, NULL};
}
