/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The adjoint of attend_forward.h. With w the weights and s = dy . v^T:
 *
 *     mean = sum over keys of w s,   ds = w (s - mean),   dq = scale ds . k,   dk = scale ds^T . q,   dv = w^T . dy
 *
 * One kernel goes from a tile of queries over all keys, twice: for the statistics (largest score, 1 / sum, mean), which
 * it stores, and for dq. The other one goes from a tile of keys over all queries. Both work the scores out again; in
 * return every sum has one owner and a fixed order, and nothing of size Nq * Nk is stored.
 *
 * P has besides what attend_forward.h asks for:
 *
 *     EXTRAS   whether there are gradients of a table of biases and of the padding's k and v; if so
 *     add_bias_grad(problem, part, strips, first key): strips has the ds of a tile
 *     PadGrads pad_grads(problem, part): where the padded rows of a tile add up
 */
#pragma once

#include "backend/cuda/attend_forward.h"

namespace dinor1_cuda
{

/* Of all queries of all problems, [problems * n_queries] each. */
struct Statistics {
    float *max, *inverse, *mean;
};

constexpr int N_STATISTICS = 3;

/* Rows of one side against a tile of the other: two products, and what comes out of them times another tile. */
template <typename P, int STRIPS, int WIDTH> struct GradTiles {
    float rows[2][STRIPS * STRIP * PITCH], columns[2][TILE * PITCH], values[2][TILE * WIDTH];
    float strips[STRIPS][TILE * STRIP_PITCH];
    float max[TILE], inverse[TILE], mean[TILE];
    typename P::Item row[STRIPS * STRIP], column[TILE];
};

/* The padding's gradients of one tile: [d] and [e]. */
struct PadGrads {
    float *k, *v;
};

template <typename P, int STRIPS, int WIDTH, typename Tiles>
__device__ __forceinline__ void
find_keys(const P &p, const typename P::Problem &problem, Tiles *tiles, gint64 first)
{
    __syncthreads();
    for (int i = (int)threadIdx.x; i < TILE; i += STRIPS * (int)WARP)
        tiles->column[i] = p.key(problem, first + i);
    __syncthreads();
}

/* Scores and dy . v^T of queries (rows) and keys (columns). */
template <typename P, int STRIPS, int WIDTH, typename Tiles>
__device__ __forceinline__ void
score_queries(const P &p, const typename P::Problem &problem, Tiles *tiles, bool keep, float (&scores)[ROWS][COLUMNS],
    float (&slopes)[ROWS][COLUMNS])
{
    constexpr int N = STRIPS * STRIP;

    multiply_rows<N>(p.queries(problem), tiles->row, keep, tiles->rows[0], p.keys(problem), tiles->column,
        tiles->columns[0], scores);
    multiply_rows<N>(p.slopes(problem), tiles->row, keep, tiles->rows[1], p.values(problem), tiles->column,
        tiles->columns[1], slopes);
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            scores[r][c] =
                score(p, problem, tiles->row[first_row() + r], tiles->column[tile_lane() + c * LANES], scores[r][c]);
}

/* RunningSoftmax with the mean of the slopes; scores stay what they are. */
struct RunningMean {
    float max[ROWS], sum[ROWS], mean[ROWS];

    __device__ __forceinline__ void begin()
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            max[r] = -INFINITY;
            sum[r] = mean[r] = 0;
        }
    }

    __device__ __forceinline__ void add(const float (&scores)[ROWS][COLUMNS], const float (&slopes)[ROWS][COLUMNS])
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float top = max[r];

