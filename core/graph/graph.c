/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/graph_internal.h"

#include <dinor1/error.h>
#include <string.h>

DinoR1Graph *
dinor1_graph_new(DinoR1WeightFunc weights, gpointer user_data)
{
    DinoR1Graph *graph = g_new0(DinoR1Graph, 1);

    graph->nodes = g_ptr_array_new_with_free_func(g_free);
    graph->tensors = g_ptr_array_new_with_free_func(g_free);
    graph->memory = g_ptr_array_new_with_free_func(g_free);
    graph->strings = g_string_chunk_new(4096);
    graph->names = g_hash_table_new(g_str_hash, g_str_equal);
    graph->weights = g_hash_table_new(g_str_hash, g_str_equal);
    graph->find_weight = weights;
    graph->user_data = user_data;
    graph->module = "model";
    return graph;
}

void
dinor1_graph_free(DinoR1Graph *graph)
{
    if (!graph)
        return;
    g_ptr_array_unref(graph->nodes);
    g_ptr_array_unref(graph->tensors);
    g_ptr_array_unref(graph->memory);
    g_string_chunk_free(graph->strings);
    g_hash_table_unref(graph->names);
    g_hash_table_unref(graph->weights);
    g_clear_error(&graph->error);
    g_free(graph);
}

gboolean
dinor1_graph_check(DinoR1Graph *graph, GError **error)
{
    if (!graph->error)
        return TRUE;
    if (error)
        *error = g_error_copy(graph->error);
    return FALSE;
}

DinoR1Tensor *
dinor1_graph_fail(DinoR1Graph *graph, const gchar *format, ...)
{
    va_list args;

    if (graph->error)
        return NULL;
    va_start(args, format);
    graph->error = g_error_new_valist(DINOR1_ERROR, DINOR1_ERROR_FAILED, format, args);
    va_end(args);
    return NULL;
}

void
dinor1_graph_set_module(DinoR1Graph *graph, const gchar *module)
{
    graph->module = module;
}

void
dinor1_graph_set_variable(DinoR1Graph *graph)
{
    graph->variable = TRUE;
}

void
dinor1_graph_next_stage(DinoR1Graph *graph)
{
    graph->stage++;
}

void
dinor1_graph_begin_segment(DinoR1Graph *graph)
{
    graph->segment = ++graph->n_segments;
}

void
dinor1_graph_end_segment(DinoR1Graph *graph)
{
    graph->segment = 0;
}

void
dinor1_graph_begin_exact(DinoR1Graph *graph)
{
    graph->exact = TRUE;
}

void
dinor1_graph_end_exact(DinoR1Graph *graph)
{
    graph->exact = FALSE;
}

const GPtrArray *
dinor1_graph_get_nodes(const DinoR1Graph *graph)
{
    return graph->nodes;
}

const GPtrArray *
dinor1_graph_get_tensors(const DinoR1Graph *graph)
{
    return graph->tensors;
}

DinoR1Tensor *
dinor1_graph_add_tensor(DinoR1Graph *graph, DinoR1TensorKind kind, DinoR1DType dtype, const DinoR1Shape *shape)
{
    DinoR1Tensor *tensor = g_new0(DinoR1Tensor, 1);

    tensor->kind = kind;
    tensor->dtype = dtype;
    tensor->shape = *shape;
    tensor->id = graph->tensors->len;
    g_ptr_array_add(graph->tensors, tensor);
    return tensor;
}

gsize
dinor1_tensor_data_size(const DinoR1Tensor *tensor)
{
    const DinoR1DType dtype = dinor1_dtype_is_half(tensor->dtype) ? DINOR1_F32 : tensor->dtype;

    return (gsize)dinor1_shape_size(&tensor->shape) * dinor1_dtype_size(dtype);
}

gdouble
dinor1_node_macs(const DinoR1Node *node)
{
    DinoR1View inputs[DINOR1_MAX_INPUTS] = {0}, outputs[DINOR1_MAX_OUTPUTS] = {0};

    for (guint i = 0; i < node->n_inputs; i++)
        if (node->inputs[i])
            inputs[i].shape = node->inputs[i]->shape;
    for (guint i = 0; i < dinor1_op_n_outputs(node->op); i++)
        outputs[i].shape = node->outputs[i]->shape;
    return dinor1_op_macs(node->op, &node->params, inputs, outputs);
}

static gdouble
tensor_bytes(const DinoR1Tensor *tensor)
{
    return (gdouble)dinor1_shape_size(&tensor->shape) * (gdouble)dinor1_dtype_size(tensor->dtype);
}

