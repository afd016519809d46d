/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* The plans of a detector on the emulated GPU: when it makes new ones, and when memory is short. */
#include "gpu.h"

#include "backend/device.h"
#include "detector/programs.h"
#include "detector/tokens.h"

#include <dinor1/dinor1.h>
#include <string.h>

#define SIDE 64

static DinoR1EmulatedGpu *gpu;

static DinoR1Model *
load_model(void)
{
    g_autofree gchar *path =
        g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", "dino-r1-visual", NULL);
    g_autoptr(GError) error = NULL;
    DinoR1Model *model = dinor1_model_load(path, &error);

    g_assert_no_error(error);
    return model;
}

static void
test_bucket(void)
{
    const guint expected[][2] = {{0, 0}, {1, 1}, {2, 2}, {3, 4}, {5, 8}, {32, 32}, {33, 64}, {64, 64}, {65, 128},
        {128, 128}, {129, 192}, {257, 320}};

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpuint(dinor1_token_bucket(expected[i][0]), ==, expected[i][1]);
}

static guint8 pixels[SIDE * SIDE * 3];

static void
detect(DinoR1Detector *detector)
{
    const DinoR1Image image = {
        .format = DINOR1_PIXEL_RGB, .width = SIDE, .height = SIDE, .planes = {pixels}, .strides = {SIDE * 3}};
    g_autoptr(GError) error = NULL;
    DinoR1DetectionList found;

    g_assert_true(dinor1_detector_detect(detector, &image, &found, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(found.n_items, >, 0);
}

static DinoR1Detector *
open_detector(DinoR1Model *model)
{
    g_autoptr(GError) error = NULL;
    DinoR1DetectorOptions options;
    DinoR1Detector *detector;

    dinor1_detector_options_init(&options);
    options.device = "cuda-host";
    options.precision = "fp32";
    options.threshold = 0;
    options.shortest_edge = options.longest_edge = SIDE;
    detector = dinor1_detector_new(model, &options, &error);
    g_assert_no_error(error);
    return detector;
}

/* A prompt more, while frames go on: only where it crosses a bucket there is a new plan, which runs once op by op. */
static void
test_prompts(void)
{
    g_autoptr(DinoR1Model) model = load_model();
    g_autoptr(DinoR1Detector) detector = open_detector(model);
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(model);
    const gsize d = (gsize)dinor1_model_get_embedding_size(model);
    g_autofree gfloat *embedding = g_new(gfloat, d);
    g_autoptr(GError) error = NULL;

    for (guint n = 1; n <= 6; n++) {
        const gboolean is_new = n == 1 || n == 2 || n == 3 || n == 5;
        g_autofree gchar *label = g_strdup_printf("%u", n);
        DinoR1EmulatedGpu before;

        for (gsize i = 0; i < d; i++)
            embedding[i] = (gfloat)((i * n) % 5) - 2;
        g_assert_true(dinor1_prompt_bank_add_exemplar(bank, label, embedding, NULL, &error));
        before = *gpu;
        g_assert_true(dinor1_detector_set_prompts(detector, bank, &error));
        detect(detector);
        g_assert_cmpuint(gpu->n_graph_launches - before.n_graph_launches, ==, is_new ? 0 : 1);
        if (is_new)
            detect(detector);
        else
            g_assert_cmpuint(gpu->n_allocations, ==, before.n_allocations);
        before = *gpu;
        detect(detector);
        g_assert_cmpuint(gpu->n_graph_launches - before.n_graph_launches, ==, 1);
        g_assert_cmpuint(gpu->n_waits - before.n_waits, ==, 1);
        g_assert_cmpuint(gpu->n_allocations, ==, before.n_allocations);
        g_assert_cmpuint(gpu->n_host_allocations, ==, before.n_host_allocations);
    }
}

static DinoR1Program *
get(DinoR1Programs *programs, gint width, gboolean *is_new, GError **error)
{
    const DinoR1ProgramKey key = {DINOR1_PROGRAM_DETECTOR, width, SIDE, 1};

    return dinor1_programs_get(programs, &key, is_new, error);
}

/* Other plans go before one more is refused; the refusal says what was missing and harms nothing. */
static void
test_memory(void)
{
    g_autoptr(DinoR1Model) model = load_model();
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_backend_open("cuda-host", 1, NULL, &error);
    g_autoptr(DinoR1Programs) programs = dinor1_programs_new(model, backend, DINOR1_F32);
    const gsize start = gpu->used_memory;
    gboolean is_new;
    gsize one;

    g_assert_nonnull(get(programs, SIDE, &is_new, &error));
    one = gpu->used_memory - start;
    g_assert_nonnull(get(programs, SIDE - 4, &is_new, &error));
    gpu->memory = gpu->used_memory + one / 8;
    g_assert_nonnull(get(programs, SIDE - 8, &is_new, &error));
    g_assert_no_error(error);
    g_assert_true(is_new);
    g_assert_nonnull(get(programs, SIDE - 4, &is_new, &error)); /* the younger one stayed */
    g_assert_false(is_new);

    gpu->memory = start + one / 2;
    g_assert_null(get(programs, SIDE, &is_new, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY);
    g_test_message("%s", error->message);
    g_assert_true(g_pattern_match_simple(
        "cuda:0: out of memory: asked for *, * of * are free; the plan needs *, * of it for weights", error->message));
    g_assert_cmpuint(gpu->used_memory, ==, start);
    g_clear_error(&error);

    gpu->memory = 0;
    g_assert_nonnull(get(programs, SIDE, &is_new, &error));
    g_assert_true(is_new);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gpu = find_gpu();
    for (guint i = 0; i < sizeof pixels; i++)
        pixels[i] = (guint8)(i * i / 7 + i % 13);
    g_test_add_func("/programs/bucket", test_bucket);
    g_test_add_func("/programs/prompts", test_prompts);
    g_test_add_func("/programs/memory", test_memory);
    return g_test_run();
}
