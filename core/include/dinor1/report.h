/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/detector.h>

G_BEGIN_DECLS

/* What one JSON line says about one frame (schema "dinor1.detections/1", see docs/json-lines.md). */
typedef struct {
    const gchar *source; /* may be NULL */
    gint64 frame;        /* number in the stream from 0, -1 if unknown */
    gint64 pts;          /* presentation time in nanoseconds, -1 if unknown */
    gint width, height;  /* pixels */
} DinoR1FrameInfo;

typedef struct {
    const gchar *label;
    gfloat score;
    DinoR1Box box;
} DinoR1ReportItem;

/**
 * dinor1_report_append_json:
 *
 * Appends one line of JSON and '\n' to @line. Coordinates have 2 decimals, scores 4; numbers are written with a '.'
 * in any locale; labels are escaped; an invalid UTF-8 label is made valid.
 */
DINOR1_API void dinor1_report_append_json(
    GString *line, const DinoR1FrameInfo *frame, const DinoR1ReportItem *items, guint n_items);

G_END_DECLS
