/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

void
dinor1_ref_linear(const DinoR1KernelArgs *args)
{
    gint64 n = dinor1_shape_dim(&args->outputs[0].shape, -1);
    gint64 k = dinor1_shape_dim(&args->inputs[0].shape, -1);
    gint64 m = dinor1_shape_size(&args->outputs[0].shape) / n;
    const real *x = args->inputs[0].data;        /* [M, K] */
    const real *weight = args->inputs[1].data;   /* [N, K] */
    const real *bias = args->inputs[2].data;     /* [N]? */
    const real *residual = args->inputs[3].data; /* [M, N]? */
    real *out = args->outputs[0].data;           /* [M, N] */

    for (gint64 i = 0; i < m; i++) {
        for (gint64 j = 0; j < n; j++) {
            gdouble sum = dinor1_ref_dot(x + i * k, weight + j * k, k) + (bias ? bias[j] : 0);
            out[i * n + j] = (real)(dinor1_ref_activate(args->params->linear.activation, sum) +
                                    (residual ? residual[i * n + j] : 0));
        }
    }
}

gsize
dinor1_ref_mlp_workspace(const DinoR1KernelArgs *args)
{
    return (gsize)args->inputs[1].shape.dims[0] * sizeof(gdouble);
}

void
dinor1_ref_mlp(const DinoR1KernelArgs *args)
{
    gint64 n = dinor1_shape_dim(&args->outputs[0].shape, -1);
    gint64 k = dinor1_shape_dim(&args->inputs[0].shape, -1);
    gint64 f = args->inputs[1].shape.dims[0];
    gint64 m = dinor1_shape_size(&args->outputs[0].shape) / n;
    const real *x = args->inputs[0].data;        /* [M, K] */
    const real *w1 = args->inputs[1].data;       /* [F, K] */
    const real *b1 = args->inputs[2].data;       /* [F] */
    const real *w2 = args->inputs[3].data;       /* [N, F] */
    const real *b2 = args->inputs[4].data;       /* [N] */
    const real *residual = args->inputs[5].data; /* [M, N]? */
    gdouble *hidden = args->workspace;           /* [F] */
    real *out = args->outputs[0].data;           /* [M, N] */

    for (gint64 i = 0; i < m; i++) {
        for (gint64 h = 0; h < f; h++)
            hidden[h] =
                dinor1_ref_activate(args->params->linear.activation, dinor1_ref_dot(x + i * k, w1 + h * k, k) + b1[h]);
        for (gint64 j = 0; j < n; j++) {
            gdouble sum = b2[j] + (residual ? residual[i * n + j] : 0);
            for (gint64 h = 0; h < f; h++)
                sum += hidden[h] * w2[j * f + h];
            out[i * n + j] = (real)sum;
        }
    }
}

/* The shape without its last two dimensions: the matrices of a batch. */
static DinoR1Shape
leading(const DinoR1Shape *shape)
{
    DinoR1Shape lead = *shape;
    lead.ndim -= 2;
    return lead;
}

void
dinor1_ref_matmul(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape;
    gboolean trans_a = args->params->matmul.trans_a, trans_b = args->params->matmul.trans_b;
    gint64 m = dinor1_shape_dim(shape, -2), n = dinor1_shape_dim(shape, -1);
    gint64 k = dinor1_shape_dim(&args->inputs[0].shape, trans_a ? -2 : -1);
    DinoR1Shape lead = leading(shape);
    DinoR1Shape lead_a = leading(&args->inputs[0].shape), lead_b = leading(&args->inputs[1].shape);

    for (gint64 batch = 0; batch < dinor1_shape_size(&lead); batch++) {
        const real *a = (const real *)args->inputs[0].data + dinor1_ref_broadcast(&lead, batch, &lead_a) * m * k;
        const real *b = (const real *)args->inputs[1].data + dinor1_ref_broadcast(&lead, batch, &lead_b) * k * n;
        const real *bias = args->inputs[2].data;     /* [N]? */
        const real *residual = args->inputs[3].data; /* [..., M, N]? */
        real *out = (real *)args->outputs[0].data + batch * m * n;

        for (gint64 i = 0; i < m; i++) {
            for (gint64 j = 0; j < n; j++) {
                gdouble sum = 0;
                for (gint64 l = 0; l < k; l++)
                    sum += (gdouble)a[trans_a ? l * m + i : i * k + l] * b[trans_b ? j * k + l : l * n + j];
                sum *= args->params->matmul.alpha;
                if (bias)
                    sum += bias[j];
                if (residual)
                    sum += residual[(batch * m + i) * n + j];
                out[i * n + j] = (real)sum;
            }
        }
    }
}
