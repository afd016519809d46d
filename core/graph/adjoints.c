/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The backward rule of every op that training passes through.
 */
#include "graph/backward_internal.h"

#define IN(k)        dinor1_adjoint_input(a, k)
#define OUT(k)       dinor1_adjoint_output(a, k)
#define WANTS(k)     dinor1_adjoint_wants(a, k)
#define GIVE(k, ...) dinor1_adjoint_give(a, k, __VA_ARGS__)
#define PARAMS       (&a->node->params)

#define OP(op, params, ...)                                                                                            \
    dinor1_graph_op(a->graph, op, params, (DinoR1Tensor *[]){__VA_ARGS__},                                             \
        sizeof((DinoR1Tensor *[]){__VA_ARGS__}) / sizeof(DinoR1Tensor *))

static void
binary(const DinoR1Adjoint *a)
{
    switch (PARAMS->binary.func) {
    case DINOR1_BINARY_ADD:
        GIVE(0, a->dy);
        GIVE(1, a->dy);
        break;
    case DINOR1_BINARY_SUB:
        GIVE(0, a->dy);
        if (WANTS(1))
            GIVE(1, dinor1_affine(a->graph, a->dy, -1, 0));
        break;
    case DINOR1_BINARY_MUL:
        if (WANTS(0))
            GIVE(0, dinor1_mul(a->graph, a->dy, IN(1)));
        if (WANTS(1))
            GIVE(1, dinor1_mul(a->graph, a->dy, IN(0)));
        break;
    case DINOR1_BINARY_DIV: /* d(a/b) = da/b - (a/b) db/b */
        if (WANTS(0))
            GIVE(0, dinor1_binary(a->graph, DINOR1_BINARY_DIV, a->dy, IN(1)));
        if (WANTS(1)) {
            DinoR1Tensor *g = dinor1_binary(a->graph, DINOR1_BINARY_DIV, dinor1_mul(a->graph, a->dy, OUT(0)), IN(1));

            GIVE(1, dinor1_affine(a->graph, g, -1, 0));
        }
        break;
    }
}

static void
unary(const DinoR1Adjoint *a)
{
    if (PARAMS->unary.func == DINOR1_UNARY_AFFINE)
        GIVE(0, dinor1_affine(a->graph, a->dy, PARAMS->unary.a, 0));
    else
        GIVE(0, OP(DINOR1_OP_UNARY_GRAD, PARAMS, IN(0), a->dy));
}

/* [..., N] -> [rows, N] */
static DinoR1Tensor *
as_rows(const DinoR1Adjoint *a, DinoR1Tensor *x)
{
    return x ? dinor1_reshape(a->graph, x, DINOR1_SHAPE(-1, dinor1_shape_dim(&x->shape, -1))) : NULL;
}

/* dy^T . x: the gradient of a weight [N, K] of x [..., K] and dy [..., N] */
static DinoR1Tensor *
weight_gradient(const DinoR1Adjoint *a, DinoR1Tensor *dy, DinoR1Tensor *x)
{
    return dinor1_matmul(a->graph, as_rows(a, dy), TRUE, as_rows(a, x), FALSE, 1, NULL, NULL);
}

/* dy [..., N] . weight [N, K]: the gradient of a layer's input */
static DinoR1Tensor *
input_gradient(const DinoR1Adjoint *a, DinoR1Tensor *dy, DinoR1Tensor *weight)
{
    DinoR1Shape shape;
    DinoR1Tensor *dx;

    if (!dy || !weight)
        return NULL;
    shape = dy->shape;
    shape.dims[shape.ndim - 1] = weight->shape.dims[1];
    dx = dinor1_matmul(a->graph, as_rows(a, dy), FALSE, weight, FALSE, 1, NULL, NULL);
    return dinor1_reshape(a->graph, dx, shape);
}

static DinoR1OpParams
activation_params(DinoR1Activation activation)
{
    const DinoR1UnaryFunc func = activation == DINOR1_ACT_GELU ? DINOR1_UNARY_GELU : DINOR1_UNARY_RELU;

    return (DinoR1OpParams){.unary = {func, 0, 0}};
}

/* The gradient before the activation, from the one after it; @before is what the activation saw. */
static DinoR1Tensor *
through_activation(const DinoR1Adjoint *a, DinoR1Activation activation, DinoR1Tensor *before, DinoR1Tensor *dy)
{
    const DinoR1OpParams params = activation_params(activation);

    return OP(DINOR1_OP_UNARY_GRAD, &params, before, dy);
}

static void
linear(const DinoR1Adjoint *a)
{
    const DinoR1Activation activation = PARAMS->linear.activation;
    DinoR1Tensor *dy = a->dy;

    GIVE(3, dy);
    if (activation == DINOR1_ACT_RELU && !IN(3)) {
        dy = through_activation(a, activation, OUT(0), dy); /* positive where what ReLU saw is */
    } else if (activation != DINOR1_ACT_NONE) {
        DinoR1Tensor *before = dinor1_linear(a->graph, IN(0), IN(1), IN(2), DINOR1_ACT_NONE, NULL);

        dy = through_activation(a, activation, before, dy);
    }
    if (WANTS(0))
        GIVE(0, input_gradient(a, dy, IN(1)));
    if (WANTS(1))
        GIVE(1, weight_gradient(a, dy, IN(0)));
    GIVE(2, as_rows(a, dy));
}

