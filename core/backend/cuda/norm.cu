/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LAYER_NORM: a row stays in registers between its three uses, so that it is read once.
 */
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;

template <typename T> struct Rows {
    const T *x, *residual;     /* [rows, c]; residual NULL = 0 */
    const float *gamma, *beta; /* [c] */
    T *out;
    gint64 rows, c;
    float epsilon;
};

/* A row by SHARE threads, a warp or the whole block, of up to HELD packs of N numbers each. */
template <typename T, int SHARE, int HELD, int N>
__global__ void
layer_norm(Rows<T> r)
{
    const gint64 row = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE;
    const int lane = threadIdx.x % SHARE;
    float values[HELD][N] = {}, sum = 0;

    if (row >= r.rows)
        return;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        const gint64 column = (lane + (gint64)i * SHARE) * N, at = row * r.c + column;
        float added[N] = {};

        if (column < r.c)
            load_pack<N>(r.x + at, values[i]);
        if (column < r.c && r.residual)
            load_pack<N>(r.residual + at, added);
#pragma unroll
        for (int j = 0; j < N; j++)
            sum += values[i][j] += added[j];
    }
    const float mean = reduce_block<SHARE>(sum, Sum()) / (float)r.c;

    sum = 0;
#pragma unroll
    for (int i = 0; i < HELD; i++)
#pragma unroll
        for (int j = 0; j < N; j++)
            if ((lane + (gint64)i * SHARE) * N < r.c)
                sum += (values[i][j] - mean) * (values[i][j] - mean);
    const float variance = reduce_block<SHARE>(sum, Sum()) / (float)r.c;
    const float scale = 1 / sqrtf(variance + r.epsilon);

#pragma unroll
    for (int i = 0; i < HELD; i++) {
        const gint64 column = (lane + (gint64)i * SHARE) * N;
        float gamma[N], beta[N];

        if (column >= r.c)
            break;
        load_pack<N>(r.gamma + column, gamma);
        load_pack<N>(r.beta + column, beta);
#pragma unroll
        for (int j = 0; j < N; j++)
            values[i][j] = (values[i][j] - mean) * scale * gamma[j] + beta[j];
        store_pack<N>(r.out + row * r.c + column, values[i]);
    }
}

/* Rows that no block can hold: read three times. */
template <typename T>
__global__ void
layer_norm_long(Rows<T> r)
{
    const gint64 start = (gint64)blockIdx.x * r.c;
    float sum = 0;

    for (gint64 i = threadIdx.x; i < r.c; i += THREADS)
        sum += load(r.x + start + i) + (r.residual ? load(r.residual + start + i) : 0);
    const float mean = reduce_block<THREADS>(sum, Sum()) / (float)r.c;

    sum = 0;
    for (gint64 i = threadIdx.x; i < r.c; i += THREADS) {
        const float value = load(r.x + start + i) + (r.residual ? load(r.residual + start + i) : 0) - mean;
        sum += value * value;
    }
    const float variance = reduce_block<THREADS>(sum, Sum()) / (float)r.c;
    const float scale = 1 / sqrtf(variance + r.epsilon);

    for (gint64 i = threadIdx.x; i < r.c; i += THREADS) {
        const float value = load(r.x + start + i) + (r.residual ? load(r.residual + start + i) : 0) - mean;
        store(r.out + start + i, value * scale * load(r.gamma + i) + load(r.beta + i));
    }
}

template <typename T, int N>
void
launch_layer_norm(DinoR1CudaRun *run, const Rows<T> &rows)
{
    const unsigned by_warp = blocks_for(rows.rows, THREADS / WARP), by_block = blocks_for(rows.rows, 1);

    if (rows.c <= 128)
        DINOR1_LAUNCH(run, (layer_norm<T, WARP, 4 / N, N>), by_warp, THREADS, 0, rows);
    else if (rows.c <= 256)
        DINOR1_LAUNCH(run, (layer_norm<T, WARP, 8 / N, N>), by_warp, THREADS, 0, rows);
    else if (rows.c <= 2048)
        DINOR1_LAUNCH(run, (layer_norm<T, THREADS, 8 / N, N>), by_block, THREADS, 0, rows);
    else
        DINOR1_LAUNCH(run, layer_norm_long<T>, by_block, THREADS, 0, rows);
}

template <typename T>
void
run_layer_norm(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Shape &shape = args->outputs[0].shape;
    const gint64 c = dinor1_shape_dim(&shape, -1);
    const Rows<T> rows = {
        static_cast<const T *>(args->inputs[0].data),
        static_cast<const T *>(args->inputs[3].data),
        static_cast<const float *>(args->inputs[1].data),
        static_cast<const float *>(args->inputs[2].data),
        static_cast<T *>(args->outputs[0].data),
        dinor1_shape_span(&shape, 0, shape.ndim - 1),
        c,
        args->params->norm.epsilon,
    };

    if (c % 4 == 0)
        launch_layer_norm<T, 4>(run, rows);
    else
        launch_layer_norm<T, 1>(run, rows);
}

} // namespace

void
dinor1_cuda_init_norm(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_LAYER_NORM] = {DINOR1_BY_TYPE(run_layer_norm), NULL};
}
