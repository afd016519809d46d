/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A whole training: it goes on from a checkpoint to the last bit, if nothing that its numbers depend on has changed;
 * and an update that fails leaves everything as it was. On the emulated GPU it goes on, too, to the tolerance.
 */
#include "io/safetensors.h"
#include "model/model_internal.h"
#include "small_data.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define N_UPDATES 6 /* two epochs of three */

typedef struct {
    gchar *model_directory, *checkpoint, *other;
    DinoR1Model *model;
    DinoR1Coco *data;
    DinoR1TrainOptions options;
} Fixture;

static void
set_up(Fixture *fixture, const gchar *model)
{
    g_autofree gchar *directory = NULL;
    g_autoptr(GError) error = NULL;

    fixture->model_directory = small_model(model);
    directory = g_dir_make_tmp("dinor1-test-XXXXXX", NULL);
    fixture->checkpoint = g_build_filename(directory, "checkpoint.safetensors", NULL);
    fixture->other = g_build_filename(directory, "other.safetensors", NULL);
    fixture->model = dinor1_model_load(fixture->model_directory, &error);
    g_assert_no_error(error);
    fixture->data = small_data("bbebbb");
    dinor1_train_options_init(&fixture->options);
    fixture->options.device = "cpu";
    fixture->options.n_threads = 1;
    fixture->options.n_workers = 0;
    fixture->options.epochs = 2;
    fixture->options.batch_size = 2;
    fixture->options.learning_rate = 1e-4f;
    fixture->options.warmup_steps = 2;
    fixture->options.average_decay = 0.9f;
}

static void
tear_down(Fixture *fixture)
{
    g_autofree gchar *directory = g_path_get_dirname(fixture->checkpoint);

    dinor1_coco_unref(fixture->data);
    dinor1_model_unref(fixture->model);
    small_model_remove(fixture->model_directory);
    small_model_remove(directory);
    g_free(fixture->model_directory);
    g_free(fixture->checkpoint);
    g_free(fixture->other);
}

static DinoR1Trainer *
new_trainer(const Fixture *fixture, const DinoR1TrainOptions *options)
{
    const DinoR1FrameSource frames = {small_decode, NULL};
    g_autoptr(GError) error = NULL;
    DinoR1Trainer *trainer = dinor1_trainer_new(fixture->model, fixture->data, &frames, options, &error);

    g_assert_no_error(error);
    return trainer;
}

static void
save(const DinoR1Trainer *trainer, const gchar *path)
{
    g_autoptr(GError) error = NULL;

    dinor1_trainer_save(trainer, path, &error);
    g_assert_no_error(error);
}

static gdouble
step(DinoR1Trainer *trainer)
{
    g_autoptr(GError) error = NULL;
    DinoR1TrainReport report;

    dinor1_trainer_step(trainer, &report, &error);
    g_assert_no_error(error);
    return report.loss;
}

/* Saved after every number of updates, and gone on from there. */
static void
test_resume(gconstpointer data)
{
    gdouble losses[N_UPDATES];
    g_autoptr(DinoR1Trainer) whole = NULL;
    Fixture fixture;

    set_up(&fixture, data);
    whole = new_trainer(&fixture, &fixture.options);
    for (guint i = 0; i < N_UPDATES; i++)
        losses[i] = step(whole);
    g_assert_true(dinor1_trainer_is_done(whole));
    for (guint n = 1; n < N_UPDATES; n++) {
        g_autoptr(DinoR1Trainer) first = new_trainer(&fixture, &fixture.options);
        g_autoptr(DinoR1Trainer) second = new_trainer(&fixture, &fixture.options);
        g_autoptr(GError) error = NULL;

        for (guint i = 0; i < n; i++)
            g_assert_cmpfloat(step(first), ==, losses[i]);
        save(first, fixture.checkpoint);
        dinor1_trainer_resume(second, fixture.checkpoint, &error);
        g_assert_no_error(error);
        for (guint i = n; i < N_UPDATES; i++)
            g_assert_cmpfloat(step(second), ==, losses[i]);
    }
    tear_down(&fixture);
}

#define LOSS 1e-4 /* relative to losses above 1 */
/* The same of the gradient's norm: at first, and later, when rounding may have put a sampling point or a unit on the
 * other side of its kink (as in test_ranks.c). */
#define FIRST_NORM 1e-4
#define NORM       1e-2

static void
compare_device(const gchar *what, gdouble actual, gdouble expected, gdouble tolerance)
{
    if (!(fabs(actual - expected) <= tolerance * MAX(1, fabs(expected))))
        g_error("%s: %.9g instead of %.9g", what, actual, expected);
}

