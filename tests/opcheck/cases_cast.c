/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

void
opcheck_cast_cases(GPtrArray *cases)
{
    const DinoR1DType types[] = {DINOR1_F32, DINOR1_F16, DINOR1_BF16};
    const struct {
        const gchar *what;
        OpFill fill;
    } fills[] = {{"", UNIT}, {", tiny", UNIFORM(-1e-7f, 1e-7f)}, {", large", UNIFORM(-1e5f, 1e5f)}, {", -inf", MASK},
        {", whole", {FILL_STEPS, -4100, 4100}}};
    const DinoR1Shape shapes[] = {DINOR1_SHAPE(1), DINOR1_SHAPE(7), DINOR1_SHAPE(3, 64), DINOR1_SHAPE(2, 3, 1003)};

    for (guint pair = 0; pair < 9; pair++) {
        const DinoR1DType from = types[pair / 3], to = types[pair % 3];

        for (guint i = 0; i < G_N_ELEMENTS(fills) * G_N_ELEMENTS(shapes); i++) {
            const DinoR1Shape *shape = &shapes[i % G_N_ELEMENTS(shapes)];
            g_autofree gchar *text = opcheck_shape_text(shape);
            OpCase *c = opcheck_add(cases, DINOR1_OP_CAST, 0, "%s to %s %s%s", dinor1_dtype_name(from),
                dinor1_dtype_name(to), text, fills[i / G_N_ELEMENTS(shapes)].what);
            c->params.cast.dtype = to;
            opcheck_input(c, *shape, fills[i / G_N_ELEMENTS(shapes)].fill);
            c->inputs[0].dtype = from;
        }
    }
}
