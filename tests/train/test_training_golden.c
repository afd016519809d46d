/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A training step against what autograd computed through the published classes (tests/golden/generate_training.py):
 * costs, matches, every term of the loss, every gradient, and ten steps of AdamW; for SFT, for GRQO, and with names for
 * the contrastive loss; on every level of the CPU, or, with "cuda-host" as its argument, on the emulated GPU.
 */
#include "backend/cpu/cpu.h"
#include "backend/device.h"
#include "io/safetensors.h"
#include "model/model_internal.h"
#include "train/class_text.h"
#include "train/optimizer.h"
#include "train/step.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define LOSS_TOLERANCE     1e-5  /* relative to numbers above 1 */
#define GRADIENT_TOLERANCE 1e-3  /* relative to the tensor's norm and to its largest element */
#define GRADIENT_FLOOR     1e-4  /* of the norm of all gradients: what a smaller one is measured by */
#define GRADIENT_ZERO      1e-12 /* of that norm: a gradient that is zero by nature ... */
#define GRADIENT_NOISE     1e-3  /* ... is measured by this much of it, as only rounding noise is left of it */
#define CURVE_TOLERANCE    1e-4
#define N_STEPS            10
#define MAX_IMAGES         2

typedef struct {
    const gchar *name;
    DinoR1CpuFlags flags;
    guint n_threads;
    const gchar *device; /* NULL = the CPU with these flags */
} Level;

static const Level levels[] = {
    {"reference", 0, 1, NULL},
    {"generic", DINOR1_CPU_FAST, 2, NULL},
    {"avx2", DINOR1_CPU_FAST | DINOR1_CPU_AVX2, 2, NULL},
    {"avx512", DINOR1_CPU_ALL, 2, NULL},
};

static const Level emulated = {"cuda-host", 0, 1, "cuda-host"};

/* One run of the golden data on one level. */
typedef struct {
    const gchar *batch, *mode;
    const Level *level;
} Job;

typedef struct {
    const Job *job;
    DinoR1Safetensors *file;
    DinoR1Model *model;
    DinoR1Parameters *parameters, *reference;
    DinoR1Backend *backend;
    DinoR1TrainSpec spec;
    DinoR1ImageSize sizes[MAX_IMAGES];
    DinoR1ImageLabels images[MAX_IMAGES];
    DinoR1PromptChoice choice;
    DinoR1Denoising denoising;
    DinoR1TrainBatch batch;
    GPtrArray *owned; /* copies of the file's tensors */
} Fixture;

