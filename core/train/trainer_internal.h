/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/precision.h"
#include "data/loader.h"
#include "train/class_text.h"
#include "train/gradients.h"
#include "train/optimizer.h"
#include "train/ranks.h"
#include "train/step.h"
#include <dinor1/train.h>

G_BEGIN_DECLS

struct _DinoR1Trainer {
    DinoR1Model *model;
    DinoR1Config config; /* the model's, as dino-r1; shares its strings */
    DinoR1Coco *data;
    DinoR1TrainOptions options; /* without the caller's pointers */
    gchar *patterns;            /* of what is trained, separated by blanks */
    gboolean is_shared;         /* several ranks train: ranks says which this is */
    DinoR1TrainRanks ranks;
    DinoR1Loader *loader;
    DinoR1Backend *backend;
    gchar *device; /* the backend's, for people */
    DinoR1Precision precision;
    DinoR1Parameters *parameters;
    DinoR1Parameters *average;   /* NULL = none */
    DinoR1Parameters *reference; /* of the epoch; NULL before GRQO starts */
    DinoR1Optimizer *optimizer;
    DinoR1Schedule schedule;
    DinoR1PromptMemory *memory;
    DinoR1ClassText *text;      /* NULL = no contrastive loss */
    DinoR1Gradients *gradients; /* of the update at work */
    DinoR1TrainStep *step;      /* planned for step_spec */
    DinoR1TrainSpec step_spec;
    DinoR1ImageSize *step_sizes;
    GString *images;     /* ids of those of the update at work */
    guint epoch, update; /* the next one */
    GArray *parts;       /* DinoR1TrainPart, for those who ask */
};

/* Updates of an epoch. */
guint dinor1_trainer_count_updates(const DinoR1Trainer *trainer);
/* NULL = alone. */
const DinoR1TrainRanks *dinor1_trainer_get_ranks(const DinoR1Trainer *trainer);
/* Whether the next update has the losses of GRQO. */
gboolean dinor1_trainer_uses_grqo(const DinoR1Trainer *trainer);
/* Brings the reference model up to the next update, if that needs one. */
gboolean dinor1_trainer_renew_reference(DinoR1Trainer *trainer, GError **error);
/* One forward and backward pass over batch @number of the epoch: adds to the gradients, the memory and @report. */
gboolean dinor1_trainer_run_pass(DinoR1Trainer *trainer, guint number, DinoR1TrainReport *report, GError **error);

G_END_DECLS
