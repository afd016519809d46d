/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the host prepares for a training step: matching, prompts, denoising, targets (spec section 6).
 */
#pragma once

#include "base/rng.h"
#include "train/train_graph.h"

G_BEGIN_DECLS

/* The boxes of one image. */
typedef struct {
    guint n_boxes;
    gfloat *boxes;  /* [n_boxes, 4] (cx, cy, w, h), 0 … 1 of the image */
    guint *classes; /* [n_boxes] dataset classes */
} DinoR1ImageLabels;

/* Exact minimum-cost assignment of every column to a row of its own (Jonker-Volgenant shortest augmenting paths,
 * O(n^2 m)): cost [n_rows, stride] with n_columns <= n_rows used. @row_of_column: (out) [n_columns].
 * Costs must be finite: FALSE otherwise, naming nothing. */
gboolean dinor1_assign(const gfloat *cost, guint n_rows, guint n_columns, guint stride, guint *row_of_column);

/* The prompts of a batch: which box stands for each class. */
typedef struct {
    guint n_classes;      /* C */
    guint *classes;       /* [C] dataset classes, rising */
    gint32 *prompt_index; /* [C] image * n_boxes_padded + box */
} DinoR1PromptChoice;

/* For each class of the batch one of its boxes at random, over all images. */
DinoR1PromptChoice *dinor1_choose_prompts(
    const DinoR1ImageLabels *images, guint n_images, guint n_boxes_padded, DinoR1Rng *rng);
/* The number of a dataset class among the batch's; n_classes if it is not one of them. */
guint dinor1_prompt_choice_find(const DinoR1PromptChoice *choice, guint class_index);
void dinor1_prompt_choice_free(DinoR1PromptChoice *choice);

/* Contrastive denoising queries (DINO's CDN), the same number for every image. */
typedef struct {
    guint n_groups;       /* max(1, 100 div most boxes of an image); 0 if no image has a box */
    guint n_queries;      /* 2 * most boxes * groups */
    gint32 *index;        /* [B, n] noised class: its number among the batch's classes */
    gfloat *boxes;        /* [B, n, 4] */
    gfloat *mask;         /* [n + Q, n + Q], 0 or -inf */
    gfloat *classes;      /* targets [B, n, U] */
    gfloat *target_boxes; /* [B, n, 4] */
    gfloat *positive;     /* [B, n] */
    guint n_positive;     /* of the whole batch */
} DinoR1Denoising;

/* How many queries that are where an image has at most @n_boxes boxes. */
guint dinor1_count_denoising(guint n_boxes);

DinoR1Denoising *dinor1_make_denoising(const DinoR1ImageLabels *images, guint n_images,
    const DinoR1PromptChoice *choice, guint n_tokens, gint64 n_matching, DinoR1Rng *rng);
/* Leaves the images rank, rank + n_ranks, … of @n_images; n_positive stays that of all. */
void dinor1_denoising_keep(DinoR1Denoising *denoising, guint n_images, guint n_tokens, guint rank, guint n_ranks);
void dinor1_denoising_free(DinoR1Denoising *denoising);

/* Embeddings of the last batches' prompts, by class, to serve as negatives when a batch is small. */
typedef struct _DinoR1PromptMemory DinoR1PromptMemory;
DinoR1PromptMemory *dinor1_prompt_memory_new(gint embedding_size, guint capacity);
void dinor1_prompt_memory_free(DinoR1PromptMemory *memory);
void dinor1_prompt_memory_add(DinoR1PromptMemory *memory, guint class_index, const gfloat *embedding);
/* Up to @n embeddings of classes that are not among @choice's, at random, at most one per class; returns how many were
 * written to @out [n, D]. */
guint dinor1_prompt_memory_draw(
    const DinoR1PromptMemory *memory, const DinoR1PromptChoice *choice, guint n, DinoR1Rng *rng, gfloat *out);
/* For checkpoints: classes [n] and embeddings [n, D], oldest first; and back. */
guint dinor1_prompt_memory_get(const DinoR1PromptMemory *memory, const guint **classes, const gfloat **embeddings);

/* The targets of one set from its cost [B, Q, M]: matches every image's boxes. Adds the number of positives.
 * classes [B, Q, U], boxes [B, Q, 4], positive [B, Q] are overwritten. FALSE with FAILED if a cost is not finite
 * (names the image's number in the batch). */
typedef struct {
    gfloat *classes, *boxes, *positive;
} DinoR1SetTargets;

gboolean dinor1_match_targets(const gfloat *cost, const DinoR1ImageLabels *images, guint n_images, guint n_boxes_padded,
    guint n_queries, const DinoR1PromptChoice *choice, guint n_tokens, DinoR1SetTargets *targets, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1PromptChoice, dinor1_prompt_choice_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Denoising, dinor1_denoising_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1PromptMemory, dinor1_prompt_memory_free)

G_END_DECLS
