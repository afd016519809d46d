/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LAYER_NORM_GRAD: with z = (x - mean) / deviation and g = gamma dy, dx = (g - mean(g) - z mean(g z)) / deviation. The
 * rows are cut into parts, one for a warp or a block, which sums dy z and dy of its rows; the parts' sums are reduced.
 */
#include "backend/cuda/numbers.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* Parts that keep a device busy, by warps and by blocks, and rows too few to be cut. */
constexpr gint64 WARP_PARTS = 4096, BLOCK_PARTS = 512, SHORTEST_PART = 4;
/* Channels of a row for a warp, and for a block that can hold it. */
constexpr gint64 WARP_ROW = 256, BLOCK_ROW = 2048;

/* x, residual (NULL = 0), dy, dx [rows, c]; sums [2, parts, c]: of dy z and dy. */
template <typename T> struct Rows {
    const T *x, *residual, *gamma, *dy;
    T *dx;
    float *sums;
    gint64 rows, c, parts;
    float epsilon;
};

template <typename T>
__device__ __forceinline__ float
value_at(const Rows<T> &r, gint64 at)
{
    return load(r.x + at) + (r.residual ? load(r.residual + at) : 0);
}

/* A part by SHARE threads (a warp, or the whole block), who hold HELD elements of a row each. */
template <typename T, int SHARE, int HELD>
__global__ void
layer_norm_grad(Rows<T> r)
{
    const gint64 part = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE;
    const int lane = threadIdx.x % SHARE;
    float dgamma[HELD] = {}, dbeta[HELD] = {};

    if (part >= r.parts)
        return;
    for (gint64 row = part * r.rows / r.parts; row < (part + 1) * r.rows / r.parts; row++) {
        float z[HELD], g[HELD], sum = 0;

#pragma unroll
        for (int i = 0; i < HELD; i++) {
            const gint64 column = lane + i * SHARE;

            z[i] = column < r.c ? value_at(r, row * r.c + column) : 0;
            sum += z[i];
        }
        const float mean = reduce_block<SHARE>(sum, Sum()) / (float)r.c;

        sum = 0;
#pragma unroll
        for (int i = 0; i < HELD; i++)
            if (lane + i * SHARE < r.c)
                sum += (z[i] - mean) * (z[i] - mean);
        const float scale = 1 / sqrtf(reduce_block<SHARE>(sum, Sum()) / (float)r.c + r.epsilon);

        float product = 0;
        sum = 0;
#pragma unroll
        for (int i = 0; i < HELD; i++) {
            const gint64 column = lane + i * SHARE;
            const float dy = column < r.c ? load(r.dy + row * r.c + column) : 0;

            z[i] = (z[i] - mean) * scale;
            g[i] = column < r.c ? load(r.gamma + column) * dy : 0;
            sum += g[i];
            product += g[i] * z[i];
            dgamma[i] += dy * z[i];
            dbeta[i] += dy;
        }
        const float mean_g = reduce_block<SHARE>(sum, Sum()) / (float)r.c;
        const float mean_gz = reduce_block<SHARE>(product, Sum()) / (float)r.c;

#pragma unroll
        for (int i = 0; i < HELD; i++)
            if (lane + i * SHARE < r.c)
                store(r.dx + row * r.c + lane + i * SHARE, (g[i] - mean_g - z[i] * mean_gz) * scale);
    }
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        const gint64 column = lane + i * SHARE;

        if (column >= r.c)
            continue;
        r.sums[part * r.c + column] = dgamma[i];
        r.sums[(r.parts + part) * r.c + column] = dbeta[i];
    }
}

