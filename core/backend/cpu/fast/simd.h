/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* One vector type for every instruction set: kernels are written once over these and compiled once per set, with
 * DINOR1_ISA (generic, avx2, avx512) on the command line naming the result. Arithmetic is the compilers' own on
 * vector types; only what they do badly is spelled out. No NaN or infinity is assumed away. */

#include <glib.h>
#include <math.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define V_REPEAT4(x) (x), (x), (x), (x)
#define V_REPEAT8(x) V_REPEAT4(x), V_REPEAT4(x)
#if defined(__AVX512F__)
#define VW          16
#define V_REPEAT(x) V_REPEAT8(x), V_REPEAT8(x)
#elif defined(__AVX2__)
#define VW          8
#define V_REPEAT(x) V_REPEAT8(x)
#else
#define VW          4
#define V_REPEAT(x) V_REPEAT4(x)
#endif

typedef gfloat vf __attribute__((vector_size(4 * VW)));
typedef gint32 vi __attribute__((vector_size(4 * VW)));

#define DINOR1_ISA_PASTE_(name, isa) dinor1_##name##_##isa
#define DINOR1_ISA_PASTE(name, isa)  DINOR1_ISA_PASTE_(name, isa)
/* The name of a function that every instruction set has: ISA_NAME(fast_linear) is dinor1_fast_linear_avx2. */
#define ISA_NAME(name) DINOR1_ISA_PASTE(name, DINOR1_ISA)

#define V_INLINE static inline __attribute__((always_inline, unused))

V_INLINE vf
v_set(gfloat x)
{
    return (vf){V_REPEAT(x)};
}

V_INLINE vi
vi_set(gint32 x)
{
    return (vi){V_REPEAT(x)};
}

V_INLINE vf
v_load(const gfloat *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

V_INLINE void
v_store(gfloat *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

/* a * b + c, fused where the machine can. */
V_INLINE vf
v_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

V_INLINE vf
v_from_bits(vi x)
{
    return (vf)x;
}

/* mask ? a : b, mask from a comparison (all ones or all zeros per lane). */
V_INLINE vf
v_select(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* a > b ? a : b, so b where either is NaN. */
V_INLINE vf
v_max(vf a, vf b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
    return _mm_max_ps(a, b);
#else
    return v_select(a > b, a, b);
#endif
}

/* a < b ? a : b, so b where either is NaN. */
V_INLINE vf
v_min(vf a, vf b)
{
#if defined(__AVX512F__)
    return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_min_ps(a, b);
#elif defined(__SSE2__)
    return _mm_min_ps(a, b);
#else
    return v_select(a < b, a, b);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
V_INLINE vi
v_tail_mask(gsize n)
{
    static const gint32 edge[2 * VW] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    vi mask;
    memcpy(&mask, edge + VW - n, sizeof mask);
    return mask;
}
#endif

/* The first n >= 1 lanes, all of them from VW on; the others are 0 and their memory is not touched. */
V_INLINE vf
v_load_n(const gfloat *p, gsize n)
{
    if (n >= VW)
        return v_load(p);
#if defined(__AVX512F__)
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return _mm256_maskload_ps(p, (__m256i)v_tail_mask(n));
#else
    vf v = {0};
    for (gsize i = 0; i < n; i++)
        v[i] = p[i];
    return v;
#endif
}

V_INLINE void
v_store_n(gfloat *p, vf v, gsize n)
{
    if (n >= VW) {
        v_store(p, v);
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, (__m256i)v_tail_mask(n), v);
#else
    for (gsize i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/* v with the lanes from n on replaced by those of other. */
V_INLINE vf
v_keep_n(vf v, vf other, gsize n)
{
    vi lane;
    for (gint i = 0; i < VW; i++)
        lane[i] = i;
    return v_select(lane < vi_set((gint32)n), v, other);
}

typedef gfloat v_quad __attribute__((vector_size(16)));

/* The even and the odd elements of a followed by b. */
V_INLINE vf
v_even(vf a, vf b)
{
#if VW == 16
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VW == 8
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
}

V_INLINE vf
v_odd(vf a, vf b)
{
#if VW == 16
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif VW == 8
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
    return __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

V_INLINE void
vi_store(gint32 *p, vi v)
{
    memcpy(p, &v, sizeof v);
}

V_INLINE vi
vi_load(const gint32 *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Columns become rows. */
V_INLINE void
v_transpose4(v_quad rows[4])
{
    const v_quad low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
    const v_quad low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    const v_quad high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
    const v_quad high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);

    rows[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    rows[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    rows[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    rows[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

typedef union {
    vf v;
    v_quad quads[VW / 4];
} v_quads;

V_INLINE gfloat
v_sum(vf v)
{
    const v_quads u = {v};
    v_quad q = u.quads[0];
    for (gint i = 1; i < VW / 4; i++)
        q += u.quads[i];
    return (q[0] + q[2]) + (q[1] + q[3]);
}

V_INLINE gfloat
v_highest(vf v)
{
    const v_quads u = {v};
    v_quad q = u.quads[0];
    for (gint i = 1; i < VW / 4; i++)
        for (gint lane = 0; lane < 4; lane++)
            q[lane] = u.quads[i][lane] > q[lane] ? u.quads[i][lane] : q[lane];
    return MAX(MAX(q[0], q[2]), MAX(q[1], q[3]));
}

/* The nearest whole number, ties to even, for |x| < 2^22. */
V_INLINE vf
v_round(vf x)
{
    const vf magic = v_set(0x1.8p23f);
    return (x + magic) - magic;
}

V_INLINE vi
v_to_int(vf x)
{
    return __builtin_convertvector(x, vi);
}

V_INLINE vf
v_from_int(vi x)
{
    return __builtin_convertvector(x, vf);
}

/* For |x| < 2^31. */
V_INLINE vf
v_floor(vf x)
{
    const vf whole = v_from_int(v_to_int(x));
    return whole - v_select(whole > x, v_set(1), v_set(0));
}

static inline gsize
v_round_up(gsize n)
{
    return (n + VW - 1) / VW * VW;
}