#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                top = fmaxf(top, scores[r][c]);
            top = reduce_lanes(top, Max());
            const float factor = softmax_weight(max[r], top);
            max[r] = top;
            sum[r] *= factor;
            mean[r] *= factor;
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                const float weight = softmax_weight(scores[r][c], top);
                sum[r] += weight;
                mean[r] = fmaf(weight, slopes[r][c], mean[r]);
            }
        }
    }

    /* sum becomes 1 / the whole sum, 0 for a row without a key. */
    __device__ __forceinline__ void finish()
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const float whole = reduce_lanes(sum[r], Sum());
            sum[r] = whole > 0 ? 1 / whole : 0;
            mean[r] = reduce_lanes(mean[r], Sum()) * sum[r];
        }
    }

    __device__ __forceinline__ void write(const Statistics &to, gint64 first, gint64 n) const
    {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (tile_lane() == 0 && r < n) {
                to.max[first + r] = max[r];
                to.inverse[first + r] = sum[r];
                to.mean[first + r] = mean[r];
            }
        }
    }
};

template <typename P, int STRIPS, int WIDTH>
__global__ void
__launch_bounds__(STRIPS *WARP) attend_grad_queries(P p, Sweep sweep, Statistics statistics)
{
    using Tiles = GradTiles<P, STRIPS, WIDTH>;
    DINOR1_DYNAMIC_SHARED(Tiles, tiles);
    constexpr int N = STRIPS * STRIP;
    const Part part = this_part(sweep);
    const gint64 first_query = part.tile * N;
    float *strip = tiles->strips[threadIdx.x / WARP];
    float sums[ROWS][WIDTH / LANES] = {}, scores[ROWS][COLUMNS], slopes[ROWS][COLUMNS];

    for (int image = 0; image < sweep.count; image++) {
        const gint64 index = part.task + image * sweep.step;
        const typename P::Problem problem = p.problem(index);
        RunningMean softmax;

        softmax.begin();
        __syncthreads();
        for (int i = (int)threadIdx.x; i < N; i += STRIPS * (int)WARP)
            tiles->row[i] = p.query(problem, first_query + i);
        for (gint64 first = 0; first < p.n_keys; first += TILE) {
            find_keys<P, STRIPS, WIDTH>(p, problem, tiles, first);
            score_queries<P, STRIPS, WIDTH>(p, problem, tiles, first > 0, scores, slopes);
            softmax.add(scores, slopes);
        }
        softmax.finish();
        if (part.chunk == 0)
            softmax.write(
                statistics, index * p.n_queries + first_query + first_row(), p.n_queries - first_query - first_row());
        for (gint64 first = 0; first < p.n_keys; first += TILE) {
            if (p.n_keys > TILE) { /* otherwise all of it is still there */
                find_keys<P, STRIPS, WIDTH>(p, problem, tiles, first);
                score_queries<P, STRIPS, WIDTH>(p, problem, tiles, true, scores, slopes);
            }
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
                    slopes[r][c] = softmax_weight(scores[r][c], softmax.max[r]) * softmax.sum[r] *
                                   (slopes[r][c] - softmax.mean[r]);
            stage<TILE, WIDTH, WIDTH>(p.keys(problem), tiles->column, part.chunk * WIDTH, tiles->values[0]);
            store_strip(strip, slopes);
            __syncthreads();
            if constexpr (P::EXTRAS)
                if (part.chunk == 0)
                    p.add_bias_grad(problem, part, tiles->strips, first);
            multiply_strip<WIDTH>(strip, tiles->values[0], (int)min(p.n_keys - first, (gint64)TILE), sums);
        }
    }
    const float scale[ROWS] = {p.scale, p.scale, p.scale, p.scale};
    __syncthreads();
    store_rows<WIDTH>(p.dq + p.problem(part.task).q, p.c, p.d, part.chunk * WIDTH, tiles->row, sums, scale);
}

