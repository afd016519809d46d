/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/build.h"
#include "model/model_internal.h"
#include "model/preprocess.h"

#include <dinor1/error.h>
#include <stdio.h>
#include <string.h>

struct _DinoR1Model {
    gatomicrefcount ref_count;
    gchar *path;
    DinoR1Config *config;
    DinoR1Weights *weights;
    DinoR1WordPiece *tokenizer;
};

/* Box and class heads are the same modules in two places of the published classes, and with decoder_bbox_embed_share
 * all layers' box heads are one: a checkpoint holds any one of the names.
 * Returns: (transfer full) (nullable): the @index-th other name of @name. */
static gchar *
other_name(const DinoR1Config *config, const gchar *name, guint index)
{
    const gchar *heads[] = {"bbox_embed.", "class_embed."};

    for (guint h = 0; h < G_N_ELEMENTS(heads); h++) {
        const gchar *rest;
        gchar *end;
        gint64 layer;

        if (!g_str_has_prefix(name, heads[h]))
            continue;
        layer = g_ascii_strtoll(name + strlen(heads[h]), &end, 10);
        rest = end;
        if (index == 0)
            return g_strdup_printf("model.decoder.%s", name);
        if (h == 0 && config->decoder_bbox_embed_share && layer > 0 && index <= 2)
            return g_strdup_printf("%s%s0%s", index == 1 ? "" : "model.decoder.", heads[h], rest);
    }
    return NULL;
}

/* The name under which the checkpoint holds @name; (transfer full), @name itself if it holds none. */
static gchar *
resolve_name(const DinoR1Model *model, const gchar *name)
{
    gchar *other;

    if (dinor1_weights_has(model->weights, name))
        return g_strdup(name);
    for (guint i = 0; (other = other_name(model->config, name, i)); i++) {
        if (dinor1_weights_has(model->weights, other))
            return other;
        g_free(other);
    }
    return g_strdup(name);
}

gboolean
dinor1_model_has_weight(const DinoR1Model *model, const gchar *name)
{
    g_autofree gchar *stored = resolve_name(model, name);

    return dinor1_weights_has(model->weights, stored);
}

gboolean
dinor1_model_find_weight(
    gpointer user_data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    const DinoR1Model *model = user_data;
    g_autofree gchar *stored = resolve_name(model, name);

    return dinor1_weights_find(model->weights, stored, view, error);
}

/* Checking a checkpoint: every graph is built once for a small picture; what they ask for must be there, and what is
 * there must have been asked for. */
typedef struct {
    DinoR1Model *model;
    GHashTable *used; /* stored names */
} Check;

static gboolean
find_and_note(gpointer user_data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    Check *check = user_data;
    g_autofree gchar *stored = resolve_name(check->model, name);

    if (!dinor1_weights_find(check->model->weights, stored, view, error))
        return FALSE;
    g_hash_table_add(check->used, g_steal_pointer(&stored));
    return TRUE;
}

/* Buffers of the published classes, what only training reads, and second names of tensors that are used. */
static gboolean
may_be_unused(const DinoR1Config *config, const gchar *name)
{
    gint layer, length = 0;

    if (g_str_has_suffix(name, ".attention.self.relative_position_index") ||
        g_str_equal(name, "model.text_backbone.embeddings.position_ids") || g_str_equal(name, DINOR1_LOGIT_SCALE) ||
        g_str_has_prefix(name, "model.text_backbone.pooler."))
        return TRUE;
    if (g_str_has_prefix(name, "model.decoder."))
        name += strlen("model.decoder.");
    if (sscanf(name, "bbox_embed.%d.layers.%n", &layer, &length) != 1 || length == 0)
        if (sscanf(name, "class_embed.%d.bias%n", &layer, &length) != 1 || name[length] != '\0')
            length = 0;
    return length > 0 && layer >= 0 && layer < config->decoder_layers;
}

static gboolean
check_graph(DinoR1Graph *graph, GError **error)
{
    g_autoptr(DinoR1Graph) owned = graph;

    return dinor1_graph_check(owned, error);
}

