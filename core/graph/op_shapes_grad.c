/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shape rules of the adjoints, the losses and the optimiser's ops.
 */
#include "graph/op_shapes.h"

/* Whether the shape of input @dy is what @op makes of the inputs @forward (their positions among this op's inputs, -1 =
 * absent). */
static gboolean
is_output_of(const DinoR1ShapeRule *r, DinoR1OpType op, const gint *forward, guint n_forward, gint dy)
{
    DinoR1View inputs[DINOR1_MAX_INPUTS] = {0}, outputs[DINOR1_MAX_OUTPUTS];
    gboolean present[DINOR1_MAX_INPUTS] = {0};
    g_autofree gchar *why = NULL;

    for (guint i = 0; i < n_forward; i++) {
        if (forward[i] < 0 || !r->has[forward[i]])
            continue;
        inputs[i] = r->x[forward[i]];
        present[i] = TRUE;
    }
    why = dinor1_op_infer(op, r->params, inputs, present, outputs);
    return !why && dinor1_shape_equal(&outputs[0].shape, &r->x[dy].shape);
}

/* An adjoint whose outputs have the shapes of the inputs @forward; @dy has the forward op's output shape. */
static gchar *
adjoint(const DinoR1ShapeRule *r, DinoR1OpType op, const gint *forward, guint n_forward, gint dy)
{
    if (!is_output_of(r, op, forward, n_forward, dy))
        return dinor1_shape_wrong("dy is not what %s makes of the other inputs", dinor1_op_name(op));
    return NULL;
}

static gchar *
sum_to(const DinoR1ShapeRule *r)
{
    const DinoR1Shape *to = &r->params->expand.shape, *dy = &r->x[0].shape;
    DinoR1Shape both;

    if (!dinor1_shape_broadcast(to, to->ndim, dy, dy->ndim, &both) || !dinor1_shape_equal(&both, dy))
        return dinor1_shape_wrong("dy is no broadcast of the target");
    r->out->shape = *to;
    return NULL;
}

static gchar *
two_alike(const DinoR1ShapeRule *r)
{
    if (!dinor1_shape_equal(&r->x[0].shape, &r->x[1].shape))
        return dinor1_shape_wrong("the inputs differ in shape");
    r->out->shape = r->x[0].shape;
    return NULL;
}

static gchar *
three_alike(const DinoR1ShapeRule *r)
{
    if (!dinor1_shape_equal(&r->x[0].shape, &r->x[2].shape))
        return dinor1_shape_wrong("the inputs differ in shape");
    return two_alike(r);
}

static gchar *
layer_norm_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1, 1, 3};

    r->out[0].shape = r->x[0].shape;
    r->out[1].shape = r->out[2].shape = r->x[1].shape;
    return adjoint(r, DINOR1_OP_LAYER_NORM, forward, 4, 2);
}

static gchar *
group_norm_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1, 1};

    r->out[0].shape = r->x[0].shape;
    r->out[1].shape = r->out[2].shape = r->x[1].shape;
    return adjoint(r, DINOR1_OP_GROUP_NORM, forward, 3, 2);
}

static gchar *
conv2d_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1};

    r->out[0].shape = r->x[0].shape;
    r->out[1].shape = r->x[1].shape;
    return adjoint(r, DINOR1_OP_CONV2D, forward, 2, 2);
}

static gchar *
attention_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1, 2, 4};

    for (gint i = 0; i < 3; i++)
        r->out[i].shape = r->x[i].shape;
    return adjoint(r, DINOR1_OP_ATTENTION, forward, 4, 3);
}

static gchar *
window_attention_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1, 2, 3, 5, 6};

    for (gint i = 0; i < 4; i++)
        r->out[i].shape = r->x[i].shape;
    r->out[4].shape = r->out[5].shape = DINOR1_SHAPE(dinor1_shape_dim(&r->x[0].shape, -1));
    return adjoint(r, DINOR1_OP_WINDOW_ATTENTION, forward, 6, 4);
}

static gchar *
deformable_attention_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1, 2, 3};

    for (gint i = 0; i < 4; i++)
        r->out[i].shape = r->x[i].shape;
    return adjoint(r, DINOR1_OP_DEFORMABLE_ATTENTION, forward, 4, 4);
}

static gchar *
slice_grad(const DinoR1ShapeRule *r)
{
    const DinoR1Shape *dy = &r->x[0].shape;
    const gint axis =
        r->params->slice_grad.axis < 0 ? r->params->slice_grad.axis + dy->ndim : r->params->slice_grad.axis;

    if (axis < 0 || axis >= dy->ndim)
        return dinor1_shape_wrong("no axis %d", r->params->slice_grad.axis);
    if (r->params->slice_grad.start < 0 || r->params->slice_grad.start > r->params->slice_grad.size - dy->dims[axis])
        return dinor1_shape_wrong("dy lies outside");
    r->out->shape = *dy;
    r->out->shape.dims[axis] = r->params->slice_grad.size;
    return NULL;
}

