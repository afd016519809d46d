/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/tensor.h"

G_BEGIN_DECLS

/* The op table: DINOR1_OPS(X) expands X(ENUM, name, min inputs, max inputs, outputs) per op.
 *
 * Inputs beyond the minimum are optional; an absent one has a view with data == NULL. Dimension letters:
 * B images, N/Nq/Nk rows of a sequence, K/M/N matrix sizes, C channels, H heads, d head size, L levels, P points.
 * All inputs and outputs are f32 unless it says i32. "..." is any number of leading dimensions. */
#define DINOR1_OPS(X)                                                                                                  \
    /* out = f(a, b): the smaller shape is broadcast, NumPy's rules. params.binary */                                  \
    X(BINARY, "binary", 2, 2, 1)                                                                                       \
    /* out = f(x). params.unary */                                                                                     \
    X(UNARY, "unary", 1, 1, 1)                                                                                         \
    /* x [..., K], weight [N, K], bias [N]?, residual [..., N]?: act(x . weight^T + bias) + residual. params.linear */ \
    X(LINEAR, "linear", 2, 4, 1)                                                                                       \
    /* x [..., K], w1 [F, K], b1 [F], w2 [N, F], b2 [N], residual [..., N]?:                                           \
     * act(x . w1^T + b1) . w2^T + b2 + residual, the F-wide middle never stored whole. params.linear */               \
    X(MLP, "mlp", 5, 6, 1)                                                                                             \
    /* a [..., M, K] or [..., K, M] if trans_a, b [..., K, N] or [..., N, K] if trans_b, bias [N]?,                    \
     * residual [..., M, N]?: alpha * (a . b) + bias + residual. Leading dimensions broadcast; the residual has the    \
     * output's shape. params.matmul */                                                                                \
    X(MATMUL, "matmul", 2, 4, 1)                                                                                       \
    /* x: softmax along params.softmax.axis (negative: from the end). A row whose maximum is -inf becomes all 0. */    \
    X(SOFTMAX, "softmax", 1, 1, 1)                                                                                     \
    /* x [..., C], gamma [C], beta [C], residual [..., C]?: LayerNorm(x + residual). params.norm.epsilon */            \
    X(LAYER_NORM, "layer_norm", 3, 4, 1)                                                                               \
    /* x [B, N, C] channels last, gamma [C], beta [C]: statistics over N and C/groups. params.norm */                  \
    X(GROUP_NORM, "group_norm", 3, 3, 1)                                                                               \
    /* x [B, H, W, Ci] channels last, weight [Co, Ci, kh, kw], bias [Co]?: [B, Ho, Wo, Co]. params.conv */             \
    X(CONV2D, "conv2d", 2, 3, 1)                                                                                       \
    /* q [B|1, Nq, H*d], k [B|1, Nk, H*d], v [B|1, Nk, H*e], mask [B|1, Nq|1, Nk]? added to the scores:                \
     * softmax(scale * q_h . k_h^T + mask) . v_h, [B, Nq, H*e]. A fully masked row gives 0. params.attention */        \
    X(ATTENTION, "attention", 3, 4, 1)                                                                                 \
    /* q, k, v [B, H, W, C] of the real positions, table [(2w-1)^2, heads], k_pad [C]?, v_pad [C]?: Swin's shifted     \
     * window attention, [B, H, W, C]. The map is padded at the bottom and right to whole windows; padded positions    \
     * take part as keys with k_pad and v_pad (0 if absent). params.window */                                          \
    X(WINDOW_ATTENTION, "window_attention", 4, 6, 1)                                                                   \
    /* value [B, N, H*d], reference [B|1, Q, L|1, 2 or 4], offsets [B, Q, H*L*P*2], weight logits [B, Q, H*L*P]:       \
     * multi-scale deformable attention, softmax of the logits over L*P inside, [B, Q, H*d]. params.deformable */      \
    X(DEFORMABLE_ATTENTION, "deformable_attention", 4, 4, 1)                                                           \
    /* x: out.dims[i] = x.dims[perm[i]]. params.permute */                                                             \
    X(PERMUTE, "permute", 1, 1, 1)                                                                                     \
    /* x: params.slice.length elements of params.slice.axis from params.slice.start */                                 \
    X(SLICE, "slice", 1, 1, 1)                                                                                         \
    /* 1 … 8 tensors alike but for params.concat.axis */                                                             \
    X(CONCAT, "concat", 1, 8, 1)                                                                                       \
    /* x broadcast to params.expand.shape */                                                                           \
    X(EXPAND, "expand", 1, 1, 1)                                                                                       \
    /* x: sum, mean or max along params.reduce.axis, kept as 1. params.reduce */                                       \
    X(REDUCE, "reduce", 1, 1, 1)                                                                                       \
    /* x [B, N]: i32 [B, k], indices of the k largest by falling value, ties by rising index; NaN counts as -inf.      \
     * params.topk */                                                                                                  \
    X(TOPK, "topk", 1, 1, 1)                                                                                           \
    /* x [N, D] or [B, N, D], indices i32 [..., k] or [B, k]: rows of x, [..., k, D] or [B, k, D]. An index outside    \
     * is clamped. */                                                                                                  \
    X(GATHER, "gather", 2, 2, 1)                                                                                       \
    /* x [..., n]: [..., n * features]: for each coordinate t, element 2i is sin(t * scale / T^(2i/features)), element \
     * 2i+1 the cosine of the same angle (get_sine_pos_embed). params.sine */                                          \
    X(SINE_EMBED, "sine_embed", 1, 1, 1)                                                                               \
    /* x [B, H, W, C]: [B, ceil(H/2), ceil(W/2), 4C], per output pixel the inputs (0,0) (1,0) (0,1) (1,1) as           \
     * (row, column), zeros outside (SwinPatchMerging before its norm) */                                              \
    X(PATCH_MERGE, "patch_merge", 1, 1, 1)

