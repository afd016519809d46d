/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

typedef struct {
    gint n_levels;
    gint heights[DINOR1_MAX_LEVELS], widths[DINOR1_MAX_LEVELS];
} Levels;

typedef struct {
    const Levels *levels;
    gint64 b, q;
    gint heads;
    gint64 d;
    gint points;
    gint64 reference_b, reference_l, coordinates;
    OpFill reference, offsets, logits;
    const gchar *what;
} Row;

/* A sample that lands on a map comes from at most three widths away. */
static gdouble
farthest(const Levels *levels)
{
    gint widest = 0;

    for (gint i = 0; i < levels->n_levels; i++)
        widest = MAX(widest, MAX(levels->heights[i], levels->widths[i]));
    return 3 * widest;
}

static void
add_operands(OpCase *c, const Row *row)
{
    gint64 n = 0, samples = (gint64)row->heads * row->levels->n_levels * row->points;

    c->params.deformable.heads = row->heads;
    c->params.deformable.n_levels = row->levels->n_levels;
    c->params.deformable.n_points = row->points;
    for (gint i = 0; i < row->levels->n_levels; i++) {
        c->params.deformable.heights[i] = row->levels->heights[i];
        c->params.deformable.widths[i] = row->levels->widths[i];
        n += (gint64)row->levels->heights[i] * row->levels->widths[i];
    }
    opcheck_input(c, DINOR1_SHAPE(row->b, n, row->heads * row->d), UNIT);
    opcheck_input(c, DINOR1_SHAPE(row->reference_b, row->q, row->reference_l, row->coordinates), row->reference);
    opcheck_input(c, DINOR1_SHAPE(row->b, row->q, samples * 2), row->offsets);
    opcheck_input(c, DINOR1_SHAPE(row->b, row->q, samples), row->logits);
}

static void
add_deformable(GPtrArray *cases, const Row *row)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_DEFORMABLE_ATTENTION, opcheck_position_tolerance(farthest(row->levels)),
        "%s, %d coordinates", row->what, (gint)row->coordinates);

    /* The mean of so many random values, were all of them on the map; outputs shrink where few are, errors do not. */
    c->scale = 0.5 / sqrt((gdouble)row->levels->n_levels * row->points);
    add_operands(c, row);
}

static void
add_deformable_grad(GPtrArray *cases, const Row *row)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_DEFORMABLE_ATTENTION_GRAD,
        opcheck_position_tolerance(farthest(row->levels)) + opcheck_sum_tolerance(row->b * row->q * row->d),
        "%s, %d coordinates", row->what, (gint)row->coordinates);

    add_operands(c, row);
    opcheck_input(c, DINOR1_SHAPE(row->b, row->q, row->heads * row->d), UNIT);
}

/* Where a sample crosses a pixel's centre the slopes jump, and rounding decides on which side it is: these rows keep
 * their samples off the centres, or exactly on them. */
