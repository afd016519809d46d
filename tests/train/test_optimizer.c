/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * AdamW against torch.optim.AdamW, schedules, parameters and their average; on the CPU and on the emulated GPU.
 */
#include "backend/device.h"
#include "io/safetensors.h"
#include "model/model_internal.h"
#include "train/optimizer.h"
#include "train/step.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define N_SMALL 6
#define LARGEST 8
#define ROW     16 /* floats: 64 bytes */

/* What ten steps of torch.optim.AdamW make of cos(k + t) with the gradients sin(3k + t + step) / 2, t the tensor's
 * number and k the element's: lr 0.01, a tenth of it for the backbone, weight decay 0.05 for matrices. */
static const struct {
    const gchar *name;
    DinoR1Shape shape;
    gdouble clipped[LARGEST]; /* gradients clipped to a norm of 0.1 */
    gdouble plain[LARGEST];
} small[N_SMALL] = {
    {"bbox_embed.0.layers.0.weight", {2, {3, 1}}, {0.965306414, 0.555443598, -0.429074358},
        {0.965054602, 0.555236246, -0.428298669}},
    {"class_embed.0.bias", {0, {0}}, {0.503478708}, {0.503756549}},
    {"model.backbone.x.weight", {2, {2, 3}},
        {-0.417396565, -0.987607453, -0.655599351, 0.28615583, 0.956740737, 0.756751175},
        {-0.41740001, -0.987639665, -0.655541798, 0.286084151, 0.956815302, 0.756684005}},
    {"model.enc_output.weight", {2, {4, 2}},
        {-0.967216897, -0.665386305, 0.293409888, 0.948979043, 0.751212133, -0.140432173, -0.916073056, -0.820647977},
        {-0.967424249, -0.664610617, 0.292116695, 0.950515371, 0.749815751, -0.139443156, -0.916578067, -0.820588152}},
    {"model.level_embed", {2, {2, 2}}, {-0.615146732, 0.243842277, 1.00094547, 0.712574877},
        {-0.615169631, 0.243608705, 1.00140323, 0.711962811}},
    {"model.query_position_embeddings.weight", {2, {2, 2}}, {0.302571326, 0.937336782, 0.780266067, -0.175005935},
        {0.302249101, 0.937912484, 0.779549073, -0.174260076}},
};

typedef struct {
    DinoR1Model *model;
    DinoR1Backend *backend;
    DinoR1Parameters *parameters; /* the small ones */
    gchar *directory;
    gfloat gradients[N_SMALL][LARGEST];
    gfloat *memory;                  /* [N_SMALL][ROW] on the backend */
    const gfloat *pointers[N_SMALL]; /* in that */
} Fixture;

/* What a test gets as data. */
typedef struct {
    const gchar *device;
    gfloat max_norm;
    const gchar *model;
} Job;

static DinoR1Model *
load_model(const gchar *name)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", name, NULL);
    g_autoptr(GError) error = NULL;
    DinoR1Model *model = dinor1_model_load(path, &error);

    g_assert_no_error(error);
    return model;
}

static DinoR1Backend *
open_backend(const gchar *device, guint n_threads)
{
    g_autoptr(GError) error = NULL;
    DinoR1Backend *backend = dinor1_backend_open(device, n_threads, NULL, &error);

    g_assert_no_error(error);
    return backend;
}

