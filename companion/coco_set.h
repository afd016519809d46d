/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "evaluation.h"

G_BEGIN_DECLS

/**
 * coco_set_open:
 * @set: (out): zero-filled
 * @images: the folder of the pictures
 * @max_boxes: of a picture; more are bad; 0 = any number
 * @skipped: (nullable): gets what is bad, which is left out then; NULL = it is an error. Must outlive the set.
 */
gboolean coco_set_open(EvaluationSet *set, const gchar *annotations, const gchar *images, guint max_boxes,
    Skipped *skipped, GError **error);
void coco_set_clear(EvaluationSet *set);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EvaluationSet, coco_set_clear)

G_END_DECLS
