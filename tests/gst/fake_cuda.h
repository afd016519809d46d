/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Memory as gstcuda's: of the same type, on the emulated GPU, which is the host's memory. Mapped without GST_MAP_CUDA
 * it shows something else, as a picture that was not downloaded would. */

/* A copy of @buffer in such memory, with a GstVideoMeta whose rows are @padding bytes longer. */
GstBuffer *fake_cuda_buffer(GstBuffer *buffer, const GstVideoInfo *info, gint padding);

G_END_DECLS
