/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One training step on one batch: forward, matching, losses, gradients.
 */
#pragma once

#include "graph/program.h"
#include "train/parameters.h"
#include "train/sampling.h"
#include <dinor1/train.h>

G_BEGIN_DECLS

/* What a step sees. Borrowed while it runs. */
typedef struct {
    const gfloat *pixels;             /* [B, H, W, 3] normalised, 0 outside an image */
    const DinoR1ImageLabels *images;  /* [B] */
    const DinoR1PromptChoice *choice; /* C classes */
    const gfloat *negatives;          /* [R, D]; NULL without */
    const DinoR1Denoising *denoising; /* R_dn queries; NULL without */
    const guint *named;               /* [Cn] those of the C that have a text, rising; NULL without */
    const gfloat *text;               /* [Cn, D] of length 1; NULL without */
    /* Where several processes share a batch, of which this one has the images rank, rank + n_ranks, …; @choice counts
     * in all of them. */
    const DinoR1TrainRanks *ranks;       /* NULL = alone */
    const DinoR1ImageLabels *all_images; /* [n_all_images]; NULL = images */
    guint n_all_images;
} DinoR1TrainBatch;

/* The terms of the loss, weighted, as they add up to it; and what GRQO makes of the last layer. */
typedef struct {
    gfloat total;
    gfloat classes, l1, giou;       /* proposals and decoder layers */
    gfloat denoising;               /* 0 without */
    gfloat advantage, kl;           /* 0 without GRQO */
    gfloat contrastive;             /* 0 without texts */
    gfloat reward_mean, reward_std; /* means over the images; 0 without GRQO */
} DinoR1TrainLosses;

/* Asks for every parameter that training and saving this model needs, then freezes the set. */
gboolean dinor1_train_complete_parameters(DinoR1Parameters *parameters, const DinoR1Config *config, GError **error);

/* The planned graphs for one set of batch shapes. Not thread-safe. */
typedef struct _DinoR1TrainStep DinoR1TrainStep;

/* @parameters: frozen. @reference: (nullable): the reference model of the KL term; needed with GRQO, ignored without.
 * Borrows both, which are placed on @backend, and reads the values they have there at each run. */
DinoR1TrainStep *dinor1_train_step_new(const DinoR1TrainSpec *spec, DinoR1Parameters *parameters,
    DinoR1Parameters *reference, DinoR1Backend *backend, GError **error);
void dinor1_train_step_free(DinoR1TrainStep *step);

/* The losses are those of all processes; the gradients this one's share. FAILED with a matching cost that is not finite
 * (names the image's number among this process's). */
gboolean dinor1_train_step_run(
    DinoR1TrainStep *step, const DinoR1TrainBatch *batch, DinoR1TrainLosses *losses, GError **error);

/* What running it takes, in bytes: activations and what is kept between them. */
gsize dinor1_train_step_get_memory(const DinoR1TrainStep *step);

/* The results of the last run, valid until the next. The gradients are in the backend's memory, by parameter index;
 * NULL = none. */
const gfloat *const *dinor1_train_step_get_gradients(const DinoR1TrainStep *step);
const gfloat *dinor1_train_step_get_prompts(const DinoR1TrainStep *step); /* [C, D], of all processes */

DinoR1Program *dinor1_train_step_get_program(DinoR1TrainStep *step);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1TrainStep, dinor1_train_step_free)

G_END_DECLS
