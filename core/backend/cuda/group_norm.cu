/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GROUP_NORM: every channel of a part of the rows has its mean and squared deviations, those of a group are put
 * together, and a second pass over x applies them. Nothing is squared before its mean is taken off.
 */
#include "backend/cuda/group_norm.h"

#include "backend/cuda/types.h"
#include "backend/cuda/warp.h"

namespace dinor1_cuda
{

namespace
{

constexpr int THREADS = 128;
/* Blocks that keep a device busy, and rows too few to be cut. */
constexpr gint64 ENOUGH_BLOCKS = 1024, SHORTEST_PART = 64;

/* moments [batches, parts, channels, 2]: the mean of a channel in a part and the sum of its squared deviations. */
template <typename T>
__global__ void
channel_moments(const T *__restrict__ x, float *__restrict__ moments, Groups g)
{
    const GroupTile tile = group_tile(g.channels, g.parts);
    const gint64 first = tile.piece * g.rows / g.parts, end = (tile.piece + 1) * g.rows / g.parts;
    const bool inside = tile.column < g.channels;
    float sum = 0;

    x += tile.batch * g.rows * g.channels + tile.column;
    if (inside)
        for (gint64 row = first + threadIdx.y; row < end; row += GROUP_LINES)
            sum += load(x + row * g.channels);
    const float mean = add_lines(sum) / (float)(end - first);

    sum = 0;
    if (inside) {
        for (gint64 row = first + threadIdx.y; row < end; row += GROUP_LINES) {
            const float deviation = load(x + row * g.channels) - mean;
            sum += deviation * deviation;
        }
    }
    const float values[2] = {mean, add_lines(sum)};
    if (inside && threadIdx.y == 0)
        store_pack<2>(moments + ((tile.batch * g.parts + tile.piece) * g.channels + tile.column) * 2, values);
}

/* A block a group. Means are taken as differences from the first one, which keeps their digits. */
__global__ void
merge_moments(const float *__restrict__ moments, GroupStatistics *__restrict__ statistics, Groups g)
{
    const gint64 groups = g.channels / g.width, batch = blockIdx.x / groups, group = blockIdx.x % groups;
    const float size = (float)(g.rows * g.width);
    float sum = 0;

    moments += (batch * g.parts * g.channels + group * g.width) * 2;
    const float reference = moments[0];
    for (gint64 i = threadIdx.x; i < g.parts * g.width; i += THREADS) {
        const gint64 part = i / g.width, count = (part + 1) * g.rows / g.parts - part * g.rows / g.parts;
        sum += (float)count * (moments[(part * g.channels + i % g.width) * 2] - reference);
    }
    const float shift = reduce_block<THREADS>(sum, Sum()) / size;

    sum = 0;
    for (gint64 i = threadIdx.x; i < g.parts * g.width; i += THREADS) {
        const gint64 part = i / g.width, count = (part + 1) * g.rows / g.parts - part * g.rows / g.parts;
        float values[2];

        load_pack<2>(moments + (part * g.channels + i % g.width) * 2, values);
        const float deviation = values[0] - reference - shift;
        sum += values[1] + (float)count * deviation * deviation;
    }
    const float variance = reduce_block<THREADS>(sum, Sum()) / size;
    if (threadIdx.x > 0)
        return;
    /* The sum of two numbers and what it rounds off. */
    const float mean = reference + shift, added = mean - reference;
    const float rest = (reference - (mean - added)) + (shift - added);
    statistics[blockIdx.x] = {mean, rest, 1 / sqrtf(variance + g.epsilon)};
}

gint64
moments_size(const Groups &g)
{
    return (g.batches * g.parts * g.channels * 2 + 15) / 16 * 16;
}

} // namespace

Groups
find_groups(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, N, C */
    const gint64 blocks = dims[0] * group_tiles(dims[2]);
    const gint64 wanted = (ENOUGH_BLOCKS + blocks - 1) / MAX(blocks, 1);

    return {dims[0], dims[1], dims[2], dims[2] / args->params->norm.groups, CLAMP(dims[1] / SHORTEST_PART, 1, wanted),
        args->params->norm.epsilon};
}

gint64
group_statistics_workspace(const Groups &g)
{
    return moments_size(g) + (g.batches * (g.channels / g.width) * 4 + 15) / 16 * 16;
}

template <typename T>
GroupStatistics *
group_statistics(DinoR1CudaRun *run, const Groups &g, const T *x, float *workspace)
{
    GroupStatistics *statistics = reinterpret_cast<GroupStatistics *>(workspace + moments_size(g));

    DINOR1_LAUNCH(run, channel_moments<T>, blocks_for(g.batches * g.parts * group_tiles(g.channels), 1),
        dim3(GROUP_COLUMNS, GROUP_LINES), 0, x, workspace, g);
    DINOR1_LAUNCH(
        run, merge_moments, blocks_for(g.batches * (g.channels / g.width), 1), THREADS, 0, workspace, statistics, g);
    return statistics;
}

template GroupStatistics *group_statistics(DinoR1CudaRun *, const Groups &, const float *, float *);

namespace
{

/* Tiles of GROUP_ROWS rows and GROUP_COLUMNS packs of N channels. */
template <typename T, int N>
__global__ void
normalise(const T *__restrict__ x, const float *__restrict__ gamma, const float *__restrict__ beta,
    const GroupStatistics *__restrict__ statistics, T *__restrict__ out, Groups g)
{
    const GroupTile tile = group_tile(g.channels / N, (g.rows + GROUP_ROWS - 1) / GROUP_ROWS);
    const gint64 channel = tile.column * N, first = tile.piece * GROUP_ROWS;
    GroupStatistics own[N];
    float scale[N], shift[N], values[N];

    if (channel >= g.channels)
        return;
    load_pack<N>(gamma + channel, scale);
    load_pack<N>(beta + channel, shift);
#pragma unroll
    for (int i = 0; i < N; i++) {
        own[i] = statistics[tile.batch * (g.channels / g.width) + (channel + i) / g.width];
        scale[i] *= own[i].scale;
    }
    for (gint64 row = first + threadIdx.y; row < MIN(first + GROUP_ROWS, g.rows); row += GROUP_LINES) {
        const gint64 at = (tile.batch * g.rows + row) * g.channels + channel;

        load_pack<N>(x + at, values);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = own[i].deviation(values[i]) * scale[i] + shift[i];
        store_pack<N>(out + at, values);
    }
}

gsize
workspace_group_norm(const DinoR1KernelArgs *args)
{
    return (gsize)group_statistics_workspace(find_groups(args)) * sizeof(float);
}

template <typename T, int N>
void
run_normalise(DinoR1CudaRun *run, const Groups &g, const GroupStatistics *statistics)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 blocks = g.batches * ((g.rows + GROUP_ROWS - 1) / GROUP_ROWS) * group_tiles(g.channels / N);

    DINOR1_LAUNCH(run, (normalise<T, N>), blocks_for(blocks, 1), dim3(GROUP_COLUMNS, GROUP_LINES), 0,
        static_cast<const T *>(args->inputs[0].data), static_cast<const float *>(args->inputs[1].data),
        static_cast<const float *>(args->inputs[2].data), statistics, static_cast<T *>(args->outputs[0].data), g);
}

template <typename T>
void
run_group_norm(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Groups g = find_groups(args);
    const GroupStatistics *statistics =
        group_statistics(run, g, static_cast<const T *>(args->inputs[0].data), static_cast<float *>(args->workspace));

    if (g.channels % PACK<T> == 0)
        run_normalise<T, PACK<T>>(run, g, statistics);
    else
        run_normalise<T, 1>(run, g, statistics);
}

} // namespace

} // namespace dinor1_cuda

void
dinor1_cuda_init_group_norm(DinoR1CudaKernels *kernels)
{
    using namespace dinor1_cuda;

    kernels->ops[DINOR1_OP_GROUP_NORM] = {DINOR1_BY_TYPE(run_group_norm), workspace_group_norm};
}
