/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gradient of every op that has one, at points away from kinks.
 */
#include "grad.h"

#include "graph/backward_internal.h"

#define SCALAR ((DinoR1Shape){.ndim = 0})

/* Labels and masks are given, not learned. */
static gboolean
is_fixed(const OpCase *c, guint input)
{
    return (c->op == DINOR1_OP_FOCAL && input == 1) || (c->op == DINOR1_OP_ATTENTION && input == 3) ||
           c->inputs[input].dtype == DINOR1_I32;
}

static DinoR1Tensor *
build_case(GradGraph *g, gconstpointer data)
{
    const OpCase *c = data;
    DinoR1Tensor *inputs[DINOR1_MAX_INPUTS] = {NULL};

    for (guint i = 0; i < c->n_inputs; i++) {
        if (!c->present[i])
            continue;
        inputs[i] = is_fixed(c, i) ? opcheck_grad_fixed(g, c->inputs[i].shape, c->fills[i])
                                   : opcheck_grad_input(g, c->inputs[i].shape, c->fills[i]);
    }
    return dinor1_graph_op(g->graph, c->op, &c->params, inputs, c->n_inputs);
}

static void
add_binaries(GPtrArray *cases)
{
    const struct {
        DinoR1Shape a, b;
    } rows[] = {{DINOR1_SHAPE(3, 4), DINOR1_SHAPE(3, 4)}, {DINOR1_SHAPE(2, 3, 4), DINOR1_SHAPE(3, 1)},
        {DINOR1_SHAPE(4, 1), DINOR1_SHAPE(2, 1, 5)}, {SCALAR, DINOR1_SHAPE(2, 3)}};

    for (gint func = DINOR1_BINARY_ADD; func <= DINOR1_BINARY_DIV; func++) {
        for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
            OpCase *c = opcheck_add(cases, DINOR1_OP_BINARY, 0, "%d, row %u", func, i);
            c->params.binary.func = func;
            opcheck_input(c, rows[i].a, UNIT);
            opcheck_input(c, rows[i].b, UNIFORM(0.5, 1.5));
        }
    }
}

static void
add_unaries(GPtrArray *cases)
{
    const struct {
        DinoR1UnaryFunc func;
        gfloat a, b;
        OpFill fill;
    } rows[DINOR1_N_UNARY] = {
        {DINOR1_UNARY_AFFINE, 2.5f, -0.75f, UNIT},
        {DINOR1_UNARY_RELU, 0, 0, UNIT},
        {DINOR1_UNARY_GELU, 0, 0, UNIFORM(-4, 4)},
        {DINOR1_UNARY_SIGMOID, 0, 0, UNIFORM(-6, 6)},
        {DINOR1_UNARY_TANH, 0, 0, UNIFORM(-4, 4)},
        {DINOR1_UNARY_EXP, 0, 0, UNIFORM(-3, 3)},
        {DINOR1_UNARY_LOG, 0, 0, UNIFORM(0.1f, 4)},
        {DINOR1_UNARY_LOGIT, 0.1f, 0, UNIFORM(-0.2f, 1.2f)},
        {DINOR1_UNARY_CLAMP, -0.5, 0.25, UNIT},
        {DINOR1_UNARY_ABS, 0, 0, UNIT},
        {DINOR1_UNARY_SQRT, 0, 0, UNIFORM(0.1f, 4)},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_UNARY, 0, "%d", rows[i].func);
        c->params.unary.func = rows[i].func;
        c->params.unary.a = rows[i].a;
        c->params.unary.b = rows[i].b;
        opcheck_input(c, DINOR1_SHAPE(3, 17), rows[i].fill);
    }
}

static void
add_layers(GPtrArray *cases)
{
    for (gint activation = DINOR1_ACT_NONE; activation <= DINOR1_ACT_GELU; activation++) {
        for (guint parts = 0; parts < 4; parts++) {
            OpCase *c = opcheck_add(cases, DINOR1_OP_LINEAR, 0, "activation %d, parts %u", activation, parts);
            c->params.linear.activation = activation;
            opcheck_input(c, DINOR1_SHAPE(2, 3, 5), UNIT);
            opcheck_input(c, DINOR1_SHAPE(4, 5), UNIT);
            opcheck_optional(c, parts & 1, DINOR1_SHAPE(4), UNIT);
            opcheck_optional(c, parts & 2, DINOR1_SHAPE(2, 3, 4), UNIT);

            c = opcheck_add(cases, DINOR1_OP_MLP, 0, "activation %d, parts %u", activation, parts);
            c->params.linear.activation = activation;
            opcheck_input(c, parts & 1 ? DINOR1_SHAPE(2, 3, 5) : DINOR1_SHAPE(5), UNIT);
            opcheck_input(c, DINOR1_SHAPE(7, 5), UNIT);
            opcheck_input(c, DINOR1_SHAPE(7), UNIT);
            opcheck_input(c, DINOR1_SHAPE(4, 7), UNIT);
            opcheck_input(c, DINOR1_SHAPE(4), UNIT);
            opcheck_optional(c, parts & 2, parts & 1 ? DINOR1_SHAPE(2, 3, 4) : DINOR1_SHAPE(4), UNIT);
        }
    }
}

