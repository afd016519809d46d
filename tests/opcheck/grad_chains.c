/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gradients of graphs of several ops: how the pass joins, shares and recomputes.
 */
#include "grad.h"

#include "graph/backward.h"

#include <string.h>

/* (a b + c) / d - a, all of different shapes. */
static DinoR1Tensor *
build_broadcasts(GradGraph *g, gconstpointer data)
{
    DinoR1Tensor *a = opcheck_grad_input(g, DINOR1_SHAPE(3, 1, 4), UNIT);
    DinoR1Tensor *b = opcheck_grad_input(g, DINOR1_SHAPE(5, 1), UNIT);
    DinoR1Tensor *c = opcheck_grad_input(g, DINOR1_SHAPE(1), UNIT);
    DinoR1Tensor *d = opcheck_grad_input(g, DINOR1_SHAPE(2, 1, 1, 4), UNIFORM(0.5, 1.5));
    DinoR1Tensor *sum = dinor1_add(g->graph, dinor1_mul(g->graph, a, b), c);

    return dinor1_binary(g->graph, DINOR1_BINARY_SUB, dinor1_binary(g->graph, DINOR1_BINARY_DIV, sum, d), a);
}

/* One tensor read under three shapes. */
static DinoR1Tensor *
build_aliases(GradGraph *g, gconstpointer data)
{
    DinoR1Tensor *x = opcheck_grad_input(g, DINOR1_SHAPE(6, 4), UNIT);
    DinoR1Tensor *y = dinor1_unary(g->graph, DINOR1_UNARY_TANH, x);
    DinoR1Tensor *flat = dinor1_mul(
        g->graph, dinor1_reshape(g->graph, y, DINOR1_SHAPE(24)), dinor1_reshape(g->graph, x, DINOR1_SHAPE(24)));
    DinoR1Tensor *cube = dinor1_softmax(g->graph, dinor1_reshape(g->graph, y, DINOR1_SHAPE(2, 3, 4)), 1);

    return dinor1_add(g->graph, dinor1_reshape(g->graph, flat, DINOR1_SHAPE(2, 3, 4)),
        dinor1_mul(g->graph, cube, dinor1_reshape(g->graph, y, DINOR1_SHAPE(2, 3, 4))));
}

static DinoR1Tensor *
build_layouts(GradGraph *g, gconstpointer data)
{
    DinoR1Tensor *a = opcheck_grad_input(g, DINOR1_SHAPE(2, 3, 4), UNIT);
    DinoR1Tensor *b = opcheck_grad_input(g, DINOR1_SHAPE(2, 1, 4), UNIT);
    DinoR1Tensor *joined = dinor1_concat(g->graph, (DinoR1Tensor *[]){a, b, a}, 3, 1); /* [2, 7, 4] */
    DinoR1Tensor *turned = dinor1_permute(g->graph, joined, (const gint[]){2, 0, 1});  /* [4, 2, 7] */
    DinoR1Tensor *left = dinor1_slice(g->graph, turned, 2, 0, 5), *right = dinor1_slice(g->graph, turned, 2, 2, 5);
    DinoR1Tensor *mean = dinor1_reduce(g->graph, DINOR1_REDUCE_MEAN, dinor1_mul(g->graph, left, right), 0);
    DinoR1Tensor *best = dinor1_reduce(g->graph, DINOR1_REDUCE_MAX, left, 0);

    return dinor1_mul(g->graph, dinor1_expand(g->graph, mean, DINOR1_SHAPE(3, 2, 5)), best);
}

