/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#define SUM_TOLERANCE 1e-13 /* of sums in f64: f32 sums are off by 1e-7 and more */

static void
add_adamw(GPtrArray *cases, const gchar *what, DinoR1Shape shape, gfloat steps_done, OpFill gradient)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_ADAMW, 2e-6, "%s", what);

    c->params.adamw.scale = 0.75f;
    c->params.adamw.beta1 = 0.9f;
    c->params.adamw.beta2 = 0.999f;
    c->params.adamw.epsilon = 1e-8f;
    c->params.adamw.keep = 1 - 1e-3f;
    c->params.adamw.step = 0.01f / (1 - powf(0.9f, steps_done));
    c->params.adamw.root = 1 / sqrtf(1 - powf(0.999f, steps_done));
    opcheck_input(c, shape, UNIT);
    opcheck_input(c, shape, steps_done > 1 ? UNIT : UNIFORM(0, 0));
    opcheck_input(c, shape, steps_done > 1 ? UNIFORM(0, 1) : UNIFORM(0, 0));
    opcheck_input(c, shape, gradient);
}

void
opcheck_optimizer_cases(GPtrArray *cases)
{
    const DinoR1Shape shapes[] = {{.ndim = 0}, DINOR1_SHAPE(3), DINOR1_SHAPE(DINOR1_SUM_BLOCK),
        DINOR1_SHAPE(DINOR1_SUM_BLOCK + 1), DINOR1_SHAPE(3, 5, 1093), DINOR1_SHAPE(411, 257)};

    for (guint i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autofree gchar *text = opcheck_shape_text(&shapes[i]);
        OpCase *c = opcheck_add(cases, DINOR1_OP_SUM_SQUARES, SUM_TOLERANCE, "%s", text);

        opcheck_input(c, shapes[i], UNIT);
        c = opcheck_add(cases, DINOR1_OP_BLEND, 2e-7, "%s", text);
        c->params.blend.a = 0.9f;
        c->params.blend.b = 0.1f;
        opcheck_input(c, shapes[i], UNIT);
        opcheck_input(c, shapes[i], UNIT);
        add_adamw(cases, text, shapes[i], 10, UNIT);
    }
    add_adamw(cases, "first step", DINOR1_SHAPE(3, 67), 1, UNIT);
    add_adamw(cases, "no gradient", DINOR1_SHAPE(3, 67), 10, (OpFill){FILL_ZERO, 0, 0});
    add_adamw(cases, "no gradient ever", DINOR1_SHAPE(3, 67), 1, (OpFill){FILL_ZERO, 0, 0});
}
