/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "evaluation.h"
#include "train_config.h"

G_BEGIN_DECLS

/* What the evaluations of a training run need. Borrowed. */
typedef struct {
    const TrainConfig *config;
    const EvaluationSet *train, *validation, *heldout; /* heldout: without a coco = none */
    const gchar *log, *samples;                        /* evaluations.jsonl; the folder of the sample pictures */
} TrainEvaluation;

/**
 * train_evaluation_run:
 * @folder: of the model
 * @update: that are done
 * @epoch: the last that is over; -1 before the first
 * @precision: (out): AP on the validation set
 * @done: (out): FALSE after a signal; nothing is logged then
 *
 * Measures a model on the validation set, with exemplars of the training set, and on the held-out set, with exemplars
 * of its own; logs the figures and draws the sample pictures.
 */
gboolean train_evaluation_run(const TrainEvaluation *evaluation, const gchar *folder, guint update, gint epoch,
    gdouble *precision, gboolean *done, GError **error);

G_END_DECLS
