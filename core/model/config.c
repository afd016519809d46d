/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/config.h"

#include "model/config_reader.h"

#include <dinor1/error.h>
#include <string.h>

#define MAX_WIDTH       4096 /* of d_model, of a backbone's first stage, of the text encoder */
#define MAX_FFN         65536
#define MAX_HEADS       256
#define MAX_EDGE        16384
#define GROUPS          32   /* of the neck's GroupNorm */
#define MAX_LONGEST_INT 1333 /* what a plain integer "size" leaves for the longest edge */

typedef struct {
    const gchar *key;
    gsize offset; /* of a gint */
    gint min, max;
} IntField;

static gboolean
read_ints(const DinoR1ConfigReader *reader, const IntField *fields, guint n, gpointer place)
{
    for (guint i = 0; i < n; i++)
        if (!dinor1_config_int(
                reader, fields[i].key, fields[i].min, fields[i].max, (gint *)((gchar *)place + fields[i].offset)))
            return FALSE;
    return TRUE;
}

static gboolean
read_activation(const DinoR1ConfigReader *reader, const gchar *key, DinoR1Activation *activation)
{
    const gchar *name = NULL;

    if (!dinor1_config_string(reader, key, &name))
        return FALSE;
    if (!name)
        return TRUE;
    if (g_str_equal(name, "relu"))
        *activation = DINOR1_ACT_RELU;
    else if (g_str_equal(name, "gelu") || g_str_equal(name, "gelu_python"))
        *activation = DINOR1_ACT_GELU;
    else
        return dinor1_config_fail(reader, key, "only \"relu\" and \"gelu\" are supported");
    return TRUE;
}

static gboolean
check_divides(const DinoR1ConfigReader *reader, const gchar *key, gint value, gint divisor, const gchar *by)
{
    return value % divisor == 0 || dinor1_config_fail(reader, key, "%d is not divisible by %s %d", value, by, divisor);
}

/* out_indices count from the stem, which is 0 and no feature map of this model; negative ones from the end. */
static gboolean
read_out_indices(const DinoR1ConfigReader *reader, DinoR1SwinConfig *swin)
{
    gint n_names = swin->n_stages + 1;

    if (!dinor1_config_ints(
            reader, "out_indices", -n_names, n_names - 1, DINOR1_SWIN_MAX_STAGES, &swin->n_outputs, swin->outputs))
        return FALSE;
    for (gint i = 0; i < swin->n_outputs; i++) {
        if (swin->outputs[i] < 0)
            swin->outputs[i] += n_names;
        if (swin->outputs[i] == 0)
            return dinor1_config_fail(reader, "out_indices", "the stem (0) cannot be an output");
        if (i > 0 && swin->outputs[i] <= swin->outputs[i - 1])
            return dinor1_config_fail(reader, "out_indices", "must be rising");
    }
    return TRUE;
}

static gint
find_stage(JsonNode *item, gint n_stages)
{
    const gchar *name = json_node_get_value_type(item) == G_TYPE_STRING ? json_node_get_string(item) : "";

    for (gint stage = 1; stage <= n_stages; stage++) {
        gchar stage_name[16];
        g_snprintf(stage_name, sizeof stage_name, "stage%d", stage);
        if (g_str_equal(name, stage_name))
            return stage;
    }
    return 0;
}

/* out_features name the same stages as out_indices; one of the two is enough. */
static gboolean
read_out_features(const DinoR1ConfigReader *reader, DinoR1SwinConfig *swin)
{
    JsonNode *node = dinor1_config_find(reader, "out_features");
    gboolean indices = dinor1_config_find(reader, "out_indices") != NULL;
    JsonArray *names;

    if (!node)
        return TRUE;
    names = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!names || json_array_get_length(names) < 1 || json_array_get_length(names) > (guint)swin->n_stages)
        return dinor1_config_fail(reader, "out_features", "must be a list of 1 to %d stage names", swin->n_stages);
    if (indices && (gint)json_array_get_length(names) != swin->n_outputs)
        return dinor1_config_fail(reader, "out_features", "out_indices has %d entries", swin->n_outputs);
    swin->n_outputs = json_array_get_length(names);
    for (gint i = 0; i < swin->n_outputs; i++) {
        gint stage = find_stage(json_array_get_element(names, i), swin->n_stages);

        if (stage == 0)
            return dinor1_config_fail(
                reader, "out_features", "must hold names from \"stage1\" to \"stage%d\"", swin->n_stages);
        if (indices && stage != swin->outputs[i])
            return dinor1_config_fail(reader, "out_features", "out_indices names other stages");
        if (i > 0 && stage <= swin->outputs[i - 1])
            return dinor1_config_fail(reader, "out_features", "must be rising");
        swin->outputs[i] = stage;
    }
    return TRUE;
}

