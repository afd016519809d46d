/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "prompts/bank_internal.h"

#include <dinor1/dinor1.h>
#include <math.h>
#include <string.h>

#define WIDTH  90
#define HEIGHT 60

typedef struct {
    DinoR1Model *model;
    DinoR1Detector *detector;
    DinoR1PromptBank *bank;
    guint8 pixels[WIDTH * HEIGHT * 3];
    DinoR1Image image;
} Fixture;

static gchar *
model_path(const gchar *name)
{
    return g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", name, NULL);
}

static void
set_up(Fixture *f, gconstpointer name)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *path = model_path(name);
    DinoR1DetectorOptions options;

    f->model = dinor1_model_load(path, &error);
    g_assert_no_error(error);
    dinor1_detector_options_init(&options);
    options.threshold = 0;
    options.n_threads = 2;
    options.shortest_edge = 64;
    options.longest_edge = 128;
    f->detector = dinor1_detector_new(f->model, &options, &error);
    g_assert_no_error(error);
    f->bank = dinor1_prompt_bank_new(f->model);
    for (guint i = 0; i < sizeof f->pixels; i++)
        f->pixels[i] = (guint8)(i * i / 7 + i % 13);
    f->image = (DinoR1Image){
        .format = DINOR1_PIXEL_RGB, .width = WIDTH, .height = HEIGHT, .planes = {f->pixels}, .strides = {WIDTH * 3}};
}

static void
tear_down(Fixture *f, gconstpointer name)
{
    dinor1_prompt_bank_unref(f->bank);
    dinor1_detector_free(f->detector);
    dinor1_model_unref(f->model);
}

static void
add_prompt(Fixture *f, const gchar *label, DinoR1Box box)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_detector_add_prompt(f->detector, f->bank, label, &f->image, &box, "test", &error));
    g_assert_no_error(error);
}

static DinoR1DetectionList
detect(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    DinoR1DetectionList found;

    g_assert_true(dinor1_detector_detect(f->detector, &f->image, &found, &error));
    g_assert_no_error(error);
    return found;
}

static DinoR1DetectionList
detect_with(Fixture *f, const DinoR1PromptBank *bank)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_detector_set_prompts(f->detector, bank, &error));
    g_assert_no_error(error);
    return detect(f);
}

static void
assert_error(GError **error, gint code, const gchar *part)
{
    g_assert_error(*error, DINOR1_ERROR, code);
    if (!strstr((*error)->message, part))
        g_error("'%s' does not say '%s'", (*error)->message, part);
    g_clear_error(error);
}

static void
test_detect(Fixture *f, gconstpointer name)
{
    DinoR1DetectionList found;

    g_assert_cmpuint(detect(f).n_items, ==, 0); /* no prompts yet */
    g_assert_cmpuint(detect_with(f, f->bank).n_items, ==, 0);
    add_prompt(f, "one", (DinoR1Box){10, 10, 30, 20});
    add_prompt(f, "two", (DinoR1Box){50, 20, 20, 30});
    found = detect_with(f, f->bank);
    g_assert_cmpuint(found.n_items, >, 10);
    for (guint i = 0; i < found.n_items; i++) {
        const DinoR1Detection *item = &found.items[i];

        g_assert_cmpuint(item->class_index, <, 2);
        g_assert_true(item->box.x >= 0 && item->box.x + item->box.width <= WIDTH + 1e-3);
        g_assert_true(item->box.y >= 0 && item->box.y + item->box.height <= HEIGHT + 1e-3);
        if (i > 0)
            g_assert_cmpfloat(item->score, <=, found.items[i - 1].score);
    }
    dinor1_detector_set_threshold(f->detector, 1);
    g_assert_cmpuint(detect(f).n_items, ==, 0);
    dinor1_detector_set_threshold(f->detector, 0);
    dinor1_detector_set_max_detections(f->detector, 3);
    g_assert_cmpuint(detect(f).n_items, ==, 3);
}

