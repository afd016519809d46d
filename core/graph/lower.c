/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/lower.h"

#include "graph/graph_internal.h"

/* What decides the type that a node computes with. */
typedef enum {
    KIND_EXACT,    /* f32 */
    KIND_HALF,     /* half: where the arithmetic is */
    KIND_FOLLOWER, /* half where its input is half and somebody wants its output so */
} Kind;

typedef struct {
    DinoR1Graph *graph;
    DinoR1DType half;
    gboolean *wanted;  /* by tensor, aliases' bases: somebody would read it as half */
    GHashTable *casts; /* tensor -> the same numbers in the other type */
} Lowering;

static Kind
kind_of(const DinoR1Node *node)
{
    if (node->exact || !dinor1_op_has_half(node->op))
        return KIND_EXACT;
    switch (node->op) {
    case DINOR1_OP_LINEAR:
    case DINOR1_OP_MLP:
    case DINOR1_OP_MATMUL:
    case DINOR1_OP_CONV2D:
    case DINOR1_OP_ATTENTION:
    case DINOR1_OP_WINDOW_ATTENTION:
    case DINOR1_OP_DEFORMABLE_ATTENTION:
        return KIND_HALF;
    default:
        return KIND_FOLLOWER;
    }
}

/* Whether the op only moves numbers, so that it does not matter whether they are rounded before or after. */
static gboolean
is_layout(DinoR1OpType op)
{
    switch (op) {
    case DINOR1_OP_PERMUTE:
    case DINOR1_OP_SLICE:
    case DINOR1_OP_CONCAT:
    case DINOR1_OP_EXPAND:
    case DINOR1_OP_GATHER:
    case DINOR1_OP_PATCH_MERGE:
        return TRUE;
    default:
        return FALSE;
    }
}

/* Backwards: what its readers want of each tensor. */
static void
find_wanted(Lowering *l)
{
    for (guint i = l->graph->nodes->len; i-- > 0;) {
        const DinoR1Node *node = l->graph->nodes->pdata[i];
        const gboolean output = l->wanted[node->outputs[0]->id];
        const Kind kind = kind_of(node);

        if (kind == KIND_EXACT || (kind == KIND_FOLLOWER && !output))
            continue;
        for (guint k = 0; k < node->n_inputs; k++) {
            const DinoR1InputType type = dinor1_op_input_type(node->op, k);

            if (node->inputs[k] && (type == DINOR1_INPUT_OWN || (type == DINOR1_INPUT_OUTPUT && output)))
                l->wanted[dinor1_tensor_root(node->inputs[k])->id] = TRUE;
        }
    }
}

static gboolean
is_fixed(const DinoR1Tensor *tensor)
{
    return tensor->kind == DINOR1_TENSOR_CONSTANT && !tensor->variable;
}

/* The type that the node computes with, whose inputs have their final types. */
static DinoR1DType
choose_type(const Lowering *l, const DinoR1Node *node)
{
    const Kind kind = kind_of(node);
    gboolean any_half = FALSE, all_half = TRUE, all_fixed = TRUE;

    if (kind != KIND_FOLLOWER)
        return kind == KIND_HALF ? l->half : DINOR1_F32;
    for (guint k = 0; k < node->n_inputs; k++) {
        if (!node->inputs[k] || dinor1_op_input_type(node->op, k) != DINOR1_INPUT_OWN)
            continue;
        any_half |= dinor1_tensor_root(node->inputs[k])->dtype == l->half;
        all_half &= dinor1_tensor_root(node->inputs[k])->dtype == l->half;
        all_fixed &= is_fixed(dinor1_tensor_root(node->inputs[k]));
    }
    if (is_layout(node->op) && all_half)
        return l->half;
    if (!l->wanted[node->outputs[0]->id])
        return DINOR1_F32;
    return any_half || (is_layout(node->op) && all_fixed) ? l->half : DINOR1_F32;
}

