/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CUDA's vector and half types for the host build. Arithmetic on halves is left out on purpose: kernels convert to
 * float, compute and convert back.
 */
#pragma once

#include "base/half.h"

#include <cstdint>
#include <cstring>
#include <math.h>

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth)
    {
    }
};

struct uint3 {
    unsigned x, y, z;
};

#define DINOR1_EMU_VECTOR(type, name)                                                                                  \
    struct alignas(2 * sizeof(type)) name##2                                                                           \
    {                                                                                                                  \
        type x, y;                                                                                                     \
    };                                                                                                                 \
    struct alignas(4 * sizeof(type)) name##4                                                                           \
    {                                                                                                                  \
        type x, y, z, w;                                                                                               \
    };                                                                                                                 \
    static inline name##2 make_##name##2(type x, type y)                                                               \
    {                                                                                                                  \
        return {x, y};                                                                                                 \
    }                                                                                                                  \
    static inline name##4 make_##name##4(type x, type y, type z, type w)                                               \
    {                                                                                                                  \
        return {x, y, z, w};                                                                                           \
    }

DINOR1_EMU_VECTOR(float, float)
DINOR1_EMU_VECTOR(int, int)
DINOR1_EMU_VECTOR(unsigned, uint)
DINOR1_EMU_VECTOR(unsigned char, uchar)

struct __half {
    uint16_t bits;
};
struct __nv_bfloat16 {
    uint16_t bits;
};
struct alignas(4) __half2 {
    __half x, y;
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

static inline float
__half2float(__half value)
{
    return dinor1_half_to_float(value.bits);
}

static inline __half
__float2half_rn(float value)
{
    return {dinor1_float_to_half(value)};
}

static inline __half
__float2half(float value)
{
    return __float2half_rn(value);
}

static inline float
__bfloat162float(__nv_bfloat16 value)
{
    return dinor1_bf16_to_float(value.bits);
}

static inline __nv_bfloat16
__float2bfloat16_rn(float value)
{
    return {dinor1_float_to_bf16(value)};
}

static inline __nv_bfloat16
__float2bfloat16(float value)
{
    return __float2bfloat16_rn(value);
}

static inline __half2
__floats2half2_rn(float x, float y)
{
    return {__float2half_rn(x), __float2half_rn(y)};
}

static inline float2
__half22float2(__half2 value)
{
    return {__half2float(value.x), __half2float(value.y)};
}

static inline __nv_bfloat162
__floats2bfloat162_rn(float x, float y)
{
    return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}

static inline float2
__bfloat1622float2(__nv_bfloat162 value)
{
    return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
