/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "skipped.h"
#include "train_config.h"

G_BEGIN_DECLS

/* What a report tells of. Borrowed. */
typedef struct {
    const TrainConfig *config;
    const gchar *log, *evaluations, *samples; /* the two logs; the folder of the sample pictures */
    Skipped *skipped;
} TrainReport;

/* Writes one HTML page without scripts and without other files: figures before and after, by class and on the held-out
 * set, sample pictures, curves of what the logs hold, what was left out, and the options. */
gboolean train_report_write(const TrainReport *report, const gchar *path, GError **error);

G_END_DECLS
