/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"
#include "graph/backward.h"
#include "graph/lower.h"
#include "graph/program.h"

#include <dinor1/error.h>

static gfloat numbers[64];

static gboolean
any_weight(gpointer data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    *view = (DinoR1View){DINOR1_F32, *shape, numbers};
    return TRUE;
}

static DinoR1Graph *
new_graph(void)
{
    return dinor1_graph_new(any_weight, NULL);
}

static DinoR1Tensor *
weight(DinoR1Graph *graph, const gchar *name)
{
    return dinor1_graph_weight(graph, name, DINOR1_SHAPE(8, 8));
}

static DinoR1Tensor *
linear(DinoR1Graph *graph, DinoR1Tensor *x, const gchar *name)
{
    return dinor1_linear(graph, x, weight(graph, name), NULL, DINOR1_ACT_NONE, NULL);
}

static DinoR1Tensor *
input(DinoR1Graph *graph)
{
    return dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(2, 8));
}

static void
lower(DinoR1Graph *graph, DinoR1DType half)
{
    g_autoptr(GError) error = NULL;

    dinor1_graph_check(graph, &error);
    g_assert_no_error(error);
    dinor1_graph_lower(graph, half);
    dinor1_graph_check(graph, &error);
    g_assert_no_error(error);
}

static guint
count_casts(const DinoR1Graph *graph)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(graph);
    guint n = 0;

    for (guint i = 0; i < nodes->len; i++)
        n += ((const DinoR1Node *)nodes->pdata[i])->op == DINOR1_OP_CAST;
    return n;
}

/* Every node must be what the op table allows. */
static void
assert_valid(const DinoR1Graph *graph)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(graph);

    for (guint i = 0; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        DinoR1View inputs[DINOR1_MAX_INPUTS] = {0}, outputs[DINOR1_MAX_OUTPUTS];
        gboolean present[DINOR1_MAX_INPUTS] = {0};
        g_autofree gchar *why = NULL;

        for (guint k = 0; k < node->n_inputs; k++) {
            present[k] = node->inputs[k] != NULL;
            if (present[k])
                inputs[k] = (DinoR1View){node->inputs[k]->dtype, node->inputs[k]->shape, NULL};
        }
        why = dinor1_op_infer(node->op, &node->params, inputs, present, outputs);
        g_assert_null(why);
        for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
            g_assert_cmpint(outputs[o].dtype, ==, node->outputs[o]->dtype);
    }
}

/* Products are half, what lies between them follows, weights are constants of the half type, outputs stay f32. */
static void
test_chain(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = input(graph), *first = linear(graph, x, "w1");
    DinoR1Tensor *middle = dinor1_unary(graph, DINOR1_UNARY_RELU, dinor1_reshape(graph, first, DINOR1_SHAPE(1, 2, 8)));
    DinoR1Tensor *last = linear(graph, middle, "w2");

    dinor1_graph_output(graph, "y", last);
    lower(graph, DINOR1_BF16);
    assert_valid(graph);
    g_assert_cmpuint(count_casts(graph), ==, 1);
    g_assert_cmpint(x->dtype, ==, DINOR1_F32);
    g_assert_cmpint(first->dtype, ==, DINOR1_BF16);
    g_assert_cmpint(middle->dtype, ==, DINOR1_BF16);
    g_assert_cmpint(first->producer->inputs[1]->kind, ==, DINOR1_TENSOR_CONSTANT);
    g_assert_cmpint(first->producer->inputs[1]->dtype, ==, DINOR1_BF16);
    g_assert_true(first->producer->inputs[1]->data == (gconstpointer)numbers);
    /* The sums as they are, without a cast. */
    g_assert_cmpint(last->dtype, ==, DINOR1_F32);
    g_assert_true(dinor1_graph_find(graph, "y") == last);
}

/* What two nodes read is cast once; an output that others read as half has its own cast. */
static void
test_shared(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = input(graph), *a = linear(graph, x, "w1"), *b = linear(graph, x, "w2");
    DinoR1Tensor *c = linear(graph, dinor1_add(graph, a, b), "w1");

    dinor1_graph_output(graph, "a", a);
    dinor1_graph_output(graph, "c", c);
    lower(graph, DINOR1_F16);
    assert_valid(graph);
    g_assert_cmpuint(count_casts(graph), ==, 2);
    g_assert_true(a->producer->inputs[0] == b->producer->inputs[0]);
    g_assert_true(a->producer->inputs[1] == c->producer->inputs[1]);
    g_assert_cmpint(a->dtype, ==, DINOR1_F16);
    g_assert_cmpint(dinor1_graph_find(graph, "a")->dtype, ==, DINOR1_F32);
    g_assert_cmpstr(dinor1_graph_find(graph, "a")->name, ==, "a");
}