static void
mlp(const DinoR1Adjoint *a)
{
    const DinoR1Activation activation = PARAMS->linear.activation;
    /* ReLU's slope can be told from what it made, so that what it saw is not needed. */
    const gboolean in_one = activation != DINOR1_ACT_GELU;
    DinoR1Tensor *before = dinor1_linear(a->graph, IN(0), IN(1), IN(2), in_one ? activation : DINOR1_ACT_NONE, NULL);
    DinoR1Tensor *middle = in_one ? before : dinor1_unary(a->graph, DINOR1_UNARY_GELU, before);
    DinoR1Tensor *d = input_gradient(a, a->dy, IN(3));

    if (activation != DINOR1_ACT_NONE)
        d = through_activation(a, activation, before, d);
    GIVE(5, a->dy);
    if (WANTS(3))
        GIVE(3, weight_gradient(a, a->dy, middle));
    GIVE(4, as_rows(a, a->dy));
    if (WANTS(0))
        GIVE(0, input_gradient(a, d, IN(1)));
    if (WANTS(1))
        GIVE(1, weight_gradient(a, d, IN(0)));
    GIVE(2, as_rows(a, d));
}

static void
matmul(const DinoR1Adjoint *a)
{
    const gboolean ta = PARAMS->matmul.trans_a, tb = PARAMS->matmul.trans_b;
    const gfloat alpha = PARAMS->matmul.alpha;
    DinoR1Tensor *x = IN(0), *y = IN(1);

    if (WANTS(0))
        GIVE(0, ta ? dinor1_matmul(a->graph, y, tb, a->dy, TRUE, alpha, NULL, NULL)
                   : dinor1_matmul(a->graph, a->dy, FALSE, y, !tb, alpha, NULL, NULL));
    if (WANTS(1))
        GIVE(1, tb ? dinor1_matmul(a->graph, a->dy, TRUE, x, ta, alpha, NULL, NULL)
                   : dinor1_matmul(a->graph, x, !ta, a->dy, FALSE, alpha, NULL, NULL));
    GIVE(2, as_rows(a, a->dy));
    GIVE(3, a->dy);
}

static void
softmax(const DinoR1Adjoint *a)
{
    GIVE(0, OP(DINOR1_OP_SOFTMAX_GRAD, PARAMS, OUT(0), a->dy));
}

/* Gives the outputs of the adjoint op @first to the inputs in the order of @to. */
static void
give_all(const DinoR1Adjoint *a, DinoR1Tensor *first, const guint *to, guint n)
{
    for (guint i = 0; first && i < n; i++)
        GIVE(to[i], first->producer->outputs[i]);
}

static void
layer_norm(const DinoR1Adjoint *a)
{
    DinoR1Tensor *dx = OP(DINOR1_OP_LAYER_NORM_GRAD, PARAMS, IN(0), IN(1), a->dy, IN(3));

    give_all(a, dx, (const guint[]){0, 1, 2}, 3);
    GIVE(3, dx);
}

static void
group_norm(const DinoR1Adjoint *a)
{
    give_all(a, OP(DINOR1_OP_GROUP_NORM_GRAD, PARAMS, IN(0), IN(1), a->dy), (const guint[]){0, 1, 2}, 3);
}

static void
conv2d(const DinoR1Adjoint *a)
{
    give_all(a, OP(DINOR1_OP_CONV2D_GRAD, PARAMS, IN(0), IN(1), a->dy), (const guint[]){0, 1}, 2);
    GIVE(2, as_rows(a, a->dy));
}

static void
attention(const DinoR1Adjoint *a)
{
    give_all(a, OP(DINOR1_OP_ATTENTION_GRAD, PARAMS, IN(0), IN(1), IN(2), a->dy, IN(3)), (const guint[]){0, 1, 2}, 3);
}

static void
window_attention(const DinoR1Adjoint *a)
{
    give_all(a, OP(DINOR1_OP_WINDOW_ATTENTION_GRAD, PARAMS, IN(0), IN(1), IN(2), IN(3), a->dy, IN(4), IN(5)),
        (const guint[]){0, 1, 2, 3, 4, 5}, 6);
}

static void
deformable_attention(const DinoR1Adjoint *a)
{
    give_all(a, OP(DINOR1_OP_DEFORMABLE_ATTENTION_GRAD, PARAMS, IN(0), IN(1), IN(2), IN(3), a->dy),
        (const guint[]){0, 1, 2, 3}, 4);
}

static void
permute(const DinoR1Adjoint *a)
{
    gint inverse[DINOR1_MAX_DIMS];

    for (gint i = 0; i < a->dy->shape.ndim; i++)
        inverse[PARAMS->permute.perm[i]] = i;
    GIVE(0, dinor1_permute(a->graph, a->dy, inverse));
}