static DinoR1Parameters *
new_small(const DinoR1Config *config, DinoR1Backend *backend)
{
    DinoR1Parameters *parameters = dinor1_parameters_new(config, NULL, 1);
    g_autoptr(GError) place_error = NULL;

    for (guint t = 0; t < N_SMALL; t++) {
        g_autoptr(GError) error = NULL;
        DinoR1View view;

        dinor1_parameters_find(parameters, small[t].name, &small[t].shape, &view, &error);
        g_assert_no_error(error);
        for (gint64 k = 0; k < dinor1_shape_size(&small[t].shape); k++)
            ((gfloat *)view.data)[k] = (gfloat)cos((gdouble)(k + t));
    }
    dinor1_parameters_freeze(parameters);
    dinor1_parameters_place(parameters, backend, &place_error);
    g_assert_no_error(place_error);
    return parameters;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    const Job *job = data;

    fixture->model = load_model("dino-r1-visual");
    fixture->backend = open_backend(job->device, 2);
    fixture->parameters = new_small(dinor1_model_get_config(fixture->model), fixture->backend);
    fixture->memory = fixture->backend->klass->alloc(fixture->backend, N_SMALL * ROW * sizeof(gfloat), NULL);
    fixture->directory = g_dir_make_tmp("dinor1-XXXXXX", NULL);
    for (guint t = 0; t < N_SMALL; t++)
        fixture->pointers[t] = fixture->memory + t * ROW;
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->directory, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree gchar *path = g_build_filename(fixture->directory, name, NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
    fixture->backend->klass->release(fixture->backend, fixture->memory);
    dinor1_parameters_free(fixture->parameters);
    dinor1_backend_free(fixture->backend);
    dinor1_model_unref(fixture->model);
}

static DinoR1OptimizerOptions
small_options(gfloat max_norm)
{
    DinoR1OptimizerOptions options;

    dinor1_optimizer_options_init(&options);
    options.learning_rate = 0.01f;
    options.weight_decay = 0.05f;
    options.max_norm = max_norm;
    return options;
}

static DinoR1Optimizer *
new_optimizer(DinoR1Parameters *parameters, gfloat max_norm)
{
    const DinoR1OptimizerOptions options = small_options(max_norm);
    g_autoptr(GError) error = NULL;
    DinoR1Optimizer *optimizer = dinor1_optimizer_new(parameters, &options, NULL, &error);

    g_assert_no_error(error);
    return optimizer;
}

/* A step with the gradients as they are. */
static gdouble
step_along(Fixture *fixture, DinoR1Optimizer *optimizer)
{
    const DinoR1BackendClass *klass = fixture->backend->klass;
    g_autoptr(GError) error = NULL;
    gdouble norm;

    for (guint t = 0; t < N_SMALL; t++) {
        klass->upload(
            fixture->backend, fixture->memory + t * ROW, fixture->gradients[t], sizeof fixture->gradients[t], &error);
        g_assert_no_error(error);
    }
    dinor1_optimizer_step(optimizer, fixture->pointers, 1, &norm, &error);
    g_assert_no_error(error);
    return norm;
}

static gdouble
step(Fixture *fixture, DinoR1Optimizer *optimizer, guint number)
{
    for (guint t = 0; t < N_SMALL; t++)
        for (guint k = 0; k < LARGEST; k++)
            fixture->gradients[t][k] = (gfloat)(0.5 * sin(3.0 * k + t + number));
    return step_along(fixture, optimizer);
}

static void
compare_small(const Fixture *fixture, gboolean clipped)
{
    g_assert_true(dinor1_parameters_fetch(fixture->parameters, NULL));
    for (guint t = 0; t < N_SMALL; t++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(fixture->parameters, t);

        g_assert_cmpstr(parameter->name, ==, small[t].name);
        for (gint64 k = 0; k < dinor1_shape_size(&parameter->shape); k++)
            g_assert_cmpfloat_with_epsilon(
                (gdouble)parameter->data[k], clipped ? small[t].clipped[k] : small[t].plain[k], 1e-6);
    }
}

static void
test_adamw(Fixture *fixture, gconstpointer data)
{
    const gfloat max_norm = ((const Job *)data)->max_norm;
    g_autoptr(DinoR1Optimizer) optimizer = new_optimizer(fixture->parameters, max_norm);
    gdouble norm = 0;

    for (guint i = 0; i < 10; i++) {
        norm = step(fixture, optimizer, i);
        if (i == 0)
            g_assert_cmpfloat_with_epsilon(norm, 1.9271746, 1e-6);
    }
    g_assert_cmpfloat_with_epsilon(norm, 1.9771090, 1e-6);
    compare_small(fixture, max_norm == 0.1f);
}

/* Bytes of all small parameters, in order. */
static void
snapshot(const Fixture *fixture, gfloat values[N_SMALL][LARGEST])
{
    memset(values, 0, sizeof(gfloat) * N_SMALL * LARGEST);
    g_assert_true(dinor1_parameters_fetch(fixture->parameters, NULL));
    for (guint t = 0; t < N_SMALL; t++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(fixture->parameters, t);

        memcpy(values[t], parameter->data, (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat));
    }
}

/* A step with a gradient that is no number changes neither weights nor moments. */
static void
test_not_finite(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Optimizer) optimizer = new_optimizer(fixture->parameters, 0.1f);
    gfloat before[N_SMALL][LARGEST], after[N_SMALL][LARGEST];

    for (guint i = 0; i < 10; i++) {
        const gfloat bad = i % 2 ? INFINITY : NAN;

        snapshot(fixture, before);
        fixture->gradients[3][i % 8] = bad;
        g_assert_false(isfinite(step_along(fixture, optimizer)));
        snapshot(fixture, after);
        g_assert_cmpmem(before, sizeof before, after, sizeof after);
        step(fixture, optimizer, i);
    }
    compare_small(fixture, TRUE);
}

