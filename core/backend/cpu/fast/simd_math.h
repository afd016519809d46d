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

/* The normal tail Q(a) = 1 / (2 P(a)^8) for a >= 0, a Q(a) to 3e-7; P - 1 without its 1 so that squaring loses nothing.
 * From 10 on it stays what it is at 10, 1e-23. */
V_INLINE vf
v_normal_tail(vf a)
{
    a = v_min(a, v_set(10));
    vf p = v_set(2.9324983e-06f);
    p = v_fma(p, a, v_set(-1.6747274e-05f));
    p = v_fma(p, a, v_set(9.7582473e-05f));
    p = v_fma(p, a, v_set(1.1135011e-04f));
    p = v_fma(p, a, v_set(9.8066346e-04f));
    p = v_fma(p, a, v_set(8.5916305e-03f));
    p = v_fma(p, a, v_set(4.4788800e-02f));
    p = v_fma(p, a, v_set(9.9732496e-02f)) * a;
    p = v_fma(p, p, p + p); /* (1 + p)^2 - 1 */
    p = v_fma(p, p, p + p);
    p = v_fma(p, p, p + p);
    return v_set(0.5f) / (v_set(1) + p);
}

/* x/2 (1 + erf(x / sqrt 2)) to 3e-7, and relative to the result near 0: max(x, 0) - |x| Q(|x|). From 10 on the tail
 * counts 0. */
V_INLINE vf
v_gelu(vf x)
{
    const vf a = v_min(v_max(x, -x), v_set(10));

    return v_max(v_set(0), x) - a * v_normal_tail(a);
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