static gboolean
read_stages(const DinoR1ConfigReader *reader, DinoR1SwinConfig *swin)
{
    gint n_heads = swin->n_stages;

    if (!dinor1_config_ints(
            reader, "depths", 1, DINOR1_MAX_LAYERS, DINOR1_SWIN_MAX_STAGES, &swin->n_stages, swin->depths) ||
        !dinor1_config_ints(reader, "num_heads", 1, MAX_HEADS, DINOR1_SWIN_MAX_STAGES, &n_heads, swin->heads))
        return FALSE;
    if (n_heads != swin->n_stages)
        return dinor1_config_fail(reader, "num_heads", "needs %d entries, one for each of depths", swin->n_stages);
    for (gint i = 0; i < n_heads; i++) {
        gint width = swin->embed_dim << i;

        if (width > MAX_FFN)
            return dinor1_config_fail(reader, "embed_dim", "makes stage %d wider than %d", i + 1, MAX_FFN);
        if (!check_divides(reader, "embed_dim", width, swin->heads[i], "the stage's num_heads"))
            return FALSE;
    }
    return TRUE;
}

/* SwinConfig's defaults; the detectors' own when they name no backbone at all. */
static void
init_swin(DinoR1SwinConfig *swin, gboolean configured)
{
    static const DinoR1SwinConfig swin_tiny = {.n_channels = 3,
        .patch_size = 4,
        .embed_dim = 96,
        .n_stages = 4,
        .depths = {2, 2, 6, 2},
        .heads = {3, 6, 12, 24},
        .window_size = 7,
        .mlp_ratio = 4.0,
        .qkv_bias = TRUE,
        .activation = DINOR1_ACT_GELU,
        .layer_norm_eps = 1e-5f,
        .n_outputs = 3,
        .outputs = {2, 3, 4}};

    *swin = swin_tiny;
    if (configured)
        swin->n_outputs = 0;
}

static gboolean
read_swin(const DinoR1ConfigReader *reader, DinoR1SwinConfig *swin)
{
    static const IntField fields[] = {
        {"num_channels", G_STRUCT_OFFSET(DinoR1SwinConfig, n_channels), 3, 3},
        {"patch_size", G_STRUCT_OFFSET(DinoR1SwinConfig, patch_size), 1, 64},
        {"embed_dim", G_STRUCT_OFFSET(DinoR1SwinConfig, embed_dim), 1, MAX_WIDTH},
        {"window_size", G_STRUCT_OFFSET(DinoR1SwinConfig, window_size), 1, 64},
    };

    init_swin(swin, reader->object != NULL);
    if (!dinor1_config_need_string(reader, "model_type", "swin") ||
        !dinor1_config_need_bool(reader, "use_absolute_embeddings", FALSE) ||
        !read_ints(reader, fields, G_N_ELEMENTS(fields), swin) || !read_stages(reader, swin) ||
        !dinor1_config_double(reader, "mlp_ratio", 0.01, 16, &swin->mlp_ratio) ||
        !dinor1_config_bool(reader, "qkv_bias", &swin->qkv_bias) ||
        !read_activation(reader, "hidden_act", &swin->activation) ||
        !dinor1_config_float(reader, "layer_norm_eps", 1e-20f, 1, &swin->layer_norm_eps) ||
        !read_out_indices(reader, swin) || !read_out_features(reader, swin))
        return FALSE;
    if (swin->embed_dim * swin->mlp_ratio < 1)
        return dinor1_config_fail(reader, "mlp_ratio", "leaves the MLP without a neuron");
    if (swin->n_outputs == 0)
        swin->outputs[swin->n_outputs++] = swin->n_stages;
    return TRUE;
}

