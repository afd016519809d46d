/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dinor1_trainer_measure() foresees the largest step, and leaves the trainer as it was; skip_bad replaces pictures.
 */
#include "model/model_internal.h"
#include "train/trainer_internal.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>

#define N_IMAGES 7

/* A grey picture; those whose names begin with 'x' cannot be decoded. @user_data: (nullable): counts the others. */
static gboolean
decode(gpointer user_data, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error)
{
    const guint number = (guint)g_ascii_strtoull(file_name + 1, NULL, 10);
    const gint width = 60 + 4 * (gint)(number % 3), height = 52 + 4 * (gint)(number % 4);
    guint8 *pixels;

    if (file_name[0] == 'x') {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: this picture is bad", file_name);
        return FALSE;
    }
    pixels = g_malloc((gsize)width * (gsize)height * 3);
    for (gint i = 0; i < width * height * 3; i++)
        pixels[i] = (guint8)(i * (gint)(number + 3) % 251);
    *image = (DinoR1Image){.format = DINOR1_PIXEL_RGB, .width = width, .height = height, .planes = {pixels}};
    image->strides[0] = width * 3;
    *memory = pixels;
    if (user_data)
        ((guint *)user_data)[number]++;
    return TRUE;
}

static DinoR1Coco *
make_data(const gchar *kinds)
{
    DinoR1Coco *coco = dinor1_coco_new();

    dinor1_coco_add_category(coco, "cup");
    dinor1_coco_add_category(coco, "dog");
    for (guint i = 0; i < N_IMAGES; i++) {
        g_autofree gchar *file = g_strdup_printf("%c%u", kinds[i], i);

        dinor1_coco_add_image(coco, file, 60 + 4 * (gint)(i % 3), 52 + 4 * (gint)(i % 4));
        for (guint k = 0; k < 1 + i % 3; k++) {
            const DinoR1CocoBox box = {4 + 6 * k, 6 + 5 * (i % 4), 24 + 4 * k, 20 + 3 * i % 10};

            g_assert_true(dinor1_coco_add_annotation(coco, (i + k) % 2, &box, NULL));
        }
    }
    return coco;
}

static DinoR1Trainer *
make_trainer(const gchar *kinds, guint grqo_start, gboolean skip_bad, guint *counts)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "training", "model", NULL);
    const DinoR1FrameSource frames = {decode, counts};
    g_autoptr(DinoR1Coco) coco = make_data(kinds);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, &error);
    DinoR1TrainOptions options;
    DinoR1Trainer *trainer;
    DinoR1Config *config;

    g_assert_no_error(error);
    config = (DinoR1Config *)dinor1_model_get_config(model);
    config->shortest_edge = 48; /* the golden model's 800 take minutes */
    config->longest_edge = 64;
    dinor1_train_options_init(&options);
    options.device = "cpu";
    options.n_threads = 1;
    options.n_workers = 0;
    options.epochs = 2;
    options.batch_size = 2;
    options.grqo_start = grqo_start;
    options.skip_bad = skip_bad;
    trainer = dinor1_trainer_new(model, coco, &frames, &options, &error);
    g_assert_no_error(error);
    return trainer;
}

static gchar *
digest(DinoR1Trainer *trainer)
{
    g_autofree gchar *path = NULL, *text = NULL;
    gchar *sum;
    gsize length;
    gint fd = g_file_open_tmp("dinor1-test-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(dinor1_trainer_save(trainer, path, NULL));
    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    g_unlink(path);
    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, (gssize)length);
    return sum;
}