static void
step_report(DinoR1Trainer *trainer, DinoR1TrainReport *report)
{
    g_autoptr(GError) error = NULL;

    dinor1_trainer_step(trainer, report, &error);
    g_assert_no_error(error);
}

/* The update after that of the checkpoint, on another device than the one before; and a checkpoint again. */
static void
go_on(const Fixture *fixture, const gchar *device, const DinoR1TrainReport *expected, gdouble norm)
{
    DinoR1TrainOptions options = fixture->options;
    g_autoptr(DinoR1Trainer) trainer = NULL;
    g_autoptr(GError) error = NULL;
    DinoR1TrainReport report;

    options.device = device;
    trainer = new_trainer(fixture, &options);
    if (g_file_test(fixture->checkpoint, G_FILE_TEST_EXISTS))
        dinor1_trainer_resume(trainer, fixture->checkpoint, &error);
    g_assert_no_error(error);
    step_report(trainer, &report);
    g_test_message("%s: loss %.9g, norm %.9g", dinor1_trainer_get_device(trainer), report.loss, report.gradient_norm);
    compare_device("loss", report.loss, expected->loss, LOSS);
    compare_device("advantage", report.loss_advantage, expected->loss_advantage, LOSS);
    compare_device("KL", report.loss_kl, expected->loss_kl, LOSS);
    compare_device("norm", report.gradient_norm, expected->gradient_norm, norm);
    save(trainer, fixture->checkpoint);
}

/* Two passes an update, a moving average, GRQO from the second epoch on: its reference is made on the device, and in
 * the checkpoint that the last update goes on from. */
static void
test_devices(void)
{
    const gchar *const devices[] = {"cpu", "cuda-host", "cuda-host", "cpu"};
    DinoR1TrainReport reports[G_N_ELEMENTS(devices)];
    g_autoptr(DinoR1Trainer) whole = NULL;
    Fixture fixture;

#ifdef SANITIZED
    g_test_skip("the emulated GPU takes minutes under sanitizers");
    return;
#endif
    set_up(&fixture, "training/model");
    fixture.options.accumulate = 2;
    whole = new_trainer(&fixture, &fixture.options);
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
        step_report(whole, &reports[i]);
    g_assert_true(dinor1_trainer_is_done(whole));
    g_assert_true(reports[3].loss_kl != 0);
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
        go_on(&fixture, devices[i], &reports[i], i < 2 ? FIRST_NORM : NORM);
    tear_down(&fixture);
}

#define HALF_LOSS 0.02 /* relative, after up to ten updates */

/* The products in bf16: nearly the same curve, from the same weights in f32, which one checkpoint holds of either run
 * but does not go on in the other. The reference model of the second epoch on is new in each. */
static void
test_half(void)
{
    DinoR1TrainReport exact, half;
    g_autoptr(DinoR1Trainer) one = NULL, other = NULL;
    g_autoptr(GError) error = NULL;
    gboolean differs = FALSE;
    Fixture fixture;

#ifdef SANITIZED
    g_test_skip("the emulated GPU takes minutes under sanitizers");
    return;
#endif
    set_up(&fixture, "training/model");
    fixture.options.epochs = 4;
    fixture.options.device = "cuda-host";
    one = new_trainer(&fixture, &fixture.options);
    fixture.options.precision = "bf16";
    other = new_trainer(&fixture, &fixture.options);
    g_assert_true(g_str_has_suffix(dinor1_trainer_get_device(other), ", bf16"));
    for (guint i = 0; i < 10; i++) {
        step_report(one, &exact);
        step_report(other, &half);
        g_test_message("loss %.9g, in bf16 %.9g; norm %.9g, %.9g; KL %.3g, %.3g", exact.loss, half.loss,
            exact.gradient_norm, half.gradient_norm, exact.loss_kl, half.loss_kl);
        compare_device("loss", half.loss, exact.loss, HALF_LOSS);
        differs |= half.loss != exact.loss;
    }
    g_assert_true(differs);
    save(one, fixture.checkpoint);
    g_assert_false(dinor1_trainer_resume(other, fixture.checkpoint, &error));
    g_assert_nonnull(strstr(error->message, "'precision' was fp32 and is bf16"));
    tear_down(&fixture);
}