static gboolean
read_bert(const DinoR1ConfigReader *reader, DinoR1BertConfig *bert)
{
    static const IntField fields[] = {
        {"vocab_size", G_STRUCT_OFFSET(DinoR1BertConfig, vocab_size), 1, 1000000},
        {"hidden_size", G_STRUCT_OFFSET(DinoR1BertConfig, hidden_size), 1, MAX_WIDTH},
        {"num_hidden_layers", G_STRUCT_OFFSET(DinoR1BertConfig, n_layers), 1, DINOR1_MAX_LAYERS},
        {"num_attention_heads", G_STRUCT_OFFSET(DinoR1BertConfig, n_heads), 1, MAX_HEADS},
        {"intermediate_size", G_STRUCT_OFFSET(DinoR1BertConfig, intermediate_size), 1, MAX_FFN},
        {"max_position_embeddings", G_STRUCT_OFFSET(DinoR1BertConfig, max_position_embeddings), 1, MAX_FFN},
        {"type_vocab_size", G_STRUCT_OFFSET(DinoR1BertConfig, type_vocab_size), 1, 1000},
    };

    *bert = (DinoR1BertConfig){.vocab_size = 30522,
        .hidden_size = 768,
        .n_layers = 12,
        .n_heads = 12,
        .intermediate_size = 3072,
        .max_position_embeddings = 512,
        .type_vocab_size = 2,
        .layer_norm_eps = 1e-12f,
        .activation = DINOR1_ACT_GELU};
    return dinor1_config_need_string(reader, "model_type", "bert") &&
           dinor1_config_need_string(reader, "position_embedding_type", "absolute") &&
           read_ints(reader, fields, G_N_ELEMENTS(fields), bert) &&
           read_activation(reader, "hidden_act", &bert->activation) &&
           dinor1_config_float(reader, "layer_norm_eps", 1e-20f, 1, &bert->layer_norm_eps) &&
           check_divides(reader, "hidden_size", bert->hidden_size, bert->n_heads, "num_attention_heads");
}

static const gchar *const type_names[] = {
    [DINOR1_MODEL_GROUNDING_DINO] = "grounding-dino",
    [DINOR1_MODEL_MM_GROUNDING_DINO] = "mm-grounding-dino",
    [DINOR1_MODEL_DINO_R1] = "dino-r1",
};

static gboolean
read_type(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    const gchar *name = NULL;

    if (!dinor1_config_string(reader, "model_type", &name))
        return FALSE;
    if (!name)
        return dinor1_config_fail(reader, "model_type", "missing");
    for (guint i = 0; i < G_N_ELEMENTS(type_names); i++)
        if (g_str_equal(name, type_names[i])) {
            config->type = i;
            config->type_name = g_strdup(name);
            return TRUE;
        }
    return dinor1_config_fail(
        reader, "model_type", "only \"grounding-dino\", \"mm-grounding-dino\" and \"dino-r1\" are supported");
}

static gboolean
read_backbone(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    DinoR1ConfigReader backbone = {reader->file, "backbone_config.", NULL, reader->error};

    if (!dinor1_config_need_bool(reader, "use_timm_backbone", FALSE))
        return FALSE;
    if (dinor1_config_find(reader, "backbone"))
        return dinor1_config_fail(reader, "backbone", "only a Swin backbone in backbone_config is supported");
    return dinor1_config_object(reader, "backbone_config", &backbone.object) && read_swin(&backbone, &config->backbone);
}

static gboolean
read_text(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    DinoR1ConfigReader text = {reader->file, "text_config.", NULL, reader->error};

    if (!dinor1_config_object(reader, "text_config", &text.object))
        return FALSE;
    config->has_text = text.object || config->type != DINOR1_MODEL_DINO_R1;
    if (!config->has_text)
        return TRUE;
    if (!read_bert(&text, &config->text))
        return FALSE;
    config->max_text_len = MIN(config->max_text_len, config->text.max_position_embeddings);
    return TRUE;
}