/* Other sizes and prompts in between, more than the cache of plans holds, change nothing. */
static void
test_repeatable(Fixture *f, gconstpointer name)
{
    g_autofree DinoR1Detection *first = NULL;
    g_autoptr(DinoR1PromptBank) two = NULL;
    DinoR1DetectionList found;
    guint n;

    add_prompt(f, "one", (DinoR1Box){10, 10, 30, 20});
    two = dinor1_prompt_bank_copy(f->bank);
    found = detect_with(f, f->bank);
    n = found.n_items;
    first = g_memdup2(found.items, n * sizeof *first);
    add_prompt(f, "two", (DinoR1Box){50, 20, 20, 30});
    for (gint width = WIDTH; width > WIDTH - 6; width--) {
        f->image.width = width;
        detect_with(f, f->bank);
    }
    f->image.width = WIDTH;
    found = detect_with(f, two);
    g_assert_cmpmem(found.items, found.n_items * sizeof *first, first, n * sizeof *first);
}

/* Boxes embedded together or one by one give the same vectors. */
static void
test_embed_many(Fixture *f, gconstpointer name)
{
    const DinoR1Box boxes[3] = {{0, 0, 90, 60}, {10, 10, 5, 5}, {-20, 30, 60, 100}};
    const gsize d = (gsize)dinor1_model_get_embedding_size(f->model);
    g_autoptr(GError) error = NULL;
    g_autofree gfloat *together = g_new(gfloat, 3 * d);
    g_autofree gfloat *alone = g_new(gfloat, d);

    g_assert_true(dinor1_detector_embed(f->detector, &f->image, boxes, 3, together, &error));
    for (gsize b = 0; b < 3; b++) {
        g_assert_true(dinor1_detector_embed(f->detector, &f->image, &boxes[b], 1, alone, &error));
        for (gsize i = 0; i < d; i++)
            g_assert_cmpfloat_with_epsilon(alone[i], together[b * d + i], 1e-5);
    }
}

static void
test_bad_boxes(Fixture *f, gconstpointer name)
{
    const DinoR1Box bad[] = {{90, 0, 10, 10}, {0, 60, 5, 5}, {-10, 0, 10, 10}, {5, 5, 0, 10}, {5, 5, 10, -1},
        {NAN, 5, 10, 10}, {5, 5, INFINITY, 10}};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(dinor1_detector_add_prompt(f->detector, f->bank, "x", &f->image, &bad[i], NULL, &error));
        assert_error(&error, DINOR1_ERROR_ARGUMENT, "no area inside the 90x60 picture");
    }
    g_assert_cmpuint(dinor1_prompt_bank_get_n_classes(f->bank), ==, 0);
}

static void
test_bad_image(Fixture *f, gconstpointer name)
{
    g_autoptr(GError) error = NULL;
    DinoR1DetectionList found;

    f->image.strides[0] = WIDTH * 3 - 1;
    g_assert_false(dinor1_detector_detect(f->detector, &f->image, &found, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "");
    g_assert_cmpuint(found.n_items, ==, 0);
}

/* The smallest and a very wide picture. */
static void
test_odd_sizes(Fixture *f, gconstpointer name)
{
    const gint width = 8192;
    g_autofree guint8 *wide = g_malloc0((gsize)width * 3);

    add_prompt(f, "one", (DinoR1Box){10, 10, 30, 20});
    detect_with(f, f->bank);
    f->image = (DinoR1Image){.format = DINOR1_PIXEL_RGB, .width = 1, .height = 1, .planes = {wide}, .strides = {3}};
    g_assert_cmpuint(detect(f).n_items, >, 0);
    f->image.width = width;
    f->image.strides[0] = width * 3;
    g_assert_cmpuint(detect(f).n_items, >, 0);
}

static void
test_mismatch(Fixture *f, gconstpointer name)
{
    const DinoR1BankFacts facts = {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        dinor1_model_get_embedding_size(f->model), TRUE};
    g_autoptr(DinoR1PromptBank) other = dinor1_prompt_bank_new_from_facts(&facts);
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_detector_set_prompts(f->detector, other, &error));
    assert_error(&error, DINOR1_ERROR_MISMATCH, "0123456789ab");
}

