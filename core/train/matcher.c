/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The Hungarian matcher and the targets it makes.
 */
#include "train/sampling.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define FREE G_MAXUINT

/* Shortest augmenting paths. Columns are assigned one by one; the potentials keep every reduced cost
 * cost(row, column) - u(column) - v(row) at or above zero, and zero on the assignment. */
typedef struct {
    const gfloat *cost;
    guint n_rows, stride;
    gdouble *u;        /* by column */
    gdouble *v;        /* by row */
    gdouble *distance; /* by row: of the shortest path found so far */
    guint *from;       /* by row: the column that the path came through */
    guint *column_of;  /* by row */
    gboolean *settled; /* by row */
} Assignment;

/* The row not settled yet that is nearest. */
static guint
nearest(const Assignment *a)
{
    guint best = FREE;

    for (guint row = 0; row < a->n_rows; row++)
        if (!a->settled[row] && (best == FREE || a->distance[row] < a->distance[best]))
            best = row;
    return best;
}

static void
relax(Assignment *a, guint column, gdouble base)
{
    for (guint row = 0; row < a->n_rows; row++) {
        const gdouble reduced = (gdouble)a->cost[(gsize)row * a->stride + column] - a->u[column] - a->v[row];

        if (!a->settled[row] && base + reduced < a->distance[row]) {
            a->distance[row] = base + reduced;
            a->from[row] = column;
        }
    }
}

/* Flips the path from the free row @end back to column @first: every column on it takes the row it was reached from. */
static void
augment(Assignment *a, guint end, guint first, guint *row_of_column)
{
    guint row = end, column;

    do {
        const guint reached = row;

        column = a->from[reached];
        row = row_of_column[column];
        row_of_column[column] = reached;
        a->column_of[reached] = column;
    } while (column != first);
}

static void
assign_column(Assignment *a, guint first, guint *row_of_column)
{
    guint column = first, row;
    gdouble base = 0;

    for (row = 0; row < a->n_rows; row++) {
        a->distance[row] = INFINITY;
        a->settled[row] = FALSE;
    }
    for (;;) {
        relax(a, column, base);
        row = nearest(a);
        a->settled[row] = TRUE;
        base = a->distance[row];
        if (a->column_of[row] == FREE)
            break;
        column = a->column_of[row];
    }
    for (guint r = 0; r < a->n_rows; r++) {
        if (!a->settled[r])
            continue;
        if (a->column_of[r] != FREE)
            a->u[a->column_of[r]] += base - a->distance[r];
        a->v[r] -= base - a->distance[r];
    }
    a->u[first] += base;
    augment(a, row, first, row_of_column);
}

static gboolean
all_finite(const gfloat *cost, guint n_rows, guint n_columns, guint stride)
{
    for (guint row = 0; row < n_rows; row++)
        for (guint column = 0; column < n_columns; column++)
            if (!isfinite(cost[(gsize)row * stride + column]))
                return FALSE;
    return TRUE;
}

gboolean
dinor1_assign(const gfloat *cost, guint n_rows, guint n_columns, guint stride, guint *row_of_column)
{
    Assignment a = {cost, n_rows, stride, NULL, NULL, NULL, NULL, NULL, NULL};

    if (n_columns > n_rows || !all_finite(cost, n_rows, n_columns, stride))
        return FALSE;
    a.u = g_new0(gdouble, n_columns);
    a.v = g_new0(gdouble, n_rows);
    a.distance = g_new(gdouble, n_rows);
    a.from = g_new(guint, n_rows);
    a.column_of = g_new(guint, n_rows);
    a.settled = g_new(gboolean, n_rows);
    memset(a.column_of, 0xff, n_rows * sizeof *a.column_of);
    memset(row_of_column, 0xff, n_columns * sizeof *row_of_column);
    for (guint column = 0; column < n_columns; column++)
        assign_column(&a, column, row_of_column);
    g_free(a.u);
    g_free(a.v);
    g_free(a.distance);
    g_free(a.from);
    g_free(a.column_of);
    g_free(a.settled);
    return TRUE;
}

gboolean
dinor1_match_targets(const gfloat *cost, const DinoR1ImageLabels *images, guint n_images, guint n_boxes_padded,
    guint n_queries, const DinoR1PromptChoice *choice, guint n_tokens, DinoR1SetTargets *targets, GError **error)
{
    const gsize n = (gsize)n_images * n_queries;

    memset(targets->classes, 0, n * n_tokens * sizeof(gfloat));
    memset(targets->boxes, 0, n * 4 * sizeof(gfloat));
    memset(targets->positive, 0, n * sizeof(gfloat));
    for (guint i = 0; i < n_images; i++) {
        const guint n_matched = MIN(images[i].n_boxes, n_queries);
        g_autofree guint *query_of_box = g_new(guint, MAX(n_matched, 1));

        if (!dinor1_assign(
                cost + (gsize)i * n_queries * n_boxes_padded, n_queries, n_matched, n_boxes_padded, query_of_box)) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
                "image %u of the batch: a matching cost is not a finite number", i);
            return FALSE;
        }
        for (guint j = 0; j < n_matched; j++) {
            const gsize at = (gsize)i * n_queries + query_of_box[j];

            targets->classes[at * n_tokens + dinor1_prompt_choice_find(choice, images[i].classes[j])] = 1;
            memcpy(targets->boxes + at * 4, images[i].boxes + (gsize)j * 4, 4 * sizeof(gfloat));
            targets->positive[at] = 1;
        }
    }
    return TRUE;
}