/* A transformer's block, in a segment of its own if @data says so. */
static DinoR1Tensor *
build_block(GradGraph *g, gconstpointer data)
{
    const gboolean *segments = data;
    DinoR1Tensor *x = opcheck_grad_input(g, DINOR1_SHAPE(2, 5, 8), UNIT);
    DinoR1Tensor *gamma = opcheck_grad_input(g, DINOR1_SHAPE(8), UNIFORM(0.5, 1.5));
    DinoR1Tensor *beta = opcheck_grad_input(g, DINOR1_SHAPE(8), UNIT);
    DinoR1Tensor *w1 = opcheck_grad_input(g, DINOR1_SHAPE(16, 8), UNIT);
    DinoR1Tensor *b1 = opcheck_grad_input(g, DINOR1_SHAPE(16), UNIT);
    DinoR1Tensor *w2 = opcheck_grad_input(g, DINOR1_SHAPE(8, 16), UNIT);

    for (guint i = 0; i < 2; i++) {
        DinoR1Tensor *hidden;

        if (*segments)
            dinor1_graph_begin_segment(g->graph);
        hidden = dinor1_layer_norm(g->graph, x, gamma, beta, 1e-5f, NULL);
        x = dinor1_add(g->graph, x, dinor1_attention(g->graph, hidden, hidden, hidden, NULL, 2, 0.5));
        hidden =
            dinor1_linear(g->graph, dinor1_reshape(g->graph, x, DINOR1_SHAPE(10, 8)), w1, b1, DINOR1_ACT_GELU, NULL);
        hidden = dinor1_linear(g->graph, hidden, w2, NULL, DINOR1_ACT_NONE, NULL);
        x = dinor1_add(g->graph, x, dinor1_reshape(g->graph, hidden, DINOR1_SHAPE(2, 5, 8)));
        dinor1_graph_end_segment(g->graph);
    }
    return x;
}

/* x detach(x): the second factor is a constant to the pass. */
static DinoR1Tensor *
build_detach(GradGraph *g, gconstpointer data)
{
    DinoR1Tensor *x = opcheck_grad_input(g, DINOR1_SHAPE(3, 4), UNIT);
    DinoR1Tensor *held = dinor1_detach(g->graph, dinor1_reshape(g->graph, x, DINOR1_SHAPE(12)));

    return dinor1_mul(g->graph, x, dinor1_reshape(g->graph, held, DINOR1_SHAPE(3, 4)));
}

static gchar *
check_detach(void)
{
    g_autoptr(GError) error = NULL;
    gfloat *gradients[DINOR1_MAX_INPUTS] = {NULL};
    gchar *why = NULL;
    GradGraph *g = opcheck_grad_new("detach", build_detach, NULL, TRUE, &why);

    if (!g)
        return why;
    if (!opcheck_grad_run(g, gradients, &error))
        why = g_strdup(error->message);
    else if (memcmp(gradients[0], g->values[0].data, 12 * sizeof(gfloat)) != 0)
        why = g_strdup("the gradient of x detach(x) is not x");
    g_free(gradients[0]);
    opcheck_grad_free(g);
    return why;
}

/* Whether a forward node outside the segment of @producer reads one of its results. */
static gboolean
leaves_segment(const GradGraph *g, const DinoR1Node *producer)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(g->graph);

    for (guint i = 0; i < g->n_forward; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        for (guint k = 0; k < node->n_inputs && node->segment != producer->segment; k++) {
            const DinoR1Tensor *x = node->inputs[k];
            if (x && dinor1_tensor_root(x)->producer == producer)
                return TRUE;
        }
    }
    return FALSE;
}

/* Of a segment's results the backward pass may read those that others read too. */
static gchar *
check_inner_results(const GradGraph *g)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(g->graph);

    for (guint i = g->n_forward; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        for (guint k = 0; k < node->n_inputs; k++) {
            const DinoR1Tensor *x = node->inputs[k];
            const DinoR1Node *producer = x ? dinor1_tensor_root(x)->producer : NULL;
            if (producer && producer->segment && !leaves_segment(g, producer))
                return g_strdup_printf("the backward pass keeps a %s of a segment", dinor1_op_name(producer->op));
        }
    }
    return NULL;
}

