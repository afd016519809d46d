/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* A detection on its way between elements: a GstVideoRegionOfInterestMeta whose type is the label, with a "detection"
 * structure as DL Streamer's elements write and read it:
 *   x_min, x_max, y_min, y_max  double, as a share of the frame's width and height
 *   confidence                  double, 0 … 1
 *   label_id                    int, the class's index in the prompt bank
 *   label                       string
 *   stale                       boolean, only there (and TRUE) if the box was found in an earlier frame
 * With GStreamer 1.24 or later (build option analytics) there is a GstAnalyticsODMtd beside it.
 */
typedef struct {
    GQuark label;
    gint label_id;
    gfloat score;
    DinoR1Box box; /* in pixels of the frame */
    gboolean stale;
} GstDinoR1Object;

/* Adds @object to @buffer, which must be writable, as a frame of @width × @height pixels. */
void gst_dinor1_object_attach(const GstDinoR1Object *object, GstBuffer *buffer, gint width, gint height);

/**
 * gst_dinor1_objects_read:
 * @objects: of GstDinoR1Object; emptied first
 *
 * Reads the detections of a frame of @width × @height pixels in the order in which they were attached. Regions of
 * interest without a "detection" structure are none.
 */
void gst_dinor1_objects_read(GArray *objects, GstBuffer *buffer, gint width, gint height);

G_END_DECLS
