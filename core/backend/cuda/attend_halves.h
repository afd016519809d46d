/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What attend_forward.h computes, of halves by tensor cores. A warp has 16 queries and goes through the keys 64 at a
 * time; scores and sums stay in its registers (mma.h says which lane has what), in f32, and weights are multiplied in
 * two parts, so that nothing is rounded to a half but the output. P is as there, and has besides
 *
 *     int table_size();                    floats that stage_table(problem, table) fills by the whole block,
 *     float bias(problem, table, query, key)    also of items that are none
 *
 * A head's columns of q and k are padded to D by zeros; those of v are done E at a time.
 */
#pragma once

#include "backend/cuda/attend_forward.h"
#include "backend/cuda/mma.h"

namespace dinor1_cuda
{

constexpr int HALF_WARPS = 4, HALF_THREADS = HALF_WARPS * (int)WARP, HALF_ROWS = HALF_WARPS * 16;
/* Rows of tiles begin at multiples of 16 bytes, and eight of them in different banks. */
constexpr int HALF_PAD = 8;

/* The grid. */
struct HalfSweep {
    gint64 problems, tiles; /* of queries */
    KeySplits keys;
    int chunks;

    gint64 blocks() const
    {
        return problems * tiles * keys.n * chunks;
    }
};

template <typename P, int D, int E> struct HalfTiles {
    using T = typename P::Storage;
    alignas(16) T queries[HALF_ROWS * (D + HALF_PAD)]; /* at last: the output */
    alignas(16) T keys[TILE * (D + HALF_PAD)], values[TILE * (E + HALF_PAD)];
    typename P::Item query[HALF_ROWS], key[TILE];
};

/* 16 bytes of numbers that are only moved. */
struct __attribute__((may_alias, aligned(16))) Words {
    unsigned words[4];
};

/* WIDTH columns, from @first on, of @n rows of the matrix, at most ROWS: [n, WIDTH + HALF_PAD]. What is not there
 * becomes 0. A thread waits for several of its packs at a time. */
template <int ROWS, int WIDTH, typename T, typename Item>
__device__ __forceinline__ void
stage_halves(const Matrix<T> &matrix, const Item *items, int n, int first, T *tile)
{
    constexpr int N = PACK<T>, PACKS = WIDTH / N, EACH = ROWS * PACKS / HALF_THREADS, BATCH = EACH < 4 ? EACH : 4;

    for (int begin = (int)threadIdx.x; begin < n * PACKS; begin += BATCH * HALF_THREADS) {
        Words packs[BATCH];

#pragma unroll
        for (int j = 0; j < BATCH; j++) {
            const int i = begin + j * HALF_THREADS, column = first + i % PACKS * N;
            const gint64 row = i < n * PACKS ? items[i / PACKS].row : NONE;
            const T *from = row >= 0 ? matrix.data + row * matrix.stride : row == PADDING ? matrix.pad : NULL;

            packs[j] = Words();
            if (from && column < matrix.width)
                packs[j] = *reinterpret_cast<const Words *>(from + column);
        }
#pragma unroll
        for (int j = 0; j < BATCH; j++) {
            const int i = begin + j * HALF_THREADS;

            if (i < n * PACKS)
                *reinterpret_cast<Words *>(tile + i / PACKS * (WIDTH + HALF_PAD) + i % PACKS * N) = packs[j];
        }
    }
}

/* Scores of a lane: [2j] and [2j + 1] are the halves of keys 16j ...; of rows g and g + 8. */
using Scores = float[TILE / 8][4];

/* scores = the warp's queries . @n keys; those after them get -inf. */
template <int D, typename T>
__device__ __forceinline__ void
multiply_keys(const T *queries, const T *keys, int n, Scores &scores)
{
    constexpr int PITCH_D = D + HALF_PAD;

#pragma unroll
    for (int j = 0; j < TILE / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            scores[j][i] = 8 * j < n ? 0 : -INFINITY;
#pragma unroll(D > 64 ? 2 : D / 16)
    for (int k = 0; k < D; k += 16) {
        unsigned a[4], b[4];

        load_left(queries + k, PITCH_D, a);
#pragma unroll
        for (int j = 0; j < TILE / 16; j++) {
            if (16 * j >= n)
                continue;
            load_right_columns(keys + 16 * j * PITCH_D + k, PITCH_D, b);
            mma(scores[2 * j], a, b[0], b[1], T());
            mma(scores[2 * j + 1], a, b[2], b[3], T());
        }
    }
}

/* sums += weights . @n values. */
template <int E, typename T>
__device__ __forceinline__ void
multiply_values(const Scores &weights, const T *values, int n, float (&sums)[E / 8][4])
{
    constexpr int PITCH_E = E + HALF_PAD;

#pragma unroll
    for (int j = 0; j < TILE / 16; j++) {
        unsigned high[4], low[4], b[4];

        if (16 * j >= n)
            continue;
        split_left<T>(weights[2 * j], weights[2 * j + 1], high, low);
#pragma unroll
        for (int e = 0; e < E / 16; e++) {
            load_right_rows(values + 16 * j * PITCH_E + 16 * e, PITCH_E, b);
            mma(sums[2 * e], high, b[0], b[1], T());
            mma(sums[2 * e], low, b[0], b[1], T());
            mma(sums[2 * e + 1], high, b[2], b[3], T());
            mma(sums[2 * e + 1], low, b[2], b[3], T());
        }
    }
}

/* From dot products to scores; @query: of the lane's two rows; @n: how many keys there are. Without branches: a row
 * that is none has scores as well, which do not matter. */
template <typename P>
__device__ __forceinline__ void
add_bias(const P &p, const typename P::Problem &problem, const float *table, const typename P::Item (&query)[2],
    const typename P::Item *keys, int n, Scores &scores)
{
    const int t = (int)threadIdx.x % 4;

#pragma unroll
    for (int j = 0; j < TILE / 8; j++) {
        if (8 * j >= (n + 15) / 16 * 16)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int place = 8 * j + 2 * t + i % 2;
            const float score = fmaf(p.scale, scores[j][i], p.bias(problem, table, query[i / 2], keys[place]));

            scores[j][i] = place < n ? score : -INFINITY;
        }
    }
}

/* All four lanes of a row get the whole. */
template <typename Op>
__device__ __forceinline__ float
reduce_quad(float value, Op op)
{
    value = op(value, __shfl_xor_sync(ALL_LANES, value, 1));
    return op(value, __shfl_xor_sync(ALL_LANES, value, 2));
}

/* As RunningSoftmax, of the lane's two rows. */
template <int E> struct HalfSoftmax {
    float max[2] = {-INFINITY, -INFINITY}, weights[2] = {}, sums[E / 8][4] = {};

    /* Turns scores into weights by the new maximum, and what there is of sums to the same. */
    __device__ __forceinline__ void add(Scores &scores)
    {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float top = max[r];

#pragma unroll
            for (int j = 0; j < TILE / 8; j++)
                top = fmaxf(top, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
            top = reduce_quad(top, Max());
            const float factor = softmax_weight(max[r], top);
            max[r] = top;
            weights[r] *= factor;
#pragma unroll
            for (int j = 0; j < TILE / 8; j++)
#pragma unroll
                for (int i = 2 * r; i < 2 * r + 2; i++)
                    weights[r] += scores[j][i] = softmax_weight(scores[j][i], top);
#pragma unroll
            for (int e = 0; e < E / 8; e++)
#pragma unroll
                for (int i = 2 * r; i < 2 * r + 2; i++)
                    sums[e][i] *= factor;
        }
    }

    /* The rows themselves, through @tile [16, pitch] of the warp, and 16 bytes a lane from there. */
    template <typename T, typename Item>
    __device__ __forceinline__ void store_output(
        T *out, gint64 stride, int width, const Item *items, T *tile, int pitch) const
    {
        const int lane = (int)threadIdx.x % (int)WARP;

#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float whole = reduce_quad(weights[r], Sum()), inverse = whole > 0 ? 1 / whole : 0;
            T *row = tile + (lane / 4 + 8 * r) * pitch + lane % 4 * 2;

#pragma unroll
            for (int e = 0; e < E / 8; e++) {
                const float pair[2] = {sums[e][2 * r] * inverse, sums[e][2 * r + 1] * inverse};
                store_pack<2>(row + 8 * e, pair);
            }
        }
        __syncwarp();
        for (int i = lane; i < 16 * E / 8; i += (int)WARP) {
            const int row = i / (E / 8), column = i % (E / 8) * 8;

            if (items[row].row >= 0 && column < width)
                *reinterpret_cast<Words *>(out + items[row].row * stride + column) =
                    *reinterpret_cast<const Words *>(tile + row * pitch + column);
        }
    }

