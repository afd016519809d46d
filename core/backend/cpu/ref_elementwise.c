/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

gint64
dinor1_ref_broadcast(const DinoR1Shape *out, gint64 index, const DinoR1Shape *in)
{
    gint64 offset = 0, stride = 1;

    for (gint i = in->ndim - 1, o = out->ndim - 1; i >= 0; i--, o--) {
        gint64 coordinate = index % out->dims[o];
        index /= out->dims[o];
        if (in->dims[i] != 1)
            offset += coordinate * stride;
        stride *= in->dims[i];
    }
    return offset;
}

static real
binary(DinoR1BinaryFunc func, real a, real b)
{
    switch (func) {
    case DINOR1_BINARY_ADD:
        return a + b;
    case DINOR1_BINARY_SUB:
        return a - b;
    case DINOR1_BINARY_MUL:
        return a * b;
    case DINOR1_BINARY_DIV:
        return a / b;
    }
    return NAN;
}

void
dinor1_ref_binary(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape;
    const real *a = args->inputs[0].data, *b = args->inputs[1].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(shape); i++)
        out[i] = binary(args->params->binary.func, a[dinor1_ref_broadcast(shape, i, &args->inputs[0].shape)],
            b[dinor1_ref_broadcast(shape, i, &args->inputs[1].shape)]);
}

static gdouble
gelu(gdouble x)
{
    return x / 2 * (1 + erf(x / G_SQRT2));
}

/* The limits are single-precision numbers, as in PyTorch: near 1 their rounding shows in the result. */
static gdouble
logit(real x, gfloat epsilon)
{
    gfloat limit = 1 - epsilon;
    gdouble y = CLAMP(x, epsilon, limit);
    return log(y / (1 - y));
}

static gdouble
unary(DinoR1UnaryFunc func, real x, gfloat a, gfloat b)
{
    switch (func) {
    case DINOR1_UNARY_AFFINE:
        return (gdouble)a * x + b;
    case DINOR1_UNARY_RELU:
        return x > 0 ? x : 0;
    case DINOR1_UNARY_GELU:
        return gelu(x);
    case DINOR1_UNARY_SIGMOID:
        return 1 / (1 + exp(-(gdouble)x));
    case DINOR1_UNARY_TANH:
        return tanh(x);
    case DINOR1_UNARY_EXP:
        return exp(x);
    case DINOR1_UNARY_LOG:
        return log(x);
    case DINOR1_UNARY_LOGIT:
        return logit(x, a);
    case DINOR1_UNARY_CLAMP:
        return MIN(MAX(x, a), b);
    case DINOR1_UNARY_ABS:
        return fabs(x);
    case DINOR1_UNARY_SQRT:
        return sqrt(x);
    case DINOR1_N_UNARY:
        break;
    }
    return NAN;
}

void
dinor1_ref_unary(const DinoR1KernelArgs *args)
{
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++)
        out[i] = (real)unary(args->params->unary.func, x[i], args->params->unary.a, args->params->unary.b);
}

/* s(x) (1 - s(x)) for the sigmoid s, without cancelling. */
static gdouble
sigmoid_slope(gdouble x)
{
    gdouble e = exp(-fabs(x));
    return e / ((1 + e) * (1 + e));
}

static gdouble
gelu_slope(gdouble x)
{
    return (1 + erf(x / G_SQRT2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * G_PI);
}

static gdouble
logit_slope(gdouble x, gfloat epsilon)
{
    gfloat limit = 1 - epsilon;
    return x < epsilon || x > limit ? 0 : 1 / (x * (1 - x));
}

static gdouble
slope(DinoR1UnaryFunc func, gdouble x, gfloat a, gfloat b)
{
    switch (func) {
    case DINOR1_UNARY_AFFINE:
        return a;
    case DINOR1_UNARY_RELU:
        return x > 0;
    case DINOR1_UNARY_GELU:
        return gelu_slope(x);
    case DINOR1_UNARY_SIGMOID:
        return sigmoid_slope(x);
    case DINOR1_UNARY_TANH: /* tanh(x) = 2 s(2x) - 1 */
        return 4 * sigmoid_slope(2 * x);
    case DINOR1_UNARY_EXP:
        return exp(x);
    case DINOR1_UNARY_LOG:
        return 1 / x;
    case DINOR1_UNARY_LOGIT:
        return logit_slope(x, a);
    case DINOR1_UNARY_CLAMP:
        return x >= a && x <= b;
    case DINOR1_UNARY_ABS:
        return (x > 0) - (x < 0);
    case DINOR1_UNARY_SQRT:
        return 1 / (2 * sqrt(x));
    case DINOR1_N_UNARY:
        break;
    }
    return NAN;
}

void
dinor1_ref_unary_grad(const DinoR1KernelArgs *args)
{
    const real *x = args->inputs[0].data, *dy = args->inputs[1].data;
    real *dx = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++)
        dx[i] = (real)(dy[i] * slope(args->params->unary.func, x[i], args->params->unary.a, args->params->unary.b));
}

gdouble
dinor1_ref_activate(DinoR1Activation activation, gdouble x)
{
    switch (activation) {
    case DINOR1_ACT_NONE:
        return x;
    case DINOR1_ACT_RELU:
        return x > 0 ? x : 0;
    case DINOR1_ACT_GELU:
        return gelu(x);
    }
    return NAN;
}

/* The angle is rounded to single precision at every step, as get_sine_pos_embed does: far from zero its rounding shows
 * in the sine. */
void
dinor1_ref_sine_embed(const DinoR1KernelArgs *args)
{
    gint features = args->params->sine.features;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data; /* [coordinates, features] */

    for (gint64 c = 0; c < dinor1_shape_size(&args->inputs[0].shape); c++) {
        for (gint i = 0; i < features; i += 2) {
            real period = (real)pow(args->params->sine.temperature, (gdouble)i / features);
            real angle = x[c] * args->params->sine.scale / period;
            out[c * features + i] = (real)sin(angle);
            out[c * features + i + 1] = (real)cos(angle);
        }
    }
}
