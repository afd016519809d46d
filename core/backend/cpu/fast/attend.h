/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* One head of attention for a few queries at a time: scores never leave the first-level cache. */

#include "backend/cpu/fast/fast.h"
#include "backend/cpu/fast/simd.h"

/* Queries that share each load of a key or value. */
#define ATTEND_ROWS 4

typedef struct {
    gsize n;        /* keys */
    gsize d, e;     /* width of a key and of a value */
    gsize n_padded; /* n in whole vectors */
    gsize e_padded; /* e in whole vectors */
    gfloat *keys;   /* [d, n_padded], transposed */
    gfloat *values; /* [n, e_padded] */
    gfloat scale;   /* of the scores */
} DinoR1Keys;

/* Up to ATTEND_ROWS queries. */
typedef struct {
    gsize n;
    const gfloat *q[ATTEND_ROWS];    /* [d] */
    const gfloat *bias[ATTEND_ROWS]; /* [n_padded], added to the scores: -inf in the padding */
    const gfloat *mask[ATTEND_ROWS]; /* [n_padded]?, added too; all or none */
    gfloat *out[ATTEND_ROWS];        /* [e] */
} DinoR1Queries;

static inline gsize
attend_keys_size(const DinoR1Keys *keys)
{
    return keys->d * keys->n_padded;
}

static inline gsize
attend_values_size(const DinoR1Keys *keys)
{
    return keys->n * keys->e_padded;
}

/* Floats of the scratch memory of fast_attend(). */
static inline gsize
attend_scores_size(const DinoR1Keys *keys)
{
    return ATTEND_ROWS * keys->n_padded;
}

/* A row of biases [n_padded] that keeps the padding out: @bias [n], or zeros without one. */
V_INLINE void
attend_set_bias(const DinoR1Keys *keys, gfloat *to, const gfloat *bias)
{
    if (bias)
        memcpy(to, bias, keys->n * sizeof(gfloat));
    else
        memset(to, 0, keys->n * sizeof(gfloat));
    for (gsize i = keys->n; i < keys->n_padded; i++)
        to[i] = -INFINITY;
}

/* Puts keys [first, first + 4) in place, @rows [4][d]; those past n are repeats that only have to be finite. */
V_INLINE void
attend_put_keys(const DinoR1Keys *keys, gsize first, const gfloat *const rows[4])
{
    gfloat *to = keys->keys + first;
    gsize i = 0;

    for (; i + 4 <= keys->d; i += 4) {
        v_quad block[4];
        for (gint r = 0; r < 4; r++)
            memcpy(&block[r], rows[r] + i, sizeof(v_quad));
        v_transpose4(block);
        for (gint r = 0; r < 4; r++)
            memcpy(to + (i + (gsize)r) * keys->n_padded, &block[r], sizeof(v_quad));
    }
    for (; i < keys->d; i++)
        for (gint r = 0; r < 4; r++)
            to[i * keys->n_padded + (gsize)r] = rows[r][i];
}

V_INLINE void
attend_put_value(const DinoR1Keys *keys, gsize index, const gfloat *value)
{
    gfloat *row = keys->values + index * keys->e_padded;

    for (gsize i = 0; i < keys->e; i += VW)
        v_store(row + i, v_load_n(value + i, keys->e - i));
}

/* out = softmax(scale * q . keys + bias + mask) . values for each query; 0 where every score is -inf. Fills the unused
 * entries of @queries. */
void ISA_NAME(fast_attend)(const DinoR1Keys *keys, DinoR1Queries *queries, gfloat *scores);
