/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

/* Splits a shape around @axis: [outer, n, inner]. */
static void
split(const DinoR1Shape *shape, gint axis, gint64 *outer, gint64 *n, gint64 *inner)
{
    axis = axis < 0 ? shape->ndim + axis : axis;
    *outer = dinor1_shape_span(shape, 0, axis);
    *n = shape->dims[axis];
    *inner = dinor1_shape_span(shape, axis + 1, shape->ndim);
}

static gdouble
strided_max(const gfloat *x, gint64 n, gint64 stride)
{
    gdouble max = -INFINITY;
    for (gint64 i = 0; i < n; i++)
        max = MAX(max, x[i * stride]);
    return max;
}

static gdouble
strided_sum(const gfloat *x, gint64 n, gint64 stride)
{
    gdouble sum = 0;
    for (gint64 i = 0; i < n; i++)
        sum += x[i * stride];
    return sum;
}

static void
softmax(const gfloat *x, gfloat *out, gint64 n, gint64 stride)
{
    gdouble max = strided_max(x, n, stride), sum = 0;

    for (gint64 i = 0; i < n; i++)
        sum += max == -INFINITY ? 0 : exp(x[i * stride] - max);
    for (gint64 i = 0; i < n; i++)
        out[i * stride] = max == -INFINITY ? 0 : (gfloat)(exp(x[i * stride] - max) / sum);
}

void
dinor1_ref_softmax(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const gfloat *x = args->inputs[0].data;
    gfloat *out = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->softmax.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++)
        for (gint64 i = 0; i < inner; i++)
            softmax(x + o * n * inner + i, out + o * n * inner + i, n, inner);
}

void
dinor1_ref_reduce(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const gfloat *x = args->inputs[0].data;
    gfloat *out = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->reduce.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++) {
        for (gint64 i = 0; i < inner; i++) {
            const gfloat *column = x + o * n * inner + i;
            gdouble value = args->params->reduce.func == DINOR1_REDUCE_MAX ? strided_max(column, n, inner)
                                                                           : strided_sum(column, n, inner);
            out[o * inner + i] = (gfloat)(args->params->reduce.func == DINOR1_REDUCE_MEAN ? value / n : value);
        }
    }
}

void
dinor1_ref_layer_norm(const DinoR1KernelArgs *args)
{
    gint64 c = dinor1_shape_dim(&args->inputs[0].shape, -1);
    const gfloat *gamma = args->inputs[1].data, *beta = args->inputs[2].data; /* [C] */

    for (gint64 row = 0; row < dinor1_shape_size(&args->inputs[0].shape) / c; row++) {
        const gfloat *x = (const gfloat *)args->inputs[0].data + row * c;
        const gfloat *residual = args->inputs[3].data ? (const gfloat *)args->inputs[3].data + row * c : NULL;
        gfloat *out = (gfloat *)args->outputs[0].data + row * c;
        gdouble mean = 0, variance = 0;

        for (gint64 i = 0; i < c; i++)
            mean += ((gdouble)x[i] + (residual ? residual[i] : 0)) / c;
        for (gint64 i = 0; i < c; i++)
            variance += pow((gdouble)x[i] + (residual ? residual[i] : 0) - mean, 2) / c;
        for (gint64 i = 0; i < c; i++)
            out[i] = (gfloat)(((gdouble)x[i] + (residual ? residual[i] : 0) - mean) /
                                  sqrt(variance + args->params->norm.epsilon) * gamma[i] +
                              beta[i]);
    }
}

/* Mean and variance of channels [from, to) over all @n rows of x [N, C]. */
static void
group_statistics(const gfloat *x, gint64 n, gint64 c, gint64 from, gint64 to, gdouble *mean, gdouble *variance)
{
    gdouble count = (gdouble)n * (to - from);

    *mean = *variance = 0;
    for (gint64 i = 0; i < n; i++)
        for (gint64 j = from; j < to; j++)
            *mean += x[i * c + j] / count;
    for (gint64 i = 0; i < n; i++)
        for (gint64 j = from; j < to; j++)
            *variance += pow(x[i * c + j] - *mean, 2) / count;
}

void
dinor1_ref_group_norm(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims;
    gint64 n = dims[1], c = dims[2], width = c / args->params->norm.groups;
    const gfloat *gamma = args->inputs[1].data, *beta = args->inputs[2].data; /* [C] */

    for (gint64 b = 0; b < dims[0]; b++) {
        const gfloat *x = (const gfloat *)args->inputs[0].data + b * n * c; /* [N, C] */
        gfloat *out = (gfloat *)args->outputs[0].data + b * n * c;
        for (gint64 from = 0; from < c; from += width) {
            gdouble mean, variance;
            group_statistics(x, n, c, from, from + width, &mean, &variance);
            for (gint64 i = 0; i < n; i++)
                for (gint64 j = from; j < from + width; j++)
                    out[i * c + j] =
                        (gfloat)((x[i * c + j] - mean) / sqrt(variance + args->params->norm.epsilon) * gamma[j] +
                                 beta[j]);
        }
    }
}
