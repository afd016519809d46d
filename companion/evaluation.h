/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "coco_pictures.h"
#include "progress.h"

#include <dinor1/dataset.h>
#include <dinor1/detector.h>

G_BEGIN_DECLS

/* A data set and its pictures. */
typedef struct {
    DinoR1Coco *coco;
    CocoPictures *pictures;
} EvaluationSet;

/**
 * evaluation_add_exemplars:
 * @bank: gets a class for every category that has boxes, labelled with its name, in the set's order
 * @per_class: exemplars of a class: so many boxes are drawn at random
 *
 * The same seed draws the same boxes.
 */
gboolean evaluation_add_exemplars(const EvaluationSet *set, DinoR1Detector *detector, DinoR1PromptBank *bank,
    guint per_class, guint64 seed, GError **error);

/**
 * evaluation_detect:
 * @bank: (nullable): what to look for, by the categories' names; NULL: in each image, for its own classes, with one
 *   random box of each as prompt
 * @seed: for these boxes
 * @limit: only the first so many images; 0 = all
 * @progress: (nullable):
 *
 * Runs the detector over the set. A class of the bank that is no category is left out, and so is a picture that
 * coco_pictures_skip_bad() lets be bad.
 *
 * Returns: (transfer full): the results; those of the images so far after a signal. NULL with an error.
 */
DinoR1CocoResults *evaluation_detect(const EvaluationSet *set, DinoR1Detector *detector, DinoR1PromptBank *bank,
    guint64 seed, guint limit, Progress *progress, GError **error);

G_END_DECLS
