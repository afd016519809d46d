/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static void
topk_cases(GPtrArray *cases)
{
    const gint64 sizes[][3] = {/* B, N, k */
        {1, 1, 1}, {1, 7, 1}, {1, 7, 7}, {2, 33, 5}, {1, 1000, 100}, {2, 1003, 1003}, {1, 5000, 900}};
    const struct {
        OpFill fill;
        const gchar *what;
    } fills[] = {
        {UNIT, "different"},
        {UNIFORM(2, 2), "all equal"},
        {{FILL_STEPS, -2, 2}, "many equal"},
        {MASK, "-inf and 0"},
        {{FILL_ZERO, 0, 0}, "0 and -0"},
        {UNIFORM(-1e30f, 1e30f), "large"},
        {{FILL_NAN, -1, 1}, "some NaN"},
        {UNIFORM(NAN, NAN), "all NaN"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(fills); k++) {
            OpCase *c = opcheck_add(cases, DINOR1_OP_TOPK, 0, "%d of %dx%d, %s", (gint)sizes[i][2], (gint)sizes[i][0],
                (gint)sizes[i][1], fills[k].what);
            c->params.topk.k = sizes[i][2];
            opcheck_input(c, DINOR1_SHAPE(sizes[i][0], sizes[i][1]), fills[k].fill);
        }
    }
}

static const struct {
    DinoR1Shape table, indices;
} gather_rows[] = {
    {{2, {1, 1}}, {1, {1}}},
    {{2, {9, 4}}, {1, {5}}},
    {{2, {9, 33}}, {2, {2, 3}}},
    {{2, {9, 1}}, {3, {2, 3, 4}}},
    {{3, {1, 7, 256}}, {2, {1, 9}}},
    {{3, {2, 37, 4}}, {2, {2, 19}}},
    {{3, {3, 5, 1}}, {2, {3, 1}}},
    {{2, {500, 96}}, {2, {2, 300}}},
    {{2, {6, 301}}, {1, {40}}},
};

static void
gather_cases(GPtrArray *cases)
{
    for (guint i = 0; i < G_N_ELEMENTS(gather_rows); i++) {
        for (guint outside = 0; outside < 2; outside++) {
            g_autofree gchar *table = opcheck_shape_text(&gather_rows[i].table);
            g_autofree gchar *text = opcheck_shape_text(&gather_rows[i].indices);
            gfloat last = (gfloat)dinor1_shape_dim(&gather_rows[i].table, -2) - 1;
            OpCase *c = opcheck_add(cases, DINOR1_OP_GATHER, 0, "%s of %s%s", text, table, outside ? ", outside" : "");
            opcheck_input(c, gather_rows[i].table, UNIT);
            opcheck_input(c, gather_rows[i].indices, (OpFill){FILL_INDEX, outside ? -9 : 0, outside ? last + 9 : last});
        }
    }
}

static void
gather_grad_cases(GPtrArray *cases)
{
    const struct {
        gfloat low, high; /* of the indices; a high of 0 is the last row */
        const gchar *what;
    } fills[] = {{0, 0, ""}, {-9, 600, ", outside"}, {-2, -1, ", all the first"}};

    for (guint i = 0; i < G_N_ELEMENTS(gather_rows); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(fills); k++) {
            const DinoR1Shape *table = &gather_rows[i].table;
            g_autofree gchar *text = opcheck_shape_text(&gather_rows[i].indices), *to = opcheck_shape_text(table);
            gfloat high = fills[k].high == 0 ? (gfloat)dinor1_shape_dim(table, -2) - 1 : fills[k].high;
            DinoR1Shape dy = gather_rows[i].indices;
            OpCase *c = opcheck_add(cases, DINOR1_OP_GATHER_GRAD,
                opcheck_sum_tolerance(dinor1_shape_size(&gather_rows[i].indices)), "%s to %s%s", text, to,
                fills[k].what);
            dy.dims[dy.ndim++] = dinor1_shape_dim(table, -1);
            c->params.expand.shape = *table;
            c->scale = 1;
            opcheck_input(c, dy, UNIT);
            opcheck_input(c, gather_rows[i].indices, (OpFill){FILL_INDEX, fills[k].low, high});
        }
    }
}

void
opcheck_select_cases(GPtrArray *cases)
{
    topk_cases(cases);
    gather_cases(cases);
    gather_grad_cases(cases);
}