/* Rows that no block can hold: read four times, and the part's sums are in memory, each touched by one thread. */
template <typename T>
__global__ void
layer_norm_grad_long(Rows<T> r)
{
    const gint64 part = blockIdx.x, first_row = part * r.rows / r.parts;
    float *dgamma = r.sums + part * r.c, *dbeta = r.sums + (r.parts + part) * r.c;

    for (gint64 row = first_row; row < (part + 1) * r.rows / r.parts; row++) {
        const gint64 start = row * r.c;
        float sum = 0, product = 0;

        for (gint64 i = threadIdx.x; i < r.c; i += THREADS)
            sum += value_at(r, start + i);
        const float mean = reduce_block<THREADS>(sum, Sum()) / (float)r.c;

        sum = 0;
        for (gint64 i = threadIdx.x; i < r.c; i += THREADS) {
            const float deviation = value_at(r, start + i) - mean;
            sum += deviation * deviation;
        }
        const float scale = 1 / sqrtf(reduce_block<THREADS>(sum, Sum()) / (float)r.c + r.epsilon);

        sum = 0;
        for (gint64 i = threadIdx.x; i < r.c; i += THREADS) {
            const float z = (value_at(r, start + i) - mean) * scale, dy = load(r.dy + start + i);
            const float g = load(r.gamma + i) * dy;

            sum += g;
            product += g * z;
            dgamma[i] = (row == first_row ? 0 : dgamma[i]) + dy * z;
            dbeta[i] = (row == first_row ? 0 : dbeta[i]) + dy;
        }
        const float mean_g = reduce_block<THREADS>(sum, Sum()) / (float)r.c;
        const float mean_gz = reduce_block<THREADS>(product, Sum()) / (float)r.c;

        for (gint64 i = threadIdx.x; i < r.c; i += THREADS) {
            const float z = (value_at(r, start + i) - mean) * scale, g = load(r.gamma + i) * load(r.dy + start + i);
            store(r.dx + start + i, (g - mean_g - z * mean_gz) * scale);
        }
    }
}

template <typename T>
Rows<T>
find_rows(const DinoR1KernelArgs *args)
{
    const DinoR1Shape &shape = args->inputs[0].shape;
    const gint64 rows = dinor1_shape_span(&shape, 0, shape.ndim - 1), c = dinor1_shape_dim(&shape, -1);

    return {static_cast<const T *>(args->inputs[0].data), static_cast<const T *>(args->inputs[3].data),
        static_cast<const T *>(args->inputs[1].data), static_cast<const T *>(args->inputs[2].data),
        static_cast<T *>(args->outputs[0].data), static_cast<float *>(args->workspace), rows, c,
        CLAMP(rows / SHORTEST_PART, 1, c <= WARP_ROW ? WARP_PARTS : BLOCK_PARTS), args->params->norm.epsilon};
}

/* In floats, a multiple of 16. */
gint64
sums_size(gint64 parts, gint64 c)
{
    return (2 * parts * c + 15) / 16 * 16;
}

gsize
workspace_layer_norm_grad(const DinoR1KernelArgs *args)
{
    const Rows<float> r = find_rows<float>(args);

    return (gsize)(sums_size(r.parts, r.c) + reduce_axis_workspace({1, r.parts, r.c})) * sizeof(float);
}

template <typename T>
void
run_layer_norm_grad(DinoR1CudaRun *run)
{
    const Rows<T> r = find_rows<T>(run->args);
    const unsigned by_warp = blocks_for(r.parts, THREADS / WARP), by_block = blocks_for(r.parts, 1);
    float *reduction = r.sums + sums_size(r.parts, r.c);

    if (r.c <= WARP_ROW / 2)
        DINOR1_LAUNCH(run, (layer_norm_grad<T, WARP, 4>), by_warp, THREADS, 0, r);
    else if (r.c <= WARP_ROW)
        DINOR1_LAUNCH(run, (layer_norm_grad<T, WARP, 8>), by_warp, THREADS, 0, r);
    else if (r.c <= BLOCK_ROW)
        DINOR1_LAUNCH(run, (layer_norm_grad<T, THREADS, 8>), by_block, THREADS, 0, r);
    else
        DINOR1_LAUNCH(run, layer_norm_grad_long<T>, by_block, THREADS, 0, r);
    reduce_axis(run, {1, r.parts, r.c}, false, 1, r.sums, static_cast<T *>(run->args->outputs[1].data), reduction);
    reduce_axis(run, {1, r.parts, r.c}, false, 1, r.sums + r.parts * r.c, static_cast<T *>(run->args->outputs[2].data),
        reduction);
}

} // namespace

void
dinor1_cuda_init_norm_grad(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_LAYER_NORM_GRAD] = {run_layer_norm_grad<float>, workspace_layer_norm_grad};
}