static const DinoR1StoredTensor *find(const Fixture *fixture, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

/* NULL if the file has none. */
static const DinoR1StoredTensor *
find(const Fixture *fixture, const gchar *format, ...)
{
    g_autofree gchar *name = NULL;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    return dinor1_safetensors_find(fixture->file, name);
}

/* A copy with the alignment that its type needs. */
static gpointer
load(Fixture *fixture, const DinoR1StoredTensor *tensor)
{
    gpointer data;

    g_assert_nonnull(tensor);
    data = g_memdup2(tensor->data, MAX(tensor->size, 1));
    g_ptr_array_add(fixture->owned, data);
    return data;
}

static void
load_images(Fixture *fixture)
{
    const DinoR1StoredTensor *pixels = find(fixture, "pixel_values");
    const gint32 *sizes = load(fixture, find(fixture, "pixel_sizes"));
    DinoR1GraphSpec *spec = &fixture->spec.graph;

    spec->batch = (gint)pixels->dims[0];
    spec->height = (gint)pixels->dims[1];
    spec->width = (gint)pixels->dims[2];
    spec->sizes = fixture->sizes;
    g_assert_cmpint(spec->batch, ==, MAX_IMAGES);
    fixture->batch.pixels = load(fixture, pixels);
    for (gint i = 0; i < spec->batch; i++) {
        const DinoR1StoredTensor *boxes = find(fixture, "boxes.%d", i);

        fixture->sizes[i] = (DinoR1ImageSize){sizes[2 * i], sizes[2 * i + 1]};
        if (!boxes)
            continue;
        fixture->images[i].n_boxes = (guint)boxes->dims[0];
        fixture->images[i].boxes = load(fixture, boxes);
        fixture->images[i].classes = load(fixture, find(fixture, "classes.%d", i));
        fixture->spec.n_boxes = MAX(fixture->spec.n_boxes, (gint)boxes->dims[0]);
    }
    fixture->batch.images = fixture->images;
}

static void
load_prompts(Fixture *fixture)
{
    const DinoR1StoredTensor *index = find(fixture, "prompt_index"), *negatives = find(fixture, "negatives");
    const guint n = (guint)index->dims[0];

    fixture->choice = (DinoR1PromptChoice){n, g_new(guint, n), load(fixture, index)};
    g_ptr_array_add(fixture->owned, fixture->choice.classes);
    for (guint i = 0; i < n; i++)
        fixture->choice.classes[i] = i;
    fixture->batch.choice = &fixture->choice;
    fixture->batch.negatives = negatives ? load(fixture, negatives) : NULL;
    fixture->spec.n_classes = (gint)n;
    fixture->spec.n_negatives = negatives ? (gint)negatives->dims[0] : 0;
    fixture->spec.graph.n_tokens = fixture->spec.n_classes + fixture->spec.n_negatives;
}

static void
load_denoising(Fixture *fixture)
{
    const DinoR1StoredTensor *index = find(fixture, "dn.index");
    DinoR1Denoising *dn = &fixture->denoising;

    dn->n_queries = (guint)index->dims[1];
    dn->index = load(fixture, index);
    dn->boxes = load(fixture, find(fixture, "dn.boxes"));
    dn->mask = load(fixture, find(fixture, "dn.mask"));
    dn->classes = load(fixture, find(fixture, "dn.classes"));
    dn->target_boxes = load(fixture, find(fixture, "dn.target_boxes"));
    dn->positive = load(fixture, find(fixture, "dn.positive"));
    for (gint64 i = 0; i < index->dims[0] * index->dims[1]; i++)
        dn->n_positive += dn->positive[i] > 0;
    fixture->batch.denoising = dn;
    fixture->spec.n_denoising = (gint)dn->n_queries;
}

static void
load_text(Fixture *fixture)
{
    const DinoR1StoredTensor *named = find(fixture, "named");

    if (!named)
        return;
    fixture->batch.named = load(fixture, named);
    fixture->batch.text = load(fixture, find(fixture, "text"));
    fixture->spec.n_named = (gint)named->dims[0];
}

static DinoR1Parameter *
writable(DinoR1Parameters *parameters, guint index)
{
    return (DinoR1Parameter *)dinor1_parameters_get(parameters, index);
}

/* The reference model is another one: w_k (1 + cos(k) / 10). */
static DinoR1Parameters *
make_reference(const DinoR1Parameters *parameters)
{
    g_autoptr(GError) error = NULL;
    DinoR1Parameters *reference = dinor1_parameters_copy(parameters, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < dinor1_parameters_get_n(reference); i++) {
        const DinoR1Parameter *parameter = writable(reference, i);

        for (gint64 k = 0; k < dinor1_shape_size(&parameter->shape); k++)
            parameter->data[k] = (gfloat)((gdouble)parameter->data[k] * (1 + cos((gdouble)k) / 10));
    }
    return reference;
}

static void
load_parameters(Fixture *fixture)
{
    const DinoR1Config *config = dinor1_model_get_config(fixture->model);
    const DinoR1StoredTensor *labels = find(fixture, "labels");
    const DinoR1Parameter *parameter;
    g_autoptr(GError) error = NULL;

    fixture->parameters = dinor1_parameters_new(config, fixture->model, 1);
    dinor1_train_complete_parameters(fixture->parameters, config, &error);
    g_assert_no_error(error);
    parameter = dinor1_parameters_lookup(fixture->parameters, "denoising_label_embedding.weight");
    g_assert_cmpuint((gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat), ==, labels->size);
    memcpy(parameter->data, labels->data, labels->size);
    fixture->reference = make_reference(fixture->parameters);
    dinor1_parameters_place(fixture->parameters, fixture->backend, &error);
    g_assert_no_error(error);
    dinor1_parameters_place(fixture->reference, fixture->backend, &error);
    g_assert_no_error(error);
}

static void
set_up(Fixture *fixture, const Job *job)
{
    g_autofree gchar *name = g_strconcat(job->batch, ".safetensors", NULL);
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "training", name, NULL);
    const gchar *directory = g_str_equal(job->batch, "text") ? "text-model" : "model";
    g_autofree gchar *model = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "training", directory, NULL);
    g_autoptr(GError) error = NULL;

    *fixture = (Fixture){.job = job, .owned = g_ptr_array_new_with_free_func(g_free)};
    fixture->file = dinor1_safetensors_open(path, &error);
    g_assert_no_error(error);
    fixture->model = dinor1_model_load(model, &error);
    g_assert_no_error(error);
    fixture->backend = job->level->device ? dinor1_backend_open(job->level->device, 1, NULL, &error)
                                          : dinor1_cpu_backend_new(job->level->n_threads, job->level->flags);
    g_assert_no_error(error);
    fixture->spec.share = 1;
    fixture->spec.graph.config = dinor1_model_get_config(fixture->model);
    dinor1_loss_weights_init(&fixture->spec.weights);
    if (g_str_equal(job->mode, "sft"))
        fixture->spec.weights.grqo_alpha = fixture->spec.weights.grqo_beta = 0;
    load_images(fixture);
    load_prompts(fixture);
    load_denoising(fixture);
    load_text(fixture);
    load_parameters(fixture);
}

