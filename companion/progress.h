/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One line on standard error that is redrawn a few times a second; nothing at all unless that is a terminal. */
typedef struct _Progress Progress;

Progress *progress_new(gboolean quiet);
void progress_free(Progress *progress); /* clears the line */

/* What was done already says nothing about the time that is left. */
void progress_start_at(Progress *progress, gdouble fraction);

/* @fraction: of the whole, below 0 if unknown. */
void progress_show(Progress *progress, const gchar *text, gdouble fraction);

/* The same with the numbers of frames and detections, and frames a second, as text. */
void progress_update(Progress *progress, guint64 n_frames, guint64 n_detections, gdouble fraction);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)

G_END_DECLS
