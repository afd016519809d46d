/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Moving rows: changes of layout that keep neighbours together, in packs where everything divides.
 */
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"

namespace dinor1_cuda
{

constexpr int MOVE_THREADS = 256;

/* @count packs in rows of @width: out[row * stride + column] = x[map(row, column)], 0 where the map is negative. */
template <typename P, typename I, typename Map>
__global__ void
move_packs(const P *__restrict__ x, P *__restrict__ out, gint64 count, gint64 width, gint64 stride, Map map)
{
    const gint64 i = (gint64)blockIdx.x * MOVE_THREADS + threadIdx.x;

    if (i >= count)
        return;
    const I row = (I)i / (I)width, column = (I)i - row * (I)width;
    const gint64 from = map(row, column);
    out[row * stride + column] = from < 0 ? P() : x[from];
}

template <typename T, int N, typename Map>
void
move_by(DinoR1CudaRun *run, const T *x, T *out, gint64 rows, gint64 width, gint64 stride, const Map &map)
{
    using P = Pack<T, N>;
    const P *from = reinterpret_cast<const P *>(x);
    P *to = reinterpret_cast<P *>(out);
    const gint64 count = rows * width;

    if (count > G_MAXINT32)
        DINOR1_LAUNCH(run, (move_packs<P, gint64, Map>), blocks_for(count, MOVE_THREADS), MOVE_THREADS, 0, from, to,
            count, width, stride, map);
    else
        DINOR1_LAUNCH(run, (move_packs<P, gint32, Map>), blocks_for(count, MOVE_THREADS), MOVE_THREADS, 0, from, to,
            count, width, stride, map);
}

/* Fills @rows of @width elements of @out that start @stride elements from one another. @map: see move_packs();
 * map.divide(n) makes its element counts n times smaller, or returns false. */
template <typename T, typename Map>
void
move_rows(DinoR1CudaRun *run, const T *x, T *out, gint64 rows, gint64 width, gint64 stride, Map map)
{
    constexpr int N = PACK<T>;
    const bool aligned = reinterpret_cast<guintptr>(out) % sizeof(Pack<T, N>) == 0;

    if (aligned && width % N == 0 && stride % N == 0 && map.divide(N))
        move_by<T, N>(run, x, out, rows, width / N, stride / N, map);
    else
        move_by<T, 1>(run, x, out, rows, width, stride, map);
}

} // namespace dinor1_cuda
