/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The order of numbers by falling value, then rising index, as one integer: the greater place comes first.
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

typedef unsigned long long Place;

constexpr int PLACE_BITS = 64;

/* NaN has no place in an order; it counts as -inf. -0 is 0. No place is 0. */
__device__ __forceinline__ Place
place_of(float value, gint64 index)
{
    const unsigned bits = __float_as_uint(value != value ? -INFINITY : value == 0 ? 0.0f : value);
    const unsigned rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;

    return (Place)rising << 32 | (0xffffffffu - (unsigned)index);
}

__device__ __forceinline__ unsigned
index_at(Place place)
{
    return 0xffffffffu - (unsigned)(place & 0xffffffffu);
}

} // namespace dinor1_cuda
