/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_set.h"

gboolean
coco_set_open(EvaluationSet *set, const gchar *annotations, const gchar *images, guint max_boxes, Skipped *skipped,
    GError **error)
{
    const DinoR1CocoOptions options = {.skip_bad = skipped != NULL, .max_boxes = max_boxes};

    set->coco = dinor1_coco_load(annotations, &options, error);
    if (!set->coco)
        return FALSE;
    set->pictures = coco_pictures_new(images);
    if (!skipped)
        return TRUE;
    skipped_add_entries(skipped, annotations, set->coco);
    coco_pictures_skip_bad(set->pictures, skipped);
    return TRUE;
}

void
coco_set_clear(EvaluationSet *set)
{
    g_clear_pointer(&set->coco, dinor1_coco_unref);
    g_clear_pointer(&set->pictures, coco_pictures_free);
}
