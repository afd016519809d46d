/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reductions over the threads of a warp and of a block.
 */
#pragma once

#include "backend/cuda/launch.h"

namespace dinor1_cuda
{

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

struct Sum {
    static constexpr float NEUTRAL = 0;

    __device__ __forceinline__ float operator()(float a, float b) const
    {
        return a + b;
    }
};

struct Max {
    static constexpr float NEUTRAL = -INFINITY;

    __device__ __forceinline__ float operator()(float a, float b) const
    {
        return fmaxf(a, b);
    }
};

/* Every lane gets the whole; all 32 take part. */
template <typename Op>
__device__ __forceinline__ float
reduce_warp(float value, Op op)
{
#pragma unroll
    for (int bit = WARP / 2; bit > 0; bit /= 2)
        value = op(value, __shfl_xor_sync(ALL_LANES, value, bit));
    return value;
}

/* Every thread of the block gets the whole. The block is one row of @THREADS, whole warps; all of them take part. One
 * after another of these needs no barrier between them. */
template <int THREADS, typename Op>
__device__ __forceinline__ float
reduce_block(float value, Op op)
{
    static_assert(THREADS % WARP == 0 && THREADS <= 1024, "whole warps");
    if (THREADS == WARP)
        return reduce_warp(value, op);

    DINOR1_SHARED(float, parts, [WARP]);
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;

    value = reduce_warp(value, op);
    __syncthreads(); /* the last one's parts are read */
    if (lane == 0)
        parts[warp] = value;
    __syncthreads();
    return reduce_warp(lane < THREADS / WARP ? parts[lane] : Op::NEUTRAL, op);
}

} // namespace dinor1_cuda
