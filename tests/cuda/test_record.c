/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Programs on the emulated GPU: recorded and replayed, waiting once a frame, and what they say when the device fails.
 */
#include "gpu.h"

#include "backend/device.h"
#include "graph/program.h"

#include <dinor1/error.h>
#include <string.h>

/* As large as a staging buffer at its smallest, so that every upload fills one. */
#define N 16384

static DinoR1EmulatedGpu *gpu;

static DinoR1Backend *
open_backend(void)
{
    g_autoptr(GError) error = NULL;
    DinoR1Backend *backend = dinor1_backend_open("cuda-host", 1, NULL, &error);

    g_assert_no_error(error);
    return backend;
}

/* Stage 0: twice = 2 x. Stage 1: sum = the sum of twice + 1. x [N] */
static DinoR1Program *
new_program(DinoR1Backend *backend, GError **error)
{
    DinoR1Graph *graph = dinor1_graph_new(NULL, NULL);
    DinoR1Tensor *x = dinor1_graph_input(graph, "x", DINOR1_F32, DINOR1_SHAPE(N));
    DinoR1Tensor *twice = dinor1_affine(graph, x, 2, 0), *sum;

    dinor1_graph_output(graph, "twice", twice);
    dinor1_graph_next_stage(graph);
    sum = dinor1_reduce(graph, DINOR1_REDUCE_SUM, dinor1_affine(graph, twice, 1, 1), 0);
    dinor1_graph_output(graph, "sum", sum);
    return dinor1_program_new(graph, backend, error);
}

static void
set_x(DinoR1Program *program, gfloat value)
{
    g_autofree gfloat *x = g_new(gfloat, N);
    g_autoptr(GError) error = NULL;

    for (gint i = 0; i < N; i++)
        x[i] = value;
    g_assert_true(dinor1_program_set(program, "x", x, N * sizeof *x, &error));
    g_assert_no_error(error);
    memset(x, 0, N * sizeof *x);
}

static void
run(DinoR1Program *program)
{
    g_autoptr(GError) error = NULL;

    dinor1_program_run(program, &error);
    g_assert_no_error(error);
}

/* Both outputs for an x of @value, with one wait. */
static void
assert_results(DinoR1Program *program, gfloat value)
{
    static gfloat twice[N];
    gfloat sum = 0;
    const DinoR1ProgramRead reads[] = {{"twice", twice, sizeof twice}, {"sum", &sum, sizeof sum}};
    g_autoptr(GError) error = NULL;
    const guint n_waits = gpu->n_waits;

    g_assert_true(dinor1_program_get_many(program, reads, G_N_ELEMENTS(reads), &error));
    g_assert_no_error(error);
    g_assert_cmpuint(gpu->n_waits - n_waits, ==, 1);
    g_assert_cmpfloat(sum, ==, N * (2 * value + 1));
    for (gint i = 0; i < N; i++)
        g_assert_cmpfloat(twice[i], ==, 2 * value);
}

/* From the second frame on one launch of a graph; from the third nothing else than the copies; no allocation, and no
 * waiting before the results are asked for. */
static void
test_frames(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend();
    g_autoptr(DinoR1Program) program = new_program(backend, NULL);

    for (gint frame = 0; frame < 6; frame++) {
        const DinoR1EmulatedGpu before = *gpu;

        set_x(program, (gfloat)frame);
        run(program);
        g_assert_cmpuint(gpu->n_waits, ==, before.n_waits);
        assert_results(program, (gfloat)frame);
        g_assert_cmpuint(gpu->n_graph_launches - before.n_graph_launches, ==, frame > 0);
        if (frame < 2)
            continue;
        g_assert_cmpuint(gpu->n_launches - before.n_launches, ==, 3);
        g_assert_cmpuint(gpu->n_allocations, ==, before.n_allocations);
        g_assert_cmpuint(gpu->n_host_allocations, ==, before.n_host_allocations);
    }
}

