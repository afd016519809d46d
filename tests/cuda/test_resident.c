/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* One copy of a constant for all programs of a backend: on the emulated GPU. */
#include "backend/device.h"
#include "backend/resident.h"
#include "graph/program.h"

#define N 5

static const gfloat numbers[N] = {-2, -1, 0, 1, 2};

static DinoR1Backend *
open_backend(const gchar *device)
{
    g_autoptr(GError) error = NULL;
    DinoR1Backend *backend = dinor1_backend_open(device, 1, NULL, &error);

    g_assert_no_error(error);
    return backend;
}

static gboolean
find_weight(gpointer user_data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    *view = (DinoR1View){DINOR1_F32, *shape, (gpointer)numbers};
    return TRUE;
}

/* y = x + relu(weight); of a weight that does not vary, the relu is computed once. */
static DinoR1Program *
new_program(DinoR1Backend *backend, gboolean variable)
{
    DinoR1Graph *graph = dinor1_graph_new(find_weight, NULL);
    g_autoptr(GError) error = NULL;
    DinoR1Tensor *x, *weight;
    DinoR1Program *program;

    if (variable)
        dinor1_graph_set_variable(graph);
    x = dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(N));
    weight = dinor1_unary(graph, DINOR1_UNARY_RELU, dinor1_graph_weight(graph, "weight", DINOR1_SHAPE(N)));
    dinor1_graph_output(graph, "y", dinor1_add(graph, x, weight));
    program = dinor1_program_new(graph, backend, &error);
    g_assert_no_error(error);
    g_assert_cmpint(dinor1_program_is_run(program, 0), ==, variable);
    return program;
}

static void
run(DinoR1Program *program, const gfloat *expected)
{
    const gfloat x[N] = {10, 20, 30, 40, 50};
    g_autoptr(GError) error = NULL;
    gfloat y[N];

    dinor1_program_set(program, "x", x, sizeof x, &error);
    g_assert_no_error(error);
    dinor1_program_run(program, &error);
    g_assert_no_error(error);
    dinor1_program_get(program, "y", y, sizeof y, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < N; i++)
        g_assert_cmpfloat(y[i], ==, expected[i]);
}

static const gfloat sums[N] = {10, 20, 30, 41, 52};

static void
test_programs(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend("cuda-host");
    DinoR1Program *first = new_program(backend, FALSE), *second = new_program(backend, TRUE), *third;

    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, sizeof numbers);
    run(first, sums);
    run(second, sums);
    dinor1_program_free(first);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, sizeof numbers);
    third = new_program(backend, FALSE);
    run(second, sums);
    dinor1_program_free(second);
    run(third, sums);
    dinor1_program_free(third);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, 0);
}

/* What is written into the one copy is what every program of variable weights reads next. */
static void
test_variable(void)
{
    const gfloat others[N] = {1, 1, 1, 1, -1}, other_sums[N] = {11, 21, 31, 41, 50};
    g_autoptr(DinoR1Backend) backend = open_backend("cuda-host");
    g_autoptr(DinoR1Program) first = new_program(backend, TRUE), second = new_program(backend, TRUE);
    g_autoptr(GError) error = NULL;
    gpointer memory = dinor1_resident_take(backend, numbers, DINOR1_F32, sizeof numbers, &error);

    g_assert_no_error(error);
    run(first, sums);
    g_assert_true(backend->klass->upload(backend, memory, others, sizeof others, &error));
    run(first, other_sums);
    run(second, other_sums);
    dinor1_resident_give(backend, numbers, DINOR1_F32, sizeof numbers);
    run(second, other_sums);
}

/* Numbers of a half type are f32 on the host, and each type has its own copy. */
static void
test_types(void)
{
    const DinoR1DType types[] = {DINOR1_F16, DINOR1_BF16};
    g_autoptr(DinoR1Backend) backend = open_backend("cuda-host");
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        gpointer memory = dinor1_resident_take(backend, numbers, types[i], N * sizeof(guint16), &error);
        guint16 back[N], expected[N];

        g_assert_no_error(error);
        dinor1_narrow(types[i], expected, numbers, N);
        g_assert_true(backend->klass->download(backend, back, memory, sizeof back, &error));
        g_assert_cmpmem(back, sizeof back, expected, sizeof expected);
        g_assert_cmpuint(dinor1_resident_get_size(backend), ==, (i + 1) * sizeof back);
    }
    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        dinor1_resident_give(backend, numbers, types[i], N * sizeof(guint16));
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, 0);
}

/* Another size at the same address is another constant. */
static void
test_sizes(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend("cuda-host");
    g_autoptr(GError) error = NULL;
    gpointer whole = dinor1_resident_take(backend, numbers, DINOR1_F32, sizeof numbers, &error);
    gpointer part = dinor1_resident_take(backend, numbers, DINOR1_F32, 8, &error);
    gfloat back[N];

    g_assert_no_error(error);
    g_assert_true(whole != part);
    g_assert_true(dinor1_resident_take_unset(backend, numbers, DINOR1_F32, 8, &error) == part);
    g_assert_true(backend->klass->download(backend, back, whole, sizeof back, &error));
    g_assert_cmpmem(back, sizeof back, numbers, sizeof numbers);
    dinor1_resident_give(backend, numbers, DINOR1_F32, 8);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, sizeof numbers + 8);
    dinor1_resident_give(backend, numbers, DINOR1_F32, 8);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, sizeof numbers);
    /* The backend's end is the end of what is left. */
}

static void
test_no_memory(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend("cuda-host");
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_resident_take_unset(backend, numbers, DINOR1_F32, (gsize)1 << 45, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, 0);
}

static void
test_host(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend("cpu");
    g_autoptr(DinoR1Program) program = new_program(backend, FALSE);

    run(program, sums);
    g_assert_true(dinor1_resident_take(backend, numbers, DINOR1_F32, sizeof numbers, NULL) == numbers);
    g_assert_cmpuint(dinor1_resident_get_size(backend), ==, 0);
    dinor1_resident_give(backend, numbers, DINOR1_F32, sizeof numbers);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resident/programs", test_programs);
    g_test_add_func("/resident/variable", test_variable);
    g_test_add_func("/resident/sizes", test_sizes);
    g_test_add_func("/resident/types", test_types);
    g_test_add_func("/resident/no-memory", test_no_memory);
    g_test_add_func("/resident/host", test_host);
    return g_test_run();
}
