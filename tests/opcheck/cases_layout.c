/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static void
permute_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape shape;
        gint perm[DINOR1_MAX_DIMS];
    } rows[] = {
        {DINOR1_SHAPE(5), {0}},
        {DINOR1_SHAPE(1, 1), {1, 0}},
        {DINOR1_SHAPE(3, 5), {1, 0}},
        {DINOR1_SHAPE(67, 33), {1, 0}},
        {DINOR1_SHAPE(130, 1), {1, 0}},
        {DINOR1_SHAPE(130, 257), {1, 0}},
        {DINOR1_SHAPE(2, 70, 90), {0, 2, 1}},
        {DINOR1_SHAPE(2, 3, 5), {0, 1, 2}},
        {DINOR1_SHAPE(2, 3, 5), {0, 2, 1}},
        {DINOR1_SHAPE(2, 3, 5), {1, 0, 2}},
        {DINOR1_SHAPE(2, 3, 5), {1, 2, 0}},
        {DINOR1_SHAPE(2, 3, 5), {2, 0, 1}},
        {DINOR1_SHAPE(2, 3, 5), {2, 1, 0}},
        {DINOR1_SHAPE(2, 37, 4, 16), {0, 2, 1, 3}},
        {DINOR1_SHAPE(1, 3, 17, 19), {0, 2, 3, 1}},
        {DINOR1_SHAPE(2, 17, 19, 24), {0, 3, 1, 2}},
        {DINOR1_SHAPE(3, 2, 4, 5), {3, 1, 0, 2}},
        {DINOR1_SHAPE(2, 3, 7, 2, 7, 8), {0, 1, 3, 2, 4, 5}},
        {DINOR1_SHAPE(2, 1, 3, 1, 2, 3, 1, 2), {7, 2, 5, 0, 1, 3, 6, 4}},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *text = opcheck_shape_text(&rows[i].shape);
        OpCase *c = opcheck_add(cases, DINOR1_OP_PERMUTE, 0, "%s to %d%d%d%d...", text, rows[i].perm[0],
            rows[i].perm[1], rows[i].perm[2], rows[i].perm[3]);
        for (gint k = 0; k < DINOR1_MAX_DIMS; k++)
            c->params.permute.perm[k] = rows[i].perm[k];
        opcheck_input(c, rows[i].shape, UNIT);
    }
}

static void
slice_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape shape;
        gint axis;
        gint64 start, length;
    } rows[] = {
        {DINOR1_SHAPE(1), 0, 0, 1},
        {DINOR1_SHAPE(37), 0, 5, 9},
        {DINOR1_SHAPE(3, 37), -1, 36, 1},
        {DINOR1_SHAPE(3, 37), 1, 0, 37},
        {DINOR1_SHAPE(3, 37), 0, 1, 2},
        {DINOR1_SHAPE(2, 9, 16), 1, 3, 5},
        {DINOR1_SHAPE(2, 9, 96), 2, 32, 32},
        {DINOR1_SHAPE(2, 3, 4, 5, 6), -3, 1, 2},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *text = opcheck_shape_text(&rows[i].shape);
        OpCase *c = opcheck_add(cases, DINOR1_OP_SLICE, 0, "%s axis %d, %d from %d", text, rows[i].axis,
            (gint)rows[i].length, (gint)rows[i].start);
        c->params.slice.axis = rows[i].axis;
        c->params.slice.start = rows[i].start;
        c->params.slice.length = rows[i].length;
        opcheck_input(c, rows[i].shape, UNIT);
    }
}

static void
slice_grad_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape dy;
        gint axis;
        gint64 start, size;
    } rows[] = {
        {DINOR1_SHAPE(1), 0, 0, 1},
        {DINOR1_SHAPE(9), 0, 5, 37},
        {DINOR1_SHAPE(3, 1), -1, 36, 37},
        {DINOR1_SHAPE(3, 37), 1, 0, 37},
        {DINOR1_SHAPE(2, 37), 0, 1, 3},
        {DINOR1_SHAPE(2, 5, 16), 1, 3, 9},
        {DINOR1_SHAPE(2, 9, 32), 2, 32, 96},
        {DINOR1_SHAPE(2, 3, 2, 5, 6), -3, 1, 4},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *text = opcheck_shape_text(&rows[i].dy);
        OpCase *c = opcheck_add(cases, DINOR1_OP_SLICE_GRAD, 0, "%s axis %d, at %d of %d", text, rows[i].axis,
            (gint)rows[i].start, (gint)rows[i].size);
        c->params.slice_grad.axis = rows[i].axis;
        c->params.slice_grad.start = rows[i].start;
        c->params.slice_grad.size = rows[i].size;
        opcheck_input(c, rows[i].dy, UNIT);
    }
}

static void
concat_cases(GPtrArray *cases)
{
    const DinoR1Shape shapes[] = {
        DINOR1_SHAPE(5), DINOR1_SHAPE(3, 1), DINOR1_SHAPE(2, 3, 16), DINOR1_SHAPE(2, 1, 3, 5)};

    for (guint i = 0; i < G_N_ELEMENTS(shapes); i++) {
        for (gint axis = -1; axis < shapes[i].ndim; axis++) {
            for (guint n = 1; n <= DINOR1_MAX_INPUTS; n++) {
                g_autofree gchar *text = opcheck_shape_text(&shapes[i]);
                OpCase *c = opcheck_add(cases, DINOR1_OP_CONCAT, 0, "%u of %s, axis %d", n, text, axis);
                c->params.concat.axis = axis;
                for (guint k = 0; k < n; k++) {
                    DinoR1Shape part = shapes[i];
                    part.dims[axis < 0 ? part.ndim + axis : axis] += 7 * k % 5;
                    opcheck_input(c, part, UNIT);
                }
            }
        }
    }
}