static void
tear_down(Fixture *fixture)
{
    dinor1_parameters_free(fixture->parameters);
    dinor1_parameters_free(fixture->reference);
    dinor1_backend_free(fixture->backend);
    dinor1_model_unref(fixture->model);
    dinor1_safetensors_close(fixture->file);
    g_ptr_array_unref(fixture->owned);
}

static DinoR1TrainStep *
new_step(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    DinoR1TrainStep *step =
        dinor1_train_step_new(&fixture->spec, fixture->parameters, fixture->reference, fixture->backend, &error);

    g_assert_no_error(error);
    return step;
}

static void
run(Fixture *fixture, DinoR1TrainStep *step, DinoR1TrainLosses *losses)
{
    g_autoptr(GError) error = NULL;

    dinor1_train_step_run(step, &fixture->batch, losses, &error);
    g_assert_no_error(error);
}

/* Fails the test, and goes on, so that all that is wrong is seen. */
static void
report(const gchar *what, gdouble difference, gdouble tolerance)
{
    if (difference <= tolerance) /* false for NaN */
        return;
    g_test_message("%s: off by %g, allowed %g", what, difference, tolerance);
    g_test_fail();
}

static void
compare_number(const gchar *what, gdouble actual, gdouble expected, gdouble tolerance)
{
    report(what, fabs(actual - expected), tolerance * MAX(1, fabs(expected)));
}

/* What the program made or got under @name. */
static gfloat *
read_floats(Fixture *fixture, DinoR1Program *program, const gchar *name)
{
    const DinoR1Tensor *tensor = dinor1_graph_find(dinor1_program_get_graph(program), name);
    const gsize size = (gsize)dinor1_shape_size(&tensor->shape) * sizeof(gfloat);
    g_autoptr(GError) error = NULL;
    gfloat *data = g_malloc(size);

    g_ptr_array_add(fixture->owned, data);
    dinor1_program_get(program, name, data, size, &error);
    g_assert_no_error(error);
    return data;
}

