/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Kernels on half types against the references on the same numbers in f32: the inputs are rounded first, so what may
 * differ is what f32 may, and what the kernel itself rounds to a half.
 *
 *     allowed = (tolerance of the case in f32 + roundings * u) * max(|expected|, scale) + least
 *
 * u is the largest error of one rounding as a share of the number: 2^-11 for f16, 2^-8 for bf16. The output is rounded
 * once, unless it is f32. least begins with half of the step between the smallest numbers, 2^-25 for f16. Besides,
 *
 * - LINEAR with a residual behind an activation stores the product before: u of it, which is at most |expected| + the
 *   largest residual, by the activation's steepest slope, 1.13.
 * - MLP stores its middle in halves. Each of its F numbers has an error of u at most, evenly spread and so with a
 *   standard deviation of u / sqrt(3) of it; they go to the output through weights evenly spread up to w. Hardly one
 * sum in a million is further off than 5 deviations: 5 * u / sqrt(3) * sqrt(F / 3) * w * m, where m is the root mean
 * square of the middle, at most sqrt(K / 9 * (x w1)^2 + b1^2 / 3) for inputs evenly spread up to x, w1 and b1.
 * - A product may use the tanh form of GELU (blas.h), which is off by 5e-4; in the middle of an MLP that comes to
 *   5 * 5e-4 * sqrt(F / 3) * w.
 *
 * ATTENTION and WINDOW_ATTENTION keep weights as sums of two halves on tensor cores. What that rounds, u^2 of each, is
 * too little to be allowed for.
 *
 * A tolerance of 0 means that nothing is computed, or nothing that rounds: then the output is the expected one,
 * rounded.
 */
#include "opcheck.h"

#include <string.h>

#define GELU_ERROR 5e-4
#define STEEPEST   1.13

static gdouble
unit(DinoR1DType half)
{
    return half == DINOR1_F16 ? 0x1p-11 : 0x1p-8;
}

static gdouble
smallest(DinoR1DType half)
{
    return half == DINOR1_F16 ? 0x1p-25 : 0;
}

/* Numbers of an input that a half cannot hold would be infinite, and the outputs NaN. */
gboolean
opcheck_half_fits(const OpCase *c, DinoR1DType half)
{
    const gfloat largest = half == DINOR1_F16 ? 65504 : 0x1p127f;

    for (guint i = 0; i < c->n_inputs; i++)
        if (c->fills[i].low < -largest || c->fills[i].high > largest)
            return FALSE;
    return dinor1_op_has_half(c->op) && c->op != DINOR1_OP_CAST;
}

/* @c with half types. The name stays, so that the inputs are the same. */
static OpCase
make_half(const OpCase *c, DinoR1DType half, gboolean wide)
{
    OpCase result = *c;
    const DinoR1DType output = wide ? DINOR1_F32 : half;

    if (dinor1_op_is_product(c->op))
        *dinor1_op_product_type(c->op, &result.params) = output;
    for (guint i = 0; i < c->n_inputs; i++) {
        const DinoR1InputType type = dinor1_op_input_type(c->op, i);

        if (type == DINOR1_INPUT_OWN)
            result.inputs[i].dtype = half;
        else if (type == DINOR1_INPUT_OUTPUT)
            result.inputs[i].dtype = output;
    }
    return result;
}

/* Gives the f32 case the numbers that the halves are. */
static void
share_inputs(OpRun *exact, const OpRun *run)
{
    for (guint i = 0; i < run->c->n_inputs; i++) {
        const DinoR1View *view = &run->c->inputs[i];

        if (!run->c->present[i] || !dinor1_dtype_is_half(view->dtype))
            continue;
        opcheck_to_floats(view->dtype, run->inputs[i].data, (gsize)dinor1_shape_size(&view->shape),
            (gfloat *)(gpointer)exact->inputs[i].data);
        memcpy(exact->copies[i], exact->inputs[i].data, exact->inputs[i].size);
    }
}

static gboolean
stores_product(const OpCase *c)
{
    return c->op == DINOR1_OP_LINEAR && c->present[3] && c->params.linear.activation != DINOR1_ACT_NONE;
}

