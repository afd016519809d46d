/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static void
add_softmax(GPtrArray *cases, DinoR1Shape shape, gint axis, const gchar *what, OpFill fill, gdouble tolerance)
{
    g_autofree gchar *text = opcheck_shape_text(&shape);
    OpCase *c = opcheck_add(cases, DINOR1_OP_SOFTMAX, tolerance, "%s axis %d%s", text, axis, what);

    c->params.softmax.axis = axis;
    opcheck_input(c, shape, fill);
}

static const struct {
    DinoR1Shape shape;
    gint axis;
} axis_rows[] = {
    {{1, {1}}, 0},
    {{1, {7}}, -1},
    {{2, {1, 1}}, 1},
    {{2, {3, 5}}, -1},
    {{2, {3, 5}}, 0},
    {{3, {2, 3, 37}}, 0},
    {{3, {2, 3, 37}}, 1},
    {{3, {2, 37, 19}}, -2},
    {{3, {2, 37, 19}}, 2},
    {{3, {2, 1003, 4}}, 1},
    {{3, {5, 2, 1003}}, 2},
    {{4, {2, 4, 9, 16}}, -1},
    {{2, {3, 1500}}, 1},
};

static void
softmax_cases(GPtrArray *cases)
{
    for (guint i = 0; i < G_N_ELEMENTS(axis_rows); i++) {
        add_softmax(cases, axis_rows[i].shape, axis_rows[i].axis, "", UNIFORM(-5, 5), 2e-6);
        add_softmax(cases, axis_rows[i].shape, axis_rows[i].axis, ", masked", MASK, 2e-6);
        add_softmax(cases, axis_rows[i].shape, axis_rows[i].axis, ", large", UNIFORM(-1e4f, 1e4f), 2e-6);
        add_softmax(cases, axis_rows[i].shape, axis_rows[i].axis, ", equal", UNIFORM(3, 3), 1e-6);
    }
}

static void
softmax_grad_cases(GPtrArray *cases)
{
    for (guint i = 0; i < G_N_ELEMENTS(axis_rows); i++) {
        for (guint zero = 0; zero < 2; zero++) {
            const DinoR1Shape *shape = &axis_rows[i].shape;
            g_autofree gchar *text = opcheck_shape_text(shape);
            OpCase *c = opcheck_add(cases, DINOR1_OP_SOFTMAX_GRAD,
                1e-6 + opcheck_sum_tolerance(dinor1_shape_dim(shape, axis_rows[i].axis)), "%s axis %d%s", text,
                axis_rows[i].axis, zero ? ", masked" : "");
            c->params.softmax.axis = axis_rows[i].axis;
            opcheck_input(c, *shape, zero ? (OpFill){FILL_ZERO, 0, 0} : UNIFORM(0, 1));
            opcheck_input(c, *shape, UNIT);
        }
    }
}

static void
reduce_max_grad_cases(GPtrArray *cases)
{
    const struct {
        OpFill fill;
        const gchar *what;
    } fills[] = {
        {UNIT, "different"}, {{FILL_STEPS, -2, 2}, "many equal"}, {UNIFORM(3, 3), "all equal"}, {MASK, "-inf and 0"}};

    for (guint i = 0; i < G_N_ELEMENTS(axis_rows); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(fills); k++) {
            DinoR1Shape shape = axis_rows[i].shape;
            gint axis = axis_rows[i].axis;
            g_autofree gchar *text = opcheck_shape_text(&shape);
            OpCase *c = opcheck_add(cases, DINOR1_OP_REDUCE_MAX_GRAD, 0, "%s axis %d, %s", text, axis, fills[k].what);
            c->params.reduce.func = DINOR1_REDUCE_MAX;
            c->params.reduce.axis = axis;
            opcheck_input(c, shape, fills[k].fill);
            shape.dims[axis < 0 ? shape.ndim + axis : axis] = 1;
            opcheck_input(c, shape, UNIT);
        }
    }
}

static void
reduce_cases(GPtrArray *cases)
{
    static const gchar *const names[] = {"sum", "mean", "max"};

    for (guint i = 0; i < G_N_ELEMENTS(axis_rows); i++) {
        for (gint func = DINOR1_REDUCE_SUM; func <= DINOR1_REDUCE_MAX; func++) {
            g_autofree gchar *text = opcheck_shape_text(&axis_rows[i].shape);
            for (guint masked = 0; masked < 2; masked++) {
                OpCase *c = opcheck_add(cases, DINOR1_OP_REDUCE, func == DINOR1_REDUCE_MAX ? 0 : 1e-6,
                    "%s %s axis %d%s", names[func], text, axis_rows[i].axis, masked ? ", masked" : "");
                c->params.reduce.func = func;
                c->params.reduce.axis = axis_rows[i].axis;
                c->scale = masked ? 1 : 0;
                opcheck_input(c, axis_rows[i].shape, masked ? MASK : UNIT);
            }
        }
    }
}

