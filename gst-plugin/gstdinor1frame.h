/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* The formats that gst_dinor1_frame_to_image() knows, as a caps list. */
#define GST_DINOR1_FRAME_FORMATS "{ RGB, BGR, RGBA, BGRA, RGBx, BGRx, ARGB, xRGB, ABGR, xBGR, NV12, I420, GRAY8 }"

/* The caps feature of frames that GStreamer's CUDA elements (gstcuda) keep on the GPU. */
#define GST_DINOR1_CUDA_MEMORY "memory:CUDAMemory"

/**
 * gst_dinor1_frame_map:
 * @cuda: @buffer's caps have GST_DINOR1_CUDA_MEMORY: maps the memory of the GPU, when what was enqueued for it is done
 *
 * For reading. Returns: FALSE with an error if the memory cannot be mapped so, or is another kind of memory.
 */
gboolean gst_dinor1_frame_map(
    GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer, gboolean cuda, GError **error);

/**
 * gst_dinor1_frame_to_image:
 * @frame: mapped for reading; with @cuda, the memory of the GPU
 * @image: (out): points into @frame's memory, any stride and offset
 *
 * Returns: TRUE; FALSE with an error if the planes do not fit into the memory that was mapped.
 */
gboolean gst_dinor1_frame_to_image(const GstVideoFrame *frame, gboolean cuda, DinoR1Image *image, GError **error);

G_END_DECLS
