/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"
#include "graph/plan.h"
#include "graph/program.h"

#include <dinor1/error.h>
#include <string.h>

static void
assert_fails(DinoR1Graph *graph, const gchar *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_graph_check(graph, &error));
    if (!strstr(error->message, part))
        g_error("'%s' does not say '%s'", error->message, part);
}

static void
test_shape_errors(void)
{
    g_autoptr(DinoR1Graph) graph = dinor1_graph_new(NULL, NULL);
    DinoR1Tensor *a = dinor1_graph_input(graph, "a", DINOR1_F32, DINOR1_SHAPE(2, 3));
    DinoR1Tensor *b = dinor1_graph_input(graph, "b", DINOR1_F32, DINOR1_SHAPE(4, 5));

    dinor1_graph_set_module(graph, "part");
    g_assert_true(dinor1_graph_check(graph, NULL));
    g_assert_null(dinor1_add(graph, a, b));
    assert_fails(graph, "part, op binary: the shapes do not broadcast; inputs [2, 3] [4, 5]");
    /* The first error stays, and everything after it gives NULL. */
    g_assert_null(dinor1_reshape(graph, a, DINOR1_SHAPE(7)));
    g_assert_null(dinor1_softmax(graph, a, 0));
    assert_fails(graph, "op binary");
}

static void
test_reshape(void)
{
    g_autoptr(DinoR1Graph) graph = dinor1_graph_new(NULL, NULL);
    DinoR1Tensor *a = dinor1_graph_input(graph, "a", DINOR1_F32, DINOR1_SHAPE(2, 3, 4));
    DinoR1Tensor *b = dinor1_reshape(graph, a, DINOR1_SHAPE(-1, 4));
    DinoR1Tensor *c = dinor1_reshape(graph, b, DINOR1_SHAPE(24));

    g_assert_cmpint(b->shape.dims[0], ==, 6);
    g_assert_true(c->base == a);
    g_assert_null(dinor1_reshape(graph, a, DINOR1_SHAPE(-1, 5)));
    assert_fails(graph, "cannot reshape [2, 3, 4] to [-1, 5]");
}

static gboolean
no_weight(gpointer data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    static gfloat values[6];

    if (g_str_equal(name, "there")) {
        *view = (DinoR1View){DINOR1_F32, DINOR1_SHAPE(2, 3), values};
        return TRUE;
    }
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS, "tensor '%s' is missing", name);
    return FALSE;
}

static void
test_weights(void)
{
    g_autoptr(DinoR1Graph) graph = dinor1_graph_new(no_weight, NULL);
    g_autoptr(DinoR1Graph) other = dinor1_graph_new(no_weight, NULL);
    DinoR1Tensor *there = dinor1_graph_weight(graph, "there", DINOR1_SHAPE(2, 3));

    g_assert_true(dinor1_graph_weight(graph, "there", DINOR1_SHAPE(2, 3)) == there);
    g_assert_null(dinor1_graph_weight(graph, "there", DINOR1_SHAPE(3, 2)));
    assert_fails(graph, "tensor 'there' is [2, 3], but the configuration asks for [3, 2]");
    g_assert_null(dinor1_graph_weight(other, "gone", DINOR1_SHAPE(1)));
    assert_fails(other, "tensor 'gone' is missing");
}

