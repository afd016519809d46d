/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

static inline gfloat
dinor1_float_from_bits(guint32 bits)
{
    gfloat value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bf16 is the upper half of an f32. */
static inline gfloat
dinor1_bf16_to_float(guint16 bits)
{
    return dinor1_float_from_bits((guint32)bits << 16);
}

/* Rounds to nearest, ties to even. */
static inline guint16
dinor1_float_to_bf16(gfloat value)
{
    guint32 bits;

    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (guint16)(bits >> 16 | 0x40u); /* NaN stays one when its last bits go */
    return (guint16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* IEEE binary16: 1 sign bit, 5 exponent bits (bias 15), 10 mantissa bits. Exact for every value; NaN keeps its payload.
 */
static inline gfloat
dinor1_half_to_float(guint16 bits)
{
    guint32 sign = (guint32)(bits & 0x8000) << 16;
    guint32 exponent = (bits >> 10) & 31;
    guint32 mantissa = bits & 0x3ff;

    if (exponent == 31)
        return dinor1_float_from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        gfloat magnitude = (gfloat)mantissa * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return dinor1_float_from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/* Rounds to nearest, ties to even; what is too large becomes infinite. */
static inline guint16
dinor1_float_to_half(gfloat value)
{
    guint32 bits, sign, magnitude, rounded;

    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (guint16)(sign | 0x7e00u); /* NaN */
    if (magnitude >= 0x477ff000u)
        return (guint16)(sign | 0x7c00u); /* 65520 and above */
    if (magnitude < 0x38800000u) {
        /* Subnormal: a multiple of 2^-24, which adding 0.5 puts into the last bits of the mantissa. */
        gfloat shifted;

        memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        memcpy(&rounded, &shifted, sizeof rounded);
        return (guint16)(sign | (rounded - 0x3f000000u));
    }
    rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return (guint16)(sign | (rounded - 0x38000000u) >> 13);
}

G_END_DECLS
