/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/config.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <string.h>

static DinoR1Config *
parse(const gchar *json, GError **error)
{
    return dinor1_config_parse("config.json", json, strlen(json), error);
}

static DinoR1Config *
parse_good(const gchar *json)
{
    g_autoptr(GError) error = NULL;
    DinoR1Config *config = parse(json, &error);

    g_assert_no_error(error);
    return config;
}

static void
assert_contains(const gchar *text, const gchar *part)
{
    if (!strstr(text, part))
        g_error("\"%s\" does not contain \"%s\"", text, part);
}

static void
test_defaults(void)
{
    g_autoptr(DinoR1Config) config = parse_good("{\"model_type\":\"grounding-dino\"}");
    static const gint depths[] = {2, 2, 6, 2}, heads[] = {3, 6, 12, 24}, outputs[] = {2, 3, 4};

    g_assert_cmpint(config->type, ==, DINOR1_MODEL_GROUNDING_DINO);
    g_assert_cmpstr(config->type_name, ==, "grounding-dino");
    g_assert_true(config->trained && config->has_text && config->lower_case);
    g_assert_cmpint(config->d_model, ==, 256);
    g_assert_cmpint(config->num_queries, ==, 900);
    g_assert_cmpint(config->num_feature_levels, ==, 4);
    g_assert_cmpint(config->encoder_layers, ==, 6);
    g_assert_cmpint(config->encoder_ffn_dim, ==, 2048);
    g_assert_cmpint(config->encoder_attention_heads, ==, 8);
    g_assert_cmpint(config->encoder_n_points, ==, 4);
    g_assert_cmpint(config->decoder_layers, ==, 6);
    g_assert_cmpint(config->decoder_ffn_dim, ==, 2048);
    g_assert_cmpint(config->decoder_attention_heads, ==, 8);
    g_assert_cmpint(config->decoder_n_points, ==, 4);
    g_assert_cmpint(config->activation, ==, DINOR1_ACT_RELU);
    g_assert_cmpint(config->max_text_len, ==, 256);
    g_assert_true(config->decoder_bbox_embed_share && !config->two_stage_bbox_embed_share);
    g_assert_true(config->embedding_init_target);
    g_assert_true(config->positional_embedding_temperature == 20 && config->layer_norm_eps == 1e-5f);
    g_assert_true(config->logit_eps == 1e-5f);
    g_assert_cmpint(config->shortest_edge, ==, 800);
    g_assert_cmpint(config->longest_edge, ==, 1333);
    g_assert_true(config->image_mean[0] == 0.485f && config->image_mean[2] == 0.406f);
    g_assert_true(config->image_std[0] == 0.229f && config->image_std[2] == 0.225f);
    g_assert_true(config->rescale_factor == (gfloat)(1.0 / 255));

    g_assert_cmpint(config->backbone.n_channels, ==, 3);
    g_assert_cmpint(config->backbone.patch_size, ==, 4);
    g_assert_cmpint(config->backbone.embed_dim, ==, 96);
    g_assert_cmpint(config->backbone.n_stages, ==, 4);
    g_assert_cmpmem(config->backbone.depths, sizeof depths, depths, sizeof depths);
    g_assert_cmpmem(config->backbone.heads, sizeof heads, heads, sizeof heads);
    g_assert_cmpint(config->backbone.window_size, ==, 7);
    g_assert_true(config->backbone.mlp_ratio == 4 && config->backbone.qkv_bias);
    g_assert_cmpint(config->backbone.activation, ==, DINOR1_ACT_GELU);
    g_assert_true(config->backbone.layer_norm_eps == 1e-5f);
    g_assert_cmpint(config->backbone.n_outputs, ==, 3);
    g_assert_cmpmem(config->backbone.outputs, sizeof outputs, outputs, sizeof outputs);

    g_assert_cmpint(config->text.vocab_size, ==, 30522);
    g_assert_cmpint(config->text.hidden_size, ==, 768);
    g_assert_cmpint(config->text.n_layers, ==, 12);
    g_assert_cmpint(config->text.n_heads, ==, 12);
    g_assert_cmpint(config->text.intermediate_size, ==, 3072);
    g_assert_cmpint(config->text.max_position_embeddings, ==, 512);
    g_assert_cmpint(config->text.type_vocab_size, ==, 2);
    g_assert_true(config->text.layer_norm_eps == 1e-12f);
    g_assert_cmpint(config->text.activation, ==, DINOR1_ACT_GELU);
}