/* The gradient of parameter @index, NULL if it has none. */
static gfloat *
read_gradient(Fixture *fixture, const DinoR1TrainStep *step, guint index)
{
    const gfloat *gradient = dinor1_train_step_get_gradients(step)[index];
    const DinoR1Parameter *parameter = dinor1_parameters_get(fixture->parameters, index);
    const gsize size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat);
    g_autoptr(GError) error = NULL;
    gfloat *data;

    if (!gradient)
        return NULL;
    data = g_malloc(size);
    g_ptr_array_add(fixture->owned, data);
    fixture->backend->klass->download(fixture->backend, data, gradient, size, &error);
    g_assert_no_error(error);
    return data;
}

/* One set: costs of every query and box, and the query that each box was given to. */
static void
compare_set(Fixture *fixture, DinoR1Program *program, gint set, gint image)
{
    const DinoR1StoredTensor *stored = find(fixture, "cost.%d.%d", set, image);
    const guint n_queries = (guint)dinor1_train_spec_n_queries(&fixture->spec), m = (guint)fixture->spec.n_boxes;
    const guint n_boxes = fixture->images[image].n_boxes;
    g_autofree gchar *name = g_strdup_printf("cost.%d", set), *boxes = g_strdup_printf("target.%d.boxes", set);
    g_autofree gchar *positive = g_strdup_printf("target.%d.positive", set);
    const gfloat *cost = read_floats(fixture, program, name), *target = read_floats(fixture, program, boxes);
    const gfloat *is_positive = read_floats(fixture, program, positive);
    gfloat n_positive = 0;
    const gfloat *expected;
    const gint32 *match;

    for (guint q = 0; q < n_queries; q++)
        n_positive += is_positive[(guint)image * n_queries + q];
    g_assert_cmpfloat(n_positive, ==, n_boxes);
    if (!stored)
        return;
    expected = load(fixture, stored);
    match = load(fixture, find(fixture, "match.%d.%d", set, image));
    for (guint q = 0; q < n_queries; q++)
        for (guint j = 0; j < n_boxes; j++)
            compare_number(name, (gdouble)cost[((guint)image * n_queries + q) * m + j],
                (gdouble)expected[q * n_boxes + j], LOSS_TOLERANCE);
    for (guint j = 0; j < n_boxes; j++) {
        const gsize at = (gsize)image * n_queries + (gsize)match[j];

        g_assert_cmpmem(target + at * 4, 16, fixture->images[image].boxes + (gsize)j * 4, 16);
    }
}

static void
compare_losses(Fixture *fixture, const DinoR1TrainLosses *losses)
{
    const struct {
        const gchar *name;
        gfloat actual;
    } terms[] = {{"class", losses->classes}, {"l1", losses->l1}, {"giou", losses->giou}, {"dn", losses->denoising},
        {"advantage", losses->advantage}, {"kl", losses->kl}, {"contrastive", losses->contrastive},
        {"reward.mean", losses->reward_mean}, {"reward.std", losses->reward_std}};
    const gdouble *curve = load(fixture, find(fixture, "%s.curve", fixture->job->mode));

    for (guint i = 0; i < G_N_ELEMENTS(terms); i++) {
        const DinoR1StoredTensor *stored = find(fixture, "%s.loss.%s", fixture->job->mode, terms[i].name);
        const gdouble *expected = stored ? load(fixture, stored) : NULL;

        g_assert_true(stored || g_str_equal(terms[i].name, "contrastive"));
        compare_number(terms[i].name, (gdouble)terms[i].actual, expected ? *expected : 0, LOSS_TOLERANCE);
    }
    compare_number("total", (gdouble)losses->total, curve[0], LOSS_TOLERANCE);
}

static gdouble
norm(const gfloat *x, gsize n)
{
    gdouble sum = 0;

    for (gsize i = 0; i < n; i++)
        sum += (gdouble)x[i] * (gdouble)x[i];
    return sqrt(sum);
}

static const DinoR1StoredTensor *
expected_gradient(Fixture *fixture, const DinoR1Parameter *parameter)
{
    const DinoR1StoredTensor *stored = find(fixture, "%s.gradient:%s", fixture->job->mode, parameter->name);

    if (!stored)
        g_error("no golden gradient of %s", parameter->name);
    g_assert_cmpuint(stored->size, ==, (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat));
    return stored;
}

