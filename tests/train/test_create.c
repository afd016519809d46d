/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models with random weights, for training from nothing.
 */
#include "model/model_internal.h"

#include <dinor1/error.h>
#include <dinor1/train.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define DATA "data", "models"

static gchar *
golden(const gchar *name)
{
    return g_test_build_filename(G_TEST_DIST, "..", "golden", DATA, name, NULL);
}

static DinoR1Model *
load(const gchar *path)
{
    g_autoptr(GError) error = NULL;
    DinoR1Model *model = dinor1_model_load(path, &error);

    g_assert_no_error(error);
    return model;
}

static void
remove_directory(const gchar *directory)
{
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(entries))) {
        g_autofree gchar *path = g_build_filename(directory, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

/* A model made from the golden one's configuration. */
static DinoR1Model *
create(const gchar *name, guint64 seed)
{
    g_autofree gchar *from = golden(name), *directory = g_dir_make_tmp("dinor1-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    DinoR1Model *model;

    g_assert_true(dinor1_model_create(from, seed, directory, &error));
    g_assert_no_error(error);
    model = load(directory);
    g_assert_false(dinor1_model_is_trained(model));
    remove_directory(directory);
    return model;
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
statistics(DinoR1Model *model, const gchar *name, gdouble *std, gdouble *largest)
{
    const DinoR1View view = find(model, name);
    const gfloat *data = view.data;
    const gint64 n = dinor1_shape_size(&view.shape);
    gdouble squares = 0;

    *largest = 0;
    for (gint64 i = 0; i < n; i++) {
        squares += (gdouble)data[i] * (gdouble)data[i];
        *largest = MAX(*largest, fabs((gdouble)data[i]));
    }
    *std = sqrt(squares / (gdouble)n);
}

static void
check_uniform(DinoR1Model *model, const gchar *name, gdouble limit)
{
    gdouble std, largest;

    statistics(model, name, &std, &largest);
    g_assert_cmpfloat(largest, <=, limit * (1 + 1e-6));
    g_assert_cmpfloat(largest, >, limit * 0.8);
    g_assert_cmpfloat(fabs(std * sqrt(3) / limit - 1), <, 0.15);
}

static void
check_normal(DinoR1Model *model, const gchar *name, gdouble expected)
{
    gdouble std, largest;

    statistics(model, name, &std, &largest);
    g_assert_cmpfloat(fabs(std / expected - 1), <, 0.25);
}

static void
check_constant(DinoR1Model *model, const gchar *name, gfloat value)
{
    const DinoR1View view = find(model, name);

    for (gint64 i = 0; i < dinor1_shape_size(&view.shape); i++)
        g_assert_cmpfloat(((const gfloat *)view.data)[i], ==, value);
}

static void
test_distributions(void)
{
    g_autoptr(DinoR1Model) model = create("dino-r1-visual", 1);
    const DinoR1Config *config = dinor1_model_get_config(model);
    const gdouble d = config->d_model, f = config->encoder_ffn_dim, patch = config->backbone.patch_size;

    check_uniform(model, "model.encoder.layers.0.deformable_layer.fc1.weight", sqrt(6 / (d + f)));
    check_uniform(model, "model.visual_prompt_encoder.self_attn.query.weight", sqrt(6 / (d + d)));
    check_uniform(model, "model.backbone.conv_encoder.model.embeddings.patch_embeddings.projection.weight",
        sqrt(1 / (3 * patch * patch)));
    check_normal(model, "model.backbone.conv_encoder.model.encoder.layers.0.blocks.0.intermediate.dense.weight", 0.02);
    check_normal(model, "model.query_position_embeddings.weight", 1);
    check_constant(model, "model.decoder.layers.0.fc1.bias", 0);
    check_constant(model, "model.decoder.layers.0.final_layer_norm.weight", 1);
    check_constant(model, "bbox_embed.0.layers.2.weight", 0);
    check_constant(model, "class_embed.0.bias", -logf(99));
    check_constant(model, "model.encoder.layers.0.fusion_layer.vision_param", 1e-4f);
}

static void
test_seeds(void)
{
    g_autoptr(DinoR1Model) one = create("dino-r1-visual", 1), same = create("dino-r1-visual", 1);
    g_autoptr(DinoR1Model) other = create("dino-r1-visual", 2);

    g_assert_cmpstr(dinor1_model_get_hash(one), ==, dinor1_model_get_hash(same));
    g_assert_cmpstr(dinor1_model_get_hash(one), !=, dinor1_model_get_hash(other));
}

/* The text encoder is not trained here: it is the checkpoint's. */
static void
test_text_encoder(void)
{
    const gchar *name = "model.text_backbone.embeddings.word_embeddings.weight";
    const gchar *trained = "model.enc_output.weight";
    g_autofree gchar *path = golden("dino-r1");
    g_autoptr(DinoR1Model) from = load(path), model = create("dino-r1", 1);
    const DinoR1View kept = find(from, name), copy = find(model, name);
    const DinoR1View old = find(from, trained), fresh = find(model, trained);
    const gsize size = (gsize)dinor1_shape_size(&kept.shape) * sizeof(gfloat);

    g_assert_true(dinor1_model_has_text_prompts(model));
    g_assert_cmpmem(kept.data, size, copy.data, size);
    g_assert_true(memcmp(old.data, fresh.data, (gsize)dinor1_shape_size(&old.shape) * sizeof(gfloat)) != 0);
}

static void
test_refused(void)
{
    g_autofree gchar *directory = g_dir_make_tmp("dinor1-test-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_model_create(directory, 1, directory, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    remove_directory(directory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* untrained models warn */
    g_test_add_func("/create/distributions", test_distributions);
    g_test_add_func("/create/seeds", test_seeds);
    g_test_add_func("/create/text-encoder", test_text_encoder);
    g_test_add_func("/create/refused", test_refused);
    return g_test_run();
}
