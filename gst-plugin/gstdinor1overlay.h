/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DINOR1_OVERLAY (gst_dinor1_overlay_get_type())
G_DECLARE_FINAL_TYPE(GstDinoR1Overlay, gst_dinor1_overlay, GST, DINOR1_OVERLAY, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(dinor1overlay)

G_END_DECLS