static gchar *
gather_grad(const DinoR1ShapeRule *r)
{
    const DinoR1View x = {DINOR1_F32, r->params->expand.shape, NULL};
    const DinoR1View inputs[DINOR1_MAX_INPUTS] = {x, r->x[1]};
    const gboolean present[DINOR1_MAX_INPUTS] = {TRUE, TRUE};
    DinoR1View outputs[DINOR1_MAX_OUTPUTS];
    gchar *why = dinor1_op_infer(DINOR1_OP_GATHER, r->params, inputs, present, outputs);

    if (why)
        return why;
    if (!dinor1_shape_equal(&outputs[0].shape, &r->x[0].shape))
        return dinor1_shape_wrong("dy is not what gather makes of the target and the indices");
    r->out->shape = x.shape;
    return NULL;
}

static gchar *
reduce_max_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0};

    r->out->shape = r->x[0].shape;
    return adjoint(r, DINOR1_OP_REDUCE, forward, 1, 1);
}

static gchar *
patch_split(const DinoR1ShapeRule *r)
{
    const DinoR1Shape *dy = &r->x[0].shape;
    const gint64 height = r->params->patch.height, width = r->params->patch.width;

    if (dy->ndim != 4 || dy->dims[3] % 4 || dy->dims[1] != (height + 1) / 2 || dy->dims[2] != (width + 1) / 2)
        return dinor1_shape_wrong("dy is not [B, ceil(H/2), ceil(W/2), 4C]");
    r->out->shape = DINOR1_SHAPE(dy->dims[0], height, width, dy->dims[3] / 4);
    return NULL;
}

static gchar *
giou(const DinoR1ShapeRule *r)
{
    const DinoR1Shape *a = &r->x[0].shape, *b = &r->x[1].shape;

    if (a->ndim < 1 || b->ndim < 1 || dinor1_shape_dim(a, -1) != 4 || dinor1_shape_dim(b, -1) != 4 ||
        !dinor1_shape_broadcast(a, a->ndim - 1, b, b->ndim - 1, &r->out->shape))
        return dinor1_shape_wrong("a and b are not [..., 4] with leading dimensions that broadcast");
    r->out->shape.dims[r->out->shape.ndim++] = 1;
    return NULL;
}

static gchar *
giou_grad(const DinoR1ShapeRule *r)
{
    const gint forward[] = {0, 1};

    r->out->shape = r->x[0].shape;
    return adjoint(r, DINOR1_OP_GIOU, forward, 2, 2);
}

static gchar *
sum_squares(const DinoR1ShapeRule *r)
{
    const gint64 n = dinor1_shape_size(&r->x[0].shape);

    r->out->dtype = DINOR1_F64;
    r->out->shape = DINOR1_SHAPE((n + DINOR1_SUM_BLOCK - 1) / DINOR1_SUM_BLOCK);
    return NULL;
}

static gchar *
adamw(const DinoR1ShapeRule *r)
{
    for (gint i = 0; i < 4; i++)
        if (!dinor1_shape_equal(&r->x[0].shape, &r->x[i].shape))
            return dinor1_shape_wrong("the inputs differ in shape");
    for (gint i = 0; i < 3; i++)
        r->out[i].shape = r->x[0].shape;
    return NULL;
}

static const DinoR1ShapeRuleFunc rules[DINOR1_N_OPS] = {
    [DINOR1_OP_SUM_TO] = sum_to,
    [DINOR1_OP_UNARY_GRAD] = two_alike,
    [DINOR1_OP_SOFTMAX_GRAD] = two_alike,
    [DINOR1_OP_LAYER_NORM_GRAD] = layer_norm_grad,
    [DINOR1_OP_GROUP_NORM_GRAD] = group_norm_grad,
    [DINOR1_OP_CONV2D_GRAD] = conv2d_grad,
    [DINOR1_OP_ATTENTION_GRAD] = attention_grad,
    [DINOR1_OP_WINDOW_ATTENTION_GRAD] = window_attention_grad,
    [DINOR1_OP_DEFORMABLE_ATTENTION_GRAD] = deformable_attention_grad,
    [DINOR1_OP_SLICE_GRAD] = slice_grad,
    [DINOR1_OP_GATHER_GRAD] = gather_grad,
    [DINOR1_OP_REDUCE_MAX_GRAD] = reduce_max_grad,
    [DINOR1_OP_PATCH_SPLIT] = patch_split,
    [DINOR1_OP_FOCAL] = two_alike,
    [DINOR1_OP_FOCAL_GRAD] = three_alike,
    [DINOR1_OP_GIOU] = giou,
    [DINOR1_OP_GIOU_GRAD] = giou_grad,
    [DINOR1_OP_SUM_SQUARES] = sum_squares,
    [DINOR1_OP_BLEND] = two_alike,
    [DINOR1_OP_ADAMW] = adamw,
};

DinoR1ShapeRuleFunc
dinor1_shape_rule_grad(DinoR1OpType op)
{
    return rules[op];
}
