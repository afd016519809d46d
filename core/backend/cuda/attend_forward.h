/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * softmax(scale * q . k^T + bias) . v for ATTENTION and WINDOW_ATTENTION, which are the P of the kernel: Heads with
 *
 *     struct Item { gint64 row; ... };   a row, PADDING or NONE, and what its scores need
 *     struct Problem : Heads::Offsets;   from problem(index)
 *     Item query(problem, i), key(problem, j);
 *     float bias(problem, query, key);
 *
 * Where few queries meet many keys, blocks share the keys (a split each) and merge_splits() puts their sums together;
 * an item's row is then its place in the sequence.
 */
#pragma once

#include "backend/cuda/attend.h"

namespace dinor1_cuda
{

/* Of row r, query r % n_queries of problem r / n_queries, and split s: the sum of weights times v, [row, split, e], and
 * the largest score and the sum of weights, [row, split]. */
struct Splits {
    float *sums, *max, *weights;
};

/* @n of them, of @each keys, a multiple of TILE. */
struct KeySplits {
    int n;
    gint64 each;
};

/* @blocks: how many there are without. */
inline KeySplits
split_keys(gint64 blocks, gint64 n_keys, gint64 most)
{
    constexpr gint64 ENOUGH_BLOCKS = 512, FEW_KEYS = 4 * TILE;
    const gint64 wanted = (ENOUGH_BLOCKS + MAX(blocks, 1) - 1) / MAX(blocks, 1);
    const gint64 n = MAX(1, MIN(MIN(wanted, most), n_keys / FEW_KEYS));
    const gint64 each = MAX(1, ((n_keys + n - 1) / n + TILE - 1) / TILE) * TILE;

    return {(int)MAX(1, (n_keys + each - 1) / each), each};
}

/* Floats of workspace; @rows: queries of all problems. */
inline gint64
splits_size(gint64 rows, const KeySplits &keys, int e)
{
    return keys.n == 1 ? 0 : rows * keys.n * (e + 2);
}

inline Splits
lay_out_splits(gpointer workspace, gint64 rows, const KeySplits &keys, int e)
{
    float *floats = static_cast<float *>(workspace);
    const gint64 n = rows * keys.n;

    if (keys.n == 1)
        return {NULL, NULL, NULL};
    return {floats, floats + n * e, floats + n * e + n};
}

constexpr int MERGE_THREADS = 128;

/* A block has a row. */
template <typename P>
__global__ void
__launch_bounds__(MERGE_THREADS) merge_splits(P p, int n, Splits splits)
{
    const gint64 row = blockIdx.x;
    const typename P::Problem problem = p.problem(row / p.n_queries);
    const typename P::Item query = p.query(problem, row % p.n_queries);
    float top = -INFINITY, whole = 0;

    for (int s = 0; s < n; s++)
        top = fmaxf(top, splits.max[row * n + s]);
    for (int s = 0; s < n; s++)
        whole += splits.weights[row * n + s] * softmax_weight(splits.max[row * n + s], top);
    for (int column = (int)threadIdx.x; column < p.e; column += MERGE_THREADS) {
        float sum = 0;

        for (int s = 0; s < n; s++)
            sum += splits.sums[(row * n + s) * p.e + column] * softmax_weight(splits.max[row * n + s], top);
        store(p.out + problem.y + query.row * p.cv + column, whole > 0 ? sum / whole : 0);
    }
}

template <typename P>
void
merge(DinoR1CudaRun *run, const P &p, gint64 problems, const KeySplits &keys, const Splits &splits)
{
    if (keys.n > 1)
        DINOR1_LAUNCH(
            run, (merge_splits<P>), blocks_for(problems * p.n_queries, 1), MERGE_THREADS, 0, p, keys.n, splits);
}

template <typename P, int STRIPS, int WIDTH> struct ForwardTiles {
    float queries[STRIPS * STRIP * PITCH], keys[TILE * PITCH], values[TILE * WIDTH];
    float strips[STRIPS][TILE * STRIP_PITCH];
    typename P::Item query[STRIPS * STRIP], key[TILE];
};

/* The softmax so far: of each row the largest score and the thread's part of the sum of e^(score - max). Turns scores
 * into weights by the new maximum; @factor: what numbers by the old one are to be multiplied by. */
struct RunningSoftmax {
    float max[ROWS], sum[ROWS];

    __device__ __forceinline__ void begin()
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            max[r] = -INFINITY;
            sum[r] = 0;
        }
    }

    __device__ __forceinline__ void add(float (&scores)[ROWS][COLUMNS], float (&factor)[ROWS])
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float top = max[r];

#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                top = fmaxf(top, scores[r][c]);
            top = reduce_lanes(top, Max());
            factor[r] = softmax_weight(max[r], top);
            max[r] = top;
            sum[r] *= factor[r];
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                sum[r] += scores[r][c] = softmax_weight(scores[r][c], top);
        }
    }

    __device__ __forceinline__ void finish()
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum[r] = reduce_lanes(sum[r], Sum());
    }

    /* After finish(): 1 / the whole sum, 0 for a row without a key. */
    __device__ __forceinline__ void invert(float (&inverse)[ROWS]) const
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            inverse[r] = sum[r] > 0 ? 1 / sum[r] : 0;
    }

    /* After finish(): of the rows of @items, which begin at @first; n splits, this is @split. */
    template <typename Item>
    __device__ __forceinline__ void store(const Splits &to, gint64 first, const Item *items, int n, int split) const
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const gint64 row = items[first_row() + r].row, at = (first + row) * n + split;

            if (row < 0 || tile_lane() != 0)
                continue;
            to.max[at] = max[r];
            to.weights[at] = sum[r];
        }
    }
};

