/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#define SCALAR ((DinoR1Shape){.ndim = 0})

static void
add_binary(GPtrArray *cases, DinoR1BinaryFunc func, DinoR1Shape a, DinoR1Shape b, OpFill fill_a)
{
    static const gchar *const names[] = {"add", "sub", "mul", "div"};
    g_autofree gchar *text_a = opcheck_shape_text(&a), *text_b = opcheck_shape_text(&b);
    OpCase *c = opcheck_add(cases, DINOR1_OP_BINARY, 1.5e-7, "%s %s, %s%s", names[func], text_a, text_b,
        fill_a.kind == FILL_MASK ? ", -inf" : "");

    c->params.binary.func = func;
    c->scale = G_MINFLOAT;
    opcheck_input(c, a, fill_a);
    opcheck_input(c, b, func == DINOR1_BINARY_DIV ? UNIFORM(0.5, 1.5) : UNIT);
}

static void
binary_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape a, b;
    } rows[] = {
        {DINOR1_SHAPE(1), DINOR1_SHAPE(1)},
        {DINOR1_SHAPE(7), DINOR1_SHAPE(7)},
        {DINOR1_SHAPE(1), DINOR1_SHAPE(3, 67)},
        {DINOR1_SHAPE(3, 67), SCALAR},
        {SCALAR, SCALAR},
        {DINOR1_SHAPE(3, 5), DINOR1_SHAPE(5)},
        {DINOR1_SHAPE(3, 1), DINOR1_SHAPE(1, 5)},
        {DINOR1_SHAPE(33, 67), DINOR1_SHAPE(33, 1)},
        {DINOR1_SHAPE(4, 1, 6), DINOR1_SHAPE(5, 1)},
        {DINOR1_SHAPE(2, 37, 19), DINOR1_SHAPE(2, 37, 19)},
        {DINOR1_SHAPE(2, 37, 19), DINOR1_SHAPE(1, 37, 19)},
        {DINOR1_SHAPE(2, 37, 19), DINOR1_SHAPE(2, 1, 19)},
        {DINOR1_SHAPE(2, 37, 19), DINOR1_SHAPE(37, 1)},
        {DINOR1_SHAPE(2, 37, 19), DINOR1_SHAPE(2, 1, 1)},
        {DINOR1_SHAPE(1, 1, 19), DINOR1_SHAPE(2, 37, 19)},
        {DINOR1_SHAPE(1, 2, 1, 3, 1, 2, 1, 5), DINOR1_SHAPE(2, 1, 2, 1, 2, 1, 2, 5)},
        {DINOR1_SHAPE(3, 4099), DINOR1_SHAPE(3, 4099)},
    };

    for (gint func = DINOR1_BINARY_ADD; func <= DINOR1_BINARY_DIV; func++)
        for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
            add_binary(cases, func, rows[i].a, rows[i].b, UNIT);
    add_binary(cases, DINOR1_BINARY_ADD, DINOR1_SHAPE(4, 33), DINOR1_SHAPE(4, 33), MASK);
    add_binary(cases, DINOR1_BINARY_ADD, DINOR1_SHAPE(4, 33), DINOR1_SHAPE(2, 4, 33), MASK);
}

