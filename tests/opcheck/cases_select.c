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

static void
gather_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape table, indices;
    } rows[] = {
        {DINOR1_SHAPE(1, 1), DINOR1_SHAPE(1)},
        {DINOR1_SHAPE(9, 4), DINOR1_SHAPE(5)},
        {DINOR1_SHAPE(9, 33), DINOR1_SHAPE(2, 3)},
        {DINOR1_SHAPE(9, 1), DINOR1_SHAPE(2, 3, 4)},
        {DINOR1_SHAPE(1, 7, 256), DINOR1_SHAPE(1, 9)},
        {DINOR1_SHAPE(2, 37, 4), DINOR1_SHAPE(2, 19)},
        {DINOR1_SHAPE(3, 5, 1), DINOR1_SHAPE(3, 1)},
        {DINOR1_SHAPE(500, 96), DINOR1_SHAPE(2, 300)},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint outside = 0; outside < 2; outside++) {
            g_autofree gchar *table = opcheck_shape_text(&rows[i].table), *text = opcheck_shape_text(&rows[i].indices);
            gfloat last = (gfloat)dinor1_shape_dim(&rows[i].table, -2) - 1;
            OpCase *c = opcheck_add(cases, DINOR1_OP_GATHER, 0, "%s of %s%s", text, table, outside ? ", outside" : "");
            opcheck_input(c, rows[i].table, UNIT);
            opcheck_input(c, rows[i].indices, (OpFill){FILL_INDEX, outside ? -9 : 0, outside ? last + 9 : last});
        }
    }
}

void
opcheck_select_cases(GPtrArray *cases)
{
    topk_cases(cases);
    gather_cases(cases);
}