/* What the three types differ in when nothing is said. */
static void
test_types(void)
{
    g_autoptr(DinoR1Config) mm = parse_good("{\"model_type\":\"mm-grounding-dino\",\"decoder_bbox_embed_share\":true,"
                                            "\"text_config\":null,\"logit_eps\":0.01}");
    g_autoptr(DinoR1Config) r1 = parse_good("{\"model_type\":\"dino-r1\",\"trained\":false}");
    g_autoptr(DinoR1Config) r1_null = parse_good("{\"model_type\":\"dino-r1\",\"text_config\":null}");
    g_autoptr(DinoR1Config) r1_text = parse_good("{\"model_type\":\"dino-r1\",\"text_config\":{},\"logit_eps\":1e-5}");

    g_assert_cmpint(mm->type, ==, DINOR1_MODEL_MM_GROUNDING_DINO);
    g_assert_true(mm->has_text && !mm->decoder_bbox_embed_share && mm->logit_eps == 1e-5f);
    g_assert_cmpint(r1->type, ==, DINOR1_MODEL_DINO_R1);
    g_assert_true(!r1->has_text && !r1->trained && !r1->decoder_bbox_embed_share && r1->logit_eps == 1e-3f);
    g_assert_false(r1_null->has_text);
    g_assert_true(r1_text->has_text && r1_text->trained && r1_text->logit_eps == 1e-5f);
    g_assert_cmpint(r1_text->text.hidden_size, ==, 768);
}

static void
test_values(void)
{
    g_autoptr(DinoR1Config) config = parse_good(
        "{\"model_type\":\"grounding-dino\",\"d_model\":64,\"num_queries\":30,\"num_feature_levels\":3,\"encoder_"
        "layers\":2,"
        "\"encoder_ffn_dim\":128,\"encoder_attention_heads\":4,\"encoder_n_points\":3,\"decoder_layers\":1,"
        "\"decoder_ffn_dim\":96,\"decoder_attention_heads\":2,\"decoder_n_points\":1,\"activation_function\":\"gelu\","
        "\"decoder_bbox_embed_share\":false,\"positional_embedding_temperature\":20.5,\"layer_norm_eps\":1e-6,"
        "\"max_text_len\":200,\"two_stage\":true,\"dropout\":0.1,\"unknown\":[{}],\"backbone\":null,"
        "\"backbone_config\":{\"model_type\":\"swin\",\"embed_dim\":24,\"depths\":[1,2,1],\"num_heads\":[1,2,4],"
        "\"window_size\":5,\"mlp_ratio\":2,\"qkv_bias\":false,\"hidden_act\":\"relu\",\"out_features\":[\"stage1\","
        "\"stage3\"]},"
        "\"text_config\":{\"model_type\":\"bert\",\"hidden_size\":32,\"num_attention_heads\":2,\"num_hidden_layers\":1,"
        "\"intermediate_size\":48,\"vocab_size\":100,\"max_position_embeddings\":64}}");

    g_assert_cmpint(config->d_model, ==, 64);
    g_assert_cmpint(config->num_queries, ==, 30);
    g_assert_cmpint(config->num_feature_levels, ==, 3);
    g_assert_cmpint(config->encoder_n_points, ==, 3);
    g_assert_cmpint(config->decoder_n_points, ==, 1);
    g_assert_cmpint(config->decoder_ffn_dim, ==, 96);
    g_assert_cmpint(config->activation, ==, DINOR1_ACT_GELU);
    g_assert_false(config->decoder_bbox_embed_share);
    g_assert_true(config->positional_embedding_temperature == 20.5f && config->layer_norm_eps == 1e-6f);
    g_assert_cmpint(config->backbone.n_stages, ==, 3);
    g_assert_cmpint(config->backbone.depths[1], ==, 2);
    g_assert_cmpint(config->backbone.heads[2], ==, 4);
    g_assert_true(config->backbone.mlp_ratio == 2 && !config->backbone.qkv_bias);
    g_assert_cmpint(config->backbone.activation, ==, DINOR1_ACT_RELU);
    g_assert_cmpint(config->backbone.n_outputs, ==, 2);
    g_assert_cmpint(config->backbone.outputs[0], ==, 1);
    g_assert_cmpint(config->backbone.outputs[1], ==, 3);
    g_assert_cmpint(config->text.vocab_size, ==, 100);
    g_assert_cmpint(config->max_text_len, ==, 64); /* the text encoder has no more positions */
}