/* A parameter without a gradient stays as it is. */
static void
test_no_gradient(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Optimizer) optimizer = new_optimizer(fixture->parameters, 0.1f);
    gfloat before[N_SMALL][LARGEST], after[N_SMALL][LARGEST];

    snapshot(fixture, before);
    fixture->pointers[3] = NULL;
    step(fixture, optimizer, 0);
    snapshot(fixture, after);
    for (guint t = 0; t < N_SMALL; t++)
        g_assert_true((memcmp(before[t], after[t], sizeof before[t]) == 0) == (t == 3));
}

static void
test_patterns(Fixture *fixture, gconstpointer data)
{
    const gchar *some[] = {"model.back*", "*level_embed", NULL}, *none[] = {"nothing.*", NULL};
    const DinoR1OptimizerOptions options = small_options(0.1f);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Optimizer) optimizer = dinor1_optimizer_new(fixture->parameters, &options, some, &error);
    gfloat before[N_SMALL][LARGEST], after[N_SMALL][LARGEST];

    g_assert_no_error(error);
    snapshot(fixture, before);
    step(fixture, optimizer, 0);
    snapshot(fixture, after);
    for (guint t = 0; t < N_SMALL; t++) {
        const gboolean trained = t == 2 || t == 4;

        g_assert_true(dinor1_optimizer_trains(optimizer, t) == trained);
        g_assert_true((memcmp(before[t], after[t], sizeof before[t]) != 0) == trained);
    }
    g_assert_null(dinor1_optimizer_new(fixture->parameters, &options, none, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "nothing.*"));
}

/* Stops after four steps, goes on from a file: the same bits as without stopping. */
static void
test_restore(Fixture *fixture, gconstpointer data)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, "state.safetensors", NULL);
    g_autoptr(DinoR1Optimizer) first = new_optimizer(fixture->parameters, 0.1f), second = NULL;
    g_autoptr(GArray) tensors = g_array_new(FALSE, FALSE, sizeof(DinoR1StoredTensor));
    g_autoptr(GStringChunk) names = g_string_chunk_new(256);
    g_autoptr(GHashTable) metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(DinoR1Parameters) kept = NULL;
    g_autoptr(DinoR1Safetensors) file = NULL;
    g_autoptr(GError) error = NULL;
    gfloat expected[N_SMALL][LARGEST], actual[N_SMALL][LARGEST];

    for (guint i = 0; i < 4; i++)
        step(fixture, first, i);
    kept = dinor1_parameters_copy(fixture->parameters, &error);
    g_assert_no_error(error);
    dinor1_optimizer_store(first, tensors, names, metadata, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tensors->len, ==, 2 * N_SMALL);
    dinor1_safetensors_write(
        path, (const DinoR1StoredTensor *)(gconstpointer)tensors->data, tensors->len, metadata, &error);
    g_assert_no_error(error);
    for (guint i = 4; i < 10; i++)
        step(fixture, first, i);
    snapshot(fixture, expected);

    dinor1_parameters_assign(fixture->parameters, kept, &error);
    g_assert_no_error(error);
    second = new_optimizer(fixture->parameters, 0.1f);
    file = dinor1_safetensors_open(path, &error);
    g_assert_no_error(error);
    g_assert_true(dinor1_optimizer_restore(second, file, &error));
    g_assert_no_error(error);
    for (guint i = 4; i < 10; i++)
        step(fixture, second, i);
    snapshot(fixture, actual);
    g_assert_cmpmem(expected, sizeof expected, actual, sizeof actual);
}

