/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * gst_dinor1_post:
 * @type: GST_MESSAGE_ERROR or GST_MESSAGE_WARNING
 * @error: an error of libdinor1 (or GIO's file errors); its message is the text for the user
 *
 * Posts @error on the bus under the GStreamer domain and code that fit it.
 */
void gst_dinor1_post(GstElement *element, GstMessageType type, const GError *error);

G_END_DECLS
