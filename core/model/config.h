/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/ops.h"

G_BEGIN_DECLS

typedef enum {
    DINOR1_MODEL_GROUNDING_DINO,    /* logits x . p */
    DINOR1_MODEL_MM_GROUNDING_DINO, /* logits x . p / sqrt(D) + bias */
    DINOR1_MODEL_DINO_R1,           /* mm-grounding-dino with a visual prompt encoder; text encoder optional */
} DinoR1ModelType;

#define DINOR1_SWIN_MAX_STAGES 8
#define DINOR1_MAX_LAYERS      64 /* of encoder and decoder */

/* SwinConfig's names in brackets where they differ. */
typedef struct {
    gint n_channels; /* num_channels, must be 3 */
    gint patch_size;
    gint embed_dim;
    gint n_stages; /* len(depths) */
    gint depths[DINOR1_SWIN_MAX_STAGES];
    gint heads[DINOR1_SWIN_MAX_STAGES]; /* num_heads */
    gint window_size;
    gdouble mlp_ratio;
    gboolean qkv_bias;
    DinoR1Activation activation; /* hidden_act */
    gfloat layer_norm_eps;
    gint n_outputs;                       /* from out_indices or out_features */
    gint outputs[DINOR1_SWIN_MAX_STAGES]; /* stage numbers from 1, rising */
} DinoR1SwinConfig;

/* BertConfig */
typedef struct {
    gint vocab_size, hidden_size, n_layers, n_heads, intermediate_size;
    gint max_position_embeddings, type_vocab_size;
    gfloat layer_norm_eps;
    DinoR1Activation activation; /* hidden_act */
} DinoR1BertConfig;

/* GroundingDinoConfig / MMGroundingDinoConfig */
typedef struct {
    DinoR1ModelType type;
    gchar *type_name; /* owned */
    gboolean trained; /* "trained": false marks a model of random weights; default TRUE */
    DinoR1SwinConfig backbone;
    gboolean has_text; /* dino-r1 without text_config (absent or null) has none; the other types always do */
    DinoR1BertConfig text;
    gint d_model, num_queries, num_feature_levels;
    gint encoder_layers, encoder_ffn_dim, encoder_attention_heads, encoder_n_points;
    gint decoder_layers, decoder_ffn_dim, decoder_attention_heads, decoder_n_points;
    DinoR1Activation activation; /* activation_function */
    gint max_text_len;
    gboolean decoder_bbox_embed_share;   /* grounding-dino only, default TRUE there, FALSE elsewhere */
    gboolean two_stage_bbox_embed_share; /* grounding-dino only, default FALSE */
    gboolean embedding_init_target;      /* must be TRUE; two_stage must be TRUE */
    gfloat positional_embedding_temperature;
    gfloat layer_norm_eps;
    /* Epsilon of the inverse sigmoid of reference points. 1e-5 in the published classes; "logit_eps" of a dino-r1
     * config, default 1e-3 there (spec section 5). */
    gfloat logit_eps;
    /* preprocessor_config.json, or the published defaults */
    gint shortest_edge, longest_edge; /* 800, 1333 */
    gfloat image_mean[3], image_std[3];
    gfloat rescale_factor; /* 1/255 */
    gboolean lower_case;   /* of tokenizer_config.json, default TRUE */
} DinoR1Config;

/* Reads config.json and, where present, preprocessor_config.json and tokenizer_config.json of @directory.
 * Returns: (transfer full): the configuration, or NULL with IO, FORMAT or CONFIG: file, key and reason. */
DinoR1Config *dinor1_config_load(const gchar *directory, GError **error);
/* The same from JSON text; @name is used in errors. (tests, fuzzing) */
DinoR1Config *dinor1_config_parse(const gchar *name, const gchar *json, gsize length, GError **error);
/* What training makes of any type: a dino-r1 model. Of a grounding-dino model, logits get a scale and a bias, and box
 * heads that were one for all layers become one for each. */
void dinor1_config_become_dino_r1(DinoR1Config *config);
void dinor1_config_free(DinoR1Config *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Config, dinor1_config_free)

G_END_DECLS
