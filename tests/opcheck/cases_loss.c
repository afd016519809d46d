/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static void
focal_cases(GPtrArray *cases)
{
    const OpFill labels = {FILL_STEPS, 0, 1}, soft = UNIFORM(0, 1), none = UNIFORM(0, 0);
    const struct {
        DinoR1Shape shape;
        gfloat alpha, gamma;
        OpFill logits, targets;
        const gchar *what;
    } rows[] = {
        {DINOR1_SHAPE(1), 0.25f, 2, UNIFORM(-6, 6), labels, "one"},
        {DINOR1_SHAPE(3, 67), 0.25f, 2, UNIFORM(-6, 6), labels, "labels"},
        {DINOR1_SHAPE(2, 300, 17), 0.25f, 2, UNIFORM(-12, 3), none, "no label"},
        {DINOR1_SHAPE(2, 5, 101), 0.25f, 2, UNIFORM(-6, 6), soft, "soft labels"},
        {DINOR1_SHAPE(2, 5, 101), 0.25f, 2, UNIFORM(-100, 100), labels, "large logits"},
        {DINOR1_SHAPE(2, 5, 101), 0.25f, 2, UNIFORM(-100, 100), soft, "large logits, soft labels"},
        {DINOR1_SHAPE(3, 67), 0.5f, 0, UNIFORM(-6, 6), labels, "gamma 0"},
        {DINOR1_SHAPE(3, 67), 0.75f, 1.5f, UNIFORM(-6, 6), labels, "gamma 1.5"},
        {DINOR1_SHAPE(3, 67), 0.25f, 2, UNIFORM(0, 0), UNIFORM(0.5, 0.5), "nothing to learn"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint grad = 0; grad < 2; grad++) {
            OpCase *c = opcheck_add(cases, grad ? DINOR1_OP_FOCAL_GRAD : DINOR1_OP_FOCAL, 2e-6, "%s", rows[i].what);
            c->params.focal.alpha = rows[i].alpha;
            c->params.focal.gamma = rows[i].gamma;
            c->scale = 0.1;
            opcheck_input(c, rows[i].shape, rows[i].logits);
            opcheck_input(c, rows[i].shape, rows[i].targets);
            if (grad)
                opcheck_input(c, rows[i].shape, UNIT);
        }
    }
}

/* @out: the leading dimensions of both, broadcast. */
static void
add_giou(GPtrArray *cases, DinoR1Shape a, DinoR1Shape b, DinoR1Shape out, OpFill fill, const gchar *what)
{
    g_autofree gchar *text_a = opcheck_shape_text(&a), *text_b = opcheck_shape_text(&b);
    OpCase *c = opcheck_add(cases, DINOR1_OP_GIOU, 2e-6, "%s, %s: %s", text_a, text_b, what);

    c->scale = 1;
    opcheck_input(c, a, fill);
    opcheck_input(c, b, fill);

    /* A slope is the larger the smaller the boxes; the root mean square is the scale. */
    c = opcheck_add(cases, DINOR1_OP_GIOU_GRAD, 4e-6 + opcheck_sum_tolerance(dinor1_shape_size(&out)), "%s, %s: %s",
        text_a, text_b, what);
    out.dims[out.ndim++] = 1;
    opcheck_input(c, a, fill);
    opcheck_input(c, b, fill);
    opcheck_input(c, out, UNIT);
}

static void
giou_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape a, b, out;
    } rows[] = {
        {DINOR1_SHAPE(4), DINOR1_SHAPE(4), {.ndim = 0}},
        {DINOR1_SHAPE(300, 4), DINOR1_SHAPE(300, 4), DINOR1_SHAPE(300)},
        {DINOR1_SHAPE(5, 1, 4), DINOR1_SHAPE(3, 4), DINOR1_SHAPE(5, 3)},
        {DINOR1_SHAPE(4), DINOR1_SHAPE(2, 6, 4), DINOR1_SHAPE(2, 6)},
        {DINOR1_SHAPE(2, 6, 4), DINOR1_SHAPE(4), DINOR1_SHAPE(2, 6)},
        {DINOR1_SHAPE(2, 70, 1, 4), DINOR1_SHAPE(2, 1, 9, 4), DINOR1_SHAPE(2, 70, 9)},
        {DINOR1_SHAPE(3, 1, 4), DINOR1_SHAPE(600, 4), DINOR1_SHAPE(3, 600)},
    };
    const struct {
        OpFill fill;
        const gchar *what;
    } fills[] = {
        {UNIFORM(0.1f, 0.9f), "boxes"},
        {{FILL_STEPS, 1, 3}, "touching, nested and equal"},
        {{FILL_STEPS, 0, 1}, "some without an area"},
        {UNIFORM(1e-3f, 9e-3f), "small"},
        {UNIFORM(0.5, 0.5), "all equal"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        for (guint k = 0; k < G_N_ELEMENTS(fills); k++)
            add_giou(cases, rows[i].a, rows[i].b, rows[i].out, fills[k].fill, fills[k].what);
}

void
opcheck_loss_cases(GPtrArray *cases)
{
    focal_cases(cases);
    giou_cases(cases);
}