static gboolean
check_unknown(const Check *check, GError **error)
{
    const DinoR1Weights *weights = check->model->weights;

    for (guint i = 0; i < dinor1_weights_get_n_tensors(weights); i++) {
        const gchar *name = dinor1_weights_get_tensor(weights, i)->name;

        if (g_hash_table_contains(check->used, name) || may_be_unused(check->model->config, name))
            continue;
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS,
            "tensor '%s' is not part of a %s model with this configuration", name, check->model->config->type_name);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_weights(DinoR1Model *model, GError **error)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Check check = {model, used};
    const DinoR1GraphSpec spec = {.config = model->config, .height = 64, .width = 64, .batch = 1, .n_tokens = 1};

    if (!check_graph(dinor1_build_detector(&spec, find_and_note, &check), error))
        return FALSE;
    if (model->config->type == DINOR1_MODEL_DINO_R1 &&
        !check_graph(dinor1_build_prompt_encoder(&spec, find_and_note, &check), error))
        return FALSE;
    if (model->config->has_text && !check_graph(dinor1_build_text_encoder(&spec, find_and_note, &check), error))
        return FALSE;
    return check_unknown(&check, error);
}

static gboolean
load_tokenizer(DinoR1Model *model, GError **error)
{
    g_autofree gchar *path = g_build_filename(model->path, "vocab.txt", NULL);

    if (!model->config->has_text || !g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    model->tokenizer = dinor1_wordpiece_load(path, model->config->lower_case, error);
    return model->tokenizer != NULL;
}

static gboolean
load(DinoR1Model *model, GError **error)
{
    model->config = dinor1_config_load(model->path, error);
    if (!model->config)
        return FALSE;
    model->weights = dinor1_weights_open(model->path, error);
    if (!model->weights)
        return FALSE;
    if (!check_weights(model, error)) {
        g_prefix_error(error, "%s: ", model->path);
        return FALSE;
    }
    return load_tokenizer(model, error);
}

DinoR1Model *
dinor1_model_load(const gchar *path, GError **error)
{
    g_autoptr(DinoR1Model) model = g_new0(DinoR1Model, 1);

    g_atomic_ref_count_init(&model->ref_count);
    model->path = g_strdup(path);
    if (!load(model, error))
        return NULL;
    if (!model->config->trained)
        g_warning("%s: this model has not been trained: its boxes mean nothing", path);
    return g_steal_pointer(&model);
}

DinoR1Model *
dinor1_model_ref(DinoR1Model *model)
{
    g_atomic_ref_count_inc(&model->ref_count);
    return model;
}

void
dinor1_model_unref(DinoR1Model *model)
{
    if (!model || !g_atomic_ref_count_dec(&model->ref_count))
        return;
    g_clear_pointer(&model->config, dinor1_config_free);
    g_clear_pointer(&model->weights, dinor1_weights_close);
    g_clear_pointer(&model->tokenizer, dinor1_wordpiece_free);
    g_free(model->path);
    g_free(model);
}

const DinoR1Config *
dinor1_model_get_config(const DinoR1Model *model)
{
    return model->config;
}

DinoR1Weights *
dinor1_model_get_weights(const DinoR1Model *model)
{
    return model->weights;
}

const DinoR1WordPiece *
dinor1_model_get_tokenizer(const DinoR1Model *model)
{
    return model->tokenizer;
}

const gchar *
dinor1_model_get_path(const DinoR1Model *model)
{
    return model->path;
}

const gchar *
dinor1_model_get_type(const DinoR1Model *model)
{
    return model->config->type_name;
}

gboolean
dinor1_model_is_trained(const DinoR1Model *model)
{
    return model->config->trained;
}

gboolean
dinor1_model_has_visual_prompts(const DinoR1Model *model)
{
    return model->config->type == DINOR1_MODEL_DINO_R1;
}

gboolean
dinor1_model_has_text_prompts(const DinoR1Model *model)
{
    return model->tokenizer != NULL;
}

gint
dinor1_model_get_embedding_size(const DinoR1Model *model)
{
    return model->config->d_model;
}

gint
dinor1_model_get_num_queries(const DinoR1Model *model)
{
    return model->config->num_queries;
}

const gchar *
dinor1_model_get_hash(DinoR1Model *model)
{
    return dinor1_weights_get_hash(model->weights);
}

void
dinor1_model_get_input_size(const DinoR1Model *model, gint width, gint height, gint *input_width, gint *input_height)
{
    dinor1_resize_rule(
        width, height, model->config->shortest_edge, model->config->longest_edge, input_width, input_height);
}