/* By norm and by the largest element; @all is the norm of all gradients. A parameter that the loss does not depend on
 * has no gradient at all. */
static void
compare_gradient(Fixture *fixture, const DinoR1Parameter *parameter, const gfloat *actual, gdouble all)
{
    const gfloat *expected = load(fixture, expected_gradient(fixture, parameter));
    const gsize n = (gsize)dinor1_shape_size(&parameter->shape);
    g_autofree gfloat *difference = g_new(gfloat, n);
    const gdouble size = norm(expected, n);
    const gdouble floor = all * (size < GRADIENT_ZERO * all ? GRADIENT_NOISE : GRADIENT_FLOOR);
    gdouble largest = 0, worst = 0;

    for (gsize i = 0; i < n; i++) {
        difference[i] = expected[i] - (actual ? actual[i] : 0);
        largest = MAX(largest, fabs((gdouble)expected[i]));
        if (!(fabs((gdouble)difference[i]) <= worst))
            worst = fabs((gdouble)difference[i]);
    }
    report(parameter->name, norm(difference, n), GRADIENT_TOLERANCE * MAX(size, floor));
    report(parameter->name, worst, GRADIENT_TOLERANCE * MAX(largest, floor));
}

static void
compare_gradients(Fixture *fixture, DinoR1TrainStep *step)
{
    const guint n = dinor1_parameters_get_n(fixture->parameters);
    guint n_golden = 0;
    gdouble sum = 0;

    for (guint i = 0; i < dinor1_safetensors_get_n_tensors(fixture->file); i++) {
        const DinoR1StoredTensor *stored = dinor1_safetensors_get_tensor(fixture->file, i);
        g_autofree gchar *prefix = g_strconcat(fixture->job->mode, ".gradient:", NULL);
        gdouble one;

        if (!g_str_has_prefix(stored->name, prefix))
            continue;
        one = norm(load(fixture, stored), stored->size / sizeof(gfloat));
        sum += one * one;
        n_golden++;
    }
    g_assert_cmpuint(n_golden, ==, n);
    for (guint i = 0; i < n; i++)
        compare_gradient(
            fixture, dinor1_parameters_get(fixture->parameters, i), read_gradient(fixture, step, i), sqrt(sum));
}

static gboolean
skips(const Job *job)
{
    if (!(job->level->flags & ~(guint)dinor1_cpu_detect()))
        return FALSE;
    g_test_skip("this processor cannot");
    return TRUE;
}

static void
test_step(gconstpointer data)
{
    DinoR1TrainLosses losses;
    DinoR1TrainStep *step;
    Fixture fixture;

    if (skips(data))
        return;
    set_up(&fixture, data);
    step = new_step(&fixture);
    run(&fixture, step, &losses);
    for (gint set = 0; set <= fixture.spec.graph.config->decoder_layers; set++)
        for (gint image = 0; image < MAX_IMAGES; image++)
            compare_set(&fixture, dinor1_train_step_get_program(step), set, image);
    compare_losses(&fixture, &losses);
    compare_gradients(&fixture, step);
    dinor1_train_step_free(step);
    tear_down(&fixture);
}

/* Ten steps of AdamW on one batch, matched anew each time, the reference model as it was. */
static void
test_curve(gconstpointer data)
{
    DinoR1OptimizerOptions options;
    DinoR1Optimizer *optimizer;
    g_autoptr(GError) error = NULL;
    DinoR1TrainLosses losses;
    DinoR1TrainStep *step;
    const gdouble *curve;
    gdouble norm;
    Fixture fixture;

    if (skips(data))
        return;
    set_up(&fixture, data);
    step = new_step(&fixture);
    dinor1_optimizer_options_init(&options);
    options.learning_rate = 1e-4f;
    optimizer = dinor1_optimizer_new(fixture.parameters, &options, NULL, &error);
    g_assert_no_error(error);
    curve = load(&fixture, find(&fixture, "%s.curve", fixture.job->mode));
    for (guint i = 0; i <= N_STEPS; i++) {
        g_autofree gchar *what = g_strdup_printf("loss before step %u", i);

        run(&fixture, step, &losses);
        compare_number(what, (gdouble)losses.total, curve[i], CURVE_TOLERANCE);
        dinor1_optimizer_step(optimizer, dinor1_train_step_get_gradients(step), 1, &norm, &error);
        g_assert_no_error(error);
    }
    dinor1_optimizer_free(optimizer);
    dinor1_train_step_free(step);
    tear_down(&fixture);
}

