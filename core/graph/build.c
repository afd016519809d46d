/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ops in words: each packs its parameters and inputs for dinor1_graph_op().
 */
#include "graph/graph.h"

#define OP(graph, op, params, ...)                                                                                     \
    dinor1_graph_op(graph, op, params, (DinoR1Tensor *[]){__VA_ARGS__},                                                \
        sizeof((DinoR1Tensor *[]){__VA_ARGS__}) / sizeof(DinoR1Tensor *))

DinoR1Tensor *
dinor1_binary(DinoR1Graph *graph, DinoR1BinaryFunc func, DinoR1Tensor *a, DinoR1Tensor *b)
{
    return OP(graph, DINOR1_OP_BINARY, (&(DinoR1OpParams){.binary = {func}}), a, b);
}

DinoR1Tensor *
dinor1_add(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b)
{
    return dinor1_binary(graph, DINOR1_BINARY_ADD, a, b);
}

DinoR1Tensor *
dinor1_mul(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b)
{
    return dinor1_binary(graph, DINOR1_BINARY_MUL, a, b);
}

DinoR1Tensor *
dinor1_unary(DinoR1Graph *graph, DinoR1UnaryFunc func, DinoR1Tensor *x)
{
    return OP(graph, DINOR1_OP_UNARY, (&(DinoR1OpParams){.unary = {func, 0, 0}}), x);
}

DinoR1Tensor *
dinor1_affine(DinoR1Graph *graph, DinoR1Tensor *x, gfloat scale, gfloat shift)
{
    return OP(graph, DINOR1_OP_UNARY, (&(DinoR1OpParams){.unary = {DINOR1_UNARY_AFFINE, scale, shift}}), x);
}

DinoR1Tensor *
dinor1_logit(DinoR1Graph *graph, DinoR1Tensor *x, gfloat epsilon)
{
    return OP(graph, DINOR1_OP_UNARY, (&(DinoR1OpParams){.unary = {DINOR1_UNARY_LOGIT, epsilon, 0}}), x);
}

DinoR1Tensor *
dinor1_linear(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *weight, DinoR1Tensor *bias,
    DinoR1Activation activation, DinoR1Tensor *residual)
{
    return OP(
        graph, DINOR1_OP_LINEAR, (&(DinoR1OpParams){.linear = {activation, DINOR1_F32}}), x, weight, bias, residual);
}

DinoR1Tensor *
dinor1_mlp(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *w1, DinoR1Tensor *b1, DinoR1Tensor *w2, DinoR1Tensor *b2,
    DinoR1Activation activation, DinoR1Tensor *residual)
{
    return OP(
        graph, DINOR1_OP_MLP, (&(DinoR1OpParams){.linear = {activation, DINOR1_F32}}), x, w1, b1, w2, b2, residual);
}

DinoR1Tensor *
dinor1_matmul(DinoR1Graph *graph, DinoR1Tensor *a, gboolean trans_a, DinoR1Tensor *b, gboolean trans_b, gfloat alpha,
    DinoR1Tensor *bias, DinoR1Tensor *residual)
{
    return OP(graph, DINOR1_OP_MATMUL, (&(DinoR1OpParams){.matmul = {trans_a, trans_b, alpha, DINOR1_F32}}), a, b, bias,
        residual);
}

DinoR1Tensor *
dinor1_softmax(DinoR1Graph *graph, DinoR1Tensor *x, gint axis)
{
    return OP(graph, DINOR1_OP_SOFTMAX, (&(DinoR1OpParams){.softmax = {axis}}), x);
}

DinoR1Tensor *
dinor1_layer_norm(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *gamma, DinoR1Tensor *beta, gfloat epsilon,
    DinoR1Tensor *residual)
{
    return OP(graph, DINOR1_OP_LAYER_NORM, (&(DinoR1OpParams){.norm = {epsilon, 1}}), x, gamma, beta, residual);
}

DinoR1Tensor *
dinor1_group_norm(
    DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *gamma, DinoR1Tensor *beta, gint groups, gfloat epsilon)
{
    return OP(graph, DINOR1_OP_GROUP_NORM, (&(DinoR1OpParams){.norm = {epsilon, groups}}), x, gamma, beta);
}

DinoR1Tensor *
dinor1_conv2d(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *weight, DinoR1Tensor *bias, gint stride, gint pad_top,
    gint pad_left, gint pad_bottom, gint pad_right)
{
    const DinoR1OpParams params = {.conv = {stride, pad_top, pad_left, pad_bottom, pad_right}};

    return OP(graph, DINOR1_OP_CONV2D, &params, x, weight, bias);
}

DinoR1Tensor *
dinor1_attention(
    DinoR1Graph *graph, DinoR1Tensor *q, DinoR1Tensor *k, DinoR1Tensor *v, DinoR1Tensor *mask, gint heads, gfloat scale)
{
    return OP(graph, DINOR1_OP_ATTENTION, (&(DinoR1OpParams){.attention = {heads, scale}}), q, k, v, mask);
}