static DinoR1Shape
matrices(DinoR1Shape shape, gint64 rows, gint64 columns, gboolean transposed)
{
    shape.dims[shape.ndim++] = transposed ? columns : rows;
    shape.dims[shape.ndim++] = transposed ? rows : columns;
    return shape;
}

static void
add_matmuls(GPtrArray *cases)
{
    const struct {
        DinoR1Shape a, b, out; /* leading dimensions */
    } rows[] = {{SCALAR, SCALAR, SCALAR}, {DINOR1_SHAPE(2), DINOR1_SHAPE(2), DINOR1_SHAPE(2)},
        {DINOR1_SHAPE(2), SCALAR, DINOR1_SHAPE(2)}, {SCALAR, DINOR1_SHAPE(3), DINOR1_SHAPE(3)},
        {DINOR1_SHAPE(2, 1), DINOR1_SHAPE(3), DINOR1_SHAPE(2, 3)}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint parts = 0; parts < 16; parts++) {
            OpCase *c = opcheck_add(cases, DINOR1_OP_MATMUL, 0, "row %u, parts %u", i, parts);
            c->params.matmul.trans_a = parts & 1;
            c->params.matmul.trans_b = parts >> 1 & 1;
            c->params.matmul.alpha = parts & 4 ? -0.5 : 1;
            opcheck_input(c, matrices(rows[i].a, 3, 4, parts & 1), UNIT);
            opcheck_input(c, matrices(rows[i].b, 4, 5, parts & 2), UNIT);
            opcheck_optional(c, parts & 4, DINOR1_SHAPE(5), UNIT);
            opcheck_optional(c, parts & 8, matrices(rows[i].out, 3, 5, FALSE), UNIT);
        }
    }
}

static void
add_norms(GPtrArray *cases)
{
    for (guint residual = 0; residual < 2; residual++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_LAYER_NORM, 0, "residual %u", residual);
        c->params.norm.epsilon = 1e-5f;
        opcheck_input(c, DINOR1_SHAPE(2, 3, 7), UNIT);
        opcheck_input(c, DINOR1_SHAPE(7), UNIT);
        opcheck_input(c, DINOR1_SHAPE(7), UNIT);
        opcheck_optional(c, residual, DINOR1_SHAPE(2, 3, 7), UNIT);
    }
    for (gint groups = 1; groups <= 6; groups *= 2 + (groups == 2)) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_GROUP_NORM, 0, "%d groups", groups);
        c->params.norm.epsilon = 1e-5f;
        c->params.norm.groups = groups;
        opcheck_input(c, DINOR1_SHAPE(2, 5, 6), UNIT);
        opcheck_input(c, DINOR1_SHAPE(6), UNIT);
        opcheck_input(c, DINOR1_SHAPE(6), UNIT);
    }
    for (gint axis = -1; axis < 3; axis++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_SOFTMAX, 0, "axis %d", axis);
        c->params.softmax.axis = axis;
        opcheck_input(c, DINOR1_SHAPE(2, 5, 3), UNIFORM(-2, 2));
        for (gint func = DINOR1_REDUCE_SUM; func <= DINOR1_REDUCE_MAX; func++) {
            c = opcheck_add(cases, DINOR1_OP_REDUCE, 0, "%d axis %d", func, axis);
            c->params.reduce.func = func;
            c->params.reduce.axis = axis;
            opcheck_input(c, DINOR1_SHAPE(2, 5, 3), UNIFORM(-2, 2));
        }
    }
}

static void
add_convolutions(GPtrArray *cases)
{
    const struct {
        gint64 kh, kw;
        gint stride, top, left, bottom, right;
    } rows[] = {{1, 1, 1, 0, 0, 0, 0}, {3, 3, 1, 1, 1, 1, 1}, {3, 3, 2, 1, 1, 1, 1}, {2, 3, 1, 1, 0, 0, 2},
        {1, 2, 3, 0, 0, 0, 0}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_CONV2D, 0, "row %u", i);
        c->params.conv.stride = rows[i].stride;
        c->params.conv.pad_top = rows[i].top;
        c->params.conv.pad_left = rows[i].left;
        c->params.conv.pad_bottom = rows[i].bottom;
        c->params.conv.pad_right = rows[i].right;
        opcheck_input(c, DINOR1_SHAPE(2, 5, 4, 2), UNIT);
        opcheck_input(c, DINOR1_SHAPE(3, 2, rows[i].kh, rows[i].kw), UNIT);
        opcheck_optional(c, i % 2 == 0, DINOR1_SHAPE(3), UNIT);
    }
}