/* The sum of the padded rows of a tile, WIDTH of its columns from @first on, to @to [width]. */
template <int STRIPS, int WIDTH, typename Tiles>
__device__ __forceinline__ void
sum_padded_rows(Tiles *tiles, const float (&sums)[ROWS][WIDTH / LANES], float scale, int width, int first, float *to)
{
    float(*parts)[WIDTH] = reinterpret_cast<float(*)[WIDTH]>(tiles->strips[0]); /* [STRIPS, WIDTH] */

    __syncthreads();
#pragma unroll
    for (int i = 0; i < WIDTH / LANES; i++) {
        float sum = 0;

#pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum += tiles->row[first_row() + r].row == PADDING ? sums[r][i] : 0;
#pragma unroll
        for (int bit = LANES; bit < (int)WARP; bit *= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, bit);
        if (threadIdx.x % WARP < LANES)
            parts[threadIdx.x / WARP][i / 4 * CHUNK + tile_lane() * 4 + i % 4] = sum;
    }
    __syncthreads();
    for (int column = (int)threadIdx.x; column < WIDTH && first + column < width; column += STRIPS * (int)WARP) {
        float sum = 0;

#pragma unroll
        for (int i = 0; i < STRIPS; i++)
            sum += parts[i][column];
        to[first + column] = sum * scale;
    }
}

/* Queries from @first on with their statistics. */
template <typename P, int STRIPS, int WIDTH, typename Tiles>
__device__ __forceinline__ void
find_queries(const P &p, const typename P::Problem &problem, gint64 index, Tiles *tiles, gint64 first,
    const Statistics &statistics)
{
    __syncthreads();
    for (int i = (int)threadIdx.x; i < TILE; i += STRIPS * (int)WARP) {
        const bool inside = first + i < p.n_queries;
        const gint64 at = index * p.n_queries + first + i;

        tiles->column[i] = p.query(problem, first + i);
        tiles->max[i] = inside ? statistics.max[at] : 0;
        tiles->inverse[i] = inside ? statistics.inverse[at] : 0;
        tiles->mean[i] = inside ? statistics.mean[at] : 0;
    }
    __syncthreads();
}

template <typename P, int STRIPS, int WIDTH>
__global__ void
__launch_bounds__(STRIPS *WARP) attend_grad_keys(P p, Sweep sweep, Statistics statistics)
{
    using Tiles = GradTiles<P, STRIPS, WIDTH>;
    DINOR1_DYNAMIC_SHARED(Tiles, tiles);
    constexpr int N = STRIPS * STRIP;
    const Part part = this_part(sweep);
    const int column = part.chunk * WIDTH;
    const float scale[ROWS] = {p.scale, p.scale, p.scale, p.scale}, one[ROWS] = {1, 1, 1, 1};
    float *strip = tiles->strips[threadIdx.x / WARP];
    float dk[ROWS][WIDTH / LANES] = {}, dv[ROWS][WIDTH / LANES] = {};
    float scores[ROWS][COLUMNS], slopes[ROWS][COLUMNS];

    for (int image = 0; image < sweep.count; image++) {
        const gint64 index = part.task + image * sweep.step;
        const typename P::Problem problem = p.problem(index);
        const bool last = image == sweep.count - 1;

        __syncthreads();
        for (int i = (int)threadIdx.x; i < N; i += STRIPS * (int)WARP)
            tiles->row[i] = p.key(problem, part.tile * N + i);
        for (gint64 first = 0; first < p.n_queries; first += TILE) {
            const int n = (int)min(p.n_queries - first, (gint64)TILE);

            find_queries<P, STRIPS, WIDTH>(p, problem, index, tiles, first, statistics);
            stage<TILE, WIDTH, WIDTH>(p.slopes(problem), tiles->column, column, tiles->values[0]);
            stage<TILE, WIDTH, WIDTH>(p.queries(problem), tiles->column, column, tiles->values[1]);
            multiply_rows<N>(p.keys(problem), tiles->row, first > 0, tiles->rows[0], p.queries(problem), tiles->column,
                tiles->columns[0], scores);
            multiply_rows<N>(p.values(problem), tiles->row, first > 0, tiles->rows[1], p.slopes(problem), tiles->column,
                tiles->columns[1], slopes);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                const int query = tile_lane() + c * LANES;

#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    const float s = score(p, problem, tiles->column[query], tiles->row[first_row() + r], scores[r][c]);
                    scores[r][c] = softmax_weight(s, tiles->max[query]) * tiles->inverse[query];
                    slopes[r][c] = scores[r][c] * (slopes[r][c] - tiles->mean[query]);
                }
            }
            store_strip(strip, scores);
            __syncwarp();
            multiply_strip<WIDTH>(strip, tiles->values[0], n, dv);
            __syncwarp();
            store_strip(strip, slopes);
            __syncwarp();
            multiply_strip<WIDTH>(strip, tiles->values[1], n, dk);
        }
        __syncthreads();
        if (last || !p.k_shared)
            store_rows<WIDTH>(p.dk + problem.k, p.c, p.d, column, tiles->row, dk, scale);
        if (last || !p.v_shared)
            store_rows<WIDTH>(p.dv + problem.v, p.cv, p.e, column, tiles->row, dv, one);
        if constexpr (P::EXTRAS) {
            const PadGrads pads = p.pad_grads(problem, part);
            sum_padded_rows<STRIPS, WIDTH>(tiles, dk, p.scale, p.d, column, pads.k);
            sum_padded_rows<STRIPS, WIDTH>(tiles, dv, 1, p.e, column, pads.v);
        }
