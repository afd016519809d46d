/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DINOR1_DETECT (gst_dinor1_detect_get_type())
G_DECLARE_FINAL_TYPE(GstDinoR1Detect, gst_dinor1_detect, GST, DINOR1_DETECT, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(dinor1detect)

G_END_DECLS
