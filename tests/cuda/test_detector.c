/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* A detector on a device finds what one on the CPU does, and survives the device's death: on the emulated GPU, or on
 * what the environment variable DINOR1_TEST_DEVICE names. */
#include "gpu.h"

#include "backend/device.h"

#include <dinor1/dinor1.h>
#include <math.h>
#include <string.h>

#define MAX_SIDE 96

static guint8 noise[MAX_SIDE * MAX_SIDE * 3];

static const gchar *
device_name(void)
{
    const gchar *name = g_getenv("DINOR1_TEST_DEVICE");
    return name ? name : "cuda-host";
}

static DinoR1Image
picture(gint width, gint height)
{
    return (DinoR1Image){
        .format = DINOR1_PIXEL_RGB, .width = width, .height = height, .planes = {noise}, .strides = {MAX_SIDE * 3}};
}

static DinoR1Model *
load_model(const gchar *name)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", name, NULL);
    g_autoptr(GError) error = NULL;
    DinoR1Model *model = dinor1_model_load(path, &error);

    g_assert_no_error(error);
    return model;
}

static DinoR1Detector *
open_detector(DinoR1Model *model, const gchar *device)
{
    g_autoptr(GError) error = NULL;
    DinoR1DetectorOptions options;
    DinoR1Detector *detector;

    dinor1_detector_options_init(&options);
    options.device = device;
    options.precision = "fp32";
    options.threshold = 0;
    options.n_threads = 2;
    options.shortest_edge = 48;
    options.longest_edge = 64;
    detector = dinor1_detector_new(model, &options, &error);
    g_assert_no_error(error);
    return detector;
}

typedef struct {
    DinoR1Model *model;
    DinoR1Detector *cpu, *device;
    DinoR1PromptBank *bank;
} Fixture;

static void
set_up(Fixture *f, gconstpointer model)
{
    f->model = load_model(model);
    f->cpu = open_detector(f->model, "cpu");
    f->device = open_detector(f->model, device_name());
    f->bank = dinor1_prompt_bank_new(f->model);
}

static void
tear_down(Fixture *f, gconstpointer model)
{
    dinor1_prompt_bank_unref(f->bank);
    dinor1_detector_free(f->device);
    dinor1_detector_free(f->cpu);
    dinor1_model_unref(f->model);
}

/* Adds to the bank what both make of @box, if that is the same. */
static void
add_prompt(Fixture *f, const gchar *label, const DinoR1Box *box)
{
    const gsize d = (gsize)dinor1_model_get_embedding_size(f->model);
    const DinoR1Image image = picture(90, 60);
    g_autofree gfloat *expected = g_new(gfloat, d);
    g_autofree gfloat *actual = g_new(gfloat, d);
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_detector_embed(f->cpu, &image, box, 1, expected, &error));
    g_assert_true(dinor1_detector_embed(f->device, &image, box, 1, actual, &error));
    for (gsize i = 0; i < d; i++)
        g_assert_cmpfloat_with_epsilon(actual[i], expected[i], 1e-4f);
    g_assert_true(dinor1_prompt_bank_add_exemplar(f->bank, label, actual, NULL, &error));
    g_assert_no_error(error);
}

static void
set_prompts(Fixture *f, const DinoR1PromptBank *bank)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_detector_set_prompts(f->cpu, bank, &error));
    g_assert_true(dinor1_detector_set_prompts(f->device, bank, &error));
    g_assert_no_error(error);
}

static gboolean
is_same(const DinoR1Detection *a, const DinoR1Detection *b)
{
    return a->class_index == b->class_index && fabsf(a->score - b->score) <= 1e-4f &&
           fabsf(a->box.x - b->box.x) <= 0.02f && fabsf(a->box.y - b->box.y) <= 0.02f &&
           fabsf(a->box.width - b->box.width) <= 0.02f && fabsf(a->box.height - b->box.height) <= 0.02f;
}

/* In any order: scores that are nearly equal may change places. */
static void
assert_contains(const DinoR1DetectionList *list, const DinoR1Detection *item)
{
    for (guint i = 0; i < list->n_items; i++)
        if (is_same(&list->items[i], item))
            return;
    g_error("the device misses class %u, score %g at %g,%g %gx%g", item->class_index, item->score, item->box.x,
        item->box.y, item->box.width, item->box.height);
}

