/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* Elementary functions on vectors. The coefficients are minimax fits; errors are against the true function. */

#include "backend/cpu/fast/simd.h"

/* 2^n for n in -126 … 127. */
V_INLINE vf
v_exp2_int(vi n)
{
    return v_from_bits((n + 127) << 23);
}

/* e^x to 2 ulp over the whole range; 0 for -inf, inf above 88.73, NaN for NaN. */
V_INLINE vf
v_exp(vf x)
{
    const vf bounded = v_min(v_set(89.f), v_max(v_set(-104.f), x));
    const vf n = v_round(bounded * v_set(0x1.715476p+0f)); /* log2(e) */
    vf r = v_fma(n, v_set(-0x1.62ep-1f), bounded);         /* ln 2 in two parts */
    r = v_fma(n, v_set(-0x1.0bfbe8p-15f), r);
    vf p = v_set(0.0013814467238f);
    p = v_fma(p, r, v_set(0.0083687808365f));
    p = v_fma(p, r, v_set(0.0416683927178f));
    p = v_fma(p, r, v_set(0.1666651964188f));
    p = v_fma(p, r, v_set(0.4999999403954f));
    p = v_fma(p * r, r, r) + v_set(1);
    /* 2^n in two factors, because n reaches -150 and 128. */
    const vi whole = v_to_int(n), half = whole >> 1;
    return p * v_exp2_int(half) * v_exp2_int(whole - half);
}

V_INLINE vf
v_sigmoid(vf x)
{
    return v_set(1) / (v_set(1) + v_exp(-x));
}

/* erf(x) to 4e-7, relative and absolute: x P(x^2) / Q(x^2), exactly 1 from 3.92 on. */
V_INLINE vf
v_erf(vf x)
{
    const vf limit = v_set(3.92f);
    const vf y = v_min(limit, v_max(-limit, x));
    const vf t = y * y;
    vf p = v_set(2.0493193915e-06f);
    p = v_fma(p, t, v_set(2.8500094775e-04f));
    p = v_fma(p, t, v_set(3.7704438437e-03f));
    p = v_fma(p, t, v_set(5.2763402462e-02f));
    p = v_fma(p, t, v_set(1.9051776826e-01f));
    p = v_fma(p, t, v_set(1.1283791065f));
    vf q = v_set(3.8090031012e-05f);
    q = v_fma(q, t, v_set(1.1637295829e-03f));
    q = v_fma(q, t, v_set(1.4978779480e-02f));
    q = v_fma(q, t, v_set(1.1415512115e-01f));
    q = v_fma(q, t, v_set(5.0217467546e-01f));
    q = v_fma(q, t, v_set(1));
    return v_select(x >= limit, v_set(1), v_select(x <= -limit, v_set(-1), y * p / q));
}

V_INLINE vf
v_gelu(vf x)
{
    const vf half = v_set(0.5f) * x;
    return v_fma(half, v_erf(x * v_set(0.70710678f)), half);
}

V_INLINE vf
v_relu(vf x)
{
    return v_max(v_set(0), x);
}

/* sin and cos to 2 ulp of 1 for |x| < 2^13: x = n pi/2 + r, pi/2 in three parts. */
V_INLINE void
v_sin_cos(vf x, vf *sine, vf *cosine)
{
    const vf n = v_round(x * v_set(0.63661977f));
    vf r = v_fma(n, v_set(-0x1.92p+0f), x);
    r = v_fma(n, v_set(-0x1.fb4p-12f), r);
    r = v_fma(n, v_set(-0x1.4442d2p-24f), r);
    const vf t = r * r;
    vf s = v_set(-1.9516656175e-04f);
    s = v_fma(s, t, v_set(8.3321733400e-03f));
    s = v_fma(s, t, v_set(-1.6666655242e-01f));
    s = v_fma(s * t, r, r);
    vf c = v_set(2.4437729735e-05f);
    c = v_fma(c, t, v_set(-1.3887361856e-03f));
    c = v_fma(c, t, v_set(4.1666645557e-02f));
    c = v_fma(c * t, t, v_fma(t, v_set(-0.5f), v_set(1)));
    /* Quadrants 1 and 3 swap the two; sine is negative in 2 and 3, cosine in 1 and 2. */
    const vi quadrant = v_to_int(n);
    const vi odd = (quadrant & 1) != 0;
    const vi sine_sign = (quadrant & 2) << 30, cosine_sign = ((quadrant + 1) & 2) << 30;
    *sine = v_from_bits((vi)v_select(odd, c, s) ^ sine_sign);
    *cosine = v_from_bits((vi)v_select(odd, s, c) ^ cosine_sign);
}