/* A tile of queries against the keys of a split, for WIDTH columns of the result. A task is a split of a problem. */
template <typename P, int STRIPS, int WIDTH>
__global__ void
__launch_bounds__(STRIPS *WARP) attend(P p, Sweep sweep, KeySplits keys, Splits splits)
{
    using Tiles = ForwardTiles<P, STRIPS, WIDTH>;
    DINOR1_DYNAMIC_SHARED(Tiles, tiles);
    constexpr int N = STRIPS * STRIP;
    const Part part = this_part(sweep);
    const gint64 index = part.task / keys.n;
    const int split = (int)(part.task % keys.n);
    const gint64 begin = split * keys.each, end = min(begin + keys.each, p.n_keys);
    const typename P::Problem problem = p.problem(index);
    float *strip = tiles->strips[threadIdx.x / WARP];
    float sums[ROWS][WIDTH / LANES] = {}, scores[ROWS][COLUMNS], factor[ROWS];
    RunningSoftmax softmax;

    softmax.begin();
    for (int i = (int)threadIdx.x; i < N; i += STRIPS * (int)WARP)
        tiles->query[i] = p.query(problem, part.tile * N + i);
    for (gint64 first = begin; first < end; first += TILE) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < TILE; i += STRIPS * (int)WARP)
            tiles->key[i] = p.key(problem, first + i);
        __syncthreads();
        stage<TILE, WIDTH, WIDTH>(p.values(problem), tiles->key, part.chunk * WIDTH, tiles->values);
        multiply_rows<N>(p.queries(problem), tiles->query, first > begin, tiles->queries, p.keys(problem), tiles->key,
            tiles->keys, scores);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                scores[r][c] =
                    score(p, problem, tiles->query[first_row() + r], tiles->key[tile_lane() + c * LANES], scores[r][c]);
        softmax.add(scores, factor);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int i = 0; i < WIDTH / LANES; i++)
                sums[r][i] *= factor[r];
        store_strip(strip, scores);
        __syncwarp();
        multiply_strip<WIDTH>(strip, tiles->values, (int)min(end - first, (gint64)TILE), sums);
    }
    softmax.finish();
    __syncthreads(); /* without keys nobody has waited for the queries yet */
    if (keys.n > 1) {
        const float one[ROWS] = {1, 1, 1, 1};
        const gint64 row = index * p.n_queries;

        if (part.chunk == 0)
            softmax.store(splits, row, tiles->query, keys.n, split);
        store_rows<WIDTH>(splits.sums + (row * keys.n + split) * p.e, (gint64)keys.n * p.e, p.e, part.chunk * WIDTH,
            tiles->query, sums, one);
        return;
    }
    softmax.invert(factor);
    store_rows<WIDTH>(p.out + problem.y, p.cv, p.e, part.chunk * WIDTH, tiles->query, sums, factor);
}

/* Tiles of 64 queries, or of 32 where there are few. */
inline int
choose_strips(gint64 rows, gint64 tasks)
{
    constexpr gint64 ENOUGH_BLOCKS = 512;
    const int large = 4;

    return rows <= 2 * STRIP || (rows + large * STRIP - 1) / (large * STRIP) * tasks < ENOUGH_BLOCKS ? 2 : large;
}

inline Sweep
make_sweep(gint64 tasks, gint64 rows, int strips, int widest, int width, int count)
{
    return {tasks, (rows + strips * STRIP - 1) / (strips * STRIP), tasks, (widest + width - 1) / width, count};
}

/* What launches attend(): tiles of 64 queries or of 32, results of 64 columns or of 32. */
struct AttendPlan {
    int strips, width;
    KeySplits keys;
};

template <typename P>
AttendPlan
plan_attend(const P &p, gint64 problems, gint64 most_splits)
{
    const int strips = choose_strips(p.n_queries, problems), width = p.e > CHUNK ? 2 * CHUNK : CHUNK;

    return {strips, width,
        split_keys(make_sweep(problems, p.n_queries, strips, p.e, width, 1).blocks(), p.n_keys, most_splits)};
}

template <int STRIPS, int WIDTH, typename P>
void
launch_attend(DinoR1CudaRun *run, const P &p, gint64 problems, const KeySplits &keys)
{
    const Sweep sweep = make_sweep(problems * keys.n, p.n_queries, STRIPS, p.e, WIDTH, 1);
    const Splits splits = lay_out_splits(run->args->workspace, problems * p.n_queries, keys, p.e);

    DINOR1_LAUNCH(run, (attend<P, STRIPS, WIDTH>), blocks_for(sweep.blocks(), 1), STRIPS * WARP,
        sizeof(ForwardTiles<P, STRIPS, WIDTH>), p, sweep, keys, splits);
    merge(run, p, problems, keys, splits);
}

/* @most_splits: 1 where there is no workspace of splits_size(). */
template <typename P>
void
run_attend(DinoR1CudaRun *run, const P &p, gint64 problems, gint64 most_splits)
{
    const AttendPlan plan = plan_attend(p, problems, most_splits);
    const bool wide = plan.width > CHUNK;

    if (plan.strips == 2)
        wide ? launch_attend<2, 2 * CHUNK>(run, p, problems, plan.keys)
             : launch_attend<2, CHUNK>(run, p, problems, plan.keys);
    else
        wide ? launch_attend<4, 2 * CHUNK>(run, p, problems, plan.keys)
             : launch_attend<4, CHUNK>(run, p, problems, plan.keys);
}

} // namespace dinor1_cuda
