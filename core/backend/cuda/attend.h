/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Attention without stored scores: the tiles that the kernels of attend_forward.h and attend_grad.h are made of.
 *
 * A problem is one head of one image (of one window): queries and keys, which are rows of matrices [N, C]. A block has
 * a tile of rows of one side and goes through the other side TILE rows at a time. LANES threads share ROWS rows of the
 * tile, each with every LANES-th of the TILE columns; a warp has STRIP rows and shares numbers of them among its own
 * threads only. Dot products go over CHUNK channels at a time, so heads may have any size.
 */
#pragma once

#include "backend/cuda/numbers.h"
#include "backend/cuda/warp.h"

namespace dinor1_cuda
{

constexpr int ROWS = 4, LANES = 8, TILE = 64, COLUMNS = TILE / LANES, CHUNK = 32;
constexpr int STRIP = (int)WARP / LANES * ROWS;
/* Of tiles [rows, CHUNK] and [TILE, STRIP]: threads side by side meet different banks. */
constexpr int PITCH = CHUNK + 4, STRIP_PITCH = STRIP + 4;

/* Instead of a row of a matrix: a padded position, or nothing, since the sequence has ended. */
constexpr gint64 PADDING = -1, NONE = -2;

/* One head of a matrix: @width numbers a row, @stride from row to row. @pad: what padded positions have, NULL = 0. */
template <typename T> struct Matrix {
    const T *data, *pad;
    gint64 stride;
    int width;
};

/* What the two kinds of attention have in common; q [.., c], v and y [.., cv]. */
template <typename T> struct Heads {
    using Storage = T;

    /* Where the head begins in q, k, v and y. */
    struct Offsets {
        gint64 q, k, v, y;
        int head;
    };

    const T *q, *k, *v, *dy;
    const T *k_pad, *v_pad; /* [c]?, [cv]? */
    T *out, *dq, *dk, *dv;
    gint64 n_queries, n_keys; /* of one problem */
    gint64 c, cv;
    int heads, d, e;
    float scale;
    bool k_shared, v_shared; /* by all images: gradients are sums */

    __device__ __forceinline__ Matrix<T> queries(const Offsets &at) const
    {
        return {q + at.q, NULL, c, d};
    }

    __device__ __forceinline__ Matrix<T> keys(const Offsets &at) const
    {
        return {k + at.k, k_pad ? k_pad + at.head * d : NULL, c, d};
    }

    __device__ __forceinline__ Matrix<T> values(const Offsets &at) const
    {
        return {v + at.v, v_pad ? v_pad + at.head * e : NULL, cv, e};
    }

    __device__ __forceinline__ Matrix<T> slopes(const Offsets &at) const
    {
        return {dy + at.y, NULL, cv, e};
    }
};

/* The grid: for every task @tiles tiles of rows, each for @chunks parts of the result's columns. A task is the problems
 * task, task + step, ...; @count of them. */
struct Sweep {
    gint64 tasks, tiles, step;
    int chunks, count;

    gint64 blocks() const
    {
        return tasks * tiles * chunks;
    }
};

struct Part {
    gint64 task, tile;
    int chunk;
};

__device__ __forceinline__ Part
this_part(const Sweep &sweep)
{
    const gint64 tile = blockIdx.x / sweep.chunks;
    return {tile / sweep.tiles, tile % sweep.tiles, (int)(blockIdx.x % sweep.chunks)};
}

/* Where the thread is in its tile: rows first_row() ..., columns lane(), lane() + LANES, ... */
__device__ __forceinline__ int
tile_lane()
{
    return (int)threadIdx.x % LANES;
}

__device__ __forceinline__ int
first_row()
{
    return (int)threadIdx.x / LANES * ROWS;
}

template <typename Op>
__device__ __forceinline__ float
reduce_lanes(float value, Op op)
{
#pragma unroll
    for (int bit = LANES / 2; bit > 0; bit /= 2)
        value = op(value, __shfl_xor_sync(ALL_LANES, value, bit));
    return value;
}

/* WIDTH columns, from @first on, of N rows of the matrix: [N, TILE_PITCH]. What is not there becomes 0. */
template <int N, int WIDTH, int TILE_PITCH, typename T, typename Item>
__device__ __forceinline__ void
stage(const Matrix<T> &matrix, const Item *items, int first, float *tile)
{
    for (int i = (int)threadIdx.x; i < N * WIDTH / 4; i += (int)blockDim.x) {
        const int place = i % (WIDTH / 4) * 4, column = first + place;
        const gint64 row = items[i / (WIDTH / 4)].row;
        const T *from = row >= 0 ? matrix.data + row * matrix.stride : row == PADDING ? matrix.pad : NULL;
        float values[4] = {};

        if (from && matrix.width % 4 == 0) {
            if (column < matrix.width)
                load_pack<4>(from + column, values);
        } else if (from) {
#pragma unroll
            for (int j = 0; j < 4; j++)
                values[j] = column + j < matrix.width ? load(from + column + j) : 0;
        }
        store_pack<4>(tile + i / (WIDTH / 4) * TILE_PITCH + place, values);
    }
}

/* dots[r][c] += row r of a . row c of b, over a chunk. */
__device__ __forceinline__ void
multiply_chunk(const float *a, const float *b, float (&dots)[ROWS][COLUMNS])
{
    a += first_row() * PITCH;
    b += tile_lane() * PITCH;
#pragma unroll 2
    for (int k = 0; k < CHUNK; k += 4) {
        float x[ROWS][4];

#pragma unroll
        for (int r = 0; r < ROWS; r++)
            load_pack<4>(a + r * PITCH + k, x[r]);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            float y[4];

            load_pack<4>(b + c * LANES * PITCH + k, y);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    dots[r][c] = fmaf(x[r][i], y[i], dots[r][c]);
        }
    }
}