static void
cast(const DinoR1Adjoint *a)
{
    GIVE(0, dinor1_cast(a->graph, a->dy, IN(0)->dtype));
}

static void
slice(const DinoR1Adjoint *a)
{
    const DinoR1OpParams params = {.slice_grad = {PARAMS->slice.axis, PARAMS->slice.start,
                                       dinor1_shape_dim(&a->node->inputs[0]->shape, PARAMS->slice.axis)}};

    GIVE(0, OP(DINOR1_OP_SLICE_GRAD, &params, a->dy));
}

static void
concat(const DinoR1Adjoint *a)
{
    const gint axis = PARAMS->concat.axis;
    gint64 start = 0;

    for (guint k = 0; k < a->node->n_inputs; k++) {
        const gint64 length = dinor1_shape_dim(&a->node->inputs[k]->shape, axis);

        if (WANTS(k))
            GIVE(k, dinor1_slice(a->graph, a->dy, axis, start, length));
        start += length;
    }
}

static void
expand(const DinoR1Adjoint *a)
{
    GIVE(0, a->dy); /* give sums over what was broadcast */
}

static void
reduce(const DinoR1Adjoint *a)
{
    const DinoR1Shape *shape = &a->node->inputs[0]->shape;
    DinoR1Tensor *dy = a->dy;

    if (PARAMS->reduce.func == DINOR1_REDUCE_MAX) {
        GIVE(0, OP(DINOR1_OP_REDUCE_MAX_GRAD, PARAMS, IN(0), dy));
        return;
    }
    if (PARAMS->reduce.func == DINOR1_REDUCE_MEAN)
        dy = dinor1_affine(a->graph, dy, 1 / (gfloat)dinor1_shape_dim(shape, PARAMS->reduce.axis), 0);
    GIVE(0, dinor1_expand(a->graph, dy, *shape));
}

static void
gather(const DinoR1Adjoint *a)
{
    const DinoR1OpParams params = {.expand = {a->node->inputs[0]->shape}};

    GIVE(0, OP(DINOR1_OP_GATHER_GRAD, &params, a->dy, IN(1)));
}

static void
patch_merge(const DinoR1Adjoint *a)
{
    const DinoR1Shape *x = &a->node->inputs[0]->shape;
    const DinoR1OpParams params = {.patch = {x->dims[1], x->dims[2]}};

    GIVE(0, OP(DINOR1_OP_PATCH_SPLIT, &params, a->dy));
}

static void
sum_to(const DinoR1Adjoint *a)
{
    GIVE(0, dinor1_expand(a->graph, a->dy, a->node->inputs[0]->shape));
}

/* Targets are labels: no gradient. */
static void
focal(const DinoR1Adjoint *a)
{
    GIVE(0, OP(DINOR1_OP_FOCAL_GRAD, PARAMS, IN(0), IN(1), a->dy));
}

/* GIoU is symmetric; its adjoint gives the first box's gradient. */
static void
giou(const DinoR1Adjoint *a)
{
    if (WANTS(0))
        GIVE(0, OP(DINOR1_OP_GIOU_GRAD, PARAMS, IN(0), IN(1), a->dy));
    if (WANTS(1))
        GIVE(1, OP(DINOR1_OP_GIOU_GRAD, PARAMS, IN(1), IN(0), a->dy));
}

static const DinoR1AdjointFunc rules[DINOR1_N_OPS] = {
    [DINOR1_OP_BINARY] = binary,
    [DINOR1_OP_UNARY] = unary,
    [DINOR1_OP_LINEAR] = linear,
    [DINOR1_OP_MLP] = mlp,
    [DINOR1_OP_MATMUL] = matmul,
    [DINOR1_OP_SOFTMAX] = softmax,
    [DINOR1_OP_LAYER_NORM] = layer_norm,
    [DINOR1_OP_GROUP_NORM] = group_norm,
    [DINOR1_OP_CONV2D] = conv2d,
    [DINOR1_OP_ATTENTION] = attention,
    [DINOR1_OP_WINDOW_ATTENTION] = window_attention,
    [DINOR1_OP_DEFORMABLE_ATTENTION] = deformable_attention,
    [DINOR1_OP_PERMUTE] = permute,
    [DINOR1_OP_SLICE] = slice,
    [DINOR1_OP_CAST] = cast,
    [DINOR1_OP_CONCAT] = concat,
    [DINOR1_OP_EXPAND] = expand,
    [DINOR1_OP_REDUCE] = reduce,
    [DINOR1_OP_GATHER] = gather,
    [DINOR1_OP_PATCH_MERGE] = patch_merge,
    [DINOR1_OP_SUM_TO] = sum_to,
    [DINOR1_OP_FOCAL] = focal,
    [DINOR1_OP_GIOU] = giou,
};

DinoR1AdjointFunc
dinor1_adjoint_rule(DinoR1OpType op)
{
    return rules[op];
}