static void
test_text(Fixture *f, gconstpointer name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) longer = g_string_new("dog");
    guint both, classes = 0;

    add_prompt(f, "visual", (DinoR1Box){10, 10, 30, 20});
    g_assert_true(dinor1_prompt_bank_add_text(f->bank, "text", "a red car.", &error));
    both = detect_with(f, f->bank).n_items;
    for (guint i = 0; i < both; i++)
        classes |= 1u << detect(f).items[i].class_index;
    g_assert_cmpuint(classes, ==, 3);

    for (gint i = 0; i < 100; i++)
        g_string_append(longer, " dog");
    g_assert_true(dinor1_prompt_bank_add_text(f->bank, "long", longer->str, &error));
    g_assert_false(dinor1_detector_set_prompts(f->detector, f->bank, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "tokens, this model takes at most");
    /* What was set before stays in force. */
    g_assert_cmpuint(detect(f).n_items, ==, both);

    dinor1_prompt_bank_remove(f->bank, "long");
    g_assert_true(dinor1_prompt_bank_add_text(f->bank, "dots", "...", &error));
    g_assert_false(dinor1_detector_set_prompts(f->detector, f->bank, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "has no words");
}

static void
test_no_visual_prompts(Fixture *f, gconstpointer name)
{
    const DinoR1Box box = {10, 10, 30, 20};
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_model_has_visual_prompts(f->model));
    g_assert_false(dinor1_detector_add_prompt(f->detector, f->bank, "x", &f->image, &box, NULL, &error));
    assert_error(&error, DINOR1_ERROR_UNSUPPORTED, "no visual prompt encoder");
    g_assert_true(dinor1_prompt_bank_add_text(f->bank, "text", "cat", &error));
    g_assert_cmpuint(detect_with(f, f->bank).n_items, >, 0);
}

static void
test_bad_options(Fixture *f, gconstpointer name)
{
    DinoR1DetectorOptions options;
    g_autoptr(GError) error = NULL;

    dinor1_detector_options_init(&options);
    options.threshold = NAN;
    g_assert_null(dinor1_detector_new(f->model, &options, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "threshold");
    dinor1_detector_options_init(&options);
    options.max_detections = 0;
    g_assert_null(dinor1_detector_new(f->model, &options, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "max_detections");
    dinor1_detector_options_init(&options);
    options.device = "tpu";
    g_assert_null(dinor1_detector_new(f->model, &options, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "'tpu'");
    options.device = "cpu";
    options.precision = "fp8";
    g_assert_null(dinor1_detector_new(f->model, &options, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "precision 'fp8' is unknown: use auto, fp32, tf32, fp16, bf16");
    options.precision = "fp16";
    g_assert_null(dinor1_detector_new(f->model, &options, &error));
    assert_error(&error, DINOR1_ERROR_UNSUPPORTED, "has only fp32");
}

static void
test_profile(Fixture *f, gconstpointer name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Profile) profile = dinor1_detector_profile(f->detector, WIDTH, HEIGHT, 2, 1, &error);
    gdouble modules = 0, ops = 0;

    g_assert_no_error(error);
    for (guint i = 0; i < profile->n_modules; i++)
        modules += profile->modules[i].gmac;
    for (guint i = 0; i < profile->n_ops; i++)
        ops += profile->ops[i].gmac;
    g_assert_cmpfloat(modules, >, 0);
    g_assert_cmpfloat_with_epsilon(modules, ops, 1e-9);
    g_assert_cmpuint(profile->arena_bytes, <, profile->unplanned_bytes);
    g_assert_null(dinor1_detector_profile(f->detector, 0, HEIGHT, 2, 1, &error));
    assert_error(&error, DINOR1_ERROR_ARGUMENT, "0x60");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, model, func) g_test_add("/detector/" name, Fixture, model, set_up, func, tear_down)
    ADD("detect", "dino-r1", test_detect);
    ADD("detect-visual-only", "dino-r1-visual", test_detect);
    ADD("repeatable", "dino-r1", test_repeatable);
    ADD("embed-many", "dino-r1", test_embed_many);
    ADD("bad-boxes", "dino-r1", test_bad_boxes);
    ADD("bad-image", "dino-r1", test_bad_image);
    ADD("odd-sizes", "dino-r1", test_odd_sizes);
    ADD("mismatch", "dino-r1", test_mismatch);
    ADD("text", "dino-r1", test_text);
    ADD("no-visual-prompts", "gdino-tied", test_no_visual_prompts);
    ADD("bad-options", "dino-r1", test_bad_options);
    ADD("profile", "dino-r1", test_profile);
    return g_test_run();
}