DinoR1Tensor *
dinor1_window_attention(DinoR1Graph *graph, DinoR1Tensor *q, DinoR1Tensor *k, DinoR1Tensor *v, DinoR1Tensor *table,
    DinoR1Tensor *k_pad, DinoR1Tensor *v_pad, gint heads, gint window, gint shift)
{
    const DinoR1OpParams params = {.window = {heads, window, shift}};

    return OP(graph, DINOR1_OP_WINDOW_ATTENTION, &params, q, k, v, table, k_pad, v_pad);
}

DinoR1Tensor *
dinor1_deformable_attention(DinoR1Graph *graph, DinoR1Tensor *value, DinoR1Tensor *reference, DinoR1Tensor *offsets,
    DinoR1Tensor *logits, gint heads, gint n_points, gint n_levels, const gint *heights, const gint *widths)
{
    DinoR1OpParams params = {.deformable = {.heads = heads, .n_levels = n_levels, .n_points = n_points}};

    for (gint i = 0; i < MIN(n_levels, DINOR1_MAX_LEVELS); i++) {
        params.deformable.heights[i] = heights[i];
        params.deformable.widths[i] = widths[i];
    }
    return OP(graph, DINOR1_OP_DEFORMABLE_ATTENTION, &params, value, reference, offsets, logits);
}

DinoR1Tensor *
dinor1_permute(DinoR1Graph *graph, DinoR1Tensor *x, const gint *perm)
{
    DinoR1OpParams params = {0};

    for (gint i = 0; x && i < x->shape.ndim; i++)
        params.permute.perm[i] = perm[i];
    return OP(graph, DINOR1_OP_PERMUTE, &params, x);
}

DinoR1Tensor *
dinor1_slice(DinoR1Graph *graph, DinoR1Tensor *x, gint axis, gint64 start, gint64 length)
{
    return OP(graph, DINOR1_OP_SLICE, (&(DinoR1OpParams){.slice = {axis, start, length}}), x);
}

DinoR1Tensor *
dinor1_concat(DinoR1Graph *graph, DinoR1Tensor *const *inputs, guint n_inputs, gint axis)
{
    if (n_inputs == 1)
        return inputs[0];
    return dinor1_graph_op(graph, DINOR1_OP_CONCAT, &(DinoR1OpParams){.concat = {axis}}, inputs, n_inputs);
}

DinoR1Tensor *
dinor1_expand(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape)
{
    return OP(graph, DINOR1_OP_EXPAND, (&(DinoR1OpParams){.expand = {shape}}), x);
}

DinoR1Tensor *
dinor1_reduce(DinoR1Graph *graph, DinoR1ReduceFunc func, DinoR1Tensor *x, gint axis)
{
    return OP(graph, DINOR1_OP_REDUCE, (&(DinoR1OpParams){.reduce = {func, axis}}), x);
}

DinoR1Tensor *
dinor1_topk(DinoR1Graph *graph, DinoR1Tensor *x, gint64 k)
{
    return OP(graph, DINOR1_OP_TOPK, (&(DinoR1OpParams){.topk = {k}}), x);
}

DinoR1Tensor *
dinor1_gather(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *indices)
{
    return OP(graph, DINOR1_OP_GATHER, (&(DinoR1OpParams){0}), x, indices);
}

DinoR1Tensor *
dinor1_sine_embed(DinoR1Graph *graph, DinoR1Tensor *x, gint features, gfloat temperature, gfloat scale)
{
    return OP(graph, DINOR1_OP_SINE_EMBED, (&(DinoR1OpParams){.sine = {features, temperature, scale}}), x);
}

DinoR1Tensor *
dinor1_preprocess(DinoR1Graph *graph, const DinoR1FrameTensors *frame)
{
    return OP(graph, DINOR1_OP_PREPROCESS, (&(DinoR1OpParams){0}), frame->bytes, frame->geometry, frame->colour,
        frame->columns, frame->column_weights, frame->rows, frame->row_weights);
}

DinoR1Tensor *
dinor1_patch_merge(DinoR1Graph *graph, DinoR1Tensor *x)
{
    return OP(graph, DINOR1_OP_PATCH_MERGE, (&(DinoR1OpParams){0}), x);
}

DinoR1Tensor *
dinor1_sum_to(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape)
{
    if (x && dinor1_shape_equal(&x->shape, &shape))
        return x;
    return OP(graph, DINOR1_OP_SUM_TO, (&(DinoR1OpParams){.expand = {shape}}), x);
}

DinoR1Tensor *
dinor1_focal(DinoR1Graph *graph, DinoR1Tensor *logits, DinoR1Tensor *targets, gfloat alpha, gfloat gamma)
{
    return OP(graph, DINOR1_OP_FOCAL, (&(DinoR1OpParams){.focal = {alpha, gamma}}), logits, targets);
}

DinoR1Tensor *
dinor1_giou(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b)
{
    return OP(graph, DINOR1_OP_GIOU, (&(DinoR1OpParams){0}), a, b);
}

DinoR1Tensor *
dinor1_cast(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1DType dtype)
{
    return OP(graph, DINOR1_OP_CAST, (&(DinoR1OpParams){.cast = {dtype}}), x);
}
