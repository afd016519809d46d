/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <glib-object.h>

G_BEGIN_DECLS

/**
 * DinoR1Model:
 *
 * The weights and the configuration of one detector: immutable after loading, so any number of threads and detectors
 * may share one. Reference counted.
 */
typedef struct _DinoR1Model DinoR1Model;

/**
 * dinor1_model_load:
 * @path: a Hugging Face model directory: config.json, model.safetensors (or its shards and
 *   model.safetensors.index.json), optionally preprocessor_config.json and vocab.txt
 *
 * Loads a model of `model_type` "grounding-dino", "mm-grounding-dino" or "dino-r1". The weights are mapped, not
 * copied, when they are fp32; fp16 and bf16 are widened once. Every tensor of the file must be known, every tensor
 * of the model present and of the right shape: the error names the first that is not.
 *
 * Thread-safe. Writes a warning through g_log() (domain "dinor1") once if the config says `"trained": false`.
 *
 * Returns: (transfer full): the model, or NULL with an error (IO, FORMAT, CONFIG, WEIGHTS).
 */
DINOR1_API DinoR1Model *dinor1_model_load(const gchar *path, GError **error);

DINOR1_API DinoR1Model *dinor1_model_ref(DinoR1Model *model);
DINOR1_API void dinor1_model_unref(DinoR1Model *model);

/* What the model is. Strings live as long as the model. */
DINOR1_API const gchar *dinor1_model_get_path(const DinoR1Model *model);
DINOR1_API const gchar *dinor1_model_get_type(const DinoR1Model *model); /* "dino-r1", … */
DINOR1_API gboolean dinor1_model_is_trained(const DinoR1Model *model);
DINOR1_API gboolean dinor1_model_has_visual_prompts(const DinoR1Model *model);
DINOR1_API gboolean dinor1_model_has_text_prompts(const DinoR1Model *model);
DINOR1_API gint dinor1_model_get_embedding_size(const DinoR1Model *model); /* D, config's d_model */
DINOR1_API gint dinor1_model_get_num_queries(const DinoR1Model *model);    /* Q */

/**
 * dinor1_model_get_hash:
 *
 * Returns: SHA-256 of the weight files' tensors (names, types, shapes, bytes, in name order), 64 hex digits. Prompt
 * banks carry it, so that embeddings are only used with the weights that made them.
 */
DINOR1_API const gchar *dinor1_model_get_hash(DinoR1Model *model);

/**
 * dinor1_model_get_input_size:
 * @width: @height: the picture's size in pixels
 * @input_width: (out): @input_height: (out): the size the network sees
 *
 * The published resize rule: shortest side to `shortest_edge`, but the longest at most `longest_edge`
 * (GroundingDinoImageProcessor).
 */
DINOR1_API void dinor1_model_get_input_size(
    const DinoR1Model *model, gint width, gint height, gint *input_width, gint *input_height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Model, dinor1_model_unref)

G_END_DECLS
