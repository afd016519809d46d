/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * PERMUTE. When the innermost dimension stays, or one of the two that lie innermost before and after is short, every
 * element is fetched from where it was; else tiles are transposed through shared memory.
 */
#include "backend/cuda/index.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* A tile, which so many rows of threads move, and how short a dimension may be for one. */
constexpr int TILE = 32, LINES = 8;
constexpr gint64 SHORTEST = 16;

/* The output's shape with as few dimensions as describe it, and how x [0] and the output [1] move along them. */
Broadcast<2>
find_moves(const DinoR1KernelArgs *args)
{
    const DinoR1Shape &in = args->inputs[0].shape, &out = args->outputs[0].shape;
    Broadcast<2> moves = {};

    for (int d = 0; d < out.ndim; d++) {
        const int last = moves.ndim - 1;
        const gint64 size = out.dims[d], from = dinor1_shape_span(&in, args->params->permute.perm[d] + 1, in.ndim);
        const gint64 to = dinor1_shape_span(&out, d + 1, out.ndim);

        if (size == 1)
            continue;
        if (last >= 0 && moves.strides[0][last] == from * size) {
            moves.dims[last] *= size;
            moves.strides[0][last] = from;
            moves.strides[1][last] = to;
        } else {
            moves.dims[last + 1] = size;
            moves.strides[0][last + 1] = from;
            moves.strides[1][last + 1] = to;
            moves.ndim++;
        }
    }
    if (moves.ndim == 0) {
        moves.ndim = 1;
        moves.dims[0] = moves.strides[0][0] = moves.strides[1][0] = 1;
    }
    return moves;
}

template <typename P, typename I>
__global__ void
fetch(const P *__restrict__ x, P *__restrict__ out, gint64 n, Broadcast<1> moves)
{
    const gint64 i = (gint64)blockIdx.x * THREADS + threadIdx.x;
    gint64 from[1];

    if (i >= n)
        return;
    locate(moves, (I)i, from);
    out[i] = x[from[0]];
}

/* @n elements in packs of N, along which the innermost dimension stays unless N is 1. */
template <typename T, int N>
void
run_fetch(DinoR1CudaRun *run, const Broadcast<2> &moves, gint64 n)
{
    using P = Pack<T, N>;
    const P *x = static_cast<const P *>(run->args->inputs[0].data);
    P *out = static_cast<P *>(run->args->outputs[0].data);
    const int last = moves.ndim - 1;
    Broadcast<1> from = {};

    from.ndim = moves.ndim;
    for (int d = 0; d < moves.ndim; d++) {
        from.dims[d] = d == last ? moves.dims[d] / N : moves.dims[d];
        from.strides[0][d] = d == last ? moves.strides[0][d] : moves.strides[0][d] / N;
    }
    n /= N;
    if (n > G_MAXINT32)
        DINOR1_LAUNCH(run, (fetch<P, gint64>), blocks_for(n, THREADS), THREADS, 0, x, out, n, from);
    else
        DINOR1_LAUNCH(run, (fetch<P, gint32>), blocks_for(n, THREADS), THREADS, 0, x, out, n, from);
}

/* Matrices that are transposed: columns lie side by side in x, rows in the output. */
struct Matrices {
    gint64 rows, columns;
    gint64 row_stride;    /* in x */
    gint64 column_stride; /* in the output */
    gint64 row_tiles, column_tiles, tiles;
    Broadcast<2> batches;
};

template <typename T>
__global__ void
transpose(const T *__restrict__ x, T *__restrict__ out, Matrices m)
{
    DINOR1_SHARED(T, tile, [TILE][TILE + 1]);

    for (gint64 block = blockIdx.x; block < m.tiles; block += gridDim.x) {
        const gint64 line = block / m.column_tiles, batch = line / m.row_tiles;
        const gint64 first_column = (block - line * m.column_tiles) * TILE;
        const gint64 first_row = (line - batch * m.row_tiles) * TILE;
        gint64 offsets[2];

        locate(m.batches, batch, offsets);
#pragma unroll
        for (int i = 0; i < TILE; i += LINES) {
            const gint64 row = first_row + i + threadIdx.y, column = first_column + threadIdx.x;
            if (row < m.rows && column < m.columns)
                tile[i + threadIdx.y][threadIdx.x] = x[offsets[0] + row * m.row_stride + column];
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i += LINES) {
            const gint64 row = first_row + threadIdx.x, column = first_column + i + threadIdx.y;
            if (row < m.rows && column < m.columns)
                out[offsets[1] + column * m.column_stride + row] = tile[threadIdx.x][i + threadIdx.y];
        }
        __syncthreads();
    }
}

/* @inner: the dimension that lies innermost in x. */
template <typename T>
void
run_transpose(DinoR1CudaRun *run, const Broadcast<2> &moves, int inner)
{
    const int last = moves.ndim - 1;
    Matrices m = {};
    gint64 batches = 1;

    m.rows = moves.dims[last];
    m.columns = moves.dims[inner];
    m.row_stride = moves.strides[0][last];
    m.column_stride = moves.strides[1][inner];
    m.row_tiles = (m.rows + TILE - 1) / TILE;
    m.column_tiles = (m.columns + TILE - 1) / TILE;
    for (int d = 0; d < last; d++) {
        if (d == inner)
            continue;
        m.batches.dims[m.batches.ndim] = moves.dims[d];
        m.batches.strides[0][m.batches.ndim] = moves.strides[0][d];
        m.batches.strides[1][m.batches.ndim] = moves.strides[1][d];
        m.batches.ndim++;
        batches *= moves.dims[d];
    }
    m.tiles = m.row_tiles * m.column_tiles * batches;
    DINOR1_LAUNCH(run, transpose<T>, (unsigned)MIN(m.tiles, G_MAXINT32), dim3(TILE, LINES), 0,
        static_cast<const T *>(run->args->inputs[0].data), static_cast<T *>(run->args->outputs[0].data), m);
}

template <typename T>
void
run_permute(DinoR1CudaRun *run)
{
    const Broadcast<2> moves = find_moves(run->args);
    const gint64 n = dinor1_shape_size(&run->args->outputs[0].shape);
    const int last = moves.ndim - 1;
    int inner = last;

    while (inner > 0 && moves.strides[0][inner] != 1)
        inner--;
    if (inner < last && MIN(moves.dims[inner], moves.dims[last]) >= SHORTEST)
        run_transpose<T>(run, moves, inner);
    else if (inner == last && moves.dims[last] % PACK<T> == 0)
        run_fetch<T, PACK<T>>(run, moves, n);
    else
        run_fetch<T, 1>(run, moves, n);
}

} // namespace

void
dinor1_cuda_init_permute(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_PERMUTE] = {DINOR1_BY_SIZE(run_permute), NULL};
}