/* The device finds in @theirs what the CPU finds in @image. Returns the device's best score. */
static gfloat
assert_same_picture(Fixture *f, const DinoR1Image *image, const DinoR1Image *theirs)
{
    g_autoptr(GError) error = NULL;
    DinoR1DetectionList expected, actual;

    g_assert_true(dinor1_detector_detect(f->cpu, image, &expected, &error));
    g_assert_true(dinor1_detector_detect(f->device, theirs, &actual, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(expected.n_items, >, 0);
    g_assert_cmpuint(actual.n_items, ==, expected.n_items);
    for (guint i = 0; i < expected.n_items; i++)
        assert_contains(&actual, &expected.items[i]);
    return actual.items[0].score;
}

static gfloat
assert_same_frame(Fixture *f, gint width, gint height)
{
    const DinoR1Image image = picture(width, height);

    return assert_same_picture(f, &image, &image);
}

/* Every format in turn, two or more of each kind, with planes whose rows lie apart and whose last row ends with the
 * picture. */
static DinoR1Image
next_picture(gint turn, guint8 *bytes)
{
    const gint width = turn / 2 % 2 ? 90 : 63, height = turn / 2 % 2 ? 60 : 42;
    DinoR1Image image = {.format = (DinoR1PixelFormat)(turn % DINOR1_PIXEL_N_FORMATS),
        .width = width,
        .height = height,
        .matrix = (DinoR1ColorMatrix)(turn / 3 % 3),
        .full_range = turn / 6 % 2};

    for (gint p = 0; p < 3; p++) {
        image.planes[p] = bytes + p * MAX_SIDE * MAX_SIDE * 4;
        image.strides[p] = MAX_SIDE * 4;
    }
    for (gint i = 0; i < 3 * MAX_SIDE * MAX_SIDE * 4; i++)
        bytes[i] = noise[(i * 7 + turn * 31) % (gint)sizeof noise];
    return image;
}

#define PICTURE_BYTES (3 * MAX_SIDE * MAX_SIDE * 4)

/* How often device memory was taken, as every plan does; 0 on a real GPU, which does not count. */
static guint
count_plans(void)
{
    const DinoR1EmulatedGpu *gpu = g_str_equal(device_name(), "cuda-host") ? find_gpu() : NULL;

    return gpu ? gpu->n_allocations : 0;
}

/* Pictures of two sizes and all formats take turns in one plan. */
static void
test_formats(Fixture *f, gconstpointer model)
{
    g_autofree guint8 *bytes = g_malloc(PICTURE_BYTES);
    guint n_plans = 0;

    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    set_prompts(f, f->bank);
    for (gint turn = 0; turn < 2 * DINOR1_PIXEL_N_FORMATS; turn++) {
        const DinoR1Image image = next_picture(turn, bytes);

        assert_same_picture(f, &image, &image);
        if (turn == 0)
            n_plans = count_plans();
        g_assert_cmpuint(count_plans(), ==, n_plans);
    }
}

/* The same from the device's memory; the CPU says that it cannot. */
static void
test_device_memory(Fixture *f, gconstpointer model)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Backend) backend = dinor1_backend_open(device_name(), 1, NULL, &error);
    g_autofree guint8 *bytes = g_malloc(PICTURE_BYTES);
    DinoR1DetectionList found;
    DinoR1Image image, theirs;
    guint8 *memory;

    g_assert_no_error(error);
    memory = backend->klass->alloc(backend, PICTURE_BYTES, &error);
    g_assert_no_error(error);
    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    set_prompts(f, f->bank);
    for (gint turn = 0; turn < DINOR1_PIXEL_N_FORMATS; turn++) {
        theirs = image = next_picture(turn, bytes);
        g_assert_true(backend->klass->upload(backend, memory, bytes, PICTURE_BYTES, &error));
        g_assert_true(backend->klass->sync(backend, &error));
        theirs.memory = DINOR1_MEMORY_DEVICE;
        for (gint p = 0; p < 3; p++)
            theirs.planes[p] = memory + (image.planes[p] - bytes);
        assert_same_picture(f, &image, &theirs);
    }
    g_assert_false(dinor1_detector_detect(f->cpu, &theirs, &found, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    backend->klass->release(backend, memory);
}

/* Each picture of a batch, of other formats and sizes, holds what it does alone. */
static void
assert_batch(DinoR1Detector *detector, guint n)
{
    DinoR1DetectionList one, all[DINOR1_DETECTOR_MAX_BATCH];
    DinoR1Image images[DINOR1_DETECTOR_MAX_BATCH];
    guint8 *bytes[DINOR1_DETECTOR_MAX_BATCH];
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < n; i++) {
        bytes[i] = g_malloc(PICTURE_BYTES);
        images[i] = next_picture((gint)(n + i), bytes[i]);
    }
    g_assert_true(dinor1_detector_detect_batch(detector, images, n, all, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < n; i++) {
        g_autofree DinoR1Detection *items = g_memdup2(all[i].items, all[i].n_items * sizeof *items);
        const DinoR1DetectionList copy = {items, all[i].n_items};

        all[i] = copy;
        items = NULL;
    }
    for (guint i = 0; i < n; i++) {
        g_assert_true(dinor1_detector_detect(detector, &images[i], &one, &error));
        g_assert_cmpuint(all[i].n_items, ==, one.n_items);
        for (guint k = 0; k < one.n_items; k++)
            assert_contains(&all[i], &one.items[k]);
        g_free((gpointer)all[i].items);
        g_free(bytes[i]);
    }
}

static void
test_batch(Fixture *f, gconstpointer model)
{
    const DinoR1Image images[] = {picture(90, 60), picture(60, 90)};
    DinoR1DetectionList found[DINOR1_DETECTOR_MAX_BATCH + 1];
    g_autoptr(GError) error = NULL;

    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    add_prompt(f, "two", &(DinoR1Box){50, 20, 20, 30});
    set_prompts(f, f->bank);
    assert_batch(f->cpu, 3);
    assert_batch(f->cpu, DINOR1_DETECTOR_MAX_BATCH);
    assert_batch(f->device, 3);
    assert_batch(f->device, 2);
    g_assert_false(dinor1_detector_detect_batch(f->device, images, 2, found, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "picture 1 of the batch is seen as 43x64, the first as 64x43"));
    g_clear_error(&error);
    g_assert_false(dinor1_detector_detect_batch(f->cpu, images, 0, found, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_clear_error(&error);
    g_assert_false(dinor1_detector_detect_batch(f->cpu, images, DINOR1_DETECTOR_MAX_BATCH + 1, found, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
}

/* A picture that does not fit into the plan of the same size gets another, and the first one comes back. */
static void
test_large(Fixture *f, gconstpointer model)
{
    const gint width = 1500, height = 1000; /* 12 MB */
    g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);
    const DinoR1Image large = {
        .format = DINOR1_PIXEL_RGBX, .width = width, .height = height, .planes = {pixels}, .strides = {4 * width}};
    const DinoR1Image small = picture(90, 60);

    for (gint i = 0; i < width * height * 4; i++)
        pixels[i] = noise[i % 8191];
    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    set_prompts(f, f->bank);
    assert_same_picture(f, &small, &small);
    assert_same_picture(f, &large, &large);
    assert_same_picture(f, &small, &small);
}

/* Prompts and sizes change between frames, and what was there before comes back. */
static void
test_visual(Fixture *f, gconstpointer model)
{
    g_autoptr(DinoR1PromptBank) one = NULL;
    gfloat score;

    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    one = dinor1_prompt_bank_copy(f->bank);
    set_prompts(f, f->bank);
    score = assert_same_frame(f, 90, 60);
    add_prompt(f, "two", &(DinoR1Box){50, 20, 20, 30});
    set_prompts(f, f->bank);
    assert_same_frame(f, 90, 60);
    assert_same_frame(f, 60, 90);
    dinor1_prompt_bank_remove(f->bank, "one");
    set_prompts(f, f->bank);
    assert_same_frame(f, 60, 90);
    g_assert_cmpfloat(assert_same_frame(f, 90, 60), !=, score);
    /* In the same plan, where nothing but the tokens changes. */
    set_prompts(f, one);
    g_assert_cmpfloat(assert_same_frame(f, 90, 60), ==, score);
}

static void
test_text(Fixture *f, gconstpointer model)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_prompt_bank_add_text(f->bank, "taxi", "a yellow car", &error));
    if (dinor1_model_has_visual_prompts(f->model))
        add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    set_prompts(f, f->bank);
    assert_same_frame(f, 90, 60);
}

static void
test_profile(Fixture *f, gconstpointer model)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Profile) profile = dinor1_detector_profile(f->device, 90, 60, 2, 1, &error);
    gdouble seconds = 0;

    g_assert_no_error(error);
    for (guint i = 0; i < profile->n_modules; i++)
        seconds += profile->modules[i].seconds;
    g_assert_cmpfloat(seconds, >, 0);
    g_assert_cmpuint(profile->arena_bytes, >, 0);
    g_assert_nonnull(strstr(dinor1_detector_get_device(f->device), "cuda:0, "));
}

/* What the user did wrong does not kill a detector. */
static void
test_mistakes(Fixture *f, gconstpointer model)
{
    const DinoR1Image image = picture(90, 60);
    const DinoR1Box outside = {100, 0, 10, 10};
    g_autofree gfloat *embedding = g_new(gfloat, dinor1_model_get_embedding_size(f->model));
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_detector_embed(f->device, &image, &outside, 1, embedding, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_assert_false(dinor1_detector_is_dead(f->device));
    add_prompt(f, "one", &(DinoR1Box){10, 10, 30, 20});
    set_prompts(f, f->bank);
    assert_same_frame(f, 90, 60);
}

/* Takes the error. */
static void
assert_fault(GError **error)
{
    g_assert_error(*error, DINOR1_ERROR, DINOR1_ERROR_DEVICE);
    g_assert_true(g_str_has_prefix((*error)->message, "cuda:0: "));
    g_assert_nonnull(strstr((*error)->message, "unspecified launch failure (cudaErrorLaunchFailure)"));
    g_clear_error(error);
}

/* Whatever is asked of a detector whose device died says so; nothing of what it gave before is wrong. */
static void
assert_dead(DinoR1Detector *detector, const DinoR1PromptBank *bank)
{
    const DinoR1Image image = picture(90, 60), other = picture(60, 90);
    const DinoR1Box box = {10, 10, 30, 20};
    g_autofree gfloat *embedding = g_new(gfloat, dinor1_model_get_embedding_size(dinor1_detector_get_model(detector)));
    DinoR1DetectionList found;
    GError *error = NULL;

    g_assert_true(dinor1_detector_is_dead(detector));
    g_assert_false(dinor1_detector_detect(detector, &image, &found, &error));
    g_assert_cmpuint(found.n_items, ==, 0);
    assert_fault(&error);
    g_assert_false(dinor1_detector_detect(detector, &other, &found, &error));
    assert_fault(&error);
    g_assert_false(dinor1_detector_embed(detector, &image, &box, 1, embedding, &error));
    assert_fault(&error);
    g_assert_false(dinor1_detector_set_prompts(detector, bank, &error));
    assert_fault(&error);
    g_assert_null(dinor1_detector_profile(detector, 90, 60, 1, 1, &error));
    assert_fault(&error);
}

/* A prompt, prompts and two frames. FALSE with an error from the first call that failed. */
static gboolean
use(DinoR1Detector *detector, DinoR1PromptBank *bank, GError **error)
{
    const DinoR1Image image = picture(90, 60);
    const DinoR1Box box = {10, 10, 30, 20};
    DinoR1DetectionList found;

    return dinor1_detector_add_prompt(detector, bank, "one", &image, &box, NULL, error) &&
           dinor1_detector_set_prompts(detector, bank, error) &&
           dinor1_detector_detect(detector, &image, &found, error) &&
           dinor1_detector_detect(detector, &image, &found, error);
}

/* The N-th kernel faults, for all sizes of N until none does any more. */
static void
test_fault(void)
{
    g_autoptr(DinoR1Model) model = load_model("dino-r1-visual");
    gboolean done = FALSE;
    guint n_deaths = 0;

    if (!g_str_equal(device_name(), "cuda-host")) {
        g_test_skip("only the emulated GPU faults when told to");
        return;
    }
    for (guint n = 1; !done; n *= 4) {
        g_autofree gchar *number = g_strdup_printf("%u", n);
        g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(model);
        g_autoptr(DinoR1Detector) detector = NULL;
        GError *error = NULL;

        g_setenv("DINOR1_EMULATOR_FAULT", number, TRUE);
        detector = open_detector(model, device_name());
        g_unsetenv("DINOR1_EMULATOR_FAULT");
        done = use(detector, bank, &error);
        if (done) {
            g_assert_false(dinor1_detector_is_dead(detector));
            continue;
        }
        n_deaths++;
        assert_fault(&error);
        assert_dead(detector, bank);
    }
    g_assert_cmpuint(n_deaths, >=, 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < sizeof noise; i++)
        noise[i] = (guint8)(i * i / 7 + i % 13);
#define ADD(name, model, func) g_test_add("/detector/" name, Fixture, model, set_up, func, tear_down)
    ADD("visual", "dino-r1-visual", test_visual);
    ADD("text", "gdino-tied", test_text);
    ADD("mixed", "dino-r1", test_text);
    ADD("formats", "dino-r1-visual", test_formats);
    ADD("device-memory", "dino-r1-visual", test_device_memory);
    ADD("batch", "dino-r1-visual", test_batch);
    ADD("large", "dino-r1-visual", test_large);
    ADD("profile", "dino-r1-visual", test_profile);
    ADD("mistakes", "dino-r1-visual", test_mistakes);
    g_test_add_func("/detector/fault", test_fault);
    return g_test_run();
}