/* SwinConfig alone gives its last stage; indices may count from the end. */
static void
test_outputs(void)
{
    g_autoptr(DinoR1Config) last = parse_good("{\"model_type\":\"dino-r1\",\"backbone_config\":{}}");
    g_autoptr(DinoR1Config) negative =
        parse_good("{\"model_type\":\"dino-r1\",\"backbone_config\":{\"out_indices\":[1,-1]}}");
    g_autoptr(DinoR1Config) both =
        parse_good("{\"model_type\":\"dino-r1\",\"backbone_config\":{\"out_indices\":[2,3,4],"
                   "\"out_features\":[\"stage2\",\"stage3\",\"stage4\"]}}");

    g_assert_cmpint(last->backbone.n_outputs, ==, 1);
    g_assert_cmpint(last->backbone.outputs[0], ==, 4);
    g_assert_cmpint(negative->backbone.n_outputs, ==, 2);
    g_assert_cmpint(negative->backbone.outputs[0], ==, 1);
    g_assert_cmpint(negative->backbone.outputs[1], ==, 4);
    g_assert_cmpint(both->backbone.n_outputs, ==, 3);
}

typedef struct {
    const gchar *json; /* members of a dino-r1 config */
    const gchar *message;
} Broken;

#define SWIN(members) "\"backbone_config\":{" members "}"
#define TEXT(members) "\"text_config\":{" members "}"

