/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GROUP_NORM_GRAD: with z = (x - mean) / deviation and g = gamma dy, dx = (g - mean(g) - z mean(g z)) / deviation. The
 * sums of dy and dy z over the rows of a channel give dbeta, dgamma and both means.
 */
#include "backend/cuda/group_norm.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 128;

template <typename T> struct Tensors {
    const T *x, *gamma, *dy;
    T *dx, *dgamma, *dbeta;
};

template <typename T>
Tensors<T>
find_tensors(const DinoR1KernelArgs *args)
{
    return {static_cast<const T *>(args->inputs[0].data), static_cast<const T *>(args->inputs[1].data),
        static_cast<const T *>(args->inputs[2].data), static_cast<T *>(args->outputs[0].data),
        static_cast<T *>(args->outputs[1].data), static_cast<T *>(args->outputs[2].data)};
}

/* sums [2, batches, parts, channels]: of dy and dy z in a part. */
template <typename T>
__global__ void
channel_sums(const T *__restrict__ x, const T *__restrict__ dy, const GroupStatistics *__restrict__ statistics,
    float *__restrict__ sums, Groups g)
{
    const GroupTile tile = group_tile(g.channels, g.parts);
    const gint64 first = tile.piece * g.rows / g.parts, end = (tile.piece + 1) * g.rows / g.parts;
    const gint64 slice = tile.batch * g.parts + tile.piece;
    const bool inside = tile.column < g.channels;
    float sum = 0, product = 0;

    if (inside) {
        const GroupStatistics own = statistics[tile.batch * (g.channels / g.width) + tile.column / g.width];

        for (gint64 row = first + threadIdx.y; row < end; row += GROUP_LINES) {
            const gint64 at = (tile.batch * g.rows + row) * g.channels + tile.column;
            const float gradient = load(dy + at);
            sum += gradient;
            product += gradient * (own.deviation(load(x + at)) * own.scale);
        }
    }
    sum = add_lines(sum);
    product = add_lines(product);
    if (!inside || threadIdx.y > 0)
        return;
    sums[slice * g.channels + tile.column] = sum;
    sums[(g.batches * g.parts + slice) * g.channels + tile.column] = product;
}

/* means [batches, channels / width, 2]: of g and g z. A warp a group; sums [2, batches, channels]. */
template <typename T>
__global__ void
group_means(const T *__restrict__ gamma, const float *__restrict__ sums, float *__restrict__ means, Groups g)
{
    const gint64 groups = g.channels / g.width, warp = (gint64)blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
    const gint64 batch = warp / groups, first = warp % groups * g.width;
    const float size = (float)(g.rows * g.width);
    float sum = 0, product = 0;

    if (batch >= g.batches)
        return;
    for (gint64 channel = first + threadIdx.x % WARP; channel < first + g.width; channel += WARP) {
        sum += load(gamma + channel) * sums[batch * g.channels + channel];
        product += load(gamma + channel) * sums[(g.batches + batch) * g.channels + channel];
    }
    const float values[2] = {reduce_warp(sum, Sum()) / size, reduce_warp(product, Sum()) / size};
    if (threadIdx.x % WARP == 0)
        store_pack<2>(means + warp * 2, values);
}

/* Tiles of GROUP_ROWS rows and GROUP_COLUMNS packs of N channels. */
template <typename T, int N>
__global__ void
pass_back(Tensors<T> t, const GroupStatistics *__restrict__ statistics, const float *__restrict__ means, Groups g)
{
    const GroupTile tile = group_tile(g.channels / N, (g.rows + GROUP_ROWS - 1) / GROUP_ROWS);
    const gint64 channel = tile.column * N, first = tile.piece * GROUP_ROWS;
    GroupStatistics own[N];
    float gamma[N], mean_g[N], mean_gz[N], x[N], dy[N];

    if (channel >= g.channels)
        return;
    load_pack<N>(t.gamma + channel, gamma);
#pragma unroll
    for (int i = 0; i < N; i++) {
        const gint64 group = tile.batch * (g.channels / g.width) + (channel + i) / g.width;
        own[i] = statistics[group];
        mean_g[i] = means[group * 2];
        mean_gz[i] = means[group * 2 + 1];
    }
    for (gint64 row = first + threadIdx.y; row < MIN(first + GROUP_ROWS, g.rows); row += GROUP_LINES) {
        const gint64 at = (tile.batch * g.rows + row) * g.channels + channel;

        load_pack<N>(t.x + at, x);
        load_pack<N>(t.dy + at, dy);
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float z = own[i].deviation(x[i]) * own[i].scale;
            x[i] = (gamma[i] * dy[i] - mean_g[i] - z * mean_gz[i]) * own[i].scale;
        }
        store_pack<N>(t.dx + at, x);
    }
}