/* A mean far from 0 is known to some units of 2^-24 of its size, and the deviations of @n uniform numbers of -1 to 1
 * share that error. E[x^2] - E[x]^2 would be off by a hundred times as much. */
static gdouble
mean_tolerance(gdouble mean, guint n)
{
    return mean / sqrt(n / 3.0) * 0x1p-22;
}

static void
add_layer_norm(
    GPtrArray *cases, DinoR1Shape shape, gboolean residual, const gchar *what, OpFill fill, gdouble tolerance)
{
    g_autofree gchar *text = opcheck_shape_text(&shape);
    DinoR1Shape channels = DINOR1_SHAPE(dinor1_shape_dim(&shape, -1));
    OpCase *c = opcheck_add(cases, DINOR1_OP_LAYER_NORM, tolerance, "%s%s%s", text, what, residual ? ", residual" : "");

    c->params.norm.epsilon = 1e-5f;
    opcheck_input(c, shape, fill);
    opcheck_input(c, channels, UNIFORM(0.5, 1.5));
    opcheck_input(c, channels, UNIT);
    opcheck_optional(c, residual, shape, fill);
}

static void
layer_norm_cases(GPtrArray *cases)
{
    const gint64 widths[] = {1, 2, 3, 8, 16, 31, 96, 256, 384, 1003};
    const gint64 rows[] = {1, 5, 34};

    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(rows); k++) {
            add_layer_norm(cases, DINOR1_SHAPE(rows[k], widths[i]), FALSE, "", UNIT, 2e-6);
            add_layer_norm(cases, DINOR1_SHAPE(rows[k], widths[i]), TRUE, "", UNIT, 2e-6);
        }
    }
    add_layer_norm(cases, DINOR1_SHAPE(2, 3072), FALSE, "", UNIT, 2e-6);
    add_layer_norm(cases, DINOR1_SHAPE(64), FALSE, ", one dimension", UNIT, 2e-6);
    add_layer_norm(cases, DINOR1_SHAPE(2, 3, 5, 24), TRUE, ", four dimensions", UNIT, 2e-6);
    add_layer_norm(cases, DINOR1_SHAPE(3, 64), FALSE, ", no variance", UNIFORM(0.5, 0.5), 2e-6);
    add_layer_norm(cases, DINOR1_SHAPE(3, 96), TRUE, ", large", UNIFORM(-1e6f, 1e6f), 2e-6);
    add_layer_norm(cases, DINOR1_SHAPE(7, 256), FALSE, ", far from 0", UNIFORM(99, 101), mean_tolerance(100, 1));
    add_layer_norm(cases, DINOR1_SHAPE(7, 96), TRUE, ", far from 0", UNIFORM(99, 101), mean_tolerance(200, 2));
}

/* The statistics enter a gradient twice. What rounds beside them: the sums over the @rows of a channel's gradients,
 * which cancel in part. */
static gdouble
norm_grad_tolerance(gint64 rows)
{
    return 3e-6 + opcheck_sum_tolerance(rows);
}

/* Where nothing deviates gradients are 0, but for what rounds, divided by sqrt(epsilon). */
static const gdouble undeviating_scale = 316;

static void
add_layer_norm_grad(
    GPtrArray *cases, DinoR1Shape shape, gboolean residual, const gchar *what, OpFill fill, gdouble tolerance)
{
    g_autofree gchar *text = opcheck_shape_text(&shape);
    gint64 channels = dinor1_shape_dim(&shape, -1);
    OpCase *c = opcheck_add(cases, DINOR1_OP_LAYER_NORM_GRAD,
        tolerance + norm_grad_tolerance(dinor1_shape_size(&shape) / channels), "%s%s%s", text, what,
        residual ? ", residual" : "");

    c->params.norm.epsilon = 1e-5f;
    opcheck_input(c, shape, fill);
    opcheck_input(c, DINOR1_SHAPE(channels), UNIFORM(0.5, 1.5));
    opcheck_input(c, shape, UNIT);
    opcheck_optional(c, residual, shape, fill);
    if (channels == 1 || fill.low == fill.high)
        c->scale = undeviating_scale;
}

static void
layer_norm_grad_cases(GPtrArray *cases)
{
    const gint64 widths[] = {1, 8, 16, 31, 96, 256, 384, 1003};
    const gint64 rows[] = {1, 5, 34, 301};

    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(rows); k++) {
            add_layer_norm_grad(cases, DINOR1_SHAPE(rows[k], widths[i]), FALSE, "", UNIT, 0);
            add_layer_norm_grad(cases, DINOR1_SHAPE(rows[k], widths[i]), TRUE, "", UNIT, 0);
        }
    }
    add_layer_norm_grad(cases, DINOR1_SHAPE(2, 3072), FALSE, "", UNIT, 0);
    add_layer_norm_grad(cases, DINOR1_SHAPE(64), FALSE, ", one dimension", UNIT, 0);
    add_layer_norm_grad(cases, DINOR1_SHAPE(2, 3, 5, 24), TRUE, ", four dimensions", UNIT, 0);
    add_layer_norm_grad(cases, DINOR1_SHAPE(3, 64), FALSE, ", no variance", UNIFORM(0.5, 0.5), 0);
    add_layer_norm_grad(cases, DINOR1_SHAPE(3, 96), TRUE, ", large", UNIFORM(-1e6f, 1e6f), 0);
    add_layer_norm_grad(
        cases, DINOR1_SHAPE(7, 256), FALSE, ", far from 0", UNIFORM(99, 101), 2 * mean_tolerance(100, 1));
}