static void
test_restore_refuses(Fixture *fixture, gconstpointer data)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, "state.safetensors", NULL);
    g_autoptr(DinoR1Optimizer) optimizer = new_optimizer(fixture->parameters, 0.1f);
    g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
    const gchar *steps[] = {NULL, "many", "3"}; /* the last lacks the tensors */

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(DinoR1Safetensors) file = NULL;
        g_autoptr(GError) error = NULL;

        if (steps[i])
            g_hash_table_insert(metadata, (gpointer) "optimizer.steps", (gpointer)steps[i]);
        dinor1_safetensors_write(path, NULL, 0, metadata, &error);
        g_assert_no_error(error);
        file = dinor1_safetensors_open(path, &error);
        g_assert_no_error(error);
        g_assert_false(dinor1_optimizer_restore(optimizer, file, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
        g_assert_nonnull(strstr(error->message, i < 2 ? "optimizer.steps" : small[0].name));
    }
}

/* Two steps on a tensor of many blocks; the caller frees. */
static gfloat *
train_large(const DinoR1Config *config, guint n_threads, gdouble *norm)
{
    const DinoR1Shape shape = DINOR1_SHAPE(411, 257);
    const gsize n = 411 * 257;
    g_autoptr(DinoR1Backend) backend = open_backend("cpu", n_threads);
    g_autoptr(DinoR1Parameters) parameters = dinor1_parameters_new(config, NULL, 5);
    g_autoptr(DinoR1Optimizer) optimizer = NULL;
    g_autofree gfloat *gradient = g_new(gfloat, n);
    const gfloat *gradients[] = {gradient};
    DinoR1Rng rng = dinor1_rng_new(1, 2);
    DinoR1View view;

    g_assert_true(dinor1_parameters_find(parameters, "model.enc_output.weight", &shape, &view, NULL));
    dinor1_parameters_freeze(parameters);
    g_assert_true(dinor1_parameters_place(parameters, backend, NULL));
    optimizer = new_optimizer(parameters, 0.1f);
    for (gint i = 0; i < 2; i++) {
        for (gsize k = 0; k < n; k++)
            gradient[k] = dinor1_rng_normal(&rng);
        g_assert_true(dinor1_optimizer_step(optimizer, gradients, 1, norm, NULL));
    }
    return g_memdup2(view.data, n * sizeof(gfloat));
}

static void
test_threads(Fixture *fixture, gconstpointer data)
{
    const DinoR1Config *config = dinor1_model_get_config(fixture->model);
    gdouble norm, other_norm;
    g_autofree gfloat *one = train_large(config, 1, &norm);

    for (guint n_threads = 2; n_threads <= 5; n_threads++) {
        g_autofree gfloat *other = train_large(config, n_threads, &other_norm);

        g_assert_cmpmem(one, 411 * 257 * 4, other, 411 * 257 * 4);
        g_assert_cmpfloat(norm, ==, other_norm);
    }
}

static void
test_multi_step(void)
{
    const DinoR1Schedule schedule = {DINOR1_SCHEDULE_MULTI_STEP, 100, 10, 0.1, {60, 80}, 2, 0.1, 0};
    const struct {
        guint step;
        gdouble rate;
    } expected[] = {{0, 0.1}, {5, 0.55}, {9, 0.91}, {10, 1}, {59, 1}, {60, 0.1}, {79, 0.1}, {80, 0.01}, {1000, 0.01}};

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpfloat_with_epsilon(dinor1_schedule_rate(&schedule, expected[i].step), expected[i].rate, 1e-12);
}

static void
test_cosine(void)
{
    const DinoR1Schedule schedule = {DINOR1_SCHEDULE_COSINE, 100, 0, 0.1, {0}, 0, 0.1, 0.2};
    const struct {
        guint step;
        gdouble rate;
    } expected[] = {{0, 1}, {50, 0.6}, {25, 0.2 + 0.4 * (1 + G_SQRT2 / 2)}, {100, 0.2}, {500, 0.2}};

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmpfloat_with_epsilon(dinor1_schedule_rate(&schedule, expected[i].step), expected[i].rate, 1e-12);
}

