/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/backward.h"

#include "graph/backward_internal.h"

#include <string.h>

struct _DinoR1Backward {
    DinoR1Graph *graph;
    guint n_tensors;          /* of the forward pass */
    gboolean *needed;         /* by tensor: depends on something wanted */
    DinoR1Tensor **gradients; /* by tensor: what has been given so far */
    DinoR1Tensor **copies;    /* by tensor: computed again in the open segment */
    guint segment;            /* whose results are in copies; 0 = none */
    guint first_of_rule;      /* nodes from here on were made by the rule at work */
    guint stage;              /* of the forward pass, which the backward pass has come down to */
};

static gboolean
is_needed(const DinoR1Backward *pass, DinoR1Tensor *tensor)
{
    return tensor && !tensor->detached && pass->needed[dinor1_tensor_root(tensor)->id];
}

static void
find_needed(DinoR1Backward *pass, guint n_nodes, DinoR1Tensor *const *wanted, guint n_wanted)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(pass->graph);

    for (guint i = 0; i < n_wanted; i++)
        pass->needed[wanted[i]->id] = TRUE;
    for (guint i = 0; i < n_nodes; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        gboolean depends = FALSE;

        for (guint k = 0; k < node->n_inputs; k++) {
            DinoR1Tensor *source = node->inputs[k] ? dinor1_tensor_root(node->inputs[k])->source : NULL;

            if (is_needed(pass, source))
                pass->needed[dinor1_tensor_root(node->inputs[k])->id] = TRUE;
            depends |= is_needed(pass, node->inputs[k]);
        }
        for (guint o = 0; depends && o < dinor1_op_n_outputs(node->op); o++)
            pass->needed[node->outputs[o]->id] = node->outputs[o]->dtype != DINOR1_I32;
    }
}

/* @tensor, or what stands for it in the open segment. */
static DinoR1Tensor *
value(const DinoR1Backward *pass, DinoR1Tensor *tensor)
{
    DinoR1Tensor *copy = tensor ? pass->copies[dinor1_tensor_root(tensor)->id] : NULL;

    if (!copy)
        return tensor;
    return tensor->base ? dinor1_reshape(pass->graph, copy, tensor->shape) : copy;
}

DinoR1Tensor *
dinor1_adjoint_input(const DinoR1Adjoint *adjoint, guint k)
{
    return k < adjoint->node->n_inputs ? value(adjoint->pass, adjoint->node->inputs[k]) : NULL;
}

DinoR1Tensor *
dinor1_adjoint_output(const DinoR1Adjoint *adjoint, guint k)
{
    return value(adjoint->pass, adjoint->node->outputs[k]);
}

gboolean
dinor1_adjoint_wants(const DinoR1Adjoint *adjoint, guint k)
{
    return k < adjoint->node->n_inputs && is_needed(adjoint->pass, adjoint->node->inputs[k]);
}

/* A product that the rule has just made to give it takes the sum so far as its residual: a pass over both less than
 * adding them, and a buffer less. The gradients of weights are left alone, since their depth is cut into sums. */
static gboolean
add_in_product(const DinoR1Backward *pass, DinoR1Tensor *sum, DinoR1Tensor *gradient)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(pass->graph);
    DinoR1Node *node = dinor1_tensor_root(gradient)->producer;

    if (!node || node->op != DINOR1_OP_MATMUL || node->inputs[3] || node->params.matmul.trans_a)
        return FALSE;
    if (nodes->len <= pass->first_of_rule || nodes->pdata[nodes->len - 1] != node)
        return FALSE;
    node->inputs[3] = dinor1_reshape(pass->graph, sum, node->outputs[0]->shape);
    node->n_inputs = 4;
    return TRUE;
}

/* Adds to what has been given for @root. */
static void
add_gradient(DinoR1Backward *pass, const DinoR1Tensor *root, DinoR1Tensor *gradient)
{
    DinoR1Tensor **sum = &pass->gradients[root->id];

    if (*sum && gradient && !add_in_product(pass, *sum, gradient))
        gradient = dinor1_add(pass->graph, *sum, gradient);
    *sum = gradient;
}

void
dinor1_adjoint_give(const DinoR1Adjoint *adjoint, guint k, DinoR1Tensor *gradient)
{
    DinoR1Backward *pass = adjoint->pass;
    DinoR1Tensor *input;

    if (!gradient || !dinor1_adjoint_wants(adjoint, k))
        return;
    input = adjoint->node->inputs[k];
    gradient = dinor1_sum_to(pass->graph, gradient, input->shape);
    gradient = dinor1_reshape(pass->graph, gradient, dinor1_tensor_root(input)->shape);
    add_gradient(pass, dinor1_tensor_root(input), gradient);
}

/* A gradient is computed as exactly as what it is the gradient of. */
static void
set_exact(DinoR1Backward *pass, gboolean exact)
{
    if (exact)
        dinor1_graph_begin_exact(pass->graph);
    else
        dinor1_graph_end_exact(pass->graph);
}