static void
group_norm_grad_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape shape;
        gint groups;
        OpFill fill;
        gdouble tolerance;
    } rows[] = {
        {DINOR1_SHAPE(1, 1, 1), 1, UNIT, 0},
        {DINOR1_SHAPE(1, 1, 32), 32, UNIT, 0},
        {DINOR1_SHAPE(2, 7, 32), 4, UNIT, 0},
        {DINOR1_SHAPE(2, 101, 24), 3, UNIT, 0},
        {DINOR1_SHAPE(1, 50, 9), 9, UNIT, 0},
        {DINOR1_SHAPE(1, 5, 9), 1, UNIT, 0},
        {DINOR1_SHAPE(1, 1000, 32), 32, UNIT, 0},
        {DINOR1_SHAPE(2, 35, 256), 32, UNIT, 0},
        {DINOR1_SHAPE(1, 35, 64), 32, UNIFORM(-1e6f, 1e6f), 0},
        {DINOR1_SHAPE(1, 35, 64), 8, UNIFORM(99, 101), 2 * mean_tolerance(100, 1)},
        {DINOR1_SHAPE(1, 16, 64), 8, UNIFORM(0.5, 0.5), 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const gint64 *dims = rows[i].shape.dims;
        g_autofree gchar *text = opcheck_shape_text(&rows[i].shape);
        OpCase *c =
            opcheck_add(cases, DINOR1_OP_GROUP_NORM_GRAD, rows[i].tolerance + norm_grad_tolerance(dims[0] * dims[1]),
                "%s, %d groups of %g to %g", text, rows[i].groups, rows[i].fill.low, rows[i].fill.high);
        c->params.norm.epsilon = 1e-5f;
        c->params.norm.groups = rows[i].groups;
        opcheck_input(c, rows[i].shape, rows[i].fill);
        opcheck_input(c, DINOR1_SHAPE(dims[2]), UNIFORM(0.5, 1.5));
        opcheck_input(c, rows[i].shape, UNIT);
        if (dims[1] * dims[2] == rows[i].groups || rows[i].fill.low == rows[i].fill.high)
            c->scale = undeviating_scale;
    }
}

static void
group_norm_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape shape;
        gint groups;
        OpFill fill;
        gdouble tolerance;
    } rows[] = {
        {DINOR1_SHAPE(1, 1, 1), 1, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 1, 32), 32, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 1, 64), 32, UNIT, 2e-6},
        {DINOR1_SHAPE(2, 7, 32), 4, UNIT, 2e-6},
        {DINOR1_SHAPE(2, 101, 24), 3, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 5, 9), 9, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 5, 9), 1, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 1000, 32), 32, UNIT, 2e-6},
        {DINOR1_SHAPE(2, 35, 256), 32, UNIT, 2e-6},
        {DINOR1_SHAPE(1, 35, 64), 32, UNIFORM(-1e6f, 1e6f), 2e-6},
        {DINOR1_SHAPE(1, 35, 64), 8, UNIFORM(99, 101), mean_tolerance(100, 1)},
        {DINOR1_SHAPE(1, 16, 64), 8, UNIFORM(0.5, 0.5), 2e-6},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *text = opcheck_shape_text(&rows[i].shape);
        DinoR1Shape channels = DINOR1_SHAPE(rows[i].shape.dims[2]);
        OpCase *c = opcheck_add(cases, DINOR1_OP_GROUP_NORM, rows[i].tolerance, "%s, %d groups of %g to %g", text,
            rows[i].groups, rows[i].fill.low, rows[i].fill.high);
        c->params.norm.epsilon = 1e-5f;
        c->params.norm.groups = rows[i].groups;
        opcheck_input(c, rows[i].shape, rows[i].fill);
        opcheck_input(c, channels, UNIFORM(0.5, 1.5));
        opcheck_input(c, channels, UNIT);
    }
}

void
opcheck_norm_cases(GPtrArray *cases)
{
    softmax_cases(cases);
    softmax_grad_cases(cases);
    reduce_cases(cases);
    reduce_max_grad_cases(cases);
    layer_norm_cases(cases);
    layer_norm_grad_cases(cases);
    group_norm_cases(cases);
    group_norm_grad_cases(cases);
}
