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
strided_max(const real *x, gint64 n, gint64 stride)
{
    gdouble max = -INFINITY;
    for (gint64 i = 0; i < n; i++)
        max = MAX(max, x[i * stride]);
    return max;
}

static gdouble
strided_sum(const real *x, gint64 n, gint64 stride)
{
    gdouble sum = 0;
    for (gint64 i = 0; i < n; i++)
        sum += x[i * stride];
    return sum;
}

static void
softmax(const real *x, real *out, gint64 n, gint64 stride)
{
    gdouble max = strided_max(x, n, stride), sum = 0;

    for (gint64 i = 0; i < n; i++)
        sum += max == -INFINITY ? 0 : exp(x[i * stride] - max);
    for (gint64 i = 0; i < n; i++)
        out[i * stride] = max == -INFINITY ? 0 : (real)(exp(x[i * stride] - max) / sum);
}

void
dinor1_ref_softmax(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->softmax.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++)
        for (gint64 i = 0; i < inner; i++)
            softmax(x + o * n * inner + i, out + o * n * inner + i, n, inner);
}

void
dinor1_ref_reduce(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->reduce.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++) {
        for (gint64 i = 0; i < inner; i++) {
            const real *column = x + o * n * inner + i;
            gdouble value = args->params->reduce.func == DINOR1_REDUCE_MAX ? strided_max(column, n, inner)
                                                                           : strided_sum(column, n, inner);
            out[o * inner + i] = (real)(args->params->reduce.func == DINOR1_REDUCE_MEAN ? value / n : value);
        }
    }
}

void
dinor1_ref_softmax_grad(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const real *y = args->inputs[0].data, *dy = args->inputs[1].data;
    real *dx = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->softmax.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++) {
        for (gint64 i = 0; i < inner; i++) {
            gint64 first = o * n * inner + i;
            gdouble sum = 0;
            for (gint64 k = 0; k < n; k++)
                sum += (gdouble)y[first + k * inner] * dy[first + k * inner];
            for (gint64 k = 0; k < n; k++)
                dx[first + k * inner] = (real)(y[first + k * inner] * (dy[first + k * inner] - sum));
        }
    }
}

void
dinor1_ref_reduce_max_grad(const DinoR1KernelArgs *args)
{
    gint64 outer, n, inner;
    const real *x = args->inputs[0].data, *dy = args->inputs[1].data;
    real *dx = args->outputs[0].data;

    split(&args->inputs[0].shape, args->params->reduce.axis, &outer, &n, &inner);
    for (gint64 o = 0; o < outer; o++) {
        for (gint64 i = 0; i < inner; i++) {
            gint64 first = o * n * inner + i, best = 0;
            for (gint64 k = 1; k < n; k++)
                if (x[first + k * inner] > x[first + best * inner])
                    best = k;
            for (gint64 k = 0; k < n; k++)
                dx[first + k * inner] = k == best ? dy[o * inner + i] : 0;
        }
    }
}

void
dinor1_ref_layer_norm(const DinoR1KernelArgs *args)
{
    gint64 c = dinor1_shape_dim(&args->inputs[0].shape, -1);
    const real *gamma = args->inputs[1].data, *beta = args->inputs[2].data; /* [C] */

    for (gint64 row = 0; row < dinor1_shape_size(&args->inputs[0].shape) / c; row++) {
        const real *x = (const real *)args->inputs[0].data + row * c;
        const real *residual = args->inputs[3].data ? (const real *)args->inputs[3].data + row * c : NULL;
        real *out = (real *)args->outputs[0].data + row * c;
        gdouble mean = 0, variance = 0;

        for (gint64 i = 0; i < c; i++)
            mean += ((gdouble)x[i] + (residual ? residual[i] : 0)) / c;
        for (gint64 i = 0; i < c; i++)
            variance += pow((gdouble)x[i] + (residual ? residual[i] : 0) - mean, 2) / c;
        for (gint64 i = 0; i < c; i++)
            out[i] = (real)(((gdouble)x[i] + (residual ? residual[i] : 0) - mean) /
                                sqrt(variance + args->params->norm.epsilon) * gamma[i] +
                            beta[i]);
    }
}

