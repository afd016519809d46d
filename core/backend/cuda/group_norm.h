/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"

namespace dinor1_cuda
{

/* x [batches, rows, channels], channels last and in groups of @width. The rows are cut into @parts. */
struct Groups {
    gint64 batches, rows, channels, width, parts;
    float epsilon;
};

Groups find_groups(const DinoR1KernelArgs *args);

/* A tile: so many channels that lie side by side, or packs of them, each with so many threads. */
constexpr int GROUP_COLUMNS = 32, GROUP_LINES = 8;
/* Rows of a tile of which nothing is summed. */
constexpr int GROUP_ROWS = 32;

__host__ __device__ inline gint64
group_tiles(gint64 columns)
{
    return (columns + GROUP_COLUMNS - 1) / GROUP_COLUMNS;
}

/* What a group is normalised with: scale is 1 / sqrt(variance + epsilon). The mean is mean + rest, for where all of a
 * group are nearly equal its last digits are what they deviate by. */
struct alignas(16) GroupStatistics {
    float mean, rest, scale;

    __device__ __forceinline__ float deviation(float x) const
    {
        return x - mean - rest;
    }
};

/* Floats of workspace that group_statistics() needs, a multiple of 16. */
gint64 group_statistics_workspace(const Groups &groups);

/* Returns where in @workspace: [batches, channels / width]. */
template <typename T>
GroupStatistics *group_statistics(DinoR1CudaRun *run, const Groups &groups, const T *x, float *workspace);

extern template GroupStatistics *group_statistics(DinoR1CudaRun *, const Groups &, const float *, float *);

/* The sum of what the threads of a column bring, for each of them. */
__device__ __forceinline__ float
add_lines(float value)
{
    DINOR1_SHARED(float, lines, [GROUP_LINES][GROUP_COLUMNS]);

    __syncthreads(); /* the last one's lines are read */
    lines[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    value = 0;
#pragma unroll
    for (int line = 0; line < GROUP_LINES; line++)
        value += lines[line][threadIdx.x];
    return value;
}

/* What a block of a grid over batches, pieces of rows and tiles of columns has. */
struct GroupTile {
    gint64 batch, piece, column;
};

__device__ __forceinline__ GroupTile
group_tile(gint64 columns, gint64 pieces)
{
    const gint64 tiles = group_tiles(columns), slice = blockIdx.x / tiles;

    return {slice / pieces, slice % pieces, blockIdx.x % tiles * GROUP_COLUMNS + threadIdx.x};
}

} // namespace dinor1_cuda