/* (a * 2 + c) summed, with a dead branch and a part that depends on constants only. */
static void
test_program(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(2, dinor1_cpu_detect());
    DinoR1Graph *graph = dinor1_graph_new(NULL, NULL);
    const gfloat ones[4] = {1, 2, 3, 4};
    DinoR1Tensor *a = dinor1_graph_input(graph, "a", DINOR1_F32, DINOR1_SHAPE(4));
    DinoR1Tensor *c = dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(4), ones);
    DinoR1Tensor *fixed = dinor1_affine(graph, c, 10, 0);
    DinoR1Tensor *sum = dinor1_add(graph, dinor1_affine(graph, a, 2, 0), fixed);
    g_autoptr(DinoR1Program) program = NULL;
    gfloat in[4] = {1, 1, 1, 1}, out;

    dinor1_affine(graph, a, 3, 3); /* nothing reads it */
    dinor1_graph_output(graph, "sum", dinor1_reduce(graph, DINOR1_REDUCE_SUM, sum, 0));
    program = dinor1_program_new(graph, backend, &error);
    g_assert_no_error(error);
    g_assert_false(dinor1_program_is_run(program, 0)); /* fixed */
    g_assert_true(dinor1_program_is_run(program, 1));
    g_assert_false(dinor1_program_is_run(program, 3)); /* dead */
    for (gint i = 0; i < 3; i++) {
        in[0] = (gfloat)i;
        g_assert_true(dinor1_program_set(program, "a", in, sizeof in, &error));
        g_assert_true(dinor1_program_run(program, &error));
        g_assert_true(dinor1_program_get(program, "sum", &out, sizeof out, &error));
        g_assert_cmpfloat(out, ==, 100 + 6 + 2 * i);
    }
    g_assert_false(dinor1_program_set(program, "a", in, sizeof in - 4, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "'a' has 16 bytes, not 12");
}

/* The staging memory of the CPU's inputs and outputs is their own. */
static void
test_staging(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(1, dinor1_cpu_detect());
    DinoR1Graph *graph = dinor1_graph_new(NULL, NULL);
    DinoR1Tensor *a = dinor1_graph_input(graph, "a", DINOR1_F32, DINOR1_SHAPE(2));
    g_autoptr(DinoR1Program) program = NULL;
    const gfloat *out;
    gfloat *in;

    dinor1_graph_output(graph, "twice", dinor1_affine(graph, a, 2, 0));
    program = dinor1_program_new(graph, backend, &error);
    g_assert_no_error(error);
    in = dinor1_program_stage(program, "a", &error);
    g_assert_true(in == dinor1_program_map(program, "a"));
    in[0] = 3;
    in[1] = 4;
    g_assert_true(dinor1_program_push(program, "a", &error) && dinor1_program_run(program, &error));
    out = dinor1_program_pull(program, "twice", &error);
    g_assert_true(out == dinor1_program_map(program, "twice"));
    g_assert_cmpfloat(out[0], ==, 6);
    g_assert_cmpfloat(out[1], ==, 8);
    g_assert_null(dinor1_program_stage(program, "b", &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "no input or output 'b'");
}

static gboolean
overlap(const DinoR1PlanBuffer *a, const DinoR1PlanBuffer *b)
{
    return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->size &&
           b->offset < a->offset + a->size;
}

static void
test_plan(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    for (gint round = 0; round < 50; round++) {
        DinoR1PlanBuffer buffers[60];
        const guint n = (guint)g_rand_int_range(rand, 1, 60);
        gsize arena, sum = 0;

        for (guint i = 0; i < n; i++) {
            buffers[i].size = (gsize)g_rand_int_range(rand, 1, 5000);
            buffers[i].first = g_rand_int_range(rand, -1, 30);
            buffers[i].last = buffers[i].first + g_rand_int_range(rand, 0, 8);
            sum += buffers[i].size + 63;
        }
        arena = dinor1_plan_arena(buffers, n);
        g_assert_cmpuint(arena, <=, sum);
        for (guint i = 0; i < n; i++) {
            g_assert_cmpuint(buffers[i].offset % 64, ==, 0);
            g_assert_cmpuint(buffers[i].offset + buffers[i].size, <=, arena);
            for (guint j = 0; j < i; j++)
                g_assert_false(overlap(&buffers[i], &buffers[j]));
        }
    }
}

/* A chain needs two buffers, however long it is. */
static void
test_plan_shares(void)
{
    DinoR1PlanBuffer buffers[20];

    for (gint i = 0; i < 20; i++)
        buffers[i] = (DinoR1PlanBuffer){1024, i, i + 1, 0};
    g_assert_cmpuint(dinor1_plan_arena(buffers, 20), ==, 2048);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/shape-errors", test_shape_errors);
    g_test_add_func("/graph/reshape", test_reshape);
    g_test_add_func("/graph/weights", test_weights);
    g_test_add_func("/graph/program", test_program);
    g_test_add_func("/graph/staging", test_staging);
    g_test_add_func("/plan/no-overlap", test_plan);
    g_test_add_func("/plan/shares", test_plan_shares);
    return g_test_run();
}
