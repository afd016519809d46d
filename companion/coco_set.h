/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "evaluation.h"

G_BEGIN_DECLS

/* Annotations and their pictures, and what is left out of them. Zero-filled is none. */
typedef struct {
    EvaluationSet set;
    Skipped *skipped; /* pictures */
} CocoSet;

/**
 * coco_set_open:
 * @images: the folder of the pictures
 * @skip_bad: annotations and pictures that are bad are left out, not an error. The number of the former and what they
 *   are is said on standard error now, of the latter in coco_set_report().
 */
gboolean coco_set_open(CocoSet *set, const gchar *annotations, const gchar *images, gboolean skip_bad, GError **error);
void coco_set_clear(CocoSet *set);

/* Says on standard error which pictures were left out. */
void coco_set_report(const CocoSet *set);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoSet, coco_set_clear)

G_END_DECLS
