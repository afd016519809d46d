/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval/eval_internal.h"

#include <float.h>
#include <stdlib.h>

typedef struct {
    DinoR1EvalHit hit;
    guint order;
} Ordered;

static gint
compare_hits(gconstpointer a, gconstpointer b)
{
    const Ordered *first = a, *second = b;

    if (first->hit.score != second->hit.score)
        return first->hit.score > second->hit.score ? -1 : 1;
    return first->order < second->order ? -1 : 1;
}

void
dinor1_eval_sort_hits(GArray *hits)
{
    g_autofree Ordered *ordered = g_new(Ordered, hits->len);

    for (guint i = 0; i < hits->len; i++)
        ordered[i] = (Ordered){g_array_index(hits, DinoR1EvalHit, i), i};
    if (hits->len > 0)
        qsort(ordered, hits->len, sizeof *ordered, compare_hits);
    for (guint i = 0; i < hits->len; i++)
        g_array_index(hits, DinoR1EvalHit, i) = ordered[i].hit;
}

/* A point of the curve: what the results up to here reach. */
typedef struct {
    gdouble recall, precision, score;
} Point;

/* Returns the number of points. */
static guint
trace(const GArray *hits, guint area, guint max_rank, guint threshold, guint n_counted, Point *points)
{
    guint n = 0, right = 0, wrong = 0;

    for (guint i = 0; i < hits->len; i++) {
        const DinoR1EvalHit *hit = &g_array_index(hits, DinoR1EvalHit, i);

        if (hit->rank >= max_rank)
            continue;
        if (!(hit->ignored[area] >> threshold & 1)) {
            const gboolean matched = hit->matched[area] >> threshold & 1;

            right += matched;
            wrong += !matched;
        }
        points[n++] = (Point){(gdouble)right / n_counted, right / ((gdouble)wrong + right + DBL_EPSILON), hit->score};
    }
    /* Interpolated precision: the best at this recall or a higher one. */
    for (guint i = n; i > 1; i--)
        points[i - 2].precision = MAX(points[i - 2].precision, points[i - 1].precision);
    return n;
}

/* Precision and score at the fixed recalls; returns the mean precision. */
static gdouble
sample(const Point *points, guint n, gdouble *precision, gdouble *scores)
{
    gdouble sum = 0;

    for (guint r = 0, i = 0; r < DINOR1_EVAL_N_RECALLS; r++) {
        while (i < n && points[i].recall < r * 0.01)
            i++;
        if (precision) {
            precision[r] = i < n ? points[i].precision : 0;
            scores[r] = i < n ? points[i].score : 0;
        }
        sum += i < n ? points[i].precision : 0;
    }
    return sum / DINOR1_EVAL_N_RECALLS;
}

void
dinor1_eval_accumulate(const GArray *hits, guint area, guint max_rank, guint n_counted, DinoR1EvalCurve *curve,
    gdouble *precision, gdouble *scores)
{
    g_autofree Point *points = g_new(Point, hits->len);

    for (guint t = 0; t < DINOR1_EVAL_N_IOUS; t++) {
        const guint n = trace(hits, area, max_rank, t, n_counted, points);
        const guint row = t * DINOR1_EVAL_N_RECALLS;

        curve->ap[t] = sample(points, n, precision ? precision + row : NULL, scores ? scores + row : NULL);
        curve->ar[t] = n > 0 ? points[n - 1].recall : 0;
    }
}
