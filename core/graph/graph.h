/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/ops.h"

G_BEGIN_DECLS

/**
 * DinoR1Graph:
 *
 * A static graph of ops for one set of input shapes. Model code appends ops; order of appending is order of execution.
 *
 * Errors are sticky: an op whose shapes do not fit, or a weight that is missing, records the first error and returns
 * NULL, and every op given a NULL returns NULL. Model code therefore checks nothing; the caller asks
 * dinor1_graph_check() once at the end.
 */
typedef struct _DinoR1Graph DinoR1Graph;
typedef struct _DinoR1Node DinoR1Node;
typedef struct _DinoR1Tensor DinoR1Tensor;

typedef enum {
    DINOR1_TENSOR_INPUT,    /* filled by the caller before each run */
    DINOR1_TENSOR_CONSTANT, /* weights and tables: host data that never changes while the graph lives */
    DINOR1_TENSOR_RESULT,   /* output of a node */
    DINOR1_TENSOR_ALIAS,    /* another shape of base's memory */
} DinoR1TensorKind;

struct _DinoR1Tensor {
    DinoR1TensorKind kind;
    DinoR1DType dtype;
    DinoR1Shape shape;
    guint id;
    const gchar *name;  /* inputs, weights, outputs; else NULL */
    gconstpointer data; /* CONSTANT: host memory; f32 for half types too, which are rounded on their way to a device */
    DinoR1Tensor *base; /* ALIAS: never itself an alias */
    DinoR1Node *producer; /* RESULT */
    DinoR1Tensor *source; /* INPUT: the result that it takes over from (dinor1_graph_exchange()), else NULL */
    gboolean detached;    /* ALIAS: no gradient flows through it */
    gboolean variable;    /* CONSTANT: its copy on the backend changes between runs (a weight in training) */
};

/* The tensor whose memory @tensor is another shape of: itself unless an alias. */
static inline DinoR1Tensor *
dinor1_tensor_root(const DinoR1Tensor *tensor)
{
    return tensor->base ? tensor->base : (DinoR1Tensor *)tensor;
}

struct _DinoR1Node {
    DinoR1OpType op;
    DinoR1OpParams params;
    DinoR1Tensor *inputs[DINOR1_MAX_INPUTS]; /* NULL = absent */
    DinoR1Tensor *outputs[DINOR1_MAX_OUTPUTS];
    guint n_inputs;
    const gchar *module; /* static: which part of the model it belongs to, for reports */
    guint stage;         /* a program can run the stages one by one */
    guint segment;       /* nodes of one segment are computed again for the backward pass; 0 = kept */
    gboolean exact;      /* computed in f32 whatever the others are */
};

/* Finds the tensor called @name, which should be of @shape: fills @view with host memory that outlives the graph. */
typedef gboolean (*DinoR1WeightFunc)(
    gpointer user_data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error);

/* @weights resolves dinor1_graph_weight(); NULL for graphs without weights. */
DinoR1Graph *dinor1_graph_new(DinoR1WeightFunc weights, gpointer user_data);
void dinor1_graph_free(DinoR1Graph *graph);

