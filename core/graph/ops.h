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
 * All inputs and outputs are f32 unless it says i32, u8 or f64, or one type that may be a half one:
 * dinor1_op_input_type(). "..." is any number of leading dimensions. */
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
    X(PATCH_MERGE, "patch_merge", 1, 1, 1)                                                                             \
    /* frame u8 [n], geometry i32 [16], colour [5, 4], columns i32 [Wo], weights [Wo, Kx], rows i32 [Ho], weights      \
     * [Ho, Ky]: the picture in the frame converted, resized and normalised, [1, Ho, Wo, 3] (graph/frame.h) */         \
    X(PREPROCESS, "preprocess", 7, 7, 1)                                                                               \
    /* x: its numbers as params.cast.dtype, rounded to nearest, ties to even */                                        \
    X(CAST, "cast", 1, 1, 1)                                                                                           \
    /* --- The adjoints that training needs; dy is the gradient of an op's output. --- */                              \
    /* dy: summed over the dimensions along which params.expand.shape was broadcast to dy's shape */                   \
    X(SUM_TO, "sum_to", 1, 1, 1)                                                                                       \
    /* x, dy of one shape: dy * f'(x); at a kink the derivative is PyTorch's (0 for relu and abs at 0, 1 at the edges  \
     * of a clamp, 0 outside the interval of a logit). params.unary */                                                 \
    X(UNARY_GRAD, "unary_grad", 2, 2, 1)                                                                               \
    /* y (the softmax), dy: y * (dy - sum(y * dy)) along params.softmax.axis */                                        \
    X(SOFTMAX_GRAD, "softmax_grad", 2, 2, 1)                                                                           \
    /* x [..., C], gamma [C], dy [..., C], residual [..., C]?: dx [..., C] (also the residual's gradient), dgamma [C], \
     * dbeta [C]. params.norm */                                                                                       \
    X(LAYER_NORM_GRAD, "layer_norm_grad", 3, 4, 3)                                                                     \
    /* x [B, N, C], gamma [C], dy [B, N, C]: dx, dgamma [C], dbeta [C]. params.norm */                                 \
    X(GROUP_NORM_GRAD, "group_norm_grad", 3, 3, 3)                                                                     \
    /* x [B, H, W, Ci], weight [Co, Ci, kh, kw], dy [B, Ho, Wo, Co]: dx, dweight. params.conv */                       \
    X(CONV2D_GRAD, "conv2d_grad", 3, 3, 2)                                                                             \
    /* q, k, v, dy [B, Nq, H*e], mask?: dq, dk, dv in the shapes of q, k and v (a batch of 1 sums over B).             \
     * params.attention */                                                                                             \
    X(ATTENTION_GRAD, "attention_grad", 4, 5, 3)                                                                       \
    /* q, k, v, table, dy [B, H, W, C], k_pad?, v_pad?: dq, dk, dv, dtable, dk_pad [C], dv_pad [C] (the last two are   \
     * there without k_pad and v_pad too: the gradient of zeros). params.window */                                     \
    X(WINDOW_ATTENTION_GRAD, "window_attention_grad", 5, 7, 6)                                                         \
    /* value, reference, offsets, logits, dy [B, Q, H*d]: dvalue, dreference, doffsets, dlogits in their inputs'       \
     * shapes. params.deformable */                                                                                    \
    X(DEFORMABLE_ATTENTION_GRAD, "deformable_attention_grad", 5, 5, 4)                                                 \
    /* dy: zeros of params.slice_grad.size along the axis, with dy from start on */                                    \
    X(SLICE_GRAD, "slice_grad", 1, 1, 1)                                                                               \
    /* dy, indices: zeros of params.expand.shape ([N, D] or [B, N, D]) to which the rows of dy are added */            \
    X(GATHER_GRAD, "gather_grad", 2, 2, 1)                                                                             \
    /* x, dy (1 along params.reduce.axis): dy at the first of the largest elements of x, 0 elsewhere. params.reduce */ \
    X(REDUCE_MAX_GRAD, "reduce_max_grad", 2, 2, 1)                                                                     \
    /* dy [B, ceil(H/2), ceil(W/2), 4C]: [B, H, W, C], the adjoint of patch_merge. params.patch */                     \
    X(PATCH_SPLIT, "patch_split", 1, 1, 1)                                                                             \
    /* --- Losses. --- */                                                                                              \
    /* logits, targets in 0 ... 1 of one shape: sigmoid focal loss per element,                                        \
     * alpha_t * |t - p|^gamma * BCE(p, t) with alpha_t = alpha t + (1 - alpha)(1 - t). params.focal */                \
    X(FOCAL, "focal", 2, 2, 1)                                                                                         \
    /* logits, targets, dy: the gradient of the logits. params.focal */                                                \
    X(FOCAL_GRAD, "focal_grad", 3, 3, 1)                                                                               \
    /* a, b [..., 4] as (cx, cy, w, h), leading dimensions broadcast: generalised IoU of the corner boxes, [..., 1] */ \
    X(GIOU, "giou", 2, 2, 1)                                                                                           \
    /* a, b, dy [..., 1]: the gradient of a in a's shape (summed where a was broadcast) */                             \
    X(GIOU_GRAD, "giou_grad", 3, 3, 1)                                                                                 \
    /* --- What the optimiser needs, without a graph: an output may be the memory of the input in its place. --- */    \
    /* x of n elements: f64 [ceil(n / DINOR1_SUM_BLOCK)], the sum of the squares of each block of so many */           \
    X(SUM_SQUARES, "sum_squares", 1, 1, 1)                                                                             \
    /* x, y of one shape: a * x + b * y. params.blend */                                                               \
    X(BLEND, "blend", 2, 2, 1)                                                                                         \
    /* p, m, v, g of one shape: p, m and v after a step along the gradient g (torch.optim.AdamW), which is g * scale:  \
     * m + (1 - beta1) (g - m), v + (1 - beta2) (g^2 - v), then p * keep - step * m / (sqrt(v) * root + epsilon).      \
     * params.adamw */                                                                                                 \
    X(ADAMW, "adamw", 4, 4, 3)