static void
add_attentions(GPtrArray *cases)
{
    const struct {
        gint64 bq, bk, bv, mask_b, mask_q;
    } rows[] = {{1, 1, 1, 0, 0}, {2, 2, 2, 2, 3}, {1, 2, 2, 1, 3}, {2, 1, 1, 2, 1}, {1, 1, 2, 1, 1}, {1, 2, 1, 0, 0}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_ATTENTION, 0, "row %u", i);
        c->params.attention.heads = 2;
        c->params.attention.scale = 0.6f;
        opcheck_input(c, DINOR1_SHAPE(rows[i].bq, 3, 8), UNIFORM(-2, 2));
        opcheck_input(c, DINOR1_SHAPE(rows[i].bk, 5, 8), UNIFORM(-2, 2));
        opcheck_input(c, DINOR1_SHAPE(rows[i].bv, 5, 6), UNIT);
        opcheck_optional(c, rows[i].mask_b > 0, DINOR1_SHAPE(rows[i].mask_b, rows[i].mask_q, 5), MASK);
    }
}

static void
add_windows(GPtrArray *cases)
{
    const struct {
        gint64 h, w;
        gint window, shift;
    } rows[] = {{4, 4, 2, 0}, {3, 5, 2, 1}, {3, 2, 4, 2}, {6, 4, 3, 1}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint pads = 0; pads < 4; pads++) {
            const gint64 side = 2 * rows[i].window - 1;
            OpCase *c = opcheck_add(cases, DINOR1_OP_WINDOW_ATTENTION, 0, "row %u, pads %u", i, pads);
            c->params.window.heads = 2;
            c->params.window.window = rows[i].window;
            c->params.window.shift = rows[i].shift;
            for (guint k = 0; k < 3; k++)
                opcheck_input(c, DINOR1_SHAPE(2, rows[i].h, rows[i].w, 4), UNIFORM(-2, 2));
            opcheck_input(c, DINOR1_SHAPE(side * side, 2), UNIT);
            /* Without padding nothing depends on these, and the gradient is 0. */
            opcheck_optional(c, pads & 1, DINOR1_SHAPE(4), UNIT);
            opcheck_optional(c, pads & 2, DINOR1_SHAPE(4), UNIT);
        }
    }
}

static void
add_deformables(GPtrArray *cases)
{
    const OpFill near = {FILL_ODD, -2, 2}, far = {FILL_ODD, -9, 9}; /* off the pixel centres */
    const struct {
        gint64 reference_b, reference_l, coordinates;
        OpFill offsets;
    } rows[] = {{2, 2, 2, near}, {1, 2, 2, near}, {2, 1, 4, near}, {1, 1, 4, near}, {2, 2, 4, far}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_DEFORMABLE_ATTENTION, 0, "row %u", i);
        c->params.deformable.heads = 2;
        c->params.deformable.n_levels = 2;
        c->params.deformable.n_points = 3;
        c->params.deformable.heights[0] = 3;
        c->params.deformable.widths[0] = 4;
        c->params.deformable.heights[1] = 2;
        c->params.deformable.widths[1] = 1;
        opcheck_input(c, DINOR1_SHAPE(2, 14, 6), UNIT);
        opcheck_input(c, DINOR1_SHAPE(rows[i].reference_b, 3, rows[i].reference_l, rows[i].coordinates),
            (OpFill){FILL_EVEN, 0.25, 0.75});
        opcheck_input(c, DINOR1_SHAPE(2, 3, 24), rows[i].offsets);
        opcheck_input(c, DINOR1_SHAPE(2, 3, 12), UNIFORM(-2, 2));
    }
}

