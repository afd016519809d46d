/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

void
dinor1_ref_sum_squares(const DinoR1KernelArgs *args)
{
    const gint64 n = dinor1_shape_size(&args->inputs[0].shape);
    const real *x = args->inputs[0].data;
    gdouble *out = args->outputs[0].data;

    for (gint64 i = 0; i < n; i += DINOR1_SUM_BLOCK)
        out[i / DINOR1_SUM_BLOCK] = dinor1_ref_dot(x + i, x + i, MIN(DINOR1_SUM_BLOCK, n - i));
}

void
dinor1_ref_blend(const DinoR1KernelArgs *args)
{
    const gdouble a = args->params->blend.a, b = args->params->blend.b;
    const real *x = args->inputs[0].data, *y = args->inputs[1].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++)
        out[i] = (real)(a * x[i] + b * y[i]);
}

void
dinor1_ref_adamw(const DinoR1KernelArgs *args)
{
    const real *p = args->inputs[0].data, *m = args->inputs[1].data, *v = args->inputs[2].data;
    const real *g = args->inputs[3].data;
    real *new_p = args->outputs[0].data, *new_m = args->outputs[1].data, *new_v = args->outputs[2].data;
    const gdouble scale = args->params->adamw.scale, epsilon = args->params->adamw.epsilon;
    const gdouble beta1 = args->params->adamw.beta1, beta2 = args->params->adamw.beta2;
    const gdouble keep = args->params->adamw.keep, step = args->params->adamw.step, root = args->params->adamw.root;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++) {
        const gdouble gradient = g[i] * scale;
        const gdouble first = m[i] + (1 - beta1) * (gradient - m[i]);
        const gdouble second = v[i] + (1 - beta2) * (gradient * gradient - v[i]);

        new_p[i] = (real)(p[i] * keep - step * first / (sqrt(second) * root + epsilon));
        new_m[i] = (real)first;
        new_v[i] = (real)second;
    }
}