typedef enum {
#define DINOR1_OP_ENUM(op, name, min_in, max_in, n_out) DINOR1_OP_##op,
    DINOR1_OPS(DINOR1_OP_ENUM)
#undef DINOR1_OP_ENUM
        DINOR1_N_OPS
} DinoR1OpType;

#define DINOR1_MAX_INPUTS  8
#define DINOR1_MAX_OUTPUTS 8
#define DINOR1_MAX_LEVELS  8
#define DINOR1_SUM_BLOCK   16384

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
    DINOR1_UNARY_ABS,
    DINOR1_UNARY_SQRT,
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
        DinoR1DType dtype; /* of the output: the factors' type, or f32 */
    } linear;              /* LINEAR, MLP */
    struct {
        gboolean trans_a, trans_b;
        gfloat alpha;
        DinoR1DType dtype; /* as above */
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
    } expand; /* EXPAND, SUM_TO, GATHER_GRAD */
    struct {
        DinoR1ReduceFunc func;
        gint axis;
    } reduce;
    struct {
        gint64 k;
    } topk;
    struct {
        gint axis;
        gint64 start, size;
    } slice_grad;
    struct {
        gint64 height, width;
    } patch;
    struct {
        gfloat alpha, gamma;
    } focal;
    struct {
        gint features; /* even */
        gfloat temperature, scale;
    } sine;
    struct {
        DinoR1DType dtype;
    } cast;
    struct {
        gfloat a, b;
    } blend;
    struct {
        gfloat scale; /* what clipping leaves of the gradient */
        gfloat beta1, beta2, epsilon;
        gfloat keep; /* what weight decay leaves of p */
        gfloat step; /* learning rate / (1 - beta1^t) */
        gfloat root; /* 1 / sqrt(1 - beta2^t) */
    } adamw;
} DinoR1OpParams;

/* Names for people and tests. */
const gchar *dinor1_op_name(DinoR1OpType op);
void dinor1_op_n_inputs(DinoR1OpType op, guint *min_inputs, guint *max_inputs);
guint dinor1_op_n_outputs(DinoR1OpType op);

/* The type of an input. */
typedef enum {
    DINOR1_INPUT_OWN,    /* what the op computes with: f32 or, where it can, a half type */
    DINOR1_INPUT_OUTPUT, /* the output's */
    DINOR1_INPUT_F32,    /* f32 whatever the op computes with */
    DINOR1_INPUT_I32,
    DINOR1_INPUT_U8,
} DinoR1InputType;

DinoR1InputType dinor1_op_input_type(DinoR1OpType op, guint index);
/* Whether the op can compute with half types: they are how its tensors are stored, its arithmetic is float. */
gboolean dinor1_op_has_half(DinoR1OpType op);
/* Whether it is a product, whose output can be f32 when its factors are of a half type. */
gboolean dinor1_op_is_product(DinoR1OpType op);
/* The type of a product's output: where @params say it. */
DinoR1DType *dinor1_op_product_type(DinoR1OpType op, DinoR1OpParams *params);

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
