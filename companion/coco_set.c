/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_set.h"

#define MAX_REPORTED 10

static void
report_annotations(const gchar *path, const DinoR1Coco *coco)
{
    for (guint bad = 0; bad < DINOR1_COCO_N_BAD; bad++)
        if (dinor1_coco_get_n_bad(coco, bad) > 0)
            g_printerr("dinor1: warning: %s: left out %u: %s\n", path, dinor1_coco_get_n_bad(coco, bad),
                dinor1_coco_bad_to_string(bad));
}

gboolean
coco_set_open(CocoSet *set, const gchar *annotations, const gchar *images, gboolean skip_bad, GError **error)
{
    const DinoR1CocoOptions options = {.skip_bad = skip_bad};

    set->set.coco = dinor1_coco_load(annotations, &options, error);
    if (!set->set.coco)
        return FALSE;
    report_annotations(annotations, set->set.coco);
    set->set.pictures = coco_pictures_new(images);
    set->skipped = skipped_new();
    if (skip_bad)
        coco_pictures_skip_bad(set->set.pictures, set->skipped);
    return TRUE;
}

void
coco_set_clear(CocoSet *set)
{
    g_clear_pointer(&set->set.coco, dinor1_coco_unref);
    g_clear_pointer(&set->set.pictures, coco_pictures_free);
    g_clear_pointer(&set->skipped, skipped_free);
}

void
coco_set_report(const CocoSet *set)
{
    const guint n = skipped_get_n(set->skipped);
    g_auto(GStrv) reasons = skipped_list(set->skipped, MAX_REPORTED);

    if (n > 0)
        g_printerr("dinor1: warning: left out %u pictures:\n", n);
    for (gchar **reason = reasons; *reason; reason++)
        g_printerr("  %s\n", *reason);
    if (n > MAX_REPORTED)
        g_printerr("  and more\n");
}