/* The published classes have these switches; the model that is built here has one position of each. */
static gboolean
check_switches(const DinoR1ConfigReader *reader)
{
    return dinor1_config_need_bool(reader, "two_stage", TRUE) &&
           dinor1_config_need_bool(reader, "embedding_init_target", TRUE) &&
           dinor1_config_need_string(reader, "position_embedding_type", "sine") &&
           dinor1_config_need_int(reader, "query_dim", 4);
}

static gboolean
read_box_heads(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    if (config->type != DINOR1_MODEL_GROUNDING_DINO)
        return TRUE;
    config->decoder_bbox_embed_share = TRUE;
    if (!dinor1_config_bool(reader, "decoder_bbox_embed_share", &config->decoder_bbox_embed_share) ||
        !dinor1_config_bool(reader, "two_stage_bbox_embed_share", &config->two_stage_bbox_embed_share))
        return FALSE;
    return config->decoder_bbox_embed_share || !config->two_stage_bbox_embed_share ||
           dinor1_config_fail(reader, "two_stage_bbox_embed_share", "needs decoder_bbox_embed_share");
}

static gboolean
check_sizes(const DinoR1ConfigReader *reader, const DinoR1Config *config)
{
    gint fusion_heads = config->encoder_attention_heads / 2;

    if (config->backbone.n_outputs > config->num_feature_levels)
        return dinor1_config_fail(
            reader, "num_feature_levels", "the backbone has %d outputs", config->backbone.n_outputs);
    if (config->encoder_attention_heads % 2 != 0)
        return dinor1_config_fail(reader, "encoder_attention_heads", "must be even");
    if (config->encoder_ffn_dim % 2 != 0)
        return dinor1_config_fail(reader, "encoder_ffn_dim", "must be even");
    return check_divides(reader, "d_model", config->d_model, GROUPS, "the neck's group count") &&
           check_divides(
               reader, "d_model", config->d_model, config->encoder_attention_heads, "encoder_attention_heads") &&
           check_divides(
               reader, "d_model", config->d_model, config->decoder_attention_heads, "decoder_attention_heads") &&
           check_divides(
               reader, "encoder_ffn_dim", config->encoder_ffn_dim / 2, fusion_heads, "encoder_attention_heads / 2");
}

/* The defaults of GroundingDinoConfig, MMGroundingDinoConfig, their image processor and BertTokenizer. */
static void
init_config(DinoR1Config *config)
{
    static const gfloat mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};

    *config = (DinoR1Config){.trained = TRUE,
        .d_model = 256,
        .num_queries = 900,
        .num_feature_levels = 4,
        .encoder_layers = 6,
        .encoder_ffn_dim = 2048,
        .encoder_attention_heads = 8,
        .encoder_n_points = 4,
        .decoder_layers = 6,
        .decoder_ffn_dim = 2048,
        .decoder_attention_heads = 8,
        .decoder_n_points = 4,
        .activation = DINOR1_ACT_RELU,
        .max_text_len = 256,
        .embedding_init_target = TRUE,
        .positional_embedding_temperature = 20,
        .layer_norm_eps = 1e-5f,
        .logit_eps = 1e-5f,
        .shortest_edge = 800,
        .longest_edge = MAX_LONGEST_INT,
        .rescale_factor = 1.0f / 255,
        .lower_case = TRUE};
    memcpy(config->image_mean, mean, sizeof mean);
    memcpy(config->image_std, std, sizeof std);
}