/* Each stage has a recording of its own, and a timed run none. */
static void
test_stages(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend();
    g_autoptr(DinoR1Program) program = new_program(backend, NULL);
    g_autoptr(GError) error = NULL;
    gdouble seconds[3] = {0};
    guint n_graph_launches;

    for (gint frame = 0; frame < 4; frame++) {
        set_x(program, (gfloat)frame);
        n_graph_launches = gpu->n_graph_launches;
        for (guint stage = 0; stage < 2; stage++)
            g_assert_true(dinor1_program_run_stage(program, stage, &error));
        g_assert_cmpuint(gpu->n_graph_launches - n_graph_launches, ==, frame > 0 ? 2 : 0);
        assert_results(program, (gfloat)frame);
    }
    n_graph_launches = gpu->n_graph_launches;
    set_x(program, 7);
    g_assert_true(dinor1_program_run_timed(program, seconds, &error));
    assert_results(program, 7);
    /* Each op's own, to warm up and to time. */
    g_assert_cmpuint(gpu->n_graph_launches - n_graph_launches, ==, 3 * 2);
    for (guint i = 0; i < G_N_ELEMENTS(seconds); i++)
        g_assert_cmpfloat(seconds[i], >, 0);
}

/* Frames of several programs are filled ahead of the device. Two uploads wait for nothing, the third for the first;
 * what each staged is read before it is overwritten. */
static void
test_ahead(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend();
    DinoR1Program *programs[3];

    for (gint i = 0; i < 3; i++) {
        programs[i] = new_program(backend, NULL);
        set_x(programs[i], 0);
        run(programs[i]);
    }
    assert_results(programs[2], 0);
    for (gint round = 0; round < 3; round++) {
        for (gint i = 0; i < 3; i++) {
            const guint n_waits = gpu->n_waits;

            set_x(programs[i], (gfloat)(10 * round + i));
            run(programs[i]);
            g_assert_cmpuint(gpu->n_waits - n_waits, ==, i == 2);
        }
        for (gint i = 0; i < 3; i++)
            assert_results(programs[i], (gfloat)(10 * round + i));
    }
    for (gint i = 0; i < 3; i++)
        dinor1_program_free(programs[i]);
}

/* More than staging memory holds goes in parts. */
static void
test_large(void)
{
    const gsize n = ((gsize)33 << 20) / sizeof(gfloat) + 3;
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = open_backend();
    g_autofree gfloat *x = g_new(gfloat, n), *back = g_new0(gfloat, n);
    gpointer memory = backend->klass->alloc(backend, n * sizeof *x, &error);

    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++)
        x[i] = (gfloat)(i % 8191);
    for (gint round = 0; round < 2; round++) {
        x[0]--;
        g_assert_true(backend->klass->upload(backend, memory, x, n * sizeof *x, &error));
        g_assert_true(backend->klass->download(backend, back, memory, n * sizeof *x, &error));
        g_assert_cmpmem(back, n * sizeof *x, x, n * sizeof *x);
    }
    backend->klass->release(backend, memory);
}

/* Without recordings the program does the same: because it was asked to, or because the device refuses. */
static void
test_op_by_op(void)
{
    for (gint refused = 0; refused < 2; refused++) {
        g_autoptr(DinoR1Backend) backend = NULL;
        g_autoptr(DinoR1Program) program = NULL;
        const guint n_graph_launches = gpu->n_graph_launches;

        if (!refused)
            g_setenv("DINOR1_CUDA_SYNC", "1", TRUE);
        backend = open_backend();
        g_unsetenv("DINOR1_CUDA_SYNC");
        program = new_program(backend, NULL);
        gpu->refuse_capture = refused ? 1 : 0;
        for (gint frame = 0; frame < 4; frame++) {
            set_x(program, (gfloat)frame);
            run(program);
            assert_results(program, (gfloat)frame);
        }
        g_assert_cmpuint(gpu->n_graph_launches, ==, n_graph_launches);
    }
}

