/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* The formats that gst_dinor1_frame_to_image() knows, as a caps list. */
#define GST_DINOR1_FRAME_FORMATS "{ RGB, BGR, RGBA, BGRA, RGBx, BGRx, ARGB, xRGB, ABGR, xBGR, NV12, I420, GRAY8 }"

/**
 * gst_dinor1_frame_to_image:
 * @frame: mapped for reading
 * @image: (out): points into @frame's memory, any stride and offset
 *
 * Returns: TRUE; FALSE with an error if the planes do not fit into the memory that was mapped.
 */
gboolean gst_dinor1_frame_to_image(const GstVideoFrame *frame, DinoR1Image *image, GError **error);

G_END_DECLS