    /* @row: the index of the warp's first row and this split, of @n rows of the problem that are left; from @column
     * on, of @width. */
    __device__ __forceinline__ void store_split(
        const Splits &to, gint64 row, gint64 n, int splits, int column, int width) const
    {
        const int lane = (int)threadIdx.x % (int)WARP;

#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int place = lane / 4 + 8 * r;
            const gint64 at = row + (gint64)place * splits;
            const float whole = reduce_quad(weights[r], Sum());

            if (place >= n)
                continue;
            if (lane % 4 == 0 && column == 0) {
                to.max[at] = max[r];
                to.weights[at] = whole;
            }
#pragma unroll
            for (int e = 0; e < E / 8; e++) {
                const int first = column + 8 * e + lane % 4 * 2;
                const float pair[2] = {sums[e][2 * r], sums[e][2 * r + 1]};

                if (first < width)
                    store_pack<2>(to.sums + at * width + first, pair);
            }
        }
    }
};

/* A tile of queries against the keys of a split, for E columns of the result. */
template <typename P, int D, int E>
__global__ void
__launch_bounds__(HALF_THREADS) attend_halves(P p, HalfSweep sweep, Splits splits)
{
    using T = typename P::Storage;
    using Tiles = HalfTiles<P, D, E>;
    DINOR1_DYNAMIC_SHARED(Tiles, tiles);
    float *table = reinterpret_cast<float *>(tiles + 1);
    const int chunk = (int)(blockIdx.x % sweep.chunks), split = (int)(blockIdx.x / sweep.chunks % sweep.keys.n);
    const gint64 part = blockIdx.x / (sweep.chunks * sweep.keys.n), index = part / sweep.tiles;
    const gint64 first_query = part % sweep.tiles * HALF_ROWS;
    const typename P::Problem problem = p.problem(index);
    const int first_row = (int)threadIdx.x / (int)WARP * 16, row = first_row + (int)threadIdx.x % (int)WARP / 4;
    const gint64 rows_left = p.n_queries - first_query - first_row;
    const gint64 end = min((split + 1) * sweep.keys.each, p.n_keys);
    T *queries = tiles->queries + first_row * (D + HALF_PAD);
    HalfSoftmax<E> softmax;

    for (int i = (int)threadIdx.x; i < HALF_ROWS; i += HALF_THREADS)
        tiles->query[i] = p.query(problem, first_query + i);
    p.stage_table(problem, table);
    __syncthreads();
    const typename P::Item query[2] = {tiles->query[row], tiles->query[row + 8]};
    stage_halves<HALF_ROWS, D>(p.queries(problem), tiles->query, HALF_ROWS, 0, tiles->queries);
    for (gint64 first = split * sweep.keys.each; first < end; first += TILE) {
        const int n_keys = (int)min(end - first, (gint64)TILE), n = (n_keys + 15) / 16 * 16;

        __syncthreads();
        for (int i = (int)threadIdx.x; i < n; i += HALF_THREADS)
            tiles->key[i] = p.key(problem, first + i);
        __syncthreads();
        stage_halves<TILE, D>(p.keys(problem), tiles->key, n, 0, tiles->keys);
        stage_halves<TILE, E>(p.values(problem), tiles->key, n, chunk * E, tiles->values);
        __syncthreads();
        if (rows_left > 0) {
            Scores scores;

            multiply_keys<D>(queries, tiles->keys, n, scores);
            add_bias(p, problem, table, query, tiles->key, n_keys, scores);
            softmax.add(scores);
            multiply_values<E>(scores, tiles->values, n, softmax.sums);
        }
    }
    __syncthreads(); /* without keys the queries are still being written */
    if (rows_left <= 0)
        return;
    if (sweep.keys.n == 1)
        softmax.store_output(
            p.out + problem.y + chunk * E, p.cv, p.e - chunk * E, tiles->query + first_row, queries, D + HALF_PAD);
    else
        softmax.store_split(splits, (index * p.n_queries + first_query + first_row) * sweep.keys.n + split, rows_left,
            sweep.keys.n, chunk * E, p.e);
}

