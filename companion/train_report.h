/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train_config.h"

G_BEGIN_DECLS

/* Writes one HTML page without scripts: curves of what the two logs hold, and the options. */
gboolean train_report_write(
    const gchar *path, const TrainConfig *config, const gchar *log, const gchar *evaluations, GError **error);

G_END_DECLS
