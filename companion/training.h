/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train_config.h"

G_BEGIN_DECLS

/* A training run as `dinor1 finetune` does it: its data, its trainer and the files in the output folder. */
typedef struct _Training Training;

/* Loads and checks everything that the configuration names; with @dry_run nothing is left behind. Borrows @config. */
Training *training_new(const TrainConfig *config, gboolean dry_run, GError **error);
void training_free(Training *training);

/* Prints what will be trained. */
void training_describe(const Training *training);

/* Prints what an update will take; trains nothing. */
gboolean training_measure(Training *training, GError **error);

/**
 * training_run:
 * @resume: go on from the newest checkpoint, if there is one
 *
 * Trains to the end, or up to a signal (interrupt_get_signal()), after which the run can be resumed.
 */
gboolean training_run(Training *training, gboolean resume, gboolean quiet, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Training, training_free)

G_END_DECLS