static void
test_no_half(void)
{
    const DinoR1FrameSource frames = {small_decode, NULL};
    g_autoptr(GError) error = NULL;
    Fixture fixture;

    set_up(&fixture, "training/model");
    fixture.options.precision = "bf16";
    g_assert_null(dinor1_trainer_new(fixture.model, fixture.data, &frames, &fixture.options, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, " has only fp32"));
    g_clear_error(&error);
    fixture.options.precision = "fp16";
    g_assert_null(dinor1_trainer_new(fixture.model, fixture.data, &frames, &fixture.options, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    tear_down(&fixture);
}

#define FLOAT(field) #field, G_STRUCT_OFFSET(DinoR1TrainOptions, field), TRUE
#define COUNT(field) #field, G_STRUCT_OFFSET(DinoR1TrainOptions, field), FALSE

/* Options whose change must be refused under this name. */
static const struct {
    const gchar *field;
    gsize offset;
    gboolean is_float;
    const gchar *name;
} bound[] = {
    {COUNT(seed), "seed"}, /* its low half */
    {COUNT(batch_size), "batch_size"},
    {COUNT(group), "group"},
    {COUNT(accumulate), "accumulate"},
    {FLOAT(learning_rate), "learning_rate"},
    {FLOAT(backbone_multiplier), "backbone_multiplier"},
    {FLOAT(weight_decay), "weight_decay"},
    {FLOAT(max_norm), "max_norm"},
    {COUNT(warmup_steps), "warmup_steps"},
    {COUNT(schedule), "schedule"},
    {COUNT(milestones), "milestones"},
    {FLOAT(average_decay), "average_decay"},
    {COUNT(n_negatives), "negatives"},
    {COUNT(memory_size), "memory"},
    {COUNT(grqo_start), "grqo.start"},
    {FLOAT(grqo_alpha), "grqo.alpha"},
    {FLOAT(grqo_beta), "grqo.beta"},
    {FLOAT(grqo_mute), "grqo.mute"},
};

static void
refuses(const Fixture *fixture, const DinoR1TrainOptions *options, const gchar *name)
{
    g_autoptr(DinoR1Trainer) trainer = new_trainer(fixture, options);
    g_autofree gchar *quoted = g_strdup_printf("'%s'", name);
    g_autoptr(GError) error = NULL;

    if (dinor1_trainer_resume(trainer, fixture->checkpoint, &error))
        g_error("another %s is accepted", name);
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH);
    if (!strstr(error->message, quoted))
        g_error("another %s: %s", name, error->message);
}

static void
accepts(const Fixture *fixture, const DinoR1TrainOptions *options)
{
    g_autoptr(DinoR1Trainer) trainer = new_trainer(fixture, options);
    g_autoptr(GError) error = NULL;

    dinor1_trainer_resume(trainer, fixture->checkpoint, &error);
    g_assert_no_error(error);
}

/* A checkpoint after update 4 of 6. */
static void
save_fourth(const Fixture *fixture)
{
    g_autoptr(DinoR1Trainer) trainer = new_trainer(fixture, &fixture->options);

    for (guint i = 0; i < 4; i++)
        step(trainer);
    save(trainer, fixture->checkpoint);
}

static void
test_other_options(void)
{
    const gchar *const patterns[] = {"model.*", NULL};
    DinoR1TrainOptions options;
    Fixture fixture;

    set_up(&fixture, "training/model");
    save_fourth(&fixture);
    accepts(&fixture, &fixture.options);
    for (guint i = 0; i < G_N_ELEMENTS(bound); i++) {
        options = fixture.options;
        if (bound[i].is_float)
            *(gfloat *)G_STRUCT_MEMBER_P(&options, bound[i].offset) *= 0.999f;
        else
            ++*(guint *)G_STRUCT_MEMBER_P(&options, bound[i].offset);
        refuses(&fixture, &options, bound[i].name);
    }
    options = fixture.options;
    options.denoising = FALSE;
    refuses(&fixture, &options, "denoising");
    options = fixture.options;
    options.augment = FALSE;
    refuses(&fixture, &options, "augment");
    options = fixture.options;
    options.train = patterns;
    refuses(&fixture, &options, "train");
    options = fixture.options;
    options.epochs = 1; /* it is in the second */
    refuses(&fixture, &options, "epochs");
    tear_down(&fixture);
}

/* One box moved by a pixel; an image more. */
static void
test_other_data(void)
{
    Fixture fixture;

    set_up(&fixture, "training/model");
    save_fourth(&fixture);
    dinor1_coco_unref(fixture.data);
    fixture.data = small_data("bebbbb");
    refuses(&fixture, &fixture.options, "annotations");
    dinor1_coco_unref(fixture.data);
    fixture.data = small_data("bbebbbb");
    refuses(&fixture, &fixture.options, "images");
    dinor1_coco_unref(fixture.data);
    fixture.data = small_data("bbebb");
    dinor1_coco_add_image(fixture.data, "b5", 88, 70);
    for (guint k = 0; k < 3; k++) {
        const DinoR1CocoBox box = {1, 1, 20, 20};

        g_assert_true(dinor1_coco_add_annotation(fixture.data, k, &box, NULL));
    }
    refuses(&fixture, &fixture.options, "data");
    tear_down(&fixture);
}

/* What may change: nothing of it changes a number that is still to come. */
static void
test_same_numbers(void)
{
    DinoR1TrainOptions options;
    gdouble losses[2];
    Fixture fixture;

    set_up(&fixture, "training/model");
    save_fourth(&fixture);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(DinoR1Trainer) trainer = NULL;

        options = fixture.options;
        options.n_threads = i == 1 ? 2 : 1;
        options.n_workers = i == 1 ? 2 : 0;
        options.epochs = i == 2 ? 5 : 2;
        options.recompute = i == 3;
        trainer = new_trainer(&fixture, &options);
        g_assert_true(dinor1_trainer_resume(trainer, fixture.checkpoint, NULL));
        for (guint k = 0; k < 2; k++) {
            const gdouble loss = step(trainer);

            g_assert_true(i == 0 || loss == losses[k]);
            losses[k] = loss;
        }
        g_assert_cmpint(dinor1_trainer_is_done(trainer), ==, i != 2);
    }
    options = fixture.options;
    options.schedule = DINOR1_TRAIN_COSINE;
    fixture.options = options;
    save_fourth(&fixture);
    options.epochs = 5; /* the learning rate depends on it here */
    refuses(&fixture, &options, "epochs");
    tear_down(&fixture);
}

