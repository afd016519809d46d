/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/attend.h"
#include "backend/cpu/fast/simd_math.h"

/* Vectors of columns in one go: with 4 rows, 12 sums, 3 loads and a broadcast fill the 16 registers of AVX2. */
#define MAX_COLUMNS 3

typedef struct {
    vf row[ATTEND_ROWS][MAX_COLUMNS];
} Sums;

/* sum[r][c] = a[r] [n] . b [n, columns * VW], whose rows are ldb apart. */
V_INLINE Sums
multiply(const gfloat *const a[ATTEND_ROWS], const gfloat *b, gsize ldb, gsize n, const gint columns)
{
    Sums sums;

    for (gint r = 0; r < ATTEND_ROWS; r++)
        for (gint c = 0; c < columns; c++)
            sums.row[r][c] = v_set(0);
    for (gsize i = 0; i < n; i++) {
        vf column[MAX_COLUMNS];
        for (gint c = 0; c < columns; c++)
            column[c] = v_load(b + i * ldb + c * VW);
        for (gint r = 0; r < ATTEND_ROWS; r++)
            for (gint c = 0; c < columns; c++)
                sums.row[r][c] = v_fma(v_set(a[r][i]), column[c], sums.row[r][c]);
    }
    return sums;
}

/* Never 3 + 1: one column alone leaves the multipliers idle. */
static inline gsize
next_columns(gsize left)
{
    return left == 4 ? 2 : MIN(left, MAX_COLUMNS);
}

typedef struct {
    const DinoR1Keys *keys;
    const DinoR1Queries *queries;
    gfloat *scores; /* [ATTEND_ROWS, n_padded] */
    vf highest[ATTEND_ROWS];
} State;

/* Scores of @columns vectors of keys from key @from on. */
V_INLINE void
score_columns(State *state, gsize from, const gint columns, const gboolean masked)
{
    const DinoR1Keys *keys = state->keys;
    const DinoR1Queries *queries = state->queries;
    const Sums sums = multiply(queries->q, keys->keys + from, keys->n_padded, keys->d, columns);

    for (gint r = 0; r < ATTEND_ROWS; r++) {
        for (gint c = 0; c < columns; c++) {
            const gsize key = from + (gsize)c * VW;
            vf score = v_fma(sums.row[r][c], v_set(keys->scale), v_load(queries->bias[r] + key));
            if (masked)
                score += v_load(queries->mask[r] + key);
            state->highest[r] = v_max(score, state->highest[r]);
            v_store(state->scores + (gsize)r * keys->n_padded + key, score);
        }
    }
}

V_INLINE void
compute_scores(State *state, const gboolean masked)
{
    const gsize n = state->keys->n_padded / VW;

    for (gsize i = 0, columns; i < n; i += columns) {
        columns = next_columns(n - i);
        if (columns == 3)
            score_columns(state, i * VW, 3, masked);
        else if (columns == 2)
            score_columns(state, i * VW, 2, masked);
        else
            score_columns(state, i * VW, 1, masked);
    }
}

/* Turns a row of scores into weights that still want dividing by their sum. Returns the reciprocal of the sum, 0 for a
 * row of -inf. */
static gfloat
weigh(gfloat *scores, gsize n_padded, vf highest)
{
    const gfloat max = v_highest(highest);
    /* exp(-inf - 0) is 0 where exp(-inf - -inf) would be NaN. */
    const vf shift = v_set(max == -INFINITY ? 0 : max);
    vf sum = v_set(0);

    for (gsize i = 0; i < n_padded; i += VW) {
        const vf weight = v_exp(v_load(scores + i) - shift);
        sum += weight;
        v_store(scores + i, weight);
    }
    return max == -INFINITY ? 0 : 1 / v_sum(sum);
}

V_INLINE void
mix_columns(
    State *state, const gfloat *const weights[ATTEND_ROWS], const gfloat *factor, gsize from, const gint columns)
{
    const DinoR1Keys *keys = state->keys;
    const Sums sums = multiply(weights, keys->values + from, keys->e_padded, keys->n, columns);

    for (gsize r = 0; r < state->queries->n; r++) {
        for (gint c = 0; c < columns; c++) {
            const gsize at = from + (gsize)c * VW;
            v_store_n(state->queries->out[r] + at, sums.row[r][c] * v_set(factor[r]), keys->e - at);
        }
    }
}

static void
mix_values(State *state, const gfloat *factor)
{
    const gsize n = state->keys->e_padded / VW;
    const gfloat *weights[ATTEND_ROWS];

    for (gsize r = 0; r < ATTEND_ROWS; r++)
        weights[r] = state->scores + r * state->keys->n_padded;
    for (gsize i = 0, columns; i < n; i += columns) {
        columns = next_columns(n - i);
        if (columns == 3)
            mix_columns(state, weights, factor, i * VW, 3);
        else if (columns == 2)
            mix_columns(state, weights, factor, i * VW, 2);
        else
            mix_columns(state, weights, factor, i * VW, 1);
    }
}

/* Missing queries repeat the first; their results are not written. */
static void
complete(DinoR1Queries *queries)
{
    for (gsize r = queries->n; r < ATTEND_ROWS; r++) {
        queries->q[r] = queries->q[0];
        queries->bias[r] = queries->bias[0];
        queries->mask[r] = queries->mask[0];
    }
}

void
ISA_NAME(fast_attend)(const DinoR1Keys *keys, DinoR1Queries *queries, gfloat *scores)
{
    State state;
    gfloat factor[ATTEND_ROWS];

    complete(queries);
    state.keys = keys;
    state.queries = queries;
    state.scores = scores;
    for (gsize r = 0; r < ATTEND_ROWS; r++)
        state.highest[r] = v_set(-INFINITY);
    if (queries->mask[0])
        compute_scores(&state, TRUE);
    else
        compute_scores(&state, FALSE);
    for (gsize r = 0; r < ATTEND_ROWS; r++)
        factor[r] = weigh(scores + r * keys->n_padded, keys->n_padded, state.highest[r]);
    mix_values(&state, factor);
}