/* Packs of 16 bytes are whole, and D is enough. */
inline bool
halves_fit(int d, int e, int widest)
{
    return d % PACK<__half> == 0 && e % PACK<__half> == 0 && d <= widest;
}

inline HalfSweep
make_half_sweep(gint64 problems, gint64 n_queries, gint64 n_keys, int d, int e, gint64 most_splits)
{
    const int width = d <= 32 && e <= 32 ? 32 : 64;
    HalfSweep sweep = {problems, (n_queries + HALF_ROWS - 1) / HALF_ROWS, {1, 0}, (e + width - 1) / width};

    sweep.keys = split_keys(sweep.blocks(), n_keys, most_splits);
    return sweep;
}

template <int D, int E, typename P>
void
launch_halves(DinoR1CudaRun *run, const P &p, const HalfSweep &sweep)
{
    const Splits splits = lay_out_splits(run->args->workspace, sweep.problems * p.n_queries, sweep.keys, p.e);

    DINOR1_LAUNCH(run, (attend_halves<P, D, E>), blocks_for(sweep.blocks(), 1), HALF_THREADS,
        sizeof(HalfTiles<P, D, E>) + (size_t)p.table_size() * sizeof(float), p, sweep, splits);
    merge(run, p, sweep.problems, sweep.keys, splits);
}

} // namespace dinor1_cuda