static DinoR1Tensor *
make_cast(Lowering *l, DinoR1Tensor *tensor, DinoR1DType dtype)
{
    DinoR1Tensor *constant;

    if (!is_fixed(tensor) || dtype == DINOR1_F32)
        return dinor1_cast(l->graph, tensor, dtype);
    constant = dinor1_graph_add_tensor(l->graph, DINOR1_TENSOR_CONSTANT, dtype, &tensor->shape);
    constant->name = tensor->name;
    constant->data = tensor->data;
    return constant;
}

/* @tensor as @dtype: itself, or what stands for it. */
static DinoR1Tensor *
convert(Lowering *l, DinoR1Tensor *tensor, DinoR1DType dtype)
{
    DinoR1Tensor *cast;

    if (!tensor || dinor1_tensor_root(tensor)->dtype == dtype)
        return tensor;
    cast = g_hash_table_lookup(l->casts, tensor);
    if (cast)
        return cast;
    if (tensor->base) {
        cast = dinor1_reshape(l->graph, convert(l, tensor->base, dtype), tensor->shape);
        if (cast)
            cast->detached = tensor->detached;
    } else {
        cast = make_cast(l, tensor, dtype);
    }
    g_hash_table_insert(l->casts, tensor, cast);
    return cast;
}

/* Appends the node, behind the casts that it needs. */
static void
lower_node(Lowering *l, DinoR1Node *node)
{
    const DinoR1DType own = choose_type(l, node);
    DinoR1DType output = own;

    l->graph->module = node->module;
    l->graph->stage = node->stage;
    l->graph->segment = node->segment;
    if (dinor1_op_is_product(node->op)) {
        output = l->wanted[node->outputs[0]->id] ? own : DINOR1_F32;
        *dinor1_op_product_type(node->op, &node->params) = output;
    }
    for (guint k = 0; k < node->n_inputs; k++) {
        const DinoR1InputType type = dinor1_op_input_type(node->op, k);

        if (type != DINOR1_INPUT_I32 && type != DINOR1_INPUT_U8)
            node->inputs[k] = convert(l, node->inputs[k],
                type == DINOR1_INPUT_OWN      ? own
                : type == DINOR1_INPUT_OUTPUT ? output
                                              : DINOR1_F32);
    }
    for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
        if (node->outputs[o]->dtype == DINOR1_F32)
            node->outputs[o]->dtype = output;
    g_ptr_array_add(l->graph->nodes, node);
    for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
        if (dinor1_dtype_is_half(node->outputs[o]->dtype) && dinor1_graph_is_output(l->graph, node->outputs[o]))
            convert(l, node->outputs[o], DINOR1_F32); /* in the node's stage */
}

/* What a caller reads is f32. */
static void
convert_outputs(Lowering *l)
{
    GHashTableIter iter;
    gpointer name, tensor;

    g_hash_table_iter_init(&iter, l->graph->names);
    while (g_hash_table_iter_next(&iter, &name, &tensor)) {
        if (!dinor1_dtype_is_half(dinor1_tensor_root(tensor)->dtype))
            continue;
        tensor = convert(l, tensor, DINOR1_F32);
        ((DinoR1Tensor *)tensor)->name = name;
        g_hash_table_iter_replace(&iter, tensor);
    }
}

static void
lower(Lowering *l)
{
    g_autoptr(GPtrArray) nodes = g_steal_pointer(&l->graph->nodes);

    g_ptr_array_set_free_func(nodes, NULL); /* they move */
    l->graph->nodes = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < nodes->len; i++)
        lower_node(l, nodes->pdata[i]);
    convert_outputs(l);
    for (guint i = 0; i < l->graph->tensors->len; i++) {
        DinoR1Tensor *tensor = l->graph->tensors->pdata[i];

        tensor->dtype = dinor1_tensor_root(tensor)->dtype;
    }
}

void
dinor1_graph_lower(DinoR1Graph *graph, DinoR1DType half)
{
    g_autofree gboolean *wanted = g_new0(gboolean, graph->tensors->len);
    g_autoptr(GHashTable) casts = g_hash_table_new(NULL, NULL);
    Lowering l = {graph, half, wanted, casts};

    if (graph->error)
        return;
    dinor1_graph_end_exact(graph);
    find_wanted(&l);
    lower(&l);
}