/* The deviation of an MLP's output when every number of its middle deviates by 1. */
static gdouble
spread(const OpCase *c)
{
    return sqrt((gdouble)c->inputs[3].shape.dims[1] / 3) * c->fills[3].high;
}

/* The root mean square of an MLP's middle. */
static gdouble
middle(const OpCase *c)
{
    const gdouble product = (gdouble)c->fills[0].high * c->fills[1].high, bias = c->fills[2].high;

    return sqrt((gdouble)c->inputs[1].shape.dims[1] / 9 * product * product + bias * bias / 3);
}

/* What is allowed whatever is expected. */
static gdouble
least(const OpCase *c, DinoR1DType half, gboolean wide)
{
    const gboolean gelu = c->params.linear.activation == DINOR1_ACT_GELU;
    gdouble sum = wide ? 0 : smallest(half);

    if (c->op == DINOR1_OP_MLP)
        sum += 5 * spread(c) * (unit(half) / sqrt(3) * middle(c) + (gelu ? GELU_ERROR : 0));
    if (c->op == DINOR1_OP_LINEAR && gelu && !wide)
        sum += GELU_ERROR;
    if (stores_product(c) && !wide)
        sum += STEEPEST * unit(half) * c->fills[3].high;
    return sum;
}

static gdouble
tolerance(const OpCase *c, DinoR1DType half, gboolean wide)
{
    return c->tolerance + (wide ? 0 : stores_product(c) ? 1 + STEEPEST : 1) * unit(half);
}

static gchar *
compare(const OpCase *c, DinoR1DType half, gboolean wide, const OpRun *exact, const OpRun *run, gdouble *worst)
{
    const DinoR1DType dtype = run->outputs[0].dtype;
    const gsize n = (gsize)dinor1_shape_size(&run->outputs[0].shape);
    const gfloat *expected = (const gfloat *)(gpointer)exact->expected[0].data;
    const gdouble scale = c->scale > 0 ? c->scale : opcheck_scale(expected, n);
    const gdouble share = c->tolerance > 0 ? tolerance(c, half, wide) : 0;
    const gdouble always = share > 0 ? least(c, half, wide) : 0;

    for (gsize i = 0; i < n; i++) {
        guint16 bits;
        gfloat got, rounded = expected[i];

        opcheck_to_floats(dtype, run->got[0].data + i * dinor1_dtype_size(dtype), 1, &got);
        opcheck_from_floats(half, &expected[i], 1, &bits);
        opcheck_to_floats(half, &bits, 1, &rounded);
        if (got == (wide ? expected[i] : rounded))
            continue;
        const gdouble error = fabs((gdouble)got - expected[i]);
        const gdouble allowed = share * MAX(fabs(expected[i]), scale) + always;
        if (!(error <= allowed) || isinf(expected[i]))
            return g_strdup_printf("element %" G_GSIZE_FORMAT " is %.9g instead of %.9g, off by %.3g; allowed %.3g", i,
                got, expected[i], error, allowed);
        *worst = MAX(*worst, error / allowed);
    }
    return NULL;
}

gchar *
opcheck_half_check(
    const OpCase *c, DinoR1DType half, gboolean wide, DinoR1Backend *reference, DinoR1Backend *backend, gdouble *worst)
{
    const OpCase half_case = make_half(c, half, wide);
    gboolean missing = FALSE;
    gchar *why = NULL;
    OpRun *exact = opcheck_run_new(c, &why), *run = exact ? opcheck_run_new(&half_case, &why) : NULL;

    if (run) {
        share_inputs(exact, run);
        why = opcheck_run_execute(exact, reference);
    }
    if (!why)
        why = opcheck_run_accept(exact);
    if (!why)
        why = opcheck_device_execute(run, backend, &missing);
    if (!why && missing)
        why = g_strdup("there is no such kernel");
    if (!why)
        why = compare(c, half, wide, exact, run, worst);
    g_clear_pointer(&exact, opcheck_run_free);
    g_clear_pointer(&run, opcheck_run_free);
    return why;
}