/* Trains to the end; no step may be larger than what was foreseen. */
static gchar *
train(DinoR1Trainer *trainer, const DinoR1TrainCost *cost)
{
    DinoR1TrainReport report;
    g_autoptr(GError) error = NULL;
    guint64 kept = 0, most = 0;

    for (guint i = 0; i < dinor1_parameters_get_n(trainer->parameters); i++)
        kept += 16 * (guint64)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, i)->shape);
    while (!dinor1_trainer_is_done(trainer)) {
        dinor1_trainer_step(trainer, &report, &error);
        g_assert_no_error(error);
        most = MAX(most, kept + dinor1_train_step_get_memory(trainer->step));
        if (cost)
            g_assert_cmpint(
                trainer->step_spec.graph.batch * trainer->step_spec.graph.width * trainer->step_spec.graph.height, <=,
                (gint)cost->n_images * cost->width * cost->height);
    }
    if (cost) {
        g_assert_cmpuint(cost->memory, >=, most);
        g_assert_cmpuint(cost->memory, <, 4 * most);
    }
    return digest(trainer);
}

static void
test_measure(gconstpointer data)
{
    const guint grqo_start = GPOINTER_TO_UINT(data);
    g_autoptr(DinoR1Trainer) plain = make_trainer("bbbbbbb", grqo_start, FALSE, NULL);
    g_autoptr(DinoR1Trainer) measured = make_trainer("bbbbbbb", grqo_start, FALSE, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree gchar *expected = train(plain, NULL), *found = NULL;
    DinoR1TrainCost cost;

    g_assert_true(dinor1_trainer_measure(measured, &cost, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(cost.n_images, ==, 2);
    g_assert_cmpuint(cost.n_boxes, ==, 3);
    g_assert_cmpfloat(cost.seconds, >, 0);
    found = train(measured, &cost);
    g_assert_cmpstr(found, ==, expected);
}

static void
test_parts(void)
{
    g_autoptr(DinoR1Trainer) trainer = make_trainer("bbbbbbb", 1, FALSE, NULL);
    guint64 n_trained, n_parameters, sum = 0;
    guint n_steps, n;
    const DinoR1TrainPart *parts = dinor1_trainer_get_parts(trainer, &n);

    dinor1_trainer_describe(trainer, &n_trained, &n_parameters, &n_steps);
    for (guint i = 0; i < n; i++) {
        const gdouble share = g_str_equal(parts[i].name, "backbone") ? 0.1 : 1;

        g_assert_cmpfloat_with_epsilon(parts[i].learning_rate, share * (gdouble)trainer->options.learning_rate, 1e-12);
        sum += parts[i].n_parameters;
    }
    g_assert_cmpuint(n, >=, 4);
    g_assert_cmpuint(sum, ==, n_parameters);
}

/* The batches keep their size, and the same pictures stand in again. */
static void
test_skip_bad(void)
{
    guint counts[2][N_IMAGES] = {{0}};
    gchar *digests[2];
    g_autoptr(GError) error = NULL;
    DinoR1TrainReport report;

    for (guint i = 0; i < 2; i++) {
        g_autoptr(DinoR1Trainer) trainer = make_trainer("bxbbbbx", 1, TRUE, counts[i]);

        digests[i] = train(trainer, NULL);
    }
    g_assert_cmpstr(digests[0], ==, digests[1]);
    g_assert_cmpmem(counts[0], sizeof counts[0], counts[1], sizeof counts[1]);
    for (guint i = 0; i < N_IMAGES; i++) /* 1 → 2 and 6 → 0, in both epochs */
        g_assert_cmpuint(counts[0][i], ==, i == 1 || i == 6 ? 0 : i == 2 || i == 0 ? 4 : 2);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(DinoR1Trainer) trainer = make_trainer(i ? "xxxxxxx" : "bxbbbbx", 1, i == 1, NULL);

        while (!error && !dinor1_trainer_is_done(trainer))
            dinor1_trainer_step(trainer, &report, &error);
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
        g_clear_error(&error);
        g_free(digests[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/measure/supervised", GUINT_TO_POINTER(100), test_measure);
    g_test_add_data_func("/measure/grqo", GUINT_TO_POINTER(1), test_measure);
    g_test_add_func("/measure/parts", test_parts);
    g_test_add_func("/measure/skip-bad", test_skip_bad);
    return g_test_run();
}
