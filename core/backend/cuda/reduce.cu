/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * REDUCE and SUM_TO. A long axis with few results is cut into parts, whose results are reduced in turn: the order of
 * the additions depends on the shape alone.
 */
#include "backend/cuda/reduce.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/warp.h"

namespace dinor1_cuda
{

namespace
{

constexpr int THREADS = 256;
/* A tile of results that lie side by side: so many columns, each read by so many threads. */
constexpr int COLUMNS = 32, LINES = 8;
/* Blocks that keep a device busy, and what is too short to be cut. */
constexpr gint64 ENOUGH_BLOCKS = 1024, SHORTEST_PART = 1024;

/* How many pieces the axis is cut into. */
gint64
count_parts(const Axis &axis)
{
    const gint64 blocks = axis.outer * (axis.inner == 1 ? 1 : (axis.inner + COLUMNS - 1) / COLUMNS);
    const gint64 wanted = (ENOUGH_BLOCKS + blocks - 1) / MAX(blocks, 1);

    return CLAMP(axis.n / SHORTEST_PART, 1, wanted);
}

/* inner == 1. Block b: part b % parts of row b / parts. out [outer, parts]. */
template <typename T, typename R, typename Op>
__global__ void
reduce_rows(const T *__restrict__ x, R *__restrict__ out, gint64 n, gint64 parts, float scale, Op op)
{
    const gint64 row = blockIdx.x / parts, part = blockIdx.x % parts;
    const gint64 first = part * n / parts, end = (part + 1) * n / parts;
    float value = Op::NEUTRAL;

    for (gint64 i = first + threadIdx.x; i < end; i += THREADS)
        value = op(value, load(x + row * n + i));
    value = reduce_block<THREADS>(value, op);
    if (threadIdx.x == 0)
        store(out + blockIdx.x, value * scale);
}

/* inner == 1 and n short: a warp per row. */
template <typename T, typename R, typename Op>
__global__ void
reduce_short_rows(const T *__restrict__ x, R *__restrict__ out, gint64 outer, gint64 n, float scale, Op op)
{
    const gint64 row = (gint64)blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
    float value = Op::NEUTRAL;

    if (row >= outer)
        return;
    for (gint64 i = threadIdx.x % WARP; i < n; i += WARP)
        value = op(value, load(x + row * n + i));
    value = reduce_warp(value, op);
    if (threadIdx.x % WARP == 0)
        store(out + row, value * scale);
}

/* Block (t, b): columns t * COLUMNS ... of part b % parts of b / parts. out [outer, parts, inner]. */
template <typename T, typename R, typename Op>
__global__ void
reduce_columns(const T *__restrict__ x, R *__restrict__ out, gint64 blocks, Axis axis, gint64 parts, float scale, Op op)
{
    DINOR1_SHARED(float, values, [LINES][COLUMNS]);
    const gint64 tiles = (axis.inner + COLUMNS - 1) / COLUMNS;

    for (gint64 block = blockIdx.x; block < blocks; block += gridDim.x) {
        const gint64 column = block % tiles * COLUMNS + threadIdx.x, slice = block / tiles;
        const gint64 outer = slice / parts, part = slice % parts;
        const gint64 first = part * axis.n / parts, end = (part + 1) * axis.n / parts;
        float value = Op::NEUTRAL;

        if (column < axis.inner)
            for (gint64 i = first + threadIdx.y; i < end; i += LINES)
                value = op(value, load(x + (outer * axis.n + i) * axis.inner + column));
        values[threadIdx.y][threadIdx.x] = value;
        __syncthreads();
        if (threadIdx.y == 0 && column < axis.inner) {
#pragma unroll
            for (int line = 1; line < LINES; line++)
                value = op(value, values[line][threadIdx.x]);
            store(out + slice * axis.inner + column, value * scale);
        }
        __syncthreads();
    }
}

/* One pass: x [outer, n, inner] to out [outer, parts, inner]. */
template <typename T, typename R, typename Op>
void
reduce_parts(DinoR1CudaRun *run, const Axis &axis, gint64 parts, float scale, const T *x, R *out)
{
    if (axis.inner == 1 && parts == 1 && axis.n <= SHORTEST_PART) {
        DINOR1_LAUNCH(run, (reduce_short_rows<T, R, Op>), blocks_for(axis.outer, THREADS / WARP), THREADS, 0, x, out,
            axis.outer, axis.n, scale, Op());
    } else if (axis.inner == 1) {
        DINOR1_LAUNCH(run, (reduce_rows<T, R, Op>), blocks_for(axis.outer * parts, 1), THREADS, 0, x, out, axis.n,
            parts, scale, Op());
    } else {
        const gint64 blocks = axis.outer * parts * ((axis.inner + COLUMNS - 1) / COLUMNS);
        DINOR1_LAUNCH(run, (reduce_columns<T, R, Op>), (unsigned)MIN(blocks, G_MAXINT32), dim3(COLUMNS, LINES), 0, x,
            out, blocks, axis, parts, scale, Op());
    }
}

template <typename T, typename Op>
void
reduce_with(DinoR1CudaRun *run, const Axis &axis, float scale, const T *x, T *out, float *workspace)
{
    const gint64 parts = count_parts(axis);

    if (parts == 1) {
        reduce_parts<T, T, Op>(run, axis, 1, scale, x, out);
    } else {
        reduce_parts<T, float, Op>(run, axis, parts, 1, x, workspace);
        reduce_parts<float, T, Op>(run, {axis.outer, parts, axis.inner}, 1, scale, workspace, out);
    }
}

} // namespace

gint64
reduce_axis_workspace(const Axis &axis)
{
    const gint64 parts = count_parts(axis);
    return parts == 1 ? 0 : axis.outer * parts * axis.inner;
}

template <typename T>
void
reduce_axis(DinoR1CudaRun *run, const Axis &axis, bool max, float scale, const T *x, T *out, float *workspace)
{
    if (max)
        reduce_with<T, Max>(run, axis, scale, x, out, workspace);
    else
        reduce_with<T, Sum>(run, axis, scale, x, out, workspace);
}

template void reduce_axis(DinoR1CudaRun *, const Axis &, bool, float, const float *, float *, float *);

namespace
{

gsize
workspace_reduce(const DinoR1KernelArgs *args)
{
    const Axis axis = split_axis(args->inputs[0].shape, args->params->reduce.axis);
    return (gsize)reduce_axis_workspace(axis) * sizeof(float);
}

template <typename T>
void
run_reduce(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->reduce.axis);
    const DinoR1ReduceFunc func = args->params->reduce.func;