/* The workspace in floats: what the statistics need, the sums of parts, those of batches, the means, and what the
 * reductions need. */
struct Layout {
    gint64 parts, sums, means, reduction, size;
};

gint64
aligned(gint64 size)
{
    return (size + 15) / 16 * 16;
}

Layout
find_layout(const Groups &g)
{
    Layout at;

    at.parts = group_statistics_workspace(g);
    at.sums = at.parts + aligned(2 * g.batches * g.parts * g.channels);
    at.means = at.sums + aligned(2 * g.batches * g.channels);
    at.reduction = at.means + aligned(2 * g.batches * (g.channels / g.width));
    at.size = at.reduction + MAX(reduce_axis_workspace({2 * g.batches, g.parts, g.channels}),
                                 reduce_axis_workspace({1, g.batches, g.channels}));
    return at;
}

gsize
workspace_group_norm_grad(const DinoR1KernelArgs *args)
{
    return (gsize)find_layout(find_groups(args)).size * sizeof(float);
}

template <typename T, int N>
void
run_pass_back(
    DinoR1CudaRun *run, const Tensors<T> &t, const Groups &g, const GroupStatistics *statistics, const float *means)
{
    const gint64 blocks = g.batches * ((g.rows + GROUP_ROWS - 1) / GROUP_ROWS) * group_tiles(g.channels / N);

    DINOR1_LAUNCH(
        run, (pass_back<T, N>), blocks_for(blocks, 1), dim3(GROUP_COLUMNS, GROUP_LINES), 0, t, statistics, means, g);
}

template <typename T>
void
run_group_norm_grad(DinoR1CudaRun *run)
{
    const Tensors<T> t = find_tensors<T>(run->args);
    const Groups g = find_groups(run->args);
    const Layout at = find_layout(g);
    float *workspace = static_cast<float *>(run->args->workspace);
    float *parts = workspace + at.parts, *sums = workspace + at.sums, *means = workspace + at.means;
    float *reduction = workspace + at.reduction;
    const GroupStatistics *statistics = group_statistics(run, g, t.x, workspace);

    DINOR1_LAUNCH(run, channel_sums<T>, blocks_for(g.batches * g.parts * group_tiles(g.channels), 1),
        dim3(GROUP_COLUMNS, GROUP_LINES), 0, t.x, t.dy, statistics, parts, g);
    reduce_axis(run, {2 * g.batches, g.parts, g.channels}, false, 1, parts, sums, reduction);
    reduce_axis(run, {1, g.batches, g.channels}, false, 1, sums, t.dbeta, reduction);
    reduce_axis(run, {1, g.batches, g.channels}, false, 1, sums + g.batches * g.channels, t.dgamma, reduction);
    DINOR1_LAUNCH(run, group_means<T>, blocks_for(g.batches * (g.channels / g.width), THREADS / WARP), THREADS, 0,
        t.gamma, sums, means, g);
    if (g.channels % PACK<T> == 0)
        run_pass_back<T, PACK<T>>(run, t, g, statistics, means);
    else
        run_pass_back<T, 1>(run, t, g, statistics, means);
}

} // namespace

void
dinor1_cuda_init_group_norm_grad(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_GROUP_NORM_GRAD] = {run_group_norm_grad<float>, workspace_group_norm_grad};
}