static void
unary_cases(GPtrArray *cases)
{
    /* scale: below this size an error counts as absolute, because the function cancels there. */
    const struct {
        DinoR1UnaryFunc func;
        const gchar *name;
        gfloat a, b;
        OpFill fill;
        gdouble tolerance, scale;
    } rows[] = {
        {DINOR1_UNARY_AFFINE, "affine", 2.5f, -0.75f, UNIT, 2e-7, 1},
        {DINOR1_UNARY_AFFINE, "affine large", -1, 1, UNIFORM(-1e6f, 1e6f), 2e-7, 1},
        {DINOR1_UNARY_RELU, "relu", 0, 0, UNIT, 0, 1},
        {DINOR1_UNARY_RELU, "relu -inf", 0, 0, MASK, 0, 1},
        {DINOR1_UNARY_GELU, "gelu", 0, 0, UNIFORM(-6, 6), 5e-7, 1},
        {DINOR1_UNARY_GELU, "gelu near 0", 0, 0, UNIFORM(-1e-4f, 1e-4f), 5e-7, 1e-5},
        {DINOR1_UNARY_GELU, "gelu large", 0, 0, UNIFORM(-1e4f, 1e4f), 5e-7, 1},
        {DINOR1_UNARY_SIGMOID, "sigmoid", 0, 0, UNIFORM(-6, 6), 5e-7, 1e-6},
        {DINOR1_UNARY_SIGMOID, "sigmoid large", 0, 0, UNIFORM(-1e4f, 1e4f), 5e-7, 1e-6},
        {DINOR1_UNARY_SIGMOID, "sigmoid -inf", 0, 0, MASK, 5e-7, 1},
        {DINOR1_UNARY_TANH, "tanh", 0, 0, UNIFORM(-4, 4), 5e-7, 1},
        {DINOR1_UNARY_TANH, "tanh near 0", 0, 0, UNIFORM(-0.1f, 0.1f), 1e-6, 0.1},
        {DINOR1_UNARY_TANH, "tanh large", 0, 0, UNIFORM(-1e4f, 1e4f), 5e-7, 1},
        {DINOR1_UNARY_EXP, "exp", 0, 0, UNIFORM(-1, 1), 3e-7, 1e-30},
        {DINOR1_UNARY_EXP, "exp wide", 0, 0, UNIFORM(-85, 88), 3e-7, 1e-30},
        {DINOR1_UNARY_EXP, "exp beyond", 0, 0, UNIFORM(-500, 500), 3e-7, 1e-30},
        {DINOR1_UNARY_EXP, "exp -inf", 0, 0, MASK, 3e-7, 1e-30},
        {DINOR1_UNARY_LOG, "log", 0, 0, UNIFORM(1e-3f, 1e3f), 3e-7, 1},
        {DINOR1_UNARY_LOG, "log small", 0, 0, UNIFORM(1e-30f, 1e-28f), 3e-7, 1},
        {DINOR1_UNARY_LOG, "log of 0", 0, 0, {FILL_STEPS, 0, 3}, 3e-7, 1},
        {DINOR1_UNARY_LOGIT, "logit", 1e-3f, 0, UNIFORM(0, 1), 5e-7, 1},
        {DINOR1_UNARY_LOGIT, "logit outside", 1e-5f, 0, UNIFORM(-0.5, 1.5), 5e-7, 1},
        {DINOR1_UNARY_CLAMP, "clamp", -0.5, 0.25, UNIT, 0, 1},
        {DINOR1_UNARY_CLAMP, "clamp -inf", -5e4f, 5e4f, MASK, 0, 1},
        {DINOR1_UNARY_CLAMP, "clamp large", -5e4f, 5e4f, UNIFORM(-1e6f, 1e6f), 0, 1},
        {DINOR1_UNARY_ABS, "abs", 0, 0, UNIT, 0, 1},
        {DINOR1_UNARY_ABS, "abs -inf", 0, 0, MASK, 0, 1},
        {DINOR1_UNARY_ABS, "abs of 0 and -0", 0, 0, {FILL_ZERO, 0, 0}, 0, 1},
        {DINOR1_UNARY_SQRT, "sqrt", 0, 0, UNIFORM(0, 1e3f), 2e-7, 1e-6},
        {DINOR1_UNARY_SQRT, "sqrt of whole numbers", 0, 0, {FILL_STEPS, 0, 9}, 2e-7, 1e-6},
    };
    const DinoR1Shape shapes[] = {DINOR1_SHAPE(1), DINOR1_SHAPE(7), DINOR1_SHAPE(3, 64), DINOR1_SHAPE(2, 3, 1003)};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(shapes); k++) {
            g_autofree gchar *text = opcheck_shape_text(&shapes[k]);
            OpCase *c = opcheck_add(cases, DINOR1_OP_UNARY, rows[i].tolerance, "%s %s", rows[i].name, text);
            c->params.unary.func = rows[i].func;
            c->params.unary.a = rows[i].a;
            c->params.unary.b = rows[i].b;
            c->scale = rows[i].scale;
            opcheck_input(c, shapes[k], rows[i].fill);
        }
    }
}