/* Scores: the product gives f32 for the softmax, whose weights go back to half. */
static void
test_scores(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = linear(graph, input(graph), "w1");
    DinoR1Tensor *product = dinor1_matmul(graph, x, FALSE, x, TRUE, 1, NULL, NULL);
    DinoR1Tensor *scores = dinor1_affine(graph, product, 2, 0), *weights = dinor1_softmax(graph, scores, -1);
    DinoR1Tensor *y = dinor1_matmul(graph, weights, FALSE, x, FALSE, 1, NULL, NULL);

    dinor1_graph_output(graph, "y", y);
    lower(graph, DINOR1_F16);
    assert_valid(graph);
    g_assert_cmpint(x->dtype, ==, DINOR1_F16);
    g_assert_cmpint(product->producer->inputs[0]->dtype, ==, DINOR1_F16);
    g_assert_cmpint(product->dtype, ==, DINOR1_F32);
    g_assert_cmpint(scores->dtype, ==, DINOR1_F32);
    g_assert_cmpint(weights->dtype, ==, DINOR1_F32);
    g_assert_cmpint(y->producer->inputs[0]->dtype, ==, DINOR1_F16);
}

/* An exact part has f32 weights; rows that are picked for it are picked as halves. */
static void
test_exact(void)
{
    const gint32 rows[1] = {1};
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = dinor1_unary(graph, DINOR1_UNARY_RELU, linear(graph, input(graph), "w1"));
    DinoR1Tensor *picked = dinor1_gather(graph, x, dinor1_graph_constant(graph, DINOR1_I32, DINOR1_SHAPE(1), rows));
    DinoR1Tensor *boxes;

    dinor1_graph_begin_exact(graph);
    boxes = linear(graph, picked, "w1");
    dinor1_graph_end_exact(graph);
    dinor1_graph_output(graph, "boxes", boxes);
    dinor1_graph_output(graph, "y", linear(graph, x, "w2"));
    lower(graph, DINOR1_F16);
    assert_valid(graph);
    g_assert_cmpint(picked->dtype, ==, DINOR1_F16);
    g_assert_cmpint(boxes->producer->inputs[0]->dtype, ==, DINOR1_F32);
    g_assert_cmpint(boxes->producer->inputs[1]->dtype, ==, DINOR1_F32);
    g_assert_cmpuint(count_casts(graph), ==, 2); /* x, and what was picked */
}

/* Places and logits of samples come from half products as f32; the values are halves. */
static void
test_deformable(void)
{
    const gint sizes[1] = {1};
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = dinor1_reshape(graph, linear(graph, input(graph), "w1"), DINOR1_SHAPE(2, 1, 8));
    DinoR1Tensor *reference = dinor1_graph_input(graph, "reference", DINOR1_F32, DINOR1_SHAPE(2, 1, 1, 2));
    DinoR1Tensor *offsets = linear(graph, x, "w2");
    DinoR1Tensor *logits =
        dinor1_linear(graph, x, dinor1_graph_weight(graph, "w3", DINOR1_SHAPE(4, 8)), NULL, DINOR1_ACT_NONE, NULL);
    DinoR1Tensor *y = dinor1_deformable_attention(graph, x, reference, offsets, logits, 2, 2, 1, sizes, sizes);

    dinor1_graph_output(graph, "y", linear(graph, y, "w1"));
    lower(graph, DINOR1_F16);
    assert_valid(graph);
    g_assert_cmpint(offsets->producer->inputs[0]->dtype, ==, DINOR1_F16);
    g_assert_cmpint(offsets->dtype, ==, DINOR1_F32);
    g_assert_cmpint(logits->dtype, ==, DINOR1_F32);
    g_assert_true(y->producer->inputs[1] == reference);
    g_assert_cmpint(y->dtype, ==, DINOR1_F16);
    g_assert_cmpuint(count_casts(graph), ==, 1);
}

/* Weights that change are cast by a node, at every run. */
static void
test_variable(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *y;

    dinor1_graph_set_variable(graph);
    y = linear(graph, input(graph), "w1");
    dinor1_graph_output(graph, "y", y);
    lower(graph, DINOR1_F16);
    assert_valid(graph);
    g_assert_cmpint(y->producer->inputs[1]->producer->op, ==, DINOR1_OP_CAST);
}

/* A step of training: the gradient's products are halves, too, and add up to f32; an exact part's stay f32. A result
 * that is read between two stages is there as f32 in its own. */