/* Emits the nodes of a segment again; what nothing reads is dropped when the program is made. */
static void
open_segment(DinoR1Backward *pass, guint segment, guint n_nodes)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(pass->graph);

    memset(pass->copies, 0, pass->n_tensors * sizeof *pass->copies);
    pass->segment = segment;
    if (!segment)
        return;
    for (guint i = 0; i < n_nodes; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        DinoR1Tensor *inputs[DINOR1_MAX_INPUTS], *copy;

        if (node->segment != segment)
            continue;
        for (guint k = 0; k < node->n_inputs; k++)
            inputs[k] = value(pass, node->inputs[k]);
        set_exact(pass, node->exact);
        copy = dinor1_graph_op(pass->graph, node->op, &node->params, inputs, node->n_inputs);
        for (guint o = 0; copy && o < dinor1_op_n_outputs(node->op); o++)
            pass->copies[node->outputs[o]->id] = copy->producer->outputs[o];
    }
}

static void
differentiate(DinoR1Backward *pass, const DinoR1Node *node, guint n_nodes)
{
    DinoR1Tensor *dy = pass->gradients[node->outputs[0]->id];
    const DinoR1Adjoint adjoint = {pass, pass->graph, node, dy};
    const DinoR1AdjointFunc rule = dinor1_adjoint_rule(node->op);

    if (!dy || !pass->needed[node->outputs[0]->id])
        return;
    if (!rule) {
        dinor1_graph_fail(pass->graph, "%s: op %s has no gradient", node->module, dinor1_op_name(node->op));
        return;
    }
    if (node->segment != pass->segment)
        open_segment(pass, node->segment, n_nodes);
    pass->first_of_rule = dinor1_graph_get_nodes(pass->graph)->len;
    set_exact(pass, node->exact);
    rule(&adjoint);
}

/* The gradient of what was exchanged at the end of a forward stage leaves, and comes back as the sum over all. */
static void
exchange_gradient(DinoR1Backward *pass, DinoR1Tensor *input)
{
    DinoR1Tensor *source = input->source, *gradient = pass->gradients[input->id];
    g_autofree gchar *name = g_strconcat("gradient:", source->name, NULL), *all = g_strconcat(name, ".all", NULL);

    dinor1_graph_output(pass->graph, name, gradient);
    dinor1_graph_next_stage(pass->graph);
    gradient = dinor1_graph_input(pass->graph, all, source->dtype, dinor1_tensor_root(source)->shape);
    add_gradient(pass, dinor1_tensor_root(source), gradient);
}

/* All nodes after @stage are done. */
static void
descend(DinoR1Backward *pass, guint stage)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(pass->graph);

    for (guint i = pass->n_tensors; i-- > 0;) {
        DinoR1Tensor *input = tensors->pdata[i];
        const guint from = input->source ? dinor1_tensor_root(input->source)->producer->stage : 0;

        if (input->source && from >= stage && from < pass->stage && is_needed(pass, input))
            exchange_gradient(pass, input);
    }
    pass->stage = stage;
}

static void
run_backward(DinoR1Backward *pass, DinoR1Tensor *loss, guint n_nodes)
{
    const gfloat one = 1;
    const GPtrArray *nodes = dinor1_graph_get_nodes(pass->graph);

    pass->gradients[dinor1_tensor_root(loss)->id] =
        dinor1_graph_constant(pass->graph, DINOR1_F32, dinor1_tensor_root(loss)->shape, &one);
    pass->stage = G_MAXUINT;
    for (guint i = n_nodes; i-- > 0 && dinor1_graph_check(pass->graph, NULL);) {
        const DinoR1Node *node = nodes->pdata[i];

        if (node->stage < pass->stage)
            descend(pass, node->stage);
        differentiate(pass, node, n_nodes);
    }
}

void
dinor1_graph_backward(
    DinoR1Graph *graph, DinoR1Tensor *loss, DinoR1Tensor *const *wanted, guint n_wanted, DinoR1Tensor **gradients)
{
    const guint n_tensors = dinor1_graph_get_tensors(graph)->len, n_nodes = dinor1_graph_get_nodes(graph)->len;
    DinoR1Backward pass = {.graph = graph, .n_tensors = n_tensors};

    memset(gradients, 0, n_wanted * sizeof *gradients);
    if (!dinor1_graph_check(graph, NULL))
        return;
    if (dinor1_shape_size(&loss->shape) != 1) {
        dinor1_graph_fail(graph, "a loss must have one element");
        return;
    }
    dinor1_graph_end_segment(graph);
    dinor1_graph_set_module(graph, "backward");
    pass.needed = g_new0(gboolean, n_tensors);
    pass.gradients = g_new0(DinoR1Tensor *, n_tensors);
    pass.copies = g_new0(DinoR1Tensor *, n_tensors);
    find_needed(&pass, n_nodes, wanted, n_wanted);
    run_backward(&pass, loss, n_nodes);
    dinor1_graph_end_exact(graph);
    for (guint i = 0; i < n_wanted; i++)
        gradients[i] = pass.gradients[wanted[i]->id];
    g_free(pass.needed);
    g_free(pass.gradients);
    g_free(pass.copies);
}