static void
unary_grad_cases(GPtrArray *cases)
{
    const OpFill steps = {FILL_STEPS, -2, 2};
    const struct {
        DinoR1UnaryFunc func;
        const gchar *name;
        gfloat a, b;
        OpFill fill;
        gdouble tolerance, scale;
    } rows[] = {
        {DINOR1_UNARY_AFFINE, "affine", 2.5f, -0.75f, UNIT, 2e-7, 1e-6},
        {DINOR1_UNARY_RELU, "relu", 0, 0, UNIT, 0, 1},
        {DINOR1_UNARY_RELU, "relu at 0", 0, 0, steps, 0, 1},
        {DINOR1_UNARY_RELU, "relu of 0 and -0", 0, 0, {FILL_ZERO, 0, 0}, 0, 1},
        {DINOR1_UNARY_GELU, "gelu", 0, 0, UNIFORM(-6, 6), 5e-7, 1},
        {DINOR1_UNARY_GELU, "gelu large", 0, 0, UNIFORM(-1e4f, 1e4f), 5e-7, 1},
        {DINOR1_UNARY_SIGMOID, "sigmoid", 0, 0, UNIFORM(-6, 6), 1e-6, 0.25},
        {DINOR1_UNARY_SIGMOID, "sigmoid large", 0, 0, UNIFORM(-1e4f, 1e4f), 1e-6, 0.25},
        {DINOR1_UNARY_SIGMOID, "sigmoid -inf", 0, 0, MASK, 1e-6, 0.25},
        {DINOR1_UNARY_TANH, "tanh", 0, 0, UNIFORM(-4, 4), 1e-6, 1},
        {DINOR1_UNARY_TANH, "tanh large", 0, 0, UNIFORM(-1e4f, 1e4f), 1e-6, 1},
        {DINOR1_UNARY_EXP, "exp", 0, 0, UNIFORM(-85, 80), 4e-7, 1e-30},
        {DINOR1_UNARY_LOG, "log", 0, 0, UNIFORM(1e-3f, 1e3f), 3e-7, 1e-6},
        {DINOR1_UNARY_LOGIT, "logit", 1e-3f, 0, UNIFORM(0, 1), 5e-7, 1},
        {DINOR1_UNARY_LOGIT, "logit outside", 1e-5f, 0, UNIFORM(-0.5, 1.5), 5e-7, 1},
        {DINOR1_UNARY_LOGIT, "logit at the edges", 0.25f, 0, {FILL_EVEN, 0, 1}, 5e-7, 1},
        {DINOR1_UNARY_CLAMP, "clamp", -0.5, 0.25, UNIT, 0, 1},
        {DINOR1_UNARY_CLAMP, "clamp at the edges", -1, 1, steps, 0, 1},
        {DINOR1_UNARY_ABS, "abs", 0, 0, UNIT, 0, 1},
        {DINOR1_UNARY_ABS, "abs at 0", 0, 0, steps, 0, 1},
        {DINOR1_UNARY_SQRT, "sqrt", 0, 0, UNIFORM(1e-3f, 1e3f), 4e-7, 1e-6},
    };
    const DinoR1Shape shapes[] = {DINOR1_SHAPE(1), DINOR1_SHAPE(7), DINOR1_SHAPE(3, 64), DINOR1_SHAPE(2, 3, 1003)};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(shapes); k++) {
            g_autofree gchar *text = opcheck_shape_text(&shapes[k]);
            OpCase *c = opcheck_add(cases, DINOR1_OP_UNARY_GRAD, rows[i].tolerance, "%s %s", rows[i].name, text);
            c->params.unary.func = rows[i].func;
            c->params.unary.a = rows[i].a;
            c->params.unary.b = rows[i].b;
            c->scale = rows[i].scale;
            opcheck_input(c, shapes[k], rows[i].fill);
            opcheck_input(c, shapes[k], UNIT);
        }
    }
}

static void
sine_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape shape;
        gint features;
        gfloat temperature, scale;
        OpFill fill;
        const gchar *what;
    } rows[] = {
        {DINOR1_SHAPE(1), 2, 10000, 1, UNIT, "one"},
        {DINOR1_SHAPE(7, 4), 128, 10000, 2 * (gfloat)G_PI, UNIFORM(0, 1), "boxes"},
        {DINOR1_SHAPE(2, 5, 4), 128, 10000, 2 * (gfloat)G_PI, UNIFORM(-0.5, 1.5), "boxes outside"},
        {DINOR1_SHAPE(35, 2), 64, 20, 2 * (gfloat)G_PI, UNIFORM(0, 1), "map"},
        {DINOR1_SHAPE(2, 40, 1), 256, 10000, 2 * (gfloat)G_PI, {FILL_STEPS, 0, 255}, "tokens"},
        {DINOR1_SHAPE(3, 3), 6, 100, 1, UNIFORM(-1000, 1000), "far"},
        {DINOR1_SHAPE(1, 1, 3), 34, 10000, 1, UNIT, "odd width"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree gchar *text = opcheck_shape_text(&rows[i].shape);
        OpCase *c = opcheck_add(cases, DINOR1_OP_SINE_EMBED, 1e-6, "%s %s", rows[i].what, text);
        c->params.sine.features = rows[i].features;
        c->params.sine.temperature = rows[i].temperature;
        c->params.sine.scale = rows[i].scale;
        c->scale = 1;
        opcheck_input(c, rows[i].shape, rows[i].fill);
    }
}

void
opcheck_elementwise_cases(GPtrArray *cases)
{
    binary_cases(cases);
    unary_cases(cases);
    unary_grad_cases(cases);
    sine_cases(cases);
}