static void
expand_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape from, to;
    } rows[] = {
        {{.ndim = 0}, DINOR1_SHAPE(3, 5)},
        {DINOR1_SHAPE(1), DINOR1_SHAPE(1)},
        {DINOR1_SHAPE(7), DINOR1_SHAPE(3, 7)},
        {DINOR1_SHAPE(3, 1), DINOR1_SHAPE(3, 33)},
        {DINOR1_SHAPE(1, 9, 16), DINOR1_SHAPE(2, 9, 16)},
        {DINOR1_SHAPE(2, 1, 16), DINOR1_SHAPE(2, 9, 16)},
        {DINOR1_SHAPE(2, 1, 1), DINOR1_SHAPE(2, 9, 16)},
        {DINOR1_SHAPE(1, 5, 1, 3), DINOR1_SHAPE(4, 2, 5, 6, 3)},
        {DINOR1_SHAPE(2, 3), DINOR1_SHAPE(2, 3)},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *from = opcheck_shape_text(&rows[i].from), *to = opcheck_shape_text(&rows[i].to);
        OpCase *c = opcheck_add(cases, DINOR1_OP_EXPAND, 0, "%s to %s", from, to);
        c->params.expand.shape = rows[i].to;
        opcheck_input(c, rows[i].from, UNIT);
    }
}

static void
sum_to_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape from, to;
    } rows[] = {
        {DINOR1_SHAPE(3, 5), {.ndim = 0}},
        {DINOR1_SHAPE(1), DINOR1_SHAPE(1)},
        {DINOR1_SHAPE(3, 7), DINOR1_SHAPE(7)},
        {DINOR1_SHAPE(1000, 96), DINOR1_SHAPE(96)},
        {DINOR1_SHAPE(3, 33), DINOR1_SHAPE(3, 1)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(1, 9, 16)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(2, 1, 16)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(2, 1, 1)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(1, 1, 1)},
        {DINOR1_SHAPE(4, 2, 5, 6, 3), DINOR1_SHAPE(1, 5, 1, 3)},
        {DINOR1_SHAPE(2, 3, 2, 3, 2, 3, 2, 3), DINOR1_SHAPE(2, 1, 2, 1, 2, 1, 2, 1)},
        {DINOR1_SHAPE(2, 3), DINOR1_SHAPE(2, 3)},
        {DINOR1_SHAPE(3, 40000), {.ndim = 0}},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *from = opcheck_shape_text(&rows[i].from), *to = opcheck_shape_text(&rows[i].to);
        gint64 n = dinor1_shape_size(&rows[i].from) / dinor1_shape_size(&rows[i].to);
        OpCase *c = opcheck_add(cases, DINOR1_OP_SUM_TO, opcheck_sum_tolerance(n), "%s to %s", from, to);
        c->params.expand.shape = rows[i].to;
        c->scale = sqrt((gdouble)n / 3); /* of a random sum; one alone may be near 0 */
        opcheck_input(c, rows[i].from, UNIT);
    }
}

static void
patch_split_cases(GPtrArray *cases)
{
    const gint64 sizes[][4] = {/* B, H, W, C */
        {1, 1, 1, 1}, {1, 2, 2, 3}, {1, 1, 6, 4}, {1, 5, 1, 4}, {2, 5, 6, 24}, {2, 6, 5, 24}, {1, 7, 9, 96}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const gint64 *s = sizes[i];
        OpCase *c = opcheck_add(
            cases, DINOR1_OP_PATCH_SPLIT, 0, "to %dx%dx%dx%d", (gint)s[0], (gint)s[1], (gint)s[2], (gint)s[3]);
        c->params.patch.height = s[1];
        c->params.patch.width = s[2];
        opcheck_input(c, DINOR1_SHAPE(s[0], (s[1] + 1) / 2, (s[2] + 1) / 2, 4 * s[3]), UNIT);
    }
}

static void
patch_merge_cases(GPtrArray *cases)
{
    const DinoR1Shape shapes[] = {DINOR1_SHAPE(1, 1, 1, 1), DINOR1_SHAPE(1, 2, 2, 3), DINOR1_SHAPE(1, 1, 6, 4),
        DINOR1_SHAPE(1, 5, 1, 4), DINOR1_SHAPE(2, 5, 6, 24), DINOR1_SHAPE(2, 6, 5, 24), DINOR1_SHAPE(1, 7, 9, 96)};

    for (guint i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autofree gchar *text = opcheck_shape_text(&shapes[i]);
        OpCase *c = opcheck_add(cases, DINOR1_OP_PATCH_MERGE, 0, "%s", text);
        opcheck_input(c, shapes[i], UNIT);
    }
}

void
opcheck_layout_cases(GPtrArray *cases)
{
    permute_cases(cases);
    slice_cases(cases);
    slice_grad_cases(cases);
    concat_cases(cases);
    expand_cases(cases);
    sum_to_cases(cases);
    patch_merge_cases(cases);
    patch_split_cases(cases);
}
