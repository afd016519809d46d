/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DINOR1_JSON (gst_dinor1_json_get_type())
G_DECLARE_FINAL_TYPE(GstDinoR1Json, gst_dinor1_json, GST, DINOR1_JSON, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(dinor1json)

G_END_DECLS