static gboolean
read_model(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    static const IntField fields[] = {
        {"d_model", G_STRUCT_OFFSET(DinoR1Config, d_model), GROUPS, MAX_WIDTH},
        {"num_queries", G_STRUCT_OFFSET(DinoR1Config, num_queries), 1, 100000},
        {"num_feature_levels", G_STRUCT_OFFSET(DinoR1Config, num_feature_levels), 1, DINOR1_MAX_LEVELS},
        {"encoder_layers", G_STRUCT_OFFSET(DinoR1Config, encoder_layers), 1, DINOR1_MAX_LAYERS},
        {"encoder_ffn_dim", G_STRUCT_OFFSET(DinoR1Config, encoder_ffn_dim), 2, MAX_FFN},
        {"encoder_attention_heads", G_STRUCT_OFFSET(DinoR1Config, encoder_attention_heads), 2, MAX_HEADS},
        {"encoder_n_points", G_STRUCT_OFFSET(DinoR1Config, encoder_n_points), 1, 64},
        {"decoder_layers", G_STRUCT_OFFSET(DinoR1Config, decoder_layers), 1, DINOR1_MAX_LAYERS},
        {"decoder_ffn_dim", G_STRUCT_OFFSET(DinoR1Config, decoder_ffn_dim), 1, MAX_FFN},
        {"decoder_attention_heads", G_STRUCT_OFFSET(DinoR1Config, decoder_attention_heads), 1, MAX_HEADS},
        {"decoder_n_points", G_STRUCT_OFFSET(DinoR1Config, decoder_n_points), 1, 64},
        {"max_text_len", G_STRUCT_OFFSET(DinoR1Config, max_text_len), 3, MAX_FFN},
    };

    if (!read_type(reader, config))
        return FALSE;
    if (config->type == DINOR1_MODEL_DINO_R1) {
        config->logit_eps = 1e-3f;
        if (!dinor1_config_float(reader, "logit_eps", 1e-7f, 0.1f, &config->logit_eps))
            return FALSE;
    }
    return dinor1_config_bool(reader, "trained", &config->trained) && check_switches(reader) &&
           read_ints(reader, fields, G_N_ELEMENTS(fields), config) &&
           read_activation(reader, "activation_function", &config->activation) &&
           dinor1_config_float(
               reader, "positional_embedding_temperature", 1e-3f, 1e9f, &config->positional_embedding_temperature) &&
           dinor1_config_float(reader, "layer_norm_eps", 1e-20f, 1, &config->layer_norm_eps) &&
           read_box_heads(reader, config) && read_backbone(reader, config) && read_text(reader, config) &&
           check_sizes(reader, config);
}

/* An integer (shortest edge; "max_size" bounds the longest) or {"shortest_edge", "longest_edge"}. */
static gboolean
read_size(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    JsonNode *node = dinor1_config_find(reader, "size");
    DinoR1ConfigReader size = {reader->file, "size.", NULL, reader->error};

    if (!node)
        return TRUE;
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return dinor1_config_int(reader, "size", 1, MAX_EDGE, &config->shortest_edge) &&
               dinor1_config_int(reader, "max_size", 1, MAX_EDGE, &config->longest_edge);
    size.object = json_node_get_object(node);
    if (!json_object_has_member(size.object, "shortest_edge") || !json_object_has_member(size.object, "longest_edge"))
        return dinor1_config_fail(reader, "size", "only {\"shortest_edge\", \"longest_edge\"} is supported");
    return dinor1_config_int(&size, "shortest_edge", 1, MAX_EDGE, &config->shortest_edge) &&
           dinor1_config_int(&size, "longest_edge", 1, MAX_EDGE, &config->longest_edge);
}

/* One number per colour. */
static gboolean
read_colour(const DinoR1ConfigReader *reader, const gchar *key, gdouble min, gfloat values[3])
{
    JsonNode *node = dinor1_config_find(reader, key);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (!node)
        return TRUE;
    if (!array || json_array_get_length(array) != 3)
        return dinor1_config_fail(reader, key, "must be a list of 3 numbers");
    for (guint i = 0; i < 3; i++) {
        JsonNode *item = json_array_get_element(array, i);
        GType type = JSON_NODE_HOLDS_VALUE(item) ? json_node_get_value_type(item) : G_TYPE_NONE;

        if ((type != G_TYPE_INT64 && type != G_TYPE_DOUBLE) || !(json_node_get_double(item) >= min) ||
            !(json_node_get_double(item) <= 1000))
            return dinor1_config_fail(reader, key, "its entries must be numbers from %g to 1000", min);
        values[i] = json_node_get_double(item);
    }
    return TRUE;
}