/* The gradients of the block and how many nodes they took. */
static gchar *
run_block(gboolean segments, gfloat **gradients, guint *n_nodes)
{
    g_autoptr(GError) error = NULL;
    gchar *why = NULL;
    GradGraph *g = opcheck_grad_new("block", build_block, &segments, FALSE, &why);

    if (!g)
        return why;
    *n_nodes = dinor1_graph_get_nodes(g->graph)->len;
    why = check_inner_results(g);
    if (!why && !opcheck_grad_run(g, gradients, &error))
        why = g_strdup(error->message);
    opcheck_grad_free(g);
    return why;
}

/* What a segment computes again has the very same bits, so its gradients have too. */
static gchar *
check_segments(void)
{
    const gsize sizes[] = {80, 8, 8, 128, 16, 128};
    gfloat *kept[DINOR1_MAX_INPUTS] = {NULL}, *again[DINOR1_MAX_INPUTS] = {NULL};
    guint n_kept = 0, n_again = 0;
    gchar *why = run_block(FALSE, kept, &n_kept);

    if (!why)
        why = run_block(TRUE, again, &n_again);
    if (!why && n_again <= n_kept)
        why = g_strdup("nothing was computed again");
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (!why && memcmp(kept[i], again[i], sizes[i] * sizeof(gfloat)) != 0)
            why = g_strdup_printf("input %u: the gradient differs from the one without segments", i);
        g_free(kept[i]);
        g_free(again[i]);
    }
    return why;
}

/* The loss does not depend on the second input. */
static gchar *
check_unrelated(void)
{
    g_autoptr(DinoR1Graph) graph = dinor1_graph_new(NULL, NULL);
    DinoR1Tensor *x = dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(1));
    DinoR1Tensor *other = dinor1_graph_input(graph, "other", DINOR1_F32, DINOR1_SHAPE(1)), *gradients[2];

    dinor1_graph_backward(graph, dinor1_mul(graph, x, x), (DinoR1Tensor *[]){x, other}, 2, gradients);
    return gradients[0] && !gradients[1] ? NULL : g_strdup("a gradient where nothing depends on the input, or none");
}

/* A gradient that reaches an op without a rule, and a loss that is no number. */
static gchar *
check_refusals(void)
{
    for (guint i = 0; i < 2; i++) {
        g_autoptr(DinoR1Graph) graph = dinor1_graph_new(NULL, NULL);
        DinoR1Tensor *x = dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(1, 1)), *gradient;
        DinoR1Tensor *y = dinor1_sine_embed(graph, x, 2, 100, 1);

        dinor1_graph_backward(
            graph, i ? y : dinor1_reduce(graph, DINOR1_REDUCE_SUM, y, 1), (DinoR1Tensor *[]){x}, 1, &gradient);
        if (dinor1_graph_check(graph, NULL))
            return g_strdup(i ? "a loss of two numbers was taken" : "sine_embed was differentiated");
    }
    return NULL;
}

void
opcheck_grad_chains(OpCount *count)
{
    const gboolean segments[] = {FALSE, TRUE};

    opcheck_count(count, "chain: broadcasts", opcheck_grad_check("broadcasts", build_broadcasts, NULL));
    opcheck_count(count, "chain: aliases", opcheck_grad_check("aliases", build_aliases, NULL));
    opcheck_count(count, "chain: layouts", opcheck_grad_check("layouts", build_layouts, NULL));
    opcheck_count(count, "chain: block", opcheck_grad_check("block", build_block, &segments[0]));
    opcheck_count(count, "chain: block in segments", opcheck_grad_check("block", build_block, &segments[1]));
    opcheck_count(count, "chain: segments, bit by bit", check_segments());
    opcheck_count(count, "chain: detach", check_detach());
    opcheck_count(count, "chain: an unrelated input", check_unrelated());
    opcheck_count(count, "chain: refusals", check_refusals());
}