/* Computing activations again changes the memory that a step needs and nothing else. */
static void
test_recompute(gconstpointer data)
{
    DinoR1TrainLosses kept_losses, again_losses;
    DinoR1TrainStep *kept, *again;
    Fixture fixture;

    if (skips(data))
        return;
    set_up(&fixture, data);
    kept = new_step(&fixture);
    fixture.spec.graph.recompute = TRUE;
    again = new_step(&fixture);
    run(&fixture, kept, &kept_losses);
    run(&fixture, again, &again_losses);
    g_assert_cmpmem(&kept_losses, sizeof kept_losses, &again_losses, sizeof again_losses);
    for (guint i = 0; i < dinor1_parameters_get_n(fixture.parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(fixture.parameters, i);
        const gfloat *a = read_gradient(&fixture, kept, i), *b = read_gradient(&fixture, again, i);
        const gsize size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat);

        g_assert_true((a == NULL) == (b == NULL));
        if (a && memcmp(a, b, size) != 0)
            g_error("%s: another gradient", parameter->name);
    }
    g_assert_cmpuint(dinor1_program_get_arena_size(dinor1_train_step_get_program(again)), <,
        dinor1_program_get_arena_size(dinor1_train_step_get_program(kept)));
    dinor1_train_step_free(kept);
    dinor1_train_step_free(again);
    tear_down(&fixture);
}