static const Broken broken[] = {
    {"\"d_model\":\"256\"", "d_model is \"256\", but must be an integer"},
    {"\"d_model\":1.5", "d_model is 1.5, but must be an integer"},
    {"\"d_model\":256.0", "d_model is 256.0, but must be an integer"},
    {"\"d_model\":true", "d_model is true, but must be an integer"},
    {"\"d_model\":null", "d_model is null, but must be an integer"},
    {"\"d_model\":[256]", "d_model is [256], but must be an integer"},
    {"\"d_model\":{}", "d_model is {}, but must be an integer"},
    {"\"d_model\":0", "d_model is 0, but must be from 32 to 4096"},
    {"\"d_model\":-256", "d_model is -256, but must be from 32 to 4096"},
    {"\"d_model\":8192", "d_model is 8192, but must be from 32 to 4096"},
    {"\"d_model\":9223372036854775807", "but must be from 32 to 4096"},
    {"\"d_model\":18446744073709551617", "d_model is "},
    {"\"d_model\":100", "d_model is 100, but 100 is not divisible by the neck's group count 32"},
    {"\"d_model\":96,\"encoder_attention_heads\":10",
        "d_model is 96, but 96 is not divisible by encoder_attention_heads 10"},
    {"\"decoder_attention_heads\":7", "d_model: 256 is not divisible by decoder_attention_heads 7"},
    {"\"encoder_attention_heads\":1", "encoder_attention_heads is 1, but must be from 2 to 256"},
    {"\"d_model\":288,\"encoder_attention_heads\":9", "encoder_attention_heads is 9, but must be even"},
    {"\"encoder_ffn_dim\":2050", "encoder_ffn_dim is 2050, but 1025 is not divisible by encoder_attention_heads / 2 4"},
    {"\"encoder_ffn_dim\":2049", "encoder_ffn_dim is 2049, but must be even"},
    {"\"encoder_ffn_dim\":100000", "encoder_ffn_dim is 100000, but must be from 2 to 65536"},
    {"\"num_queries\":0", "num_queries is 0, but must be from 1 to 100000"},
    {"\"num_queries\":100001", "num_queries is 100001, but must be from 1 to 100000"},
    {"\"encoder_layers\":0", "encoder_layers is 0, but must be from 1 to 64"},
    {"\"decoder_layers\":65", "decoder_layers is 65, but must be from 1 to 64"},
    {"\"num_feature_levels\":0", "num_feature_levels is 0, but must be from 1 to 8"},
    {"\"num_feature_levels\":9", "num_feature_levels is 9, but must be from 1 to 8"},
    {"\"num_feature_levels\":2", "num_feature_levels is 2, but the backbone has 3 outputs"},
    {"\"encoder_n_points\":0", "encoder_n_points is 0, but must be from 1 to 64"},
    {"\"activation_function\":\"silu\"",
        "activation_function is \"silu\", but only \"relu\" and \"gelu\" are supported"},
    {"\"activation_function\":1", "activation_function is 1, but must be a string"},
    {"\"layer_norm_eps\":\"x\"", "layer_norm_eps is \"x\", but must be a number"},
    {"\"layer_norm_eps\":0", "layer_norm_eps is 0, but must be from 1e-20 to 1"},
    {"\"layer_norm_eps\":1e999", "layer_norm_eps is "},
    {"\"positional_embedding_temperature\":0", "positional_embedding_temperature is 0, but must be from"},
    {"\"logit_eps\":0.5", "logit_eps is 0.5, but must be from"},
    {"\"trained\":0", "trained is 0, but must be true or false"},
    {"\"two_stage\":false", "two_stage is false, but only true is supported"},
    {"\"two_stage\":1", "two_stage is 1, but must be true or false"},
    {"\"embedding_init_target\":false", "embedding_init_target is false, but only true is supported"},
    {"\"position_embedding_type\":\"learned\"",
        "position_embedding_type is \"learned\", but only \"sine\" is supported"},
    {"\"query_dim\":2", "query_dim is 2, but only 4 is supported"},
    {"\"use_timm_backbone\":true", "use_timm_backbone is true, but only false is supported"},
    {"\"backbone\":\"resnet50\"", "backbone is \"resnet50\", but only a Swin backbone in backbone_config is supported"},
    {"\"backbone_config\":[]", "backbone_config is [], but must be an object"},
    {"\"text_config\":\"bert\"", "text_config is \"bert\", but must be an object"},
    {SWIN("\"model_type\":\"resnet\""), "backbone_config.model_type is \"resnet\", but only \"swin\" is supported"},
    {SWIN("\"use_absolute_embeddings\":true"), "backbone_config.use_absolute_embeddings is true, but only false"},
    {SWIN("\"num_channels\":1"), "backbone_config.num_channels is 1, but must be from 3 to 3"},
    {SWIN("\"embed_dim\":98"), "backbone_config.embed_dim is 98, but 98 is not divisible by the stage's num_heads 3"},
    {SWIN("\"embed_dim\":4096,\"depths\":[1,1,1,1,1,1],\"num_heads\":[1,1,1,1,1,1]"), "makes stage 6 wider than 65536"},
    {SWIN("\"depths\":[2,2]"), "backbone_config.num_heads: needs 2 entries, one for each of depths"},
    {SWIN("\"num_heads\":[3,6]"), "backbone_config.num_heads is [3,6], but needs 4 entries, one for each of depths"},
    {SWIN("\"depths\":[]"), "backbone_config.depths is [], but must have 1 to 8 entries"},
    {SWIN("\"depths\":[1,1,1,1,1,1,1,1,1]"), "but must have 1 to 8 entries"},
    {SWIN("\"depths\":4"), "backbone_config.depths is 4, but must be a list of integers"},
    {SWIN("\"depths\":[2,2,6.5,2]"), "but its entries must be integers from 1 to 64"},
    {SWIN("\"depths\":[2,2,[6],2]"), "but its entries must be integers from 1 to 64"},
    {SWIN("\"depths\":[2,2,600,2]"), "but its entries must be integers from 1 to 64"},
    {SWIN("\"window_size\":0"), "backbone_config.window_size is 0, but must be from 1 to 64"},
    {SWIN("\"mlp_ratio\":0"), "backbone_config.mlp_ratio is 0, but must be from 0.01 to 16"},
    {SWIN("\"mlp_ratio\":0.01,\"embed_dim\":24"), "mlp_ratio is 0.01, but leaves the MLP without a neuron"},
    {SWIN("\"hidden_act\":\"gelu_new\""), "backbone_config.hidden_act is \"gelu_new\", but only"},
    {SWIN("\"out_indices\":[0,1]"), "backbone_config.out_indices is [0,1], but the stem (0) cannot be an output"},
    {SWIN("\"out_indices\":[5]"), "but its entries must be integers from -5 to 4"},
    {SWIN("\"out_indices\":[3,2]"), "backbone_config.out_indices is [3,2], but must be rising"},
    {SWIN("\"out_indices\":[4,-1]"), "backbone_config.out_indices is [4,-1], but must be rising"},
    {SWIN("\"out_features\":[\"stem\"]"), "but must hold names from \"stage1\" to \"stage4\""},
    {SWIN("\"out_features\":[1]"), "but must hold names from \"stage1\" to \"stage4\""},
    {SWIN("\"out_features\":[[]]"), "but must hold names from \"stage1\" to \"stage4\""},
    {SWIN("\"out_features\":[null]"), "but must hold names from \"stage1\" to \"stage4\""},
    {SWIN("\"out_features\":\"stage2\""), "but must be a list of 1 to 4 stage names"},
    {SWIN("\"out_features\":[\"stage3\",\"stage2\"]"), "but must be rising"},
    {SWIN("\"out_features\":[\"stage3\"],\"out_indices\":[2]"), "but out_indices names other stages"},
    {SWIN("\"out_features\":[\"stage3\"],\"out_indices\":[2,3]"), "but out_indices has 2 entries"},
    {TEXT("\"model_type\":\"roberta\""), "text_config.model_type is \"roberta\", but only \"bert\" is supported"},
    {TEXT("\"position_embedding_type\":\"relative_key\""), "text_config.position_embedding_type is"},
    {TEXT("\"vocab_size\":1000001"), "text_config.vocab_size is 1000001, but must be from 1 to 1000000"},
    {TEXT("\"num_attention_heads\":7"), "text_config.hidden_size: 768 is not divisible by num_attention_heads 7"},
    {TEXT("\"hidden_size\":1e3"), "text_config.hidden_size is 1000.0, but must be an integer"},
};

