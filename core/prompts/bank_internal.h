/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/prompts.h>

G_BEGIN_DECLS

#define DINOR1_PROMPTS_MAX_EXEMPLARS 65536 /* of one class */
#define DINOR1_PROMPTS_MAX_PHRASE    4096  /* bytes of UTF-8 */
#define DINOR1_PROMPTS_HASH_LENGTH   64    /* hex digits of SHA-256 */

/* What a bank knows of its model. */
typedef struct {
    const gchar *model_hash;
    gint embedding_size; /* D */
    gboolean has_text;
} DinoR1BankFacts;

DinoR1PromptBank *dinor1_prompt_bank_new_from_facts(const DinoR1BankFacts *facts);

gint dinor1_prompt_bank_get_embedding_size(const DinoR1PromptBank *bank);

/* The mean of the exemplars' embeddings of a visual class, D floats. */
void dinor1_prompt_bank_mean(const DinoR1PromptBank *bank, guint index, gfloat *out);

/* dinor1_prompt_bank_load() of a file in memory; @name is used in errors. @facts: (nullable) */
DinoR1PromptBank *dinor1_prompt_bank_load_memory(
    const gchar *name, const guint8 *data, gsize size, const DinoR1BankFacts *facts, GError **error);
/* dinor1_prompt_bank_load() with the model's facts. @facts: (nullable) */
DinoR1PromptBank *dinor1_prompt_bank_load_with_facts(const gchar *path, const DinoR1BankFacts *facts, GError **error);

G_END_DECLS