    reduce_axis(run, axis, func == DINOR1_REDUCE_MAX, func == DINOR1_REDUCE_MEAN ? 1 / (float)axis.n : 1,
        static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data),
        static_cast<float *>(args->workspace));
}

/* The axes along which SUM_TO adds, innermost first, each with the shape that is left when the ones before are done;
 * neighbours are one. Returns how many. */
int
find_sums(const DinoR1KernelArgs *args, Axis (&sums)[DINOR1_MAX_DIMS])
{
    const DinoR1Shape &from = args->inputs[0].shape, &to = args->outputs[0].shape;
    gint64 inner = 1;
    bool adding = false;
    int n = 0;

    for (int d = from.ndim - 1; d >= 0; d--) {
        const int own = d - (from.ndim - to.ndim);

        if (from.dims[d] == 1)
            continue;
        if (own >= 0 && to.dims[own] != 1) {
            inner *= from.dims[d];
            adding = false;
        } else if (adding) {
            sums[n - 1].n *= from.dims[d];
            sums[n - 1].outer = dinor1_shape_span(&from, 0, d);
        } else {
            sums[n++] = {dinor1_shape_span(&from, 0, d), from.dims[d], inner};
            adding = true;
        }
    }
    return n;
}

/* Of the workspace: the results of one step, and what its parts need. Even steps have the front, odd ones the back. */
gint64
step_size(const Axis &axis)
{
    return (axis.outer * axis.inner + reduce_axis_workspace(axis) + 15) / 16 * 16;
}

gsize
workspace_sum_to(const DinoR1KernelArgs *args)
{
    Axis sums[DINOR1_MAX_DIMS];
    const int n = find_sums(args, sums);
    gint64 size = 0;

    for (int i = 0; i < n; i++)
        size += step_size(sums[i]);
    return (gsize)size * sizeof(float);
}

template <typename T>
void
run_sum_to(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    Axis sums[DINOR1_MAX_DIMS];
    const int n = find_sums(args, sums);
    const T *x = static_cast<const T *>(args->inputs[0].data);
    T *out = static_cast<T *>(args->outputs[0].data);
    float *workspace = static_cast<float *>(args->workspace);

    for (int i = 0; i < n; i++) {
        T *to = i == n - 1 ? out : reinterpret_cast<T *>(workspace);
        reduce_axis(run, sums[i], false, 1, x, to, workspace + sums[i].outer * sums[i].inner);
        workspace += step_size(sums[i]);
        x = to;
    }
    if (n == 0)
        DINOR1_CUDA_CHECK(run, cudaMemcpyAsync(out, x, (gsize)dinor1_shape_size(&args->outputs[0].shape) * sizeof(T),
                                   cudaMemcpyDeviceToDevice, run->stream));
}

} // namespace

} // namespace dinor1_cuda

void
dinor1_cuda_init_reduce(DinoR1CudaKernels *kernels)
{
    using namespace dinor1_cuda;

    kernels->ops[DINOR1_OP_REDUCE] = {run_reduce<float>, workspace_reduce};
    kernels->ops[DINOR1_OP_SUM_TO] = {run_sum_to<float>, workspace_sum_to};
}