gdouble
dinor1_node_bytes(const DinoR1Node *node)
{
    const gboolean picks = node->op == DINOR1_OP_SLICE || node->op == DINOR1_OP_GATHER;
    gdouble bytes = 0;

    for (guint i = 0; i < node->n_inputs; i++)
        if (node->inputs[i])
            bytes += tensor_bytes(picks && i == 0 ? node->outputs[0] : node->inputs[i]);
    for (guint i = 0; i < dinor1_op_n_outputs(node->op); i++)
        bytes += tensor_bytes(node->outputs[i]);
    return bytes;
}

DinoR1Tensor *
dinor1_graph_input(DinoR1Graph *graph, const gchar *name, DinoR1DType dtype, DinoR1Shape shape)
{
    DinoR1Tensor *tensor = dinor1_graph_add_tensor(graph, DINOR1_TENSOR_INPUT, dtype, &shape);

    tensor->name = g_string_chunk_insert(graph->strings, name);
    g_hash_table_insert(graph->names, (gpointer)tensor->name, tensor);
    return tensor;
}

DinoR1Tensor *
dinor1_graph_constant(DinoR1Graph *graph, DinoR1DType dtype, DinoR1Shape shape, gconstpointer data)
{
    DinoR1Tensor *tensor = dinor1_graph_add_tensor(graph, DINOR1_TENSOR_CONSTANT, dtype, &shape);
    gpointer copy = g_memdup2(data, dinor1_tensor_data_size(tensor));

    g_ptr_array_add(graph->memory, copy);
    tensor->data = copy;
    return tensor;
}