/* Mean and variance of channels [from, to) over all @n rows of x [N, C]. */
static void
group_statistics(const real *x, gint64 n, gint64 c, gint64 from, gint64 to, gdouble *mean, gdouble *variance)
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
    const real *gamma = args->inputs[1].data, *beta = args->inputs[2].data; /* [C] */

    for (gint64 b = 0; b < dims[0]; b++) {
        const real *x = (const real *)args->inputs[0].data + b * n * c; /* [N, C] */
        real *out = (real *)args->outputs[0].data + b * n * c;
        for (gint64 from = 0; from < c; from += width) {
            gdouble mean, variance;
            group_statistics(x, n, c, from, from + width, &mean, &variance);
            for (gint64 i = 0; i < n; i++)
                for (gint64 j = from; j < from + width; j++)
                    out[i * c + j] =
                        (real)((x[i * c + j] - mean) / sqrt(variance + args->params->norm.epsilon) * gamma[j] +
                               beta[j]);
        }
    }
}

/* What the adjoint of a normalisation works on: channels [from, to) of @n rows of x + residual [N, C], which share
 * their statistics. gamma [C]; dy, dx [N, C]; dgamma, dbeta [C]. */
typedef struct {
    const real *x, *residual, *gamma, *dy;
    gint64 n, c, from, to;
    gdouble epsilon;
    gdouble *dx, *dgamma, *dbeta;
} NormPart;

static gdouble
part_value(const NormPart *part, gint64 i)
{
    return (gdouble)part->x[i] + (part->residual ? part->residual[i] : 0);
}

static void
part_statistics(const NormPart *part, gdouble *mean, gdouble *deviation)
{
    gdouble count = (gdouble)part->n * (part->to - part->from), variance = 0;

    *mean = 0;
    for (gint64 i = 0; i < part->n; i++)
        for (gint64 j = part->from; j < part->to; j++)
            *mean += part_value(part, i * part->c + j) / count;
    for (gint64 i = 0; i < part->n; i++)
        for (gint64 j = part->from; j < part->to; j++)
            variance += pow(part_value(part, i * part->c + j) - *mean, 2) / count;
    *deviation = sqrt(variance + part->epsilon);
}

/* With z = (x - mean) / deviation and g = gamma dy: dx = (g - mean(g) - z mean(g z)) / deviation. */
static void
part_grad(const NormPart *part)
{
    gdouble count = (gdouble)part->n * (part->to - part->from), mean, deviation, mean_g = 0, mean_gz = 0;

    part_statistics(part, &mean, &deviation);
    for (gint64 i = 0; i < part->n; i++) {
        for (gint64 j = part->from; j < part->to; j++) {
            gdouble dy = part->dy[i * part->c + j];
            gdouble z = (part_value(part, i * part->c + j) - mean) / deviation;
            mean_g += part->gamma[j] * dy / count;
            mean_gz += part->gamma[j] * dy * z / count;
            part->dgamma[j] += dy * z;
            part->dbeta[j] += dy;
        }
    }
    for (gint64 i = 0; i < part->n; i++) {
        for (gint64 j = part->from; j < part->to; j++) {
            gdouble g = (gdouble)part->gamma[j] * part->dy[i * part->c + j];
            gdouble z = (part_value(part, i * part->c + j) - mean) / deviation;
            part->dx[i * part->c + j] = (g - mean_g - z * mean_gz) / deviation;
        }
    }
}

gsize
dinor1_ref_norm_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 3);
}

/* @batches times @n rows of @groups groups of channels. */
static void
norm_grad(const DinoR1KernelArgs *args, const real *residual, gint64 batches, gint64 n, gint64 groups)
{
    gint64 c = dinor1_shape_dim(&args->inputs[0].shape, -1), width = c / groups;
    gdouble *sums[3];

    dinor1_ref_sums_begin(args, 3, sums);
    for (gint64 b = 0; b < batches; b++) {
        for (gint64 from = 0; from < c; from += width) {
            const NormPart part = {
                .x = (const real *)args->inputs[0].data + b * n * c,
                .residual = residual ? residual + b * n * c : NULL,
                .gamma = args->inputs[1].data,
                .dy = (const real *)args->inputs[2].data + b * n * c,
                .n = n,
                .c = c,
                .from = from,
                .to = from + width,
                .epsilon = args->params->norm.epsilon,
                .dx = sums[0] + b * n * c,
                .dgamma = sums[1],
                .dbeta = sums[2],
            };
            part_grad(&part);
        }
    }
    dinor1_ref_sums_end(args, 3, sums);
}

void
dinor1_ref_layer_norm_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    norm_grad(args, args->inputs[3].data, dinor1_shape_span(shape, 0, shape->ndim - 1), 1, 1);
}

void
dinor1_ref_group_norm_grad(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, N, C */
    norm_grad(args, NULL, dims[0], dims[1], args->params->norm.groups);
}
