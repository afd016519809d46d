/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/image.h>
#include <dinor1/model.h>

G_BEGIN_DECLS

/**
 * DinoR1PromptBank:
 *
 * What to look for: an ordered list of classes. A class has a label and either visual exemplars (each one embedding
 * made from an image and a box by dinor1_detector_embed()) or a text phrase. A visual class is searched for with the
 * mean of its exemplars' embeddings.
 *
 * Reference counted; the bank itself is not thread-safe: guard it, or give each thread its own copy.
 */
typedef struct _DinoR1PromptBank DinoR1PromptBank;

/* Where an exemplar came from. Only for people: nothing is computed from it. */
typedef struct {
    const gchar *source; /* file or URI, may be NULL */
    gint64 frame;        /* frame number in a clip, -1 if unknown */
    DinoR1Box box;       /* in pixels of that picture */
} DinoR1ExemplarInfo;

#define DINOR1_PROMPTS_MAX_CLASSES 4096
#define DINOR1_PROMPTS_MAX_LABEL   256 /* bytes of UTF-8 */

/**
 * dinor1_prompt_bank_new:
 *
 * Returns: (transfer full): an empty bank, bound to @model's weight hash and embedding size.
 */
DINOR1_API DinoR1PromptBank *dinor1_prompt_bank_new(DinoR1Model *model);

DINOR1_API DinoR1PromptBank *dinor1_prompt_bank_ref(DinoR1PromptBank *bank);
DINOR1_API void dinor1_prompt_bank_unref(DinoR1PromptBank *bank);

/* (transfer full): a deep copy. */
DINOR1_API DinoR1PromptBank *dinor1_prompt_bank_copy(const DinoR1PromptBank *bank);

/**
 * dinor1_prompt_bank_add_exemplar:
 * @label: the class; made if it does not exist
 * @embedding: D floats, copied
 * @info: (nullable): where it came from, copied
 *
 * Returns: TRUE; FALSE with ARGUMENT (bad label, embedding or box not finite, the class is a text class, too many
 * classes).
 */
DINOR1_API gboolean dinor1_prompt_bank_add_exemplar(DinoR1PromptBank *bank, const gchar *label, const gfloat *embedding,
    const DinoR1ExemplarInfo *info, GError **error);

/**
 * dinor1_prompt_bank_add_text:
 * @label: the class; must not exist yet
 * @phrase: the words to look for, e.g. "a yellow car"
 *
 * Returns: TRUE; FALSE with ARGUMENT (bad label or phrase, exists) or UNSUPPORTED (the model has no text encoder or no
 * vocab.txt).
 */
DINOR1_API gboolean dinor1_prompt_bank_add_text(
    DinoR1PromptBank *bank, const gchar *label, const gchar *phrase, GError **error);

/* Removes a class with all its exemplars. Returns: FALSE if there is none of that label. */
DINOR1_API gboolean dinor1_prompt_bank_remove(DinoR1PromptBank *bank, const gchar *label);
DINOR1_API void dinor1_prompt_bank_clear(DinoR1PromptBank *bank);

DINOR1_API guint dinor1_prompt_bank_get_n_classes(const DinoR1PromptBank *bank);

/* @index < n_classes. Strings live until the bank changes. */
DINOR1_API const gchar *dinor1_prompt_bank_get_label(const DinoR1PromptBank *bank, guint index);
DINOR1_API const gchar *dinor1_prompt_bank_get_phrase(
    const DinoR1PromptBank *bank, guint index); /* NULL for a visual class */
DINOR1_API guint dinor1_prompt_bank_get_n_exemplars(const DinoR1PromptBank *bank, guint index); /* 0 for a text class */
DINOR1_API const gfloat *dinor1_prompt_bank_get_exemplar(
    const DinoR1PromptBank *bank, guint index, guint exemplar, DinoR1ExemplarInfo *info);

/**
 * dinor1_prompt_bank_merge:
 *
 * Appends @other's classes; exemplars of a label that both have are put together. Merging a bank with itself changes
 * nothing.
 *
 * Returns: TRUE; FALSE with MISMATCH (other weights) or ARGUMENT (one has a text class where the other has exemplars
 * or another phrase; too many classes); @bank is then unchanged.
 */
DINOR1_API gboolean dinor1_prompt_bank_merge(DinoR1PromptBank *bank, const DinoR1PromptBank *other, GError **error);

/**
 * dinor1_prompt_bank_save:
 *
 * Writes a safetensors file with the metadata of docs/prompt-bank.md, to a temporary file that is synced and renamed.
 */
DINOR1_API gboolean dinor1_prompt_bank_save(const DinoR1PromptBank *bank, const gchar *path, GError **error);

/**
 * dinor1_prompt_bank_load:
 * @model: (nullable): the model it will be used with; NULL loads any bank (to list it)
 *
 * Returns: (transfer full): the bank, or NULL with IO, FORMAT, MISMATCH (made by other weights) or UNSUPPORTED (a text
 * class, and the model has no text encoder).
 */
DINOR1_API DinoR1PromptBank *dinor1_prompt_bank_load(const gchar *path, DinoR1Model *model, GError **error);

DINOR1_API const gchar *dinor1_prompt_bank_get_model_hash(const DinoR1PromptBank *bank);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1PromptBank, dinor1_prompt_bank_unref)

G_END_DECLS