static void
add_layouts(GPtrArray *cases)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_PERMUTE, 0, "three axes");
    c->params.permute.perm[0] = 2;
    c->params.permute.perm[2] = 1;
    opcheck_input(c, DINOR1_SHAPE(2, 3, 4), UNIT);

    c = opcheck_add(cases, DINOR1_OP_SLICE, 0, "middle axis");
    c->params.slice.axis = -2;
    c->params.slice.start = 1;
    c->params.slice.length = 3;
    opcheck_input(c, DINOR1_SHAPE(2, 5, 3), UNIT);

    c = opcheck_add(cases, DINOR1_OP_CONCAT, 0, "middle axis");
    c->params.concat.axis = 1;
    for (gint64 length = 1; length <= 3; length++)
        opcheck_input(c, DINOR1_SHAPE(2, length, 3), UNIT);

    c = opcheck_add(cases, DINOR1_OP_EXPAND, 0, "outside and inside");
    c->params.expand.shape = DINOR1_SHAPE(2, 3, 4, 5);
    opcheck_input(c, DINOR1_SHAPE(3, 1, 5), UNIT);

    c = opcheck_add(cases, DINOR1_OP_SUM_TO, 0, "outside and inside");
    c->params.expand.shape = DINOR1_SHAPE(3, 1, 5);
    opcheck_input(c, DINOR1_SHAPE(2, 3, 4, 5), UNIT);

    c = opcheck_add(cases, DINOR1_OP_GATHER, 0, "rows, some twice");
    opcheck_input(c, DINOR1_SHAPE(4, 3), UNIT);
    opcheck_input(c, DINOR1_SHAPE(2, 5), (OpFill){FILL_INDEX, -1, 4});

    c = opcheck_add(cases, DINOR1_OP_GATHER, 0, "rows of images");
    opcheck_input(c, DINOR1_SHAPE(2, 4, 3), UNIT);
    opcheck_input(c, DINOR1_SHAPE(2, 5), (OpFill){FILL_INDEX, -1, 4});

    c = opcheck_add(cases, DINOR1_OP_PATCH_MERGE, 0, "odd");
    opcheck_input(c, DINOR1_SHAPE(2, 3, 5, 2), UNIT);
}

/* What rounds has no derivative; the type of the gradient is a matter of test_lower. */
static void
add_casts(GPtrArray *cases)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_CAST, 0, "f32 to f32");

    c->params.cast.dtype = DINOR1_F32;
    opcheck_input(c, DINOR1_SHAPE(3, 17), UNIT);
}

static void
add_losses(GPtrArray *cases)
{
    for (guint soft = 0; soft < 2; soft++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_FOCAL, 0, soft ? "soft labels" : "labels");
        c->params.focal.alpha = 0.25;
        c->params.focal.gamma = 2;
        opcheck_input(c, DINOR1_SHAPE(5, 9), UNIFORM(-6, 6));
        opcheck_input(c, DINOR1_SHAPE(5, 9), soft ? UNIFORM(0, 1) : (OpFill){FILL_STEPS, 0, 1});
    }
    for (guint broadcast = 0; broadcast < 2; broadcast++) {
        OpCase *c = opcheck_add(cases, DINOR1_OP_GIOU, 0, broadcast ? "pairs" : "one by one");
        opcheck_input(c, broadcast ? DINOR1_SHAPE(2, 3, 1, 4) : DINOR1_SHAPE(20, 4), UNIFORM(0.1f, 0.9f));
        opcheck_input(c, broadcast ? DINOR1_SHAPE(1, 5, 4) : DINOR1_SHAPE(20, 4), UNIFORM(0.1f, 0.9f));
    }
}

/* topk and a picture's bytes have none to give, sine_embed only ever sees detached boxes, and nobody differentiates
 * twice. */
static gboolean
has_none_by_design(DinoR1OpType op)
{
    return op == DINOR1_OP_TOPK || op == DINOR1_OP_PREPROCESS || op == DINOR1_OP_SINE_EMBED ||
           op == DINOR1_OP_PATCH_SPLIT || op == DINOR1_OP_SUM_SQUARES || op == DINOR1_OP_BLEND ||
           op == DINOR1_OP_ADAMW || g_str_has_suffix(dinor1_op_name(op), "_grad");
}

static void
check_coverage(OpCount *count, const guint *n_cases)
{
    for (gint op = 0; op < DINOR1_N_OPS; op++) {
        gchar *why = NULL;
        if ((dinor1_adjoint_rule(op) == NULL) != has_none_by_design(op))
            why = g_strdup("a rule that should not be, or none that should");
        else if (dinor1_adjoint_rule(op) && n_cases[op] == 0)
            why = g_strdup("the op has no gradient case");
        opcheck_count(count, dinor1_op_name(op), why);
    }
}

void
opcheck_grad_ops(OpCount *count)
{
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func((GDestroyNotify)opcheck_case_free);
    guint n_cases[DINOR1_N_OPS] = {0};

    add_binaries(cases);
    add_unaries(cases);
    add_layers(cases);
    add_matmuls(cases);
    add_norms(cases);
    add_convolutions(cases);
    add_attentions(cases);
    add_windows(cases);
    add_deformables(cases);
    add_layouts(cases);
    add_casts(cases);
    add_losses(cases);
    for (guint i = 0; i < cases->len; i++) {
        const OpCase *c = cases->pdata[i];
        n_cases[c->op]++;
        opcheck_count(count, c->name, opcheck_grad_check(c->name, build_case, c));
    }
    check_coverage(count, n_cases);
}