/* decay = min(0.9, (1 + step) / (10 + step)) */
static void
test_average(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Parameters) average = dinor1_parameters_copy(fixture->parameters, NULL);
    const guint64 steps[] = {0, 5, 1000};
    const gdouble decays[] = {0.1, 0.4, 0.9};
    gdouble expected = 1; /* cos(0) */

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        dinor1_parameters_get(fixture->parameters, 0)->data[0] = (gfloat)i + 3;
        g_assert_true(dinor1_parameters_send(fixture->parameters, NULL));
        g_assert_true(dinor1_average_update(average, fixture->parameters, 0.9, steps[i], NULL));
        g_assert_true(dinor1_parameters_fetch(average, NULL));
        expected = decays[i] * expected + (1 - decays[i]) * (i + 3.0);
        g_assert_cmpfloat_with_epsilon((gdouble)dinor1_parameters_get(average, 0)->data[0], expected, 1e-6);
    }
    g_assert_cmpfloat(
        dinor1_parameters_get(average, 3)->data[1], ==, dinor1_parameters_get(fixture->parameters, 3)->data[1]);
}

static void
test_frozen(Fixture *fixture, gconstpointer data)
{
    const DinoR1Shape shape = DINOR1_SHAPE(2);
    g_autoptr(GError) error = NULL;
    DinoR1View view;

    g_assert_true(dinor1_parameters_find(fixture->parameters, small[2].name, &small[2].shape, &view, &error));
    g_assert_true(view.data == dinor1_parameters_get(fixture->parameters, 2)->data);
    g_assert_false(dinor1_parameters_find(fixture->parameters, "unknown.weight", &shape, &view, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS);
    g_assert_nonnull(strstr(error->message, "unknown.weight"));
}

static DinoR1Parameters *
complete(DinoR1Model *model, guint64 seed)
{
    const DinoR1Config *config = dinor1_model_get_config(model);
    DinoR1Parameters *parameters = dinor1_parameters_new(config, model, seed);
    g_autoptr(GError) error = NULL;

    dinor1_train_complete_parameters(parameters, config, &error);
    g_assert_no_error(error);
    return parameters;
}

static void
copy_file(const gchar *from, const gchar *to, const gchar *name)
{
    g_autofree gchar *source = g_build_filename(from, name, NULL), *target = g_build_filename(to, name, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree gchar *contents = NULL;
    gsize size;

    if (!g_file_test(source, G_FILE_TEST_EXISTS))
        return;
    g_file_get_contents(source, &contents, &size, &error);
    g_assert_no_error(error);
    g_file_set_contents(target, contents, (gssize)size, &error);
    g_assert_no_error(error);
}

/* What is saved loads as a model of the same bits, text encoder and all. */
static void
test_save(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Model) model = load_model(((const Job *)data)->model), loaded = NULL;
    g_autoptr(DinoR1Parameters) parameters = complete(model, 1);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < dinor1_parameters_get_n(parameters); i++)
        dinor1_parameters_get(parameters, i)->data[0] += 0.25f;
    copy_file(dinor1_model_get_path(model), fixture->directory, "config.json");
    copy_file(dinor1_model_get_path(model), fixture->directory, "vocab.txt");
    dinor1_parameters_save(parameters, fixture->directory, FALSE, &error);
    g_assert_no_error(error);
    loaded = dinor1_model_load(fixture->directory, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < dinor1_parameters_get_n(parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(parameters, i);
        const gsize size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat);
        DinoR1View view;

        if (g_str_equal(parameter->name, "denoising_label_embedding.weight"))
            continue;
        g_assert_true(dinor1_model_find_weight(loaded, parameter->name, &parameter->shape, &view, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(view.data, size, parameter->data, size);
    }
}

/* A checkpoint without a prompt encoder gets a new one; everything else is the checkpoint's. */
static void
test_fresh_prompt_encoder(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Model) model = load_model("mm-one");
    g_autoptr(DinoR1Parameters) parameters = complete(model, 1);
    guint n_fresh = 0;

    for (guint i = 0; i < dinor1_parameters_get_n(parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(parameters, i);
        const gboolean is_new = g_str_has_prefix(parameter->name, "model.visual_prompt_encoder.") ||
                                g_str_equal(parameter->name, "denoising_label_embedding.weight");
        gboolean varies = FALSE;

        g_assert_true(parameter->is_fresh == is_new);
        for (gint64 k = 0; k < dinor1_shape_size(&parameter->shape); k++) {
            g_assert_true(isfinite(parameter->data[k]));
            varies |= parameter->data[k] != 0;
        }
        n_fresh += is_new;
        if (g_str_has_suffix(parameter->name, "fc1.weight"))
            g_assert_true(varies);
    }
    g_assert_cmpuint(n_fresh, >, 20);
}

/* From nothing, in another order of requests: the same values; with another seed: others. */
static void
test_order_of_requests(Fixture *fixture, gconstpointer data)
{
    const DinoR1Config *config = dinor1_model_get_config(fixture->model);
    g_autoptr(DinoR1Parameters) first = dinor1_parameters_new(config, NULL, 1);
    g_autoptr(DinoR1Parameters) second = dinor1_parameters_new(config, NULL, 1);
    g_autoptr(DinoR1Parameters) other = dinor1_parameters_new(config, NULL, 2);
    gboolean differs = FALSE;

    g_assert_true(dinor1_train_complete_parameters(first, config, NULL));
    for (guint i = dinor1_parameters_get_n(first); i-- > 0;) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(first, i);
        const gsize size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat);
        DinoR1View view;

        g_assert_true(dinor1_parameters_find(second, parameter->name, &parameter->shape, &view, NULL));
        g_assert_cmpmem(view.data, size, parameter->data, size);
        g_assert_true(dinor1_parameters_find(other, parameter->name, &parameter->shape, &view, NULL));
        differs |= memcmp(view.data, parameter->data, size) != 0;
    }
    g_assert_true(differs);
}