/* An op that the device refuses while it is recorded is tried once more, op by op. */
static void
test_refused_in_recording(void)
{
    g_autoptr(DinoR1Backend) backend = open_backend();
    g_autoptr(DinoR1Program) program = new_program(backend, NULL);

    set_x(program, 1);
    run(program);
    gpu->refuse_launch = 2;
    for (gint frame = 0; frame < 3; frame++) {
        set_x(program, (gfloat)frame);
        run(program);
        g_assert_cmpuint(gpu->refuse_launch, ==, 0);
        assert_results(program, (gfloat)frame);
    }
}

/* What a frame says, in running or in reading its results; then the backend must be dead and say the same. */
static gchar *
fail_frame(DinoR1Program *program, DinoR1Backend *backend)
{
    g_autoptr(GError) error = NULL, again = NULL;
    gfloat sum;

    if (dinor1_program_run(program, &error))
        dinor1_program_get(program, "sum", &sum, sizeof sum, &error);
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE);
    g_assert_false(dinor1_program_run(program, &again));
    g_assert_cmpstr(again->message, ==, error->message);
    g_clear_error(&again);
    g_assert_null(backend->klass->alloc(backend, 4, &again));
    g_assert_cmpstr(again->message, ==, error->message);
    return g_strdup(error->message);
}

typedef struct {
    const gchar *name;
    gboolean sync;
    gint n_frames; /* that go well before */
    guint refuse_launch, fault;
    const gchar *pattern;
} Failure;

static const Failure failures[] = {
    {"refused", FALSE, 0, 2, 0,
        "cuda:0: unary: invalid configuration argument (cudaErrorInvalidConfiguration) at elementwise.cu:*"},
    {"fault", FALSE, 0, 0, 2,
        "cuda:0: download after reduce: an illegal memory access was encountered (cudaErrorIllegalAddress); "
        "with DINOR1_CUDA_SYNC=1 the message names the op"},
    {"fault-sync", TRUE, 2, 0, 2,
        "cuda:0: failure after unary: an illegal memory access was encountered (cudaErrorIllegalAddress)"},
    {"fault-replay", FALSE, 3, 0, 2,
        "cuda:0: download after the recorded run of all stages: an illegal memory access was encountered "
        "(cudaErrorIllegalAddress); with DINOR1_CUDA_SYNC=1 the message names the op"},
};

static void
test_failure(gconstpointer data)
{
    const Failure *failure = data;
    g_autoptr(DinoR1Backend) backend = NULL;
    g_autoptr(DinoR1Program) program = NULL;
    g_autofree gchar *message = NULL;

    if (failure->sync)
        g_setenv("DINOR1_CUDA_SYNC", "1", TRUE);
    backend = open_backend();
    g_unsetenv("DINOR1_CUDA_SYNC");
    program = new_program(backend, NULL);
    for (gint frame = 0; frame < failure->n_frames; frame++) {
        set_x(program, (gfloat)frame);
        run(program);
        assert_results(program, (gfloat)frame);
    }
    gpu->refuse_launch = failure->refuse_launch;
    gpu->fault = failure->fault;
    message = fail_frame(program, backend);
    if (!g_pattern_match_simple(failure->pattern, message))
        g_error("'%s' is not '%s'", message, failure->pattern);

    /* The process lives: another backend works. */
    g_clear_pointer(&program, dinor1_program_free);
    dinor1_backend_free(backend);
    backend = open_backend();
    program = new_program(backend, NULL);
    set_x(program, 5);
    run(program);
    assert_results(program, 5);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gpu = find_gpu();
    g_test_add_func("/record/frames", test_frames);
    g_test_add_func("/record/stages", test_stages);
    g_test_add_func("/record/ahead", test_ahead);
    g_test_add_func("/record/large", test_large);
    g_test_add_func("/record/op-by-op", test_op_by_op);
    g_test_add_func("/record/refused", test_refused_in_recording);
    for (guint i = 0; i < G_N_ELEMENTS(failures); i++) {
        g_autofree gchar *path = g_strdup_printf("/record/failure/%s", failures[i].name);
        g_test_add_data_func(path, &failures[i], test_failure);
    }
    return g_test_run();
}