/* Weights, averages and moments are the same, to the last bit, in both files. */
static void
compare_state(const gchar *before, const gchar *after)
{
    g_autoptr(DinoR1Safetensors) a = dinor1_safetensors_open(before, NULL), b = dinor1_safetensors_open(after, NULL);
    guint n = 0;

    for (guint i = 0; i < dinor1_safetensors_get_n_tensors(a); i++) {
        const DinoR1StoredTensor *x = dinor1_safetensors_get_tensor(a, i);
        const DinoR1StoredTensor *y = dinor1_safetensors_find(b, x->name);

        if (g_str_has_prefix(x->name, "memory."))
            continue;
        g_assert_nonnull(y);
        g_assert_cmpmem(x->data, x->size, y->data, y->size);
        n++;
    }
    g_assert_cmpuint(n, >, 100);
    g_assert_cmpstr(dinor1_safetensors_get_metadata(a, "update"), ==, dinor1_safetensors_get_metadata(b, "update"));
}

/* An absurd learning rate: after some updates nothing is finite any more. */
static void
test_not_finite(void)
{
    g_autoptr(DinoR1Trainer) trainer = NULL;
    g_autoptr(GError) error = NULL;
    DinoR1TrainReport report;
    gboolean well;
    guint n = 0;
    Fixture fixture;

    set_up(&fixture, "training/model");
    fixture.options.learning_rate = 0.99f;
    fixture.options.max_norm = 0;
    fixture.options.weight_decay = 1000;
    fixture.options.warmup_steps = 0;
    fixture.options.epochs = 200;
    trainer = new_trainer(&fixture, &fixture.options);
    do {
        save(trainer, fixture.checkpoint);
        well = dinor1_trainer_step(trainer, &report, &error);
        n += well;
    } while (well && !dinor1_trainer_is_done(trainer));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED);
    g_test_message("update %u: %s", n, error->message);
    g_assert_cmpuint(n, >, 0);
    g_assert_true(g_regex_match_simple("^epoch \\d+, update \\d+[,:] .*images [1-6], [1-6]\\b", error->message, 0, 0));
    g_assert_true(g_regex_match_simple(
        "the [A-Za-z0-9]+ loss is|gradient of [a-z0-9_.]+ is not finite|matching cost", error->message, 0, 0));
    save(trainer, fixture.other);
    compare_state(fixture.checkpoint, fixture.other);
    tear_down(&fixture);
}