static void
deformable_grad_cases(GPtrArray *cases)
{
    const Levels one = {1, {1}, {1}}, ragged = {4, {5, 3, 2, 1}, {7, 4, 2, 1}}, wide = {2, {1, 3}, {40, 1}};
    const Levels even = {3, {4, 2, 1}, {8, 4, 2}};
    const OpFill centre = UNIFORM(0.375, 0.375), corners = {FILL_STEPS, 0, 1}, half = UNIFORM(0.5, 0.5);
    const OpFill near = {FILL_ODD, -3, 3}, far = {FILL_ODD, -30, 30}, whole = {FILL_STEPS, -4, 4};
    const OpFill logits = UNIFORM(-2, 2), large = UNIFORM(-80, 80), zero = UNIFORM(0, 0);
    const Row rows[] = {
        {&one, 1, 1, 1, 4, 1, 1, 1, 0, centre, near, logits, "smallest"},
        {&one, 1, 9, 2, 8, 4, 1, 1, 0, corners, near, logits, "one pixel"},
        {&ragged, 1, 1, 8, 32, 4, 1, 4, 0, centre, near, logits, "one query"},
        {&ragged, 1, 48, 8, 32, 4, 1, 4, 0, corners, near, logits, "ragged levels"},
        {&ragged, 2, 33, 8, 32, 4, 2, 4, 0, corners, near, logits, "batch 2"},
        {&ragged, 2, 33, 8, 32, 4, 1, 4, 0, corners, near, logits, "batch 2, one reference"},
        {&ragged, 2, 33, 8, 32, 4, 2, 1, 0, corners, near, logits, "batch 2, one reference level"},
        {&ragged, 2, 33, 8, 32, 4, 1, 1, 0, corners, near, logits, "batch 2, one reference for all"},
        {&ragged, 1, 21, 4, 16, 3, 1, 4, 0, centre, far, logits, "mostly outside"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, centre, near, large, "one weight outweighs"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, centre, near, zero, "equal weights"},
        {&wide, 2, 13, 2, 8, 2, 2, 2, 0, centre, near, logits, "a row and a column"},
        {&wide, 2, 300, 2, 8, 2, 2, 2, 0, centre, near, logits, "many queries"},
        {&ragged, 1, 21, 5, 5, 1, 1, 4, 0, centre, near, logits, "odd heads"},
        {&even, 1, 40, 2, 8, 4, 1, 3, 0, half, whole, logits, "on whole and half pixels"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (gint64 coordinates = 2; coordinates <= 4; coordinates += 2) {
            Row row = rows[i];
            row.coordinates = coordinates;
            add_deformable_grad(cases, &row);
        }
    }
}

void
opcheck_deformable_cases(GPtrArray *cases)
{
    const Levels one = {1, {1}, {1}}, ragged = {4, {5, 3, 2, 1}, {7, 4, 2, 1}};
    const Levels eight = {8, {9, 8, 7, 6, 5, 4, 3, 2}, {2, 3, 4, 5, 6, 7, 8, 9}};
    const Levels wide = {2, {1, 3}, {40, 1}}, real = {3, {25, 13, 7}, {34, 17, 9}};
    const OpFill inside = UNIFORM(0, 1), outside = UNIFORM(-0.5, 1.5), near = UNIFORM(-3, 3);
    const OpFill far = UNIFORM(-60, 60), absurd = UNIFORM(-1e9f, 1e9f), corners = {FILL_STEPS, 0, 1};
    const OpFill zero = UNIFORM(0, 0), logits = UNIFORM(-2, 2), large = UNIFORM(-80, 80), half = UNIFORM(0.5, 0.5);
    const Row rows[] = {
        {&one, 1, 1, 1, 4, 1, 1, 1, 0, inside, near, logits, "smallest"},
        {&one, 1, 9, 2, 8, 4, 1, 1, 0, outside, near, logits, "one pixel"},
        {&ragged, 1, 1, 8, 32, 4, 1, 4, 0, inside, near, logits, "one query"},
        {&ragged, 1, 48, 8, 32, 4, 1, 4, 0, inside, near, logits, "ragged levels"},
        {&ragged, 2, 33, 8, 32, 4, 2, 4, 0, inside, near, logits, "batch 2"},
        {&ragged, 2, 33, 8, 32, 4, 1, 4, 0, inside, near, logits, "batch 2, one reference"},
        {&ragged, 2, 33, 8, 32, 4, 2, 1, 0, inside, near, logits, "batch 2, one reference level"},
        {&ragged, 2, 33, 8, 32, 4, 1, 1, 0, inside, near, logits, "batch 2, one reference for all"},
        {&ragged, 1, 21, 4, 16, 3, 1, 4, 0, outside, far, logits, "mostly outside"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, inside, absurd, logits, "far outside"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, corners, zero, logits, "on the corners"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, half, corners, logits, "on whole and half pixels"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, inside, near, large, "one weight outweighs"},
        {&ragged, 1, 21, 4, 16, 4, 1, 4, 0, inside, near, zero, "equal weights"},
        {&wide, 2, 13, 2, 8, 2, 2, 2, 0, inside, near, logits, "a row and a column"},
        {&eight, 1, 15, 2, 8, 3, 1, 8, 0, inside, near, logits, "eight levels"},
        {&real, 1, 70, 3, 24, 4, 1, 3, 0, inside, near, logits, "heads of 24"},
        {&real, 1, 70, 2, 64, 4, 1, 3, 0, inside, near, logits, "heads of 64"},
        {&real, 1, 70, 5, 5, 1, 1, 3, 0, inside, near, logits, "odd heads"},
        {&real, 2, 101, 8, 4, 8, 2, 3, 0, inside, far, logits, "eight points"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (gint64 coordinates = 2; coordinates <= 4; coordinates += 2) {
            Row row = rows[i];
            row.coordinates = coordinates;
            add_deformable(cases, &row);
        }
    }
    deformable_grad_cases(cases);
}