static void
test_broken(gconstpointer data)
{
    const Broken *row = data;
    g_autofree gchar *json = g_strdup_printf("{\"model_type\":\"dino-r1\",%s}", row->json);
    g_autoptr(GError) error = NULL;

    g_assert_null(parse(json, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG);
    g_assert_true(g_str_has_prefix(error->message, "config.json: "));
    assert_contains(error->message, row->message);
}

static void
test_type_errors(void)
{
    static const gchar *const rows[][2] = {
        {"{}", "config.json: model_type: missing"},
        {"{\"model_type\":null}", "config.json: model_type is null, but must be a string"},
        {"{\"model_type\":\"detr\"}",
            "config.json: model_type is \"detr\", but only \"grounding-dino\", \"mm-grounding-dino\""},
        {"{\"model_type\":\"grounding-dino\",\"decoder_bbox_embed_share\":false,\"two_stage_bbox_embed_share\":true}",
            "two_stage_bbox_embed_share is true, but needs decoder_bbox_embed_share"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(parse(rows[i][0], &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG);
        assert_contains(error->message, rows[i][1]);
    }
}

/* A value of any length is shortened in the message, at a character's end. */
static void
test_long_value(void)
{
    g_autoptr(GString) json = g_string_new("{\"model_type\":\"");
    g_autoptr(GError) error = NULL;

    for (gint i = 0; i < 1000; i++)
        g_string_append(json, "\xc3\xa4");
    g_string_append(json, "\"}");
    g_assert_null(parse(json->str, &error));
    g_assert_cmpuint(strlen(error->message), <, 400);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void
assert_format_error(const gchar *json, gsize length, const gchar *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_config_parse("config.json", json, length, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "config.json: "));
    assert_contains(error->message, reason);
}

static void
test_format(void)
{
    g_autofree gchar *deep = g_strnfill(100000, '[');
    g_autofree gchar *large = g_strnfill(5 << 20, ' ');

    assert_format_error("", 0, "byte 0: the text ends too early");
    assert_format_error("[]", 2, "is not a JSON object");
    assert_format_error("{\"a\":1,}", 8, "byte 7: a string was expected");
    assert_format_error("{\"a\":NaN}", 9, "byte 5: a value was expected");
    assert_format_error("{\"\xff\":1}", 7, "byte 2: invalid UTF-8");
    assert_format_error("{\0}", 3, "byte 1: invalid UTF-8");
    assert_format_error(deep, 100000, "byte 32: nested too deeply");
    assert_format_error(large, 5 << 20, "is 5242880 bytes long, at most 4194304 are read");
}

typedef struct {
    gchar *directory;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("dinor1-XXXXXX", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    static const gchar *const names[] = {"config.json", "preprocessor_config.json", "tokenizer_config.json"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree gchar *path = g_build_filename(fixture->directory, names[i], NULL);
        g_remove(path);
    }
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
}

static void
write_file(Fixture *fixture, const gchar *name, const gchar *text)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
assert_load_fails(Fixture *fixture, DinoR1Error code, const gchar *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_config_load(fixture->directory, &error));
    g_assert_error(error, DINOR1_ERROR, (gint)code);
    g_assert_true(g_str_has_prefix(error->message, fixture->directory));
    assert_contains(error->message, message);
}

static void
test_load(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Config) config = NULL;
    g_autoptr(DinoR1Config) again = NULL;
    g_autoptr(GError) error = NULL;

    assert_load_fails(fixture, DINOR1_ERROR_IO, "/config.json: no such file");
    write_file(fixture, "config.json", "{\"model_type\":\"mm-grounding-dino\"}");
    config = dinor1_config_load(fixture->directory, &error);
    g_assert_no_error(error);
    g_assert_cmpint(config->shortest_edge, ==, 800);

    write_file(fixture, "preprocessor_config.json",
        "{\"size\":{\"shortest_edge\":320,\"longest_edge\":640},\"image_mean\":[0,0.5,1],\"image_std\":[1,0.5,2],"
        "\"rescale_factor\":0.5,\"do_resize\":true,\"resample\":2,\"do_pad\":true}");
    write_file(fixture, "tokenizer_config.json", "{\"do_lower_case\":false,\"strip_accents\":null}");
    again = dinor1_config_load(fixture->directory, &error);
    g_assert_no_error(error);
    g_assert_cmpint(again->shortest_edge, ==, 320);
    g_assert_cmpint(again->longest_edge, ==, 640);
    g_assert_true(again->image_mean[0] == 0 && again->image_mean[1] == 0.5f && again->image_mean[2] == 1);
    g_assert_true(again->image_std[0] == 1 && again->image_std[1] == 0.5f && again->image_std[2] == 2);
    g_assert_true(again->rescale_factor == 0.5f && !again->lower_case);
}

static void
test_too_large(Fixture *fixture, gconstpointer data)
{
    g_autofree gchar *large = g_strnfill(5 << 20, ' ');

    write_file(fixture, "config.json", large);
    assert_load_fails(fixture, DINOR1_ERROR_FORMAT, "/config.json: is 5242880 bytes long, at most 4194304 are read");
}

static void
test_plain_size(Fixture *fixture, gconstpointer data)
{
    g_autoptr(DinoR1Config) config = NULL;
    g_autoptr(GError) error = NULL;

    write_file(fixture, "config.json", "{\"model_type\":\"dino-r1\"}");
    write_file(fixture, "preprocessor_config.json", "{\"size\":600}");
    config = dinor1_config_load(fixture->directory, &error);
    g_assert_no_error(error);
    g_assert_cmpint(config->shortest_edge, ==, 600);
    g_assert_cmpint(config->longest_edge, ==, 1333);
}

static void
test_side_files(Fixture *fixture, gconstpointer data)
{
    static const gchar *const preprocessors[][2] = {
        {"{\"do_resize\":false}", "do_resize is false, but only true is supported"},
        {"{\"do_rescale\":false}", "do_rescale is false, but only true is supported"},
        {"{\"do_normalize\":false}", "do_normalize is false, but only true is supported"},
        {"{\"resample\":3}", "resample is 3, but only 2 is supported"},
        {"{\"pad_size\":{\"height\":1}}", "pad_size is {\"height\":1}, but padding to a fixed size is not supported"},
        {"{\"size\":{\"height\":1,\"width\":2}}", "size is {\"height\":1,\"width\":2}, but only {\"shortest_edge\""},
        {"{\"size\":{\"shortest_edge\":800}}", "but only {\"shortest_edge\", \"longest_edge\"} is supported"},
        {"{\"size\":{\"shortest_edge\":0,\"longest_edge\":1}}", "size.shortest_edge is 0, but must be from 1 to 16384"},
        {"{\"size\":\"800\"}", "size is \"800\", but must be an integer"},
        {"{\"image_mean\":0.5}", "image_mean is 0.5, but must be a list of 3 numbers"},
        {"{\"image_mean\":[0,0]}", "image_mean is [0,0], but must be a list of 3 numbers"},
        {"{\"image_std\":[1,1,0]}", "image_std is [1,1,0], but its entries must be numbers from"},
        {"{\"image_std\":[1,1,\"1\"]}", "but its entries must be numbers from"},
        {"{\"image_std\":[1,1,null]}", "but its entries must be numbers from"},
        {"{\"rescale_factor\":-1}", "rescale_factor is -1, but must be from"},
    };
    static const gchar *const tokenizers[][2] = {
        {"{\"do_lower_case\":\"no\"}", "do_lower_case is \"no\", but must be true or false"},
        {"{\"tokenize_chinese_chars\":false}", "tokenize_chinese_chars is false, but only true is supported"},
        {"{\"strip_accents\":false}", "strip_accents is false, but only do_lower_case's value is supported"},
    };

    write_file(fixture, "config.json", "{\"model_type\":\"grounding-dino\"}");
    for (guint i = 0; i < G_N_ELEMENTS(preprocessors); i++) {
        write_file(fixture, "preprocessor_config.json", preprocessors[i][0]);
        assert_load_fails(fixture, DINOR1_ERROR_CONFIG, preprocessors[i][1]);
        assert_load_fails(fixture, DINOR1_ERROR_CONFIG, "/preprocessor_config.json: ");
    }
    write_file(fixture, "preprocessor_config.json", "nonsense");
    assert_load_fails(fixture, DINOR1_ERROR_FORMAT, "/preprocessor_config.json: byte 0: a value was expected");
    write_file(fixture, "preprocessor_config.json", "{}");
    for (guint i = 0; i < G_N_ELEMENTS(tokenizers); i++) {
        write_file(fixture, "tokenizer_config.json", tokenizers[i][0]);
        assert_load_fails(fixture, DINOR1_ERROR_CONFIG, tokenizers[i][1]);
        assert_load_fails(fixture, DINOR1_ERROR_CONFIG, "/tokenizer_config.json: ");
    }
}

static void
test_directory_as_config(Fixture *fixture, gconstpointer data)
{
    g_autofree gchar *path = g_build_filename(fixture->directory, "config.json", NULL);

    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    assert_load_fails(fixture, DINOR1_ERROR_IO, "/config.json: is a directory, not a file");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/types", test_types);
    g_test_add_func("/config/values", test_values);
    g_test_add_func("/config/outputs", test_outputs);
    g_test_add_func("/config/type-errors", test_type_errors);
    g_test_add_func("/config/long-value", test_long_value);
    g_test_add_func("/config/format", test_format);
    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autofree gchar *path = g_strdup_printf("/config/broken/%u", i);
        g_test_add_data_func(path, &broken[i], test_broken);
    }
    g_test_add("/config/load", Fixture, NULL, set_up, test_load, tear_down);
    g_test_add("/config/too-large", Fixture, NULL, set_up, test_too_large, tear_down);
    g_test_add("/config/plain-size", Fixture, NULL, set_up, test_plain_size, tear_down);
    g_test_add("/config/side-files", Fixture, NULL, set_up, test_side_files, tear_down);
    g_test_add("/config/directory", Fixture, NULL, set_up, test_directory_as_config, tear_down);
    return g_test_run();
}
