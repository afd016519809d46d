/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/dinor1.h>

G_BEGIN_DECLS

/**
 * bench_streams:
 * @options: of each detector; its CPU threads are shared out
 * @frames_per_second: (out): of all streams together
 *
 * As many detectors as streams, each in a thread of its own, look @runs times at @batch frames at once, all @image,
 * after some that are not counted.
 */
gboolean bench_streams(DinoR1Model *model, const DinoR1DetectorOptions *options, const DinoR1PromptBank *bank,
    const DinoR1Image *image, guint n_streams, guint batch, guint runs, gdouble *frames_per_second, GError **error);

G_END_DECLS