typedef enum {
#define DINOR1_OP_ENUM(op, name, min_in, max_in, n_out) DINOR1_OP_##op,
    DINOR1_OPS(DINOR1_OP_ENUM)
#undef DINOR1_OP_ENUM
        DINOR1_N_OPS
} DinoR1OpType;

#define DINOR1_MAX_INPUTS  8
#define DINOR1_MAX_OUTPUTS 4
#define DINOR1_MAX_LEVELS  8

typedef enum { DINOR1_BINARY_ADD, DINOR1_BINARY_SUB, DINOR1_BINARY_MUL, DINOR1_BINARY_DIV } DinoR1BinaryFunc;

typedef enum {
    DINOR1_UNARY_AFFINE, /* a * x + b */
    DINOR1_UNARY_RELU,
    DINOR1_UNARY_GELU, /* x/2 * (1 + erf(x / sqrt 2)) */
    DINOR1_UNARY_SIGMOID,
    DINOR1_UNARY_TANH,
    DINOR1_UNARY_EXP,
    DINOR1_UNARY_LOG,
    DINOR1_UNARY_LOGIT, /* log(y / (1 - y)), y = x clamped to [a, 1 - a] (torch.special.logit) */
    DINOR1_UNARY_CLAMP, /* min(max(x, a), b) */
    DINOR1_N_UNARY
} DinoR1UnaryFunc;

typedef enum { DINOR1_ACT_NONE, DINOR1_ACT_RELU, DINOR1_ACT_GELU } DinoR1Activation;
typedef enum { DINOR1_REDUCE_SUM, DINOR1_REDUCE_MEAN, DINOR1_REDUCE_MAX } DinoR1ReduceFunc;

typedef union {
    struct {
        DinoR1BinaryFunc func;
    } binary;
    struct {
        DinoR1UnaryFunc func;
        gfloat a, b;
    } unary;
    struct {
        DinoR1Activation activation;
    } linear; /* LINEAR, MLP */
    struct {
        gboolean trans_a, trans_b;
        gfloat alpha;
    } matmul;
    struct {
        gint axis;
    } softmax, concat;
    struct {
        gfloat epsilon;
        gint groups; /* GROUP_NORM */
    } norm;
    struct {
        gint stride;
        gint pad_top, pad_left, pad_bottom, pad_right;
    } conv;
    struct {
        gint heads;
        gfloat scale;
    } attention;
    struct {
        gint heads, window, shift; /* scale is 1/sqrt(C/heads) */
    } window;
    struct {
        gint heads, n_levels, n_points;
        gint heights[DINOR1_MAX_LEVELS], widths[DINOR1_MAX_LEVELS];
    } deformable;
    struct {
        gint perm[DINOR1_MAX_DIMS];
    } permute;
    struct {
        gint axis;
        gint64 start, length;
    } slice;
    struct {
        DinoR1Shape shape;
    } expand;
    struct {
        DinoR1ReduceFunc func;
        gint axis;
    } reduce;
    struct {
        gint64 k;
    } topk;
    struct {
        gint features; /* even */
        gfloat temperature, scale;
    } sine;
} DinoR1OpParams;

/* Names for people and tests. */
const gchar *dinor1_op_name(DinoR1OpType op);
void dinor1_op_n_inputs(DinoR1OpType op, guint *min_inputs, guint *max_inputs);
guint dinor1_op_n_outputs(DinoR1OpType op);

/**
 * dinor1_op_infer:
 * @inputs: DINOR1_MAX_INPUTS shapes; @present says which of them are there
 * @outputs: (out): DINOR1_MAX_OUTPUTS shapes and types
 *
 * The shape rule of an op.
 *
 * Returns: NULL, or (transfer full) why these shapes do not fit.
 */
gchar *dinor1_op_infer(DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs, const gboolean *present,
    DinoR1View *outputs);

/* Multiply-accumulates of one execution, for reports; 0 for ops that only move data. */
gdouble dinor1_op_macs(
    DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs, const DinoR1View *outputs);

G_END_DECLS