/* Returns: FALSE with the first error recorded. */
gboolean dinor1_graph_check(DinoR1Graph *graph, GError **error);
/* Records an error of model code; the first one stays. Returns NULL. */
DinoR1Tensor *dinor1_graph_fail(DinoR1Graph *graph, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

/* Nodes appended from now on belong to @module (a static string). */
void dinor1_graph_set_module(DinoR1Graph *graph, const gchar *module);

/* Weights asked for from now on are variable: nothing that depends on them is computed ahead. */
void dinor1_graph_set_variable(DinoR1Graph *graph);

/* Nodes appended from now on belong to the next stage, so that the caller can read results and fill inputs between
 * two stages of one run. */
void dinor1_graph_next_stage(DinoR1Graph *graph);

/* Ends the stage with the result @x as output @name; the next one goes on with what is returned, the input "NAME.all"
 * of the same shape, which the caller fills with the sum of @x over all processes. The backward pass does the same the
 * other way round: it ends a stage with the output "gradient:NAME" (none if the loss does not depend on it), and goes
 * on with the input "gradient:NAME.all" as the gradient of @x. */
DinoR1Tensor *dinor1_graph_exchange(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x);

/* Nodes appended from now on belong to a new segment: the backward pass computes their results again from the
 * segment's inputs instead of keeping them (activation checkpointing). end: the following nodes' results are kept. */
void dinor1_graph_begin_segment(DinoR1Graph *graph);
void dinor1_graph_end_segment(DinoR1Graph *graph);

/* Nodes appended from now on are computed in f32 in every precision: where a number decides by its last digits. */
void dinor1_graph_begin_exact(DinoR1Graph *graph);
void dinor1_graph_end_exact(DinoR1Graph *graph);

const GPtrArray *dinor1_graph_get_nodes(const DinoR1Graph *graph);   /* DinoR1Node */
const GPtrArray *dinor1_graph_get_tensors(const DinoR1Graph *graph); /* DinoR1Tensor, index = id */

/* Bytes of a constant's host data. */
gsize dinor1_tensor_data_size(const DinoR1Tensor *tensor);

/* dinor1_op_macs() of a node. */
gdouble dinor1_node_macs(const DinoR1Node *node);
/* The fewest bytes that a node can move: each input and output once, of what is picked from only the part that is. */
gdouble dinor1_node_bytes(const DinoR1Node *node);

/* Names are copied. */
DinoR1Tensor *dinor1_graph_input(DinoR1Graph *graph, const gchar *name, DinoR1DType dtype, DinoR1Shape shape);
/* @data is copied into the graph. */
DinoR1Tensor *dinor1_graph_constant(DinoR1Graph *graph, DinoR1DType dtype, DinoR1Shape shape, gconstpointer data);
/* A weight by its checkpoint name; fails if it is missing or has another shape. The same name gives the same tensor. */
DinoR1Tensor *dinor1_graph_weight(DinoR1Graph *graph, const gchar *name, DinoR1Shape shape);
/* Marks @x as a result that the caller reads under @name after each run. */
void dinor1_graph_output(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x);
DinoR1Tensor *dinor1_graph_find(const DinoR1Graph *graph, const gchar *name); /* input or output; NULL if none */
/* Whether the caller reads @tensor, or an alias of it, after a run. */
gboolean dinor1_graph_is_output(const DinoR1Graph *graph, const DinoR1Tensor *tensor);

/* (transfer full): "[2, 3]" */
gchar *dinor1_shape_to_string(const DinoR1Shape *shape);

/* One op, generic form. @inputs has n_inputs entries, NULL for absent optional ones. Returns the first output. */
DinoR1Tensor *dinor1_graph_op(
    DinoR1Graph *graph, DinoR1OpType op, const DinoR1OpParams *params, DinoR1Tensor *const *inputs, guint n_inputs);

/* The same memory under another shape of the same size. Costs nothing. One dimension may be -1. */
DinoR1Tensor *dinor1_reshape(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape);

/* @x as a constant of the backward pass. Costs nothing. */
DinoR1Tensor *dinor1_detach(DinoR1Graph *graph, DinoR1Tensor *x);

/* The ops, in words (ops.h has their meaning). Optional tensors may be NULL. */
DinoR1Tensor *dinor1_binary(DinoR1Graph *graph, DinoR1BinaryFunc func, DinoR1Tensor *a, DinoR1Tensor *b);
DinoR1Tensor *dinor1_add(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b);
DinoR1Tensor *dinor1_mul(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b);
DinoR1Tensor *dinor1_unary(DinoR1Graph *graph, DinoR1UnaryFunc func, DinoR1Tensor *x);
DinoR1Tensor *dinor1_affine(DinoR1Graph *graph, DinoR1Tensor *x, gfloat scale, gfloat shift);
DinoR1Tensor *dinor1_logit(DinoR1Graph *graph, DinoR1Tensor *x, gfloat epsilon);
DinoR1Tensor *dinor1_linear(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *weight, DinoR1Tensor *bias,
    DinoR1Activation activation, DinoR1Tensor *residual);
DinoR1Tensor *dinor1_mlp(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *w1, DinoR1Tensor *b1, DinoR1Tensor *w2,
    DinoR1Tensor *b2, DinoR1Activation activation, DinoR1Tensor *residual);
DinoR1Tensor *dinor1_matmul(DinoR1Graph *graph, DinoR1Tensor *a, gboolean trans_a, DinoR1Tensor *b, gboolean trans_b,
    gfloat alpha, DinoR1Tensor *bias, DinoR1Tensor *residual);
DinoR1Tensor *dinor1_softmax(DinoR1Graph *graph, DinoR1Tensor *x, gint axis);
DinoR1Tensor *dinor1_layer_norm(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *gamma, DinoR1Tensor *beta,
    gfloat epsilon, DinoR1Tensor *residual);
DinoR1Tensor *dinor1_group_norm(
    DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *gamma, DinoR1Tensor *beta, gint groups, gfloat epsilon);
DinoR1Tensor *dinor1_conv2d(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *weight, DinoR1Tensor *bias, gint stride,
    gint pad_top, gint pad_left, gint pad_bottom, gint pad_right);
DinoR1Tensor *dinor1_attention(DinoR1Graph *graph, DinoR1Tensor *q, DinoR1Tensor *k, DinoR1Tensor *v,
    DinoR1Tensor *mask, gint heads, gfloat scale);
DinoR1Tensor *dinor1_window_attention(DinoR1Graph *graph, DinoR1Tensor *q, DinoR1Tensor *k, DinoR1Tensor *v,
    DinoR1Tensor *table, DinoR1Tensor *k_pad, DinoR1Tensor *v_pad, gint heads, gint window, gint shift);
DinoR1Tensor *dinor1_deformable_attention(DinoR1Graph *graph, DinoR1Tensor *value, DinoR1Tensor *reference,
    DinoR1Tensor *offsets, DinoR1Tensor *logits, gint heads, gint n_points, gint n_levels, const gint *heights,
    const gint *widths);
DinoR1Tensor *dinor1_permute(DinoR1Graph *graph, DinoR1Tensor *x, const gint *perm);
DinoR1Tensor *dinor1_slice(DinoR1Graph *graph, DinoR1Tensor *x, gint axis, gint64 start, gint64 length);
DinoR1Tensor *dinor1_concat(DinoR1Graph *graph, DinoR1Tensor *const *inputs, guint n_inputs, gint axis);
DinoR1Tensor *dinor1_expand(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape);
DinoR1Tensor *dinor1_reduce(DinoR1Graph *graph, DinoR1ReduceFunc func, DinoR1Tensor *x, gint axis);
DinoR1Tensor *dinor1_topk(DinoR1Graph *graph, DinoR1Tensor *x, gint64 k);
DinoR1Tensor *dinor1_gather(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Tensor *indices);
/* A picture as PREPROCESS takes it (ops.h). */
typedef struct {
    DinoR1Tensor *bytes, *geometry, *colour, *columns, *column_weights, *rows, *row_weights;
} DinoR1FrameTensors;
DinoR1Tensor *dinor1_preprocess(DinoR1Graph *graph, const DinoR1FrameTensors *frame);
DinoR1Tensor *dinor1_sine_embed(DinoR1Graph *graph, DinoR1Tensor *x, gint features, gfloat temperature, gfloat scale);
DinoR1Tensor *dinor1_patch_merge(DinoR1Graph *graph, DinoR1Tensor *x);
DinoR1Tensor *dinor1_sum_to(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape);
DinoR1Tensor *dinor1_focal(DinoR1Graph *graph, DinoR1Tensor *logits, DinoR1Tensor *targets, gfloat alpha, gfloat gamma);
DinoR1Tensor *dinor1_giou(DinoR1Graph *graph, DinoR1Tensor *a, DinoR1Tensor *b);

DinoR1Tensor *dinor1_cast(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1DType dtype);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Graph, dinor1_graph_free)

G_END_DECLS