#define ADD(path, job, func) g_test_add(path, Fixture, job, set_up, func, tear_down)

static void
add_on(const gchar *prefix, const Job *job, void (*func)(Fixture *, gconstpointer))
{
    g_autofree gchar *path = g_strdup_printf("/%s/%s", prefix, job->device);

    ADD(path, job, func);
}

int
main(int argc, char **argv)
{
    static const Job clipped[] = {{"cpu", 0.1f, NULL}, {"cuda-host", 0.1f, NULL}};
    static const Job unlimited[] = {{"cpu", 0, NULL}, {"cuda-host", 0, NULL}};
    static const Job below[] = {{"cpu", 10, NULL}, {"cuda-host", 10, NULL}};
    static const Job visual = {"cpu", 0, "dino-r1-visual"}, text = {"cpu", 0, "dino-r1"};

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(clipped); i++) {
        add_on("optimizer/adamw/clipped", &clipped[i], test_adamw);
        add_on("optimizer/adamw/unlimited", &unlimited[i], test_adamw);
        add_on("optimizer/adamw/below-the-limit", &below[i], test_adamw);
        add_on("optimizer/not-finite", &clipped[i], test_not_finite);
        add_on("optimizer/no-gradient", &clipped[i], test_no_gradient);
        add_on("optimizer/patterns", &clipped[i], test_patterns);
        add_on("optimizer/restore", &clipped[i], test_restore);
        add_on("optimizer/restore-refuses", &clipped[i], test_restore_refuses);
        add_on("parameters/average", &clipped[i], test_average);
    }
    ADD("/optimizer/threads", &clipped[0], test_threads);
    g_test_add_func("/schedule/multi-step", test_multi_step);
    g_test_add_func("/schedule/cosine", test_cosine);
    ADD("/parameters/frozen", &clipped[0], test_frozen);
    ADD("/parameters/save/visual", &visual, test_save);
    ADD("/parameters/save/text", &text, test_save);
    ADD("/parameters/fresh-prompt-encoder", &clipped[0], test_fresh_prompt_encoder);
    ADD("/parameters/order-of-requests", &clipped[0], test_order_of_requests);
    return g_test_run();
}
