/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "grad.h"

#include <string.h>

/* A copy of f32 values as doubles; i32 stays. */
static void
widen(gpointer to, const DinoR1Tensor *tensor, gconstpointer from)
{
    gint64 n = dinor1_shape_size(&tensor->shape);

    if (tensor->dtype == DINOR1_I32)
        memcpy(to, from, (gsize)n * sizeof(gint32));
    for (gint64 i = 0; tensor->dtype == DINOR1_F32 && i < n; i++)
        ((gdouble *)to)[i] = ((const gfloat *)from)[i];
}

GradEvaluation *
opcheck_evaluation_new(const GradGraph *g)
{
    GradEvaluation *evaluation = g_new0(GradEvaluation, 1);
    const GPtrArray *tensors = dinor1_graph_get_tensors(g->graph);

    evaluation->graph = g->graph;
    opcheck_reference_double(&evaluation->kernels);
    evaluation->data = g_new0(gpointer, tensors->len);
    for (guint i = 0; i < tensors->len; i++) {
        const DinoR1Tensor *tensor = tensors->pdata[i];
        if (tensor->base) {
            evaluation->data[i] = evaluation->data[tensor->base->id];
            continue;
        }
        evaluation->data[i] = g_new0(gdouble, dinor1_shape_size(&tensor->shape));
        if (tensor->kind == DINOR1_TENSOR_CONSTANT)
            widen(evaluation->data[i], tensor, tensor->data);
    }
    for (guint i = 0; i < g->n_inputs; i++)
        widen(evaluation->data[g->inputs[i]->id], g->inputs[i], g->values[i].data);
    return evaluation;
}

void
opcheck_evaluation_free(GradEvaluation *evaluation)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(evaluation->graph);

    for (guint i = 0; i < tensors->len; i++)
        if (!((const DinoR1Tensor *)tensors->pdata[i])->base)
            g_free(evaluation->data[i]);
    g_free(evaluation->data);
    g_free(evaluation);
}

static DinoR1View
view_of(const GradEvaluation *evaluation, const DinoR1Tensor *tensor)
{
    if (!tensor)
        return (DinoR1View){DINOR1_F32, {.ndim = -1}, NULL};
    return (DinoR1View){tensor->dtype, tensor->shape, evaluation->data[tensor->id]};
}

static void
run_node(GradEvaluation *evaluation, const DinoR1Node *node)
{
    const DinoR1CpuKernel *kernel = &evaluation->kernels.ops[node->op];
    DinoR1KernelArgs args = {.params = &node->params, .n_inputs = node->n_inputs};

    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        args.inputs[i] = view_of(evaluation, i < node->n_inputs ? node->inputs[i] : NULL);
    for (guint i = 0; i < dinor1_op_n_outputs(node->op); i++)
        args.outputs[i] = view_of(evaluation, node->outputs[i]);
    args.workspace = kernel->workspace ? g_malloc(kernel->workspace(&args)) : NULL;
    kernel->run(&args);
    g_free(args.workspace);
}

void
opcheck_evaluation_run(GradEvaluation *evaluation, guint n_nodes)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(evaluation->graph);

    for (guint i = 0; i < n_nodes; i++)
        run_node(evaluation, nodes->pdata[i]);
}