static void
test_backward(void)
{
    const gfloat one = 1;
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = input(graph), *wanted[2], *gradients[2], *first, *loss, *read;

    dinor1_graph_set_variable(graph);
    first = linear(graph, x, "w1");
    dinor1_graph_output(graph, "read", first);
    dinor1_graph_next_stage(graph);
    loss = linear(graph, first, "w2");
    dinor1_graph_begin_exact(graph);
    loss = linear(graph, dinor1_reshape(graph, loss, DINOR1_SHAPE(2, 8)), "w3");
    loss = dinor1_reduce(graph, DINOR1_REDUCE_SUM, dinor1_reshape(graph, loss, DINOR1_SHAPE(16)), 0);
    loss = dinor1_mul(graph, loss, dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(1), &one));
    dinor1_graph_end_exact(graph);
    wanted[0] = weight(graph, "w2");
    wanted[1] = weight(graph, "w3");
    dinor1_graph_backward(graph, loss, wanted, 2, gradients);
    dinor1_graph_output(graph, "g2", gradients[0]);
    dinor1_graph_output(graph, "g3", gradients[1]);
    lower(graph, DINOR1_BF16);
    assert_valid(graph);
    read = dinor1_graph_find(graph, "read");
    g_assert_cmpint(first->dtype, ==, DINOR1_BF16);
    g_assert_cmpint(read->dtype, ==, DINOR1_F32);
    g_assert_cmpuint(read->producer->stage, ==, 0);
    for (guint i = 0; i < 2; i++) {
        const DinoR1Node *product = dinor1_tensor_root(gradients[i])->producer;

        g_assert_cmpint(product->op, ==, DINOR1_OP_MATMUL);
        g_assert_cmpint(gradients[i]->dtype, ==, DINOR1_F32);
        g_assert_cmpint(product->inputs[0]->dtype, ==, i == 0 ? DINOR1_BF16 : DINOR1_F32);
        g_assert_cmpint(product->inputs[1]->dtype, ==, i == 0 ? DINOR1_BF16 : DINOR1_F32);
    }
}

static void
test_gradient(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph();
    DinoR1Tensor *x = dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(1));
    DinoR1Tensor *half = dinor1_cast(graph, x, DINOR1_F16), *loss = dinor1_cast(graph, half, DINOR1_F32), *gradient;

    dinor1_graph_backward(graph, loss, &x, 1, &gradient);
    g_assert_true(dinor1_graph_check(graph, NULL));
    g_assert_cmpint(gradient->dtype, ==, DINOR1_F32);
    g_assert_cmpint(gradient->base->producer->inputs[0]->dtype, ==, DINOR1_F16);
}

static void
test_types(void)
{
    g_autoptr(DinoR1Graph) graph = new_graph(), other = new_graph();
    g_autoptr(GError) error = NULL;
    DinoR1Tensor *half = dinor1_cast(graph, input(graph), DINOR1_F16);

    g_assert_null(dinor1_add(graph, half, dinor1_graph_find(graph, "x")));
    g_assert_false(dinor1_graph_check(graph, &error));
    g_assert_cmpstr(error->message, ==, "model, op binary: input 1 must be f16, not f32; inputs [2, 8] [2, 8]");
    g_clear_error(&error);
    g_assert_null(dinor1_softmax(other, dinor1_cast(other, input(other), DINOR1_BF16), 1));
    g_assert_false(dinor1_graph_check(other, &error));
    g_assert_cmpstr(error->message, ==, "model, op softmax: input 0 must not be bf16; inputs [2, 8]");
}

static void
test_cpu(void)
{
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(1, 0);
    g_autoptr(GError) error = NULL;
    DinoR1Graph *graph = new_graph();

    dinor1_graph_output(graph, "y", linear(graph, input(graph), "w1"));
    lower(graph, DINOR1_F16);
    g_assert_null(dinor1_program_new(graph, backend, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    g_assert_cmpstr(error->message, ==, "cpu: this device does not compute with f16");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lower/chain", test_chain);
    g_test_add_func("/lower/shared", test_shared);
    g_test_add_func("/lower/scores", test_scores);
    g_test_add_func("/lower/exact", test_exact);
    g_test_add_func("/lower/deformable", test_deformable);
    g_test_add_func("/lower/variable", test_variable);
    g_test_add_func("/lower/backward", test_backward);
    g_test_add_func("/lower/gradient", test_gradient);
    g_test_add_func("/lower/types", test_types);
    g_test_add_func("/lower/cpu", test_cpu);
    return g_test_run();
}
