/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensor cores: c [16, 8] += a [16, 16] . b [16, 8], halves with sums in f32, by a warp. Lane 4g + t has in each
 * register two neighbours of
 *
 *     a[0], a[1]: rows g and g + 8, columns 2t and 2t + 1; a[2], a[3]: the same, columns 2t + 8 and 2t + 9
 *     b[0]: rows 2t and 2t + 1 of column g; b[1]: rows 2t + 8 and 2t + 9
 *     c[0], c[1]: row g, columns 2t and 2t + 1; c[2], c[3]: row g + 8
 *
 * so that c of two products side by side is an a of the next (weights()). All lanes take part. The host has twins of
 * the two instructions.
 */
#pragma once

#include "backend/cuda/numbers.h"
#include "backend/cuda/warp.h"

namespace dinor1_cuda
{

template <typename T> struct alignas(4) HalfPair {
    T x, y;
};

template <typename To, typename From>
__device__ __forceinline__ To
same_bits(const From &from)
{
    static_assert(sizeof(To) == sizeof(From), "no bit is lost");
    To to;

    memcpy(&to, &from, sizeof to);
    return to;
}

__device__ __forceinline__ unsigned
pair_halves(float x, float y, __half)
{
    return same_bits<unsigned>(__floats2half2_rn(x, y));
}

__device__ __forceinline__ unsigned
pair_halves(float x, float y, __nv_bfloat16)
{
    return same_bits<unsigned>(__floats2bfloat162_rn(x, y));
}

__device__ __forceinline__ float2
split_pair(unsigned pair, __half)
{
    return __half22float2(same_bits<__half2>(pair));
}

__device__ __forceinline__ float2
split_pair(unsigned pair, __nv_bfloat16)
{
    return __bfloat1622float2(same_bits<__nv_bfloat162>(pair));
}

#ifdef __CUDACC__

__device__ __forceinline__ void
mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, __half)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void
mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, __nv_bfloat16)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four matrices [8, 8] of shared memory: lane l says where row l % 8 of matrix l / 8 is, at a multiple of 16 bytes.
 * Lane 4g + t gets of each elements 2t and 2t + 1 of row g, or of column g if TRANSPOSED. */
template <bool TRANSPOSED, typename T>
__device__ __forceinline__ void
load_matrices(const T *row, unsigned (&out)[4])
{
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);

    if (TRANSPOSED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(address)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                     : "r"(address)
                     : "memory");
}

#else

/* numbers[column .. column + 1] and [column + 8 .. column + 9] of two registers that lane @lane brought. */
template <typename T>
void
unpack_twice(uint64_t registers, int column, float (&low)[16], float (&high)[16], int step)
{
    const float2 first = split_pair((unsigned)registers, T()), second = split_pair((unsigned)(registers >> 32), T());

    low[column] = first.x;
    low[column + 1] = first.y;
    high[column + step] = second.x;
    high[column + step + 1] = second.y;
}

template <typename T>
void
mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, T)
{
    const unsigned g = dinor1_emu::lane() / 4, t = dinor1_emu::lane() % 4;
    float left[2][16], right[2][16];

    for (int half = 0; half < 2; half++) {
        const uint64_t *lanes = dinor1_emu::exchange(ALL_LANES, a[2 * half] | (uint64_t)a[2 * half + 1] << 32);
        for (int j = 0; j < 4; j++)
            unpack_twice<T>(lanes[4 * g + j], 8 * half + 2 * j, left[0], left[1], 0);
    }
    const uint64_t *lanes = dinor1_emu::exchange(ALL_LANES, b0 | (uint64_t)b1 << 32);
    for (int j = 0; j < 8; j++)
        unpack_twice<T>(lanes[8 * t + j], 2 * (j % 4), right[j / 4], right[j / 4], 8);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 16; k++)
            c[i] = fmaf(left[i / 2][k], right[i % 2][k], c[i]);
}

template <bool TRANSPOSED, typename T>
void
load_matrices(const T *row, unsigned (&out)[4])
{
    const unsigned g = dinor1_emu::lane() / 4, t = dinor1_emu::lane() % 4;
    const uint64_t *rows = dinor1_emu::exchange(ALL_LANES, dinor1_emu::to_bits(row));

    for (int m = 0; m < 4; m++) {
        const auto at = [&](unsigned r, unsigned column) {
            return dinor1_emu::from_bits<const T *>(rows[8 * m + r])[column];
        };
        const HalfPair<T> pair =
            TRANSPOSED ? HalfPair<T>{at(2 * t, g), at(2 * t + 1, g)} : HalfPair<T>{at(g, 2 * t), at(g, 2 * t + 1)};
        out[m] = same_bits<unsigned>(pair);
    }
}

#endif

/* Of shared memory [16, 16], @pitch numbers a row: an a; two b side by side, of rows that are the columns of b (b[0],
 * b[1] and b[2], b[3]); the same of rows that are its rows. */
template <typename T>
__device__ __forceinline__ void
load_left(const T *tile, int pitch, unsigned (&a)[4])
{
    const int lane = (int)threadIdx.x % (int)WARP;

    load_matrices<false>(tile + lane % 16 * pitch + lane / 16 * 8, a);
}

template <typename T>
__device__ __forceinline__ void
load_right_columns(const T *tile, int pitch, unsigned (&b)[4])
{
    const int lane = (int)threadIdx.x % (int)WARP;

    load_matrices<false>(tile + (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8, b);
}

template <typename T>
__device__ __forceinline__ void
load_right_rows(const T *tile, int pitch, unsigned (&b)[4])
{
    const int lane = (int)threadIdx.x % (int)WARP;

    load_matrices<true>(tile + lane % 16 * pitch + lane / 16 * 8, b);
}

/* Two c side by side as an a, in two parts whose sum has twice the digits of one half. */
template <typename T>
__device__ __forceinline__ void
split_left(const float (&first)[4], const float (&second)[4], unsigned (&high)[4], unsigned (&low)[4])
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float x = i < 2 ? first[2 * i] : second[2 * i - 4], y = i < 2 ? first[2 * i + 1] : second[2 * i - 3];

        high[i] = pair_halves(x, y, T());
        const float2 rounded = split_pair(high[i], T());
        low[i] = pair_halves(x - rounded.x, y - rounded.y, T());
    }
}

} // namespace dinor1_cuda