gchar *
dinor1_shape_to_string(const DinoR1Shape *shape)
{
    GString *text = g_string_new("[");

    for (gint i = 0; i < shape->ndim; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", shape->dims[i]);
    return g_string_free(g_string_append_c(text, ']'), FALSE);
}

static DinoR1Tensor *
wrong_weight(DinoR1Graph *graph, const gchar *name, const DinoR1Shape *got, const DinoR1Shape *wanted)
{
    g_autofree gchar *is = dinor1_shape_to_string(got);
    g_autofree gchar *should = dinor1_shape_to_string(wanted);

    if (!graph->error)
        g_set_error(&graph->error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS,
            "tensor '%s' is %s, but the configuration asks for %s", name, is, should);
    return NULL;
}

DinoR1Tensor *
dinor1_graph_weight(DinoR1Graph *graph, const gchar *name, DinoR1Shape shape)
{
    DinoR1Tensor *tensor = g_hash_table_lookup(graph->weights, name);
    DinoR1View view;

    if (graph->error)
        return NULL;
    if (!tensor) {
        if (!graph->find_weight(graph->user_data, name, &shape, &view, &graph->error))
            return NULL;
        tensor = dinor1_graph_add_tensor(graph, DINOR1_TENSOR_CONSTANT, view.dtype, &view.shape);
        tensor->name = g_string_chunk_insert(graph->strings, name);
        tensor->data = view.data;
        tensor->variable = graph->variable;
        g_hash_table_insert(graph->weights, (gpointer)tensor->name, tensor);
    }
    if (!dinor1_shape_equal(&tensor->shape, &shape))
        return wrong_weight(graph, name, &tensor->shape, &shape);
    return tensor;
}

void
dinor1_graph_output(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x)
{
    if (!x)
        return;
    g_hash_table_insert(graph->names, g_string_chunk_insert(graph->strings, name), x);
    if (!x->name)
        x->name = g_string_chunk_insert(graph->strings, name);
}

DinoR1Tensor *
dinor1_graph_exchange(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x)
{
    g_autofree gchar *all = g_strconcat(name, ".all", NULL);
    DinoR1Tensor *input;

    if (graph->error || !x)
        return NULL;
    if (dinor1_tensor_root(x)->kind != DINOR1_TENSOR_RESULT)
        return dinor1_graph_fail(graph, "%s: exchange '%s' of what is no result", graph->module, name);
    dinor1_graph_output(graph, name, x);
    dinor1_graph_next_stage(graph);
    input = dinor1_graph_input(graph, all, x->dtype, x->shape);
    input->source = x;
    return input;
}

DinoR1Tensor *
dinor1_graph_find(const DinoR1Graph *graph, const gchar *name)
{
    return g_hash_table_lookup(graph->names, name);
}

gboolean
dinor1_graph_is_output(const DinoR1Graph *graph, const DinoR1Tensor *tensor)
{
    GHashTableIter iter;
    gpointer named;

    g_hash_table_iter_init(&iter, graph->names);
    while (g_hash_table_iter_next(&iter, NULL, &named)) {
        const DinoR1Tensor *output = named;

        if (output == tensor || output->base == tensor)
            return TRUE;
    }
    return FALSE;
}

/* "attention: mask is not ...; inputs [1, 4, 8] [1, 3, 8] -" */
static DinoR1Tensor *
fail_op(DinoR1Graph *graph, DinoR1OpType op, const gchar *why, DinoR1Tensor *const *inputs, guint n_inputs)
{
    g_autoptr(GString) shapes = g_string_new(NULL);

    for (guint i = 0; i < n_inputs; i++) {
        g_autofree gchar *shape = inputs[i] ? dinor1_shape_to_string(&inputs[i]->shape) : g_strdup("-");

        g_string_append_printf(shapes, " %s", shape);
    }
    return dinor1_graph_fail(graph, "%s, op %s: %s; inputs%s", graph->module, dinor1_op_name(op), why, shapes->str);
}

/* An op with a missing required input stems from an earlier error; an optional one may be absent on purpose. */
static gboolean
collect_inputs(DinoR1OpType op, DinoR1Tensor *const *inputs, guint n_inputs, DinoR1View *views, gboolean *present)
{
    guint min_inputs, max_inputs;

    dinor1_op_n_inputs(op, &min_inputs, &max_inputs);
    if (n_inputs > max_inputs)
        return FALSE;
    for (guint i = 0; i < n_inputs; i++) {
        present[i] = inputs[i] != NULL;
        if (present[i])
            views[i] = (DinoR1View){inputs[i]->dtype, inputs[i]->shape, NULL};
    }
    return TRUE;
}

DinoR1Tensor *
dinor1_graph_op(
    DinoR1Graph *graph, DinoR1OpType op, const DinoR1OpParams *params, DinoR1Tensor *const *inputs, guint n_inputs)
{
    DinoR1View views[DINOR1_MAX_INPUTS] = {0}, outputs[DINOR1_MAX_OUTPUTS];
    gboolean present[DINOR1_MAX_INPUTS] = {0};
    g_autofree gchar *why = NULL;
    DinoR1Node *node;

    if (graph->error)
        return NULL;
    if (!collect_inputs(op, inputs, n_inputs, views, present))
        return fail_op(graph, op, "too many inputs", inputs, MIN(n_inputs, DINOR1_MAX_INPUTS));
    why = dinor1_op_infer(op, params, views, present, outputs);
    if (why)
        return fail_op(graph, op, why, inputs, n_inputs);

    node = g_new0(DinoR1Node, 1);
    node->op = op;
    node->params = *params;
    node->n_inputs = n_inputs;
    node->module = graph->module;
    node->segment = graph->segment;
    node->stage = graph->stage;
    node->exact = graph->exact;
    memcpy(node->inputs, inputs, n_inputs * sizeof *inputs);
    for (guint i = 0; i < dinor1_op_n_outputs(op); i++) {
        node->outputs[i] = dinor1_graph_add_tensor(graph, DINOR1_TENSOR_RESULT, outputs[i].dtype, &outputs[i].shape);
        node->outputs[i]->producer = node;
    }
    g_ptr_array_add(graph->nodes, node);
    return node->outputs[0];
}

static gboolean
resolve_reshape(const DinoR1Shape *from, DinoR1Shape *to)
{
    const gint64 size = dinor1_shape_size(from);
    gint64 known = 1;
    gint open = -1;

    for (gint i = 0; i < to->ndim; i++) {
        if (to->dims[i] >= 0)
            known *= to->dims[i];
        else if (open >= 0)
            return FALSE;
        else
            open = i;
    }
    if (open >= 0 && known > 0 && size % known == 0)
        to->dims[open] = size / known;
    return dinor1_shape_size(to) == size;
}

DinoR1Tensor *
dinor1_reshape(DinoR1Graph *graph, DinoR1Tensor *x, DinoR1Shape shape)
{
    DinoR1Tensor *alias;

    if (graph->error || !x)
        return NULL;
    if (!resolve_reshape(&x->shape, &shape)) {
        g_autofree gchar *from = dinor1_shape_to_string(&x->shape);
        g_autofree gchar *to = dinor1_shape_to_string(&shape);

        return dinor1_graph_fail(graph, "%s: cannot reshape %s to %s", graph->module, from, to);
    }
    alias = dinor1_graph_add_tensor(graph, DINOR1_TENSOR_ALIAS, x->dtype, &shape);
    alias->base = dinor1_tensor_root(x);
    alias->detached = x->detached;
    return alias;
}

DinoR1Tensor *
dinor1_detach(DinoR1Graph *graph, DinoR1Tensor *x)
{
    DinoR1Tensor *alias = x ? dinor1_reshape(graph, x, x->shape) : NULL;

    if (alias)
        alias->detached = TRUE;
    return alias;
}