/* dots = rows of a . rows of b. Nobody reads the two tiles when this begins, and they are not free when it returns.
 * @keep: tile_a may have these rows of a already. */
template <int N, typename T, typename Item>
__device__ __forceinline__ void
multiply_rows(const Matrix<T> &a, const Item *rows_a, bool keep, float *tile_a, const Matrix<T> &b, const Item *rows_b,
    float *tile_b, float (&dots)[ROWS][COLUMNS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            dots[r][c] = 0;
    for (int first = 0; first < a.width; first += CHUNK) {
        if (first > 0)
            __syncthreads();
        if (!keep || a.width > CHUNK)
            stage<N, CHUNK, PITCH>(a, rows_a, first, tile_a);
        stage<TILE, CHUNK, PITCH>(b, rows_b, first, tile_b);
        __syncthreads();
        multiply_chunk(tile_a, tile_b, dots);
    }
}

/* The warp's numbers of its rows, for multiply_strip(): [TILE, STRIP]. Between barriers of the warp. */
__device__ __forceinline__ void
store_strip(float *strip, const float (&numbers)[ROWS][COLUMNS])
{
    strip += first_row() % STRIP;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        const float column[ROWS] = {numbers[0][c], numbers[1][c], numbers[2][c], numbers[3][c]};
        store_pack<ROWS>(strip + (tile_lane() + c * LANES) * STRIP_PITCH, column);
    }
}

/* sums[r] += sum over @n columns j of strip[j][r] * values[j], WIDTH numbers of which the thread has four in each
 * CHUNK. */
template <int WIDTH>
__device__ __forceinline__ void
multiply_strip(const float *strip, const float *values, int n, float (&sums)[ROWS][WIDTH / LANES])
{
    strip += first_row() % STRIP;
    values += tile_lane() * 4;
#pragma unroll 4
    for (int j = 0; j < n; j++) {
        float x[ROWS];

        load_pack<ROWS>(strip + j * STRIP_PITCH, x);
#pragma unroll
        for (int chunk = 0; chunk < WIDTH / CHUNK; chunk++) {
            float y[4];

            load_pack<4>(values + j * WIDTH + chunk * CHUNK, y);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    sums[r][chunk * 4 + i] = fmaf(x[r], y[i], sums[r][chunk * 4 + i]);
        }
    }
}

/* Writes the thread's part of WIDTH columns, from @first on, of the rows that there are. */
template <int WIDTH, typename T, typename Item>
__device__ __forceinline__ void
store_rows(T *data, gint64 stride, int width, int first, const Item *items, const float (&sums)[ROWS][WIDTH / LANES],
    const float (&scale)[ROWS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const gint64 row = items[first_row() + r].row;

#pragma unroll
        for (int chunk = 0; chunk < WIDTH / CHUNK; chunk++) {
            const int column = first + chunk * CHUNK + tile_lane() * 4;
            float values[4];

#pragma unroll
            for (int i = 0; i < 4; i++)
                values[i] = sums[r][chunk * 4 + i] * scale[r];
            if (row < 0 || column >= width)
                continue;
            if (width % 4 == 0) {
                store_pack<4>(data + row * stride + column, values);
                continue;
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (column + i < width)
                    store(data + row * stride + column + i, values[i]);
        }
    }
}

/* -inf for a key that is none; what a query that is none has does not matter, but is a number. */
template <typename P>
__device__ __forceinline__ float
score(const P &p, const typename P::Problem &problem, const typename P::Item &query, const typename P::Item &key,
    float dot)
{
    if (key.row == NONE)
        return -INFINITY;
    return query.row < 0 ? 0 : fmaf(p.scale, dot, p.bias(problem, query, key));
}

/* e^(score - max), 0 where every score is -inf. */
__device__ __forceinline__ float
softmax_weight(float score, float max)
{
    return max == -INFINITY ? 0 : expf(score - max);
}

} // namespace dinor1_cuda
