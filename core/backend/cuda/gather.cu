/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GATHER and its adjoint.
 */
#include "backend/cuda/rows.h"
#include "backend/cuda/types.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* Columns that a lane sums, and a warp. */
constexpr int HELD = 8, COLUMNS = HELD * (int)WARP;

/* Tables [batches, n, d] and the k indices of each; one table for all of them is one batch. */
struct Table {
    const gint32 *indices;
    gint64 batches, n, d, k;
};

Table
find_table(const DinoR1Shape &table, const DinoR1View &indices)
{
    const gint64 batches = table.ndim == 3 ? table.dims[0] : 1;

    return {static_cast<const gint32 *>(indices.data), batches, dinor1_shape_dim(&table, -2),
        dinor1_shape_dim(&table, -1), dinor1_shape_size(&indices.shape) / batches};
}

/* The row of its table that index @i of all names. */
__device__ __forceinline__ gint64
named_row(const Table &t, gint64 i)
{
    const gint64 row = t.indices[i];
    return row < 0 ? 0 : row >= t.n ? t.n - 1 : row;
}

/* Where a row of the output comes from; d is in packs. */
struct Named : Table {
    bool divide(int by)
    {
        if (d % by)
            return false;
        d /= by;
        return true;
    }

    template <typename I> __device__ __forceinline__ gint64 operator()(I row, I column) const
    {
        const I batch = batches == 1 ? 0 : row / (I)k;
        return (batch * n + named_row(*this, row)) * d + column;
    }
};

template <typename T>
void
run_gather(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Table table = find_table(args->inputs[0].shape, args->inputs[1]);

    move_rows(run, static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data),
        table.batches * table.k, table.d, table.d, Named{table});
}

/* A warp a row of the table, or COLUMNS of it: adds the rows of dy [batches, k, d] whose indices name it, by rising
 * index. */
template <typename T>
__global__ void
gather_grad(const T *__restrict__ dy, T *__restrict__ out, Table t)
{
    const gint64 warp = (gint64)blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
    const gint64 pieces = (t.d + COLUMNS - 1) / COLUMNS, row = warp / pieces, batch = row / t.n;
    const gint64 column = warp % pieces * COLUMNS + threadIdx.x % WARP;
    float sums[HELD] = {};

    if (row >= t.batches * t.n)
        return;
    for (gint64 first = 0; first < t.k; first += WARP) {
        const gint64 i = first + threadIdx.x % WARP;
        const bool names = i < t.k && named_row(t, batch * t.k + i) == row - batch * t.n;

        for (unsigned left = __ballot_sync(ALL_LANES, names); left; left &= left - 1) {
            const T *from = dy + (batch * t.k + first + __ffs((int)left) - 1) * t.d;
#pragma unroll
            for (int h = 0; h < HELD; h++)
                sums[h] += column + h * (int)WARP < t.d ? load(from + column + h * (int)WARP) : 0;
        }
    }
#pragma unroll
    for (int h = 0; h < HELD; h++)
        if (column + h * (int)WARP < t.d)
            store(out + row * t.d + column + h * (int)WARP, sums[h]);
}

template <typename T>
void
run_gather_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Table table = find_table(args->outputs[0].shape, args->inputs[1]);
    const gint64 warps = table.batches * table.n * ((table.d + COLUMNS - 1) / COLUMNS);

    DINOR1_LAUNCH(run, gather_grad<T>, blocks_for(warps, THREADS / WARP), THREADS, 0,
        static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), table);
}

} // namespace

void
dinor1_cuda_init_gather(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_GATHER] = {DINOR1_BY_SIZE(run_gather), NULL};
    kernels->ops[DINOR1_OP_GATHER_GRAD] = {run_gather_grad<float>, NULL};
}
