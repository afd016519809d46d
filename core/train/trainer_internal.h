/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "data/loader.h"
#include "train/optimizer.h"
#include "train/step.h"
#include <dinor1/train.h>

G_BEGIN_DECLS

struct _DinoR1Trainer {
    DinoR1Model *model;
    DinoR1Config config; /* the model's, as dino-r1; shares its strings */
    DinoR1Coco *data;
    DinoR1TrainOptions options;
    DinoR1Loader *loader;
    DinoR1Backend *backend;
    DinoR1Parameters *parameters;
    DinoR1Parameters *average;   /* NULL = none */
    DinoR1Parameters *reference; /* of the epoch; NULL before GRQO starts */
    DinoR1Optimizer *optimizer;
    DinoR1Schedule schedule;
    DinoR1PromptMemory *memory;
    gfloat **gradients;    /* [n parameters] sums over the forward passes of an update; NULL = not trained */
    DinoR1TrainStep *step; /* planned for step_spec */
    DinoR1TrainSpec step_spec;
    DinoR1ImageSize *step_sizes;
    guint epoch, update; /* the next one */
};

/* Updates of an epoch. */
guint dinor1_trainer_count_updates(const DinoR1Trainer *trainer);

G_END_DECLS
