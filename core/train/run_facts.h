/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/trainer_internal.h"

G_BEGIN_DECLS

/* Something that a run's numbers depend on: a checkpoint can only go on where it is the same. */
typedef struct {
    const gchar *name; /* static */
    gchar *value;
} DinoR1RunFact;

/* (transfer full) (element-type DinoR1RunFact): all of them. Threads, workers, recompute and ranks are none: they
 * change nothing, or no more than rounding. Nor is the number of epochs, unless the learning rate depends on it
 * (cosine). */
GArray *dinor1_run_facts(const DinoR1Trainer *trainer);

G_END_DECLS
