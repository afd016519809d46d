/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * softmax(scale * q . k^T + bias) . v for ATTENTION and WINDOW_ATTENTION, which are the P of the kernel: Heads with
 *
 *     struct Item { gint64 row; ... };   a row, PADDING or NONE, and what its scores need
 *     struct Problem : Heads::Offsets;   from problem(index)
 *     Item query(problem, i), key(problem, j);
 *     float bias(problem, query, key);
 */
#pragma once

#include "backend/cuda/attend.h"

namespace dinor1_cuda
{

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

    /* 1 / the whole sum, 0 for a row without a key. */
    __device__ __forceinline__ void finish(float (&inverse)[ROWS]) const
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const float whole = reduce_lanes(sum[r], Sum());
            inverse[r] = whole > 0 ? 1 / whole : 0;
        }
    }
};

/* A tile of queries against all keys, for WIDTH columns of the result. */
template <typename P, int STRIPS, int WIDTH>
__global__ void
__launch_bounds__(STRIPS *WARP) attend(P p, Sweep sweep)
{
    using Tiles = ForwardTiles<P, STRIPS, WIDTH>;
    DINOR1_DYNAMIC_SHARED(Tiles, tiles);
    constexpr int N = STRIPS * STRIP;
    const Part part = this_part(sweep);
    const typename P::Problem problem = p.problem(part.task);
    float *strip = tiles->strips[threadIdx.x / WARP];
    float sums[ROWS][WIDTH / LANES] = {}, scores[ROWS][COLUMNS], factor[ROWS];
    RunningSoftmax softmax;

    softmax.begin();
    for (int i = (int)threadIdx.x; i < N; i += STRIPS * (int)WARP)
        tiles->query[i] = p.query(problem, part.tile * N + i);
    for (gint64 first = 0; first < p.n_keys; first += TILE) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < TILE; i += STRIPS * (int)WARP)
            tiles->key[i] = p.key(problem, first + i);
        __syncthreads();
        stage<TILE, WIDTH, WIDTH>(p.values(problem), tiles->key, part.chunk * WIDTH, tiles->values);
        multiply_rows<N>(p.queries(problem), tiles->query, first > 0, tiles->queries, p.keys(problem), tiles->key,
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
        multiply_strip<WIDTH>(strip, tiles->values, (int)min(p.n_keys - first, (gint64)TILE), sums);
    }
    softmax.finish(factor);
    __syncthreads(); /* without keys nobody has waited for the queries yet */
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

template <int STRIPS, int WIDTH, typename P>
void
launch_attend(DinoR1CudaRun *run, const P &p, gint64 problems)
{
    const Sweep sweep = make_sweep(problems, p.n_queries, STRIPS, p.e, WIDTH, 1);

    DINOR1_LAUNCH(run, (attend<P, STRIPS, WIDTH>), blocks_for(sweep.blocks(), 1), STRIPS * WARP,
        sizeof(ForwardTiles<P, STRIPS, WIDTH>), p, sweep);
}

template <typename P>
void
run_attend(DinoR1CudaRun *run, const P &p, gint64 problems)
{
    const bool wide = p.e > CHUNK;

    if (choose_strips(p.n_queries, problems) == 2)
        wide ? launch_attend<2, 2 * CHUNK>(run, p, problems) : launch_attend<2, CHUNK>(run, p, problems);
    else
        wide ? launch_attend<4, 2 * CHUNK>(run, p, problems) : launch_attend<4, CHUNK>(run, p, problems);
}

} // namespace dinor1_cuda