static void
test_many_boxes(void)
{
    const DinoR1CocoBox box = {1, 1, 9, 9};
    const DinoR1FrameSource frames = {small_decode, NULL};
    g_autoptr(DinoR1Coco) data = small_data("bb");
    g_autoptr(GError) error = NULL;
    Fixture fixture;

    set_up(&fixture, "training/model");
    for (guint i = 0; i < 100000; i++)
        g_assert_true(dinor1_coco_add_annotation(data, 0, &box, NULL));
    g_assert_null(dinor1_trainer_new(fixture.model, data, &frames, &fixture.options, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_assert_cmpstr(error->message, ==, "image 2 has 100002 boxes; 5000 are the most to train on");
    tear_down(&fixture);
}

static DinoR1View
find(DinoR1Model *model, const gchar *name)
{
    g_autoptr(GError) error = NULL;
    DinoR1View view;

    g_assert_true(dinor1_model_find_weight(model, name, NULL, &view, &error));
    g_assert_no_error(error);
    return view;
}

static void
compare_weight(DinoR1Model *from, DinoR1Model *to, const gchar *name)
{
    const DinoR1View a = find(from, name), b = find(to, name);
    const gsize size = (gsize)dinor1_shape_size(&a.shape) * sizeof(gfloat);

    g_assert_cmpmem(a.data, size, b.data, size);
}

/* A published checkpoint keeps what it has and gets what it lacks; then it learns. */
static void
test_published(gconstpointer name)
{
    const gchar *const kept[] = {"model.enc_output.weight", "bbox_embed.0.layers.2.weight",
        "bbox_embed.1.layers.2.weight", "model.decoder.layers.1.fc1.weight",
        "model.text_backbone.embeddings.word_embeddings.weight"};
    const gboolean has_bias = !strstr(name, "gdino");
    g_autoptr(DinoR1Trainer) trainer = NULL;
    g_autoptr(DinoR1Model) model = NULL;
    g_autofree gchar *directory = g_dir_make_tmp("dinor1-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    DinoR1TrainReport report;
    gdouble first = 0;
    gfloat bias;
    Fixture fixture;

    set_up(&fixture, name);
    fixture.options.average_decay = 0;
    fixture.options.batch_size = 6; /* always the same pictures */
    fixture.options.augment = FALSE;
    fixture.options.learning_rate = 1e-3f;
    fixture.options.epochs = 12;
    fixture.options.grqo_start = 12;
    trainer = new_trainer(&fixture, &fixture.options);
    g_assert_true(dinor1_trainer_export(trainer, directory, FALSE, &error));
    model = dinor1_model_load(directory, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(dinor1_model_get_type(model), ==, "dino-r1");
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        if (dinor1_model_has_weight(model, kept[i])) /* as many layers as it has */
            compare_weight(fixture.model, model, kept[i]);
    g_assert_false(dinor1_model_has_weight(fixture.model, "model.visual_prompt_encoder.visual_query_embedding.weight"));
    g_assert_cmpfloat(
        *(const gfloat *)find(model, "model.visual_prompt_encoder.visual_query_embedding.weight").data, !=, 0);
    bias = has_bias ? *(const gfloat *)find(fixture.model, "class_embed.0.bias").data : -logf(99);
    g_assert_cmpfloat(*(const gfloat *)find(model, "class_embed.0.bias").data, ==, bias);
    while (!dinor1_trainer_is_done(trainer)) {
        g_assert_true(dinor1_trainer_step(trainer, &report, &error));
        first = first > 0 ? first : report.loss;
    }
    g_test_message("loss %g, then %g", first, report.loss);
    g_assert_cmpfloat(report.loss, <, first);
    small_model_remove(directory);
    tear_down(&fixture);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/trainer/resume", "training/model", test_resume);
    g_test_add_data_func("/trainer/resume/text", "models/dino-r1", test_resume);
    g_test_add_func("/trainer/devices", test_devices);
    g_test_add_func("/trainer/half", test_half);
    g_test_add_func("/trainer/no-half", test_no_half);
    g_test_add_func("/trainer/other-options", test_other_options);
    g_test_add_func("/trainer/other-data", test_other_data);
    g_test_add_func("/trainer/same-numbers", test_same_numbers);
    g_test_add_func("/trainer/not-finite", test_not_finite);
    g_test_add_func("/trainer/many-boxes", test_many_boxes);
    g_test_add_data_func("/trainer/published/mm", "models/mm-one", test_published);
    g_test_add_data_func("/trainer/published/tied", "models/gdino-tied", test_published);
    g_test_add_data_func("/trainer/published/untied", "models/gdino-untied", test_published);
    return g_test_run();
}
