/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensors are stored as float, __half or __nv_bfloat16; kernels compute in float. A kernel is a template on the
 * storage type and touches memory through these alone.
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

__device__ __forceinline__ float
load(const float *address)
{
    return *address;
}

__device__ __forceinline__ float
load(const __half *address)
{
    return __half2float(*address);
}

__device__ __forceinline__ float
load(const __nv_bfloat16 *address)
{
    return __bfloat162float(*address);
}

__device__ __forceinline__ void
store(float *address, float value)
{
    *address = value;
}

__device__ __forceinline__ void
store(__half *address, float value)
{
    *address = __float2half_rn(value);
}

__device__ __forceinline__ void
store(__nv_bfloat16 *address, float value)
{
    *address = __float2bfloat16_rn(value);
}

/* N neighbours that one instruction moves; their address is a multiple of their size. */
template <typename T, int N> struct alignas(sizeof(T) * N) Pack {
    T values[N];
};

/* How many T one 16-byte access moves. */
template <typename T> constexpr int PACK = 16 / (int)sizeof(T);

template <int N, typename T>
__device__ __forceinline__ void
load_pack(const T *address, float (&values)[N])
{
    const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N> *>(address);

#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = load(&pack.values[i]);
}

template <int N, typename T>
__device__ __forceinline__ void
store_pack(T *address, const float (&values)[N])
{
    Pack<T, N> pack;

#pragma unroll
    for (int i = 0; i < N; i++)
        store(&pack.values[i], values[i]);
    *reinterpret_cast<Pack<T, N> *>(address) = pack;
}

} // namespace dinor1_cuda