static gboolean
read_preprocessor(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    if (dinor1_config_find(reader, "pad_size"))
        return dinor1_config_fail(reader, "pad_size", "padding to a fixed size is not supported");
    return dinor1_config_need_bool(reader, "do_resize", TRUE) && dinor1_config_need_bool(reader, "do_rescale", TRUE) &&
           dinor1_config_need_bool(reader, "do_normalize", TRUE) &&
           dinor1_config_need_int(reader, "resample", 2 /* bilinear */) && read_size(reader, config) &&
           dinor1_config_float(reader, "rescale_factor", 1e-6f, 1, &config->rescale_factor) &&
           read_colour(reader, "image_mean", 0, config->image_mean) &&
           read_colour(reader, "image_std", 1e-6, config->image_std);
}

static gboolean
read_tokenizer(const DinoR1ConfigReader *reader, DinoR1Config *config)
{
    gboolean strip_accents;

    if (!dinor1_config_bool(reader, "do_lower_case", &config->lower_case) ||
        !dinor1_config_need_bool(reader, "tokenize_chinese_chars", TRUE))
        return FALSE;
    if (!dinor1_config_find(reader, "strip_accents"))
        return TRUE;
    if (!dinor1_config_bool(reader, "strip_accents", &strip_accents))
        return FALSE;
    return strip_accents == config->lower_case ||
           dinor1_config_fail(reader, "strip_accents", "only do_lower_case's value is supported");
}

typedef gboolean (*ReadFunc)(const DinoR1ConfigReader *reader, DinoR1Config *config);

/* A side file that may be absent. */
static gboolean
read_side_file(const gchar *directory, const gchar *name, ReadFunc read, DinoR1Config *config, GError **error)
{
    g_autofree gchar *path = g_build_filename(directory, name, NULL);
    g_autoptr(JsonNode) root = NULL;
    DinoR1ConfigReader reader = {path, "", NULL, error};

    if (!dinor1_config_read_json(path, &root, error))
        return FALSE;
    if (root)
        reader.object = json_node_get_object(root);
    return read(&reader, config);
}

static DinoR1Config *
read_root(const gchar *name, JsonNode *root, GError **error)
{
    g_autoptr(DinoR1Config) config = g_new(DinoR1Config, 1);
    DinoR1ConfigReader reader = {name, "", json_node_get_object(root), error};

    init_config(config);
    return read_model(&reader, config) ? g_steal_pointer(&config) : NULL;
}

DinoR1Config *
dinor1_config_parse(const gchar *name, const gchar *json, gsize length, GError **error)
{
    g_autoptr(JsonNode) root = dinor1_config_parse_json(name, json, length, error);

    return root ? read_root(name, root, error) : NULL;
}

DinoR1Config *
dinor1_config_load(const gchar *directory, GError **error)
{
    g_autofree gchar *path = g_build_filename(directory, "config.json", NULL);
    g_autoptr(JsonNode) root = NULL;
    g_autoptr(DinoR1Config) config = NULL;

    if (!dinor1_config_read_json(path, &root, error))
        return NULL;
    if (!root) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: no such file: '%s' is not a model directory", path, directory);
        return NULL;
    }
    config = read_root(path, root, error);
    if (!config || !read_side_file(directory, "preprocessor_config.json", read_preprocessor, config, error) ||
        (config->has_text && !read_side_file(directory, "tokenizer_config.json", read_tokenizer, config, error)))
        return NULL;
    return g_steal_pointer(&config);
}

void
dinor1_config_become_dino_r1(DinoR1Config *config)
{
    config->type = DINOR1_MODEL_DINO_R1;
    config->decoder_bbox_embed_share = FALSE;
    config->two_stage_bbox_embed_share = FALSE;
}

void
dinor1_config_free(DinoR1Config *config)
{
    if (!config)
        return;
    g_free(config->type_name);
    g_free(config);
}