/* No image has a box: the remembered negatives are the only prompts, and every query is to say "nothing". */
static void
test_no_boxes(gconstpointer data)
{
    const gfloat *const *gradients;
    DinoR1TrainLosses losses;
    DinoR1TrainStep *step;
    Fixture fixture;

    set_up(&fixture, data);
    fixture.images[0].n_boxes = 0;
    fixture.choice.n_classes = 0;
    fixture.batch.denoising = NULL;
    fixture.spec.n_classes = fixture.spec.n_denoising = 0;
    fixture.spec.n_boxes = 1;
    fixture.spec.graph.n_tokens = fixture.spec.n_negatives;
    step = new_step(&fixture);
    run(&fixture, step, &losses);
    g_assert_cmpfloat(losses.l1, ==, 0);
    g_assert_cmpfloat(losses.giou, ==, 0);
    g_assert_cmpfloat(losses.advantage, ==, 0);
    g_assert_true(losses.classes > 0 && losses.kl > 0);
    g_assert_cmpfloat_with_epsilon((gdouble)losses.total, (gdouble)(losses.classes + losses.kl), 1e-5);
    gradients = dinor1_train_step_get_gradients(step);
    for (guint i = 0; i < dinor1_parameters_get_n(fixture.parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(fixture.parameters, i);

        for (gint64 k = 0; gradients[i] && k < dinor1_shape_size(&parameter->shape); k++)
            if (!isfinite(gradients[i][k]))
                g_error("%s: a gradient is not finite", parameter->name);
    }
    dinor1_train_step_free(step);
    tear_down(&fixture);
}

static void
test_not_finite(gconstpointer data)
{
    g_autofree gfloat *pixels = NULL;
    g_autoptr(GError) error = NULL;
    DinoR1TrainLosses losses;
    DinoR1TrainStep *step;
    Fixture fixture;
    gsize n;

    set_up(&fixture, data);
    n = (gsize)fixture.spec.graph.height * (gsize)fixture.spec.graph.width * 3;
    pixels = g_memdup2(fixture.batch.pixels, MAX_IMAGES * n * sizeof(gfloat));
    pixels[n + 5] = NAN; /* of image 1 */
    fixture.batch.pixels = pixels;
    step = new_step(&fixture);
    g_assert_false(dinor1_train_step_run(step, &fixture.batch, &losses, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED);
    dinor1_train_step_free(step);
    tear_down(&fixture);
}

/* The mean token of each name that has words. */
static void
test_names(gconstpointer data)
{
    const gchar *names[] = {"a yellow car", "?", "zebra crossing", "horse"};
    g_autoptr(DinoR1Coco) coco = dinor1_coco_new();
    g_autoptr(DinoR1ClassText) text = NULL;
    g_autoptr(GError) error = NULL;
    const gfloat *expected;
    Fixture fixture;
    gsize d;

    set_up(&fixture, data);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        dinor1_coco_add_category(coco, names[i]);
    text = dinor1_class_text_new(fixture.model, coco, fixture.backend, &error);
    g_assert_no_error(error);
    g_assert_null(dinor1_class_text_get(text, 1));
    expected = fixture.batch.text;
    d = (gsize)fixture.spec.graph.config->d_model;
    for (gint i = 0; i < fixture.spec.n_named; i++, expected += d) {
        const gfloat *actual = dinor1_class_text_get(text, fixture.batch.named[i]);

        for (gsize k = 0; k < d; k++)
            compare_number(names[fixture.batch.named[i]], (gdouble)actual[k], (gdouble)expected[k], LOSS_TOLERANCE);
    }
    tear_down(&fixture);
}

static gfloat
scale_of(const gchar *model)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", model, NULL);
    g_autoptr(DinoR1Model) loaded = dinor1_model_load(path, NULL);
    const DinoR1Config *config = dinor1_model_get_config(loaded);
    g_autoptr(DinoR1Parameters) parameters = dinor1_parameters_new(config, loaded, 1);

    g_assert_true(dinor1_train_complete_parameters(parameters, config, NULL));
    return dinor1_parameters_lookup(parameters, DINOR1_LOGIT_SCALE)->data[0];
}

/* The scale is the checkpoint's, or CLIP's initial one if it has none. */
static void
test_scale(void)
{
    g_assert_cmpfloat(scale_of("training/text-model"), ==, 2);
    g_assert_cmpfloat(scale_of("models/dino-r1"), ==, logf(1 / 0.07f));
}

static void
add(const gchar *kind, const Job *job, GTestDataFunc func)
{
    g_autofree gchar *path = g_strdup_printf("/training/%s/%s/%s/%s", kind, job->batch, job->mode, job->level->name);

    g_test_add_data_func_full(path, g_memdup2(job, sizeof *job), func, g_free);
}

static const gchar *const runs[][2] = {{"two", "sft"}, {"two", "grqo"}, {"empty", "grqo"}, {"text", "grqo"}};

static void
add_cpu(void)
{
    const Job empty = {"empty", "grqo", &levels[1]}, two = {"two", "grqo", &levels[1]};
    const Job text = {"text", "grqo", &levels[1]};

    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(runs); k++) {
            const Job job = {runs[k][0], runs[k][1], &levels[i]};

            add("step", &job, test_step);
            add("curve", &job, test_curve);
            add("recompute", &job, test_recompute);
        }
    }
    add("no-boxes", &empty, test_no_boxes);
    add("not-finite", &two, test_not_finite);
    add("names", &text, test_names);
    g_test_add_func("/training/scale", test_scale);
}

/* It is slow: one curve of each kind. */
static void
add_emulated(void)
{
    for (guint k = 0; k < G_N_ELEMENTS(runs); k++) {
        const Job job = {runs[k][0], runs[k][1], &emulated};

        add("step", &job, test_step);
        if (k < 2)
            add("curve", &job, test_curve);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (argc > 1 && g_str_equal(argv[1], emulated.name))
        add_emulated();
    else
        add_cpu();
    return g_test_run();
}