#pragma unroll
        for (int i = 0; i < ROWS * WIDTH / LANES; i++) {
            dk[i % ROWS][i / ROWS] = p.k_shared ? dk[i % ROWS][i / ROWS] : 0;
            dv[i % ROWS][i / ROWS] = p.v_shared ? dv[i % ROWS][i / ROWS] : 0;
        }
    }
}

template <int STRIPS, int WIDTH, typename P>
void
launch_attend_grad(
    DinoR1CudaRun *run, const P &p, const Sweep &queries, const Sweep &keys, const Statistics &statistics)
{
    const size_t shared = sizeof(GradTiles<P, STRIPS, WIDTH>);

    DINOR1_LAUNCH(run, (attend_grad_queries<P, STRIPS, WIDTH>), blocks_for(queries.blocks(), 1), STRIPS * WARP, shared,
        p, queries, statistics);
    DINOR1_LAUNCH(run, (attend_grad_keys<P, STRIPS, WIDTH>), blocks_for(keys.blocks(), 1), STRIPS * WARP, shared, p,
        keys, statistics);
}

/* Tiles of one size for both kernels: the workspace of P's extras counts them. */
inline int
choose_grad_strips(gint64 n_queries, gint64 n_keys, gint64 problems)
{
    return choose_strips(MIN(n_queries, n_keys), problems);
}

/* @images: how many problems one gradient of q, and one of k or v, is the sum of. */
template <typename P>
void
run_attend_grad(
    DinoR1CudaRun *run, const P &p, gint64 problems, int images_q, int images_k, const Statistics &statistics)
{
    const int strips = choose_grad_strips(p.n_queries, p.n_keys, problems);
    const int widest = MAX(p.d, p.e), width = widest > CHUNK ? 2 * CHUNK : CHUNK;
    const Sweep queries = make_sweep(problems / images_q, p.n_queries, strips, p.d, width, images_q);
    const Sweep keys = make_sweep(problems / images_k, p.n_keys, strips, widest, width, images_k);

    if (strips == 2 && width == CHUNK)
        launch_attend_grad<2, CHUNK>(run, p, queries, keys, statistics);
    else if (strips == 2)
        launch_attend_grad<2, 2 * CHUNK>(run, p, queries, keys, statistics);
    else if (width == CHUNK)
        launch_attend_grad<4, CHUNK>(run, p, queries, keys, statistics);
    else
        launch_attend_grad<4, 2 * CHUNK>(run, p, queries, keys, statistics);
}

} // namespace dinor1_cuda
