/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1frame.h"

#include <dinor1/error.h>
#include <gmodule.h>

static DinoR1PixelFormat
pixel_format(GstVideoFormat format)
{
    switch (format) {
    case GST_VIDEO_FORMAT_RGB:
        return DINOR1_PIXEL_RGB;
    case GST_VIDEO_FORMAT_BGR:
        return DINOR1_PIXEL_BGR;
    case GST_VIDEO_FORMAT_RGBA:
    case GST_VIDEO_FORMAT_RGBx:
        return DINOR1_PIXEL_RGBX;
    case GST_VIDEO_FORMAT_BGRA:
    case GST_VIDEO_FORMAT_BGRx:
        return DINOR1_PIXEL_BGRX;
    case GST_VIDEO_FORMAT_ARGB:
    case GST_VIDEO_FORMAT_xRGB:
        return DINOR1_PIXEL_XRGB;
    case GST_VIDEO_FORMAT_ABGR:
    case GST_VIDEO_FORMAT_xBGR:
        return DINOR1_PIXEL_XBGR;
    case GST_VIDEO_FORMAT_NV12:
        return DINOR1_PIXEL_NV12;
    case GST_VIDEO_FORMAT_I420:
        return DINOR1_PIXEL_I420;
    case GST_VIDEO_FORMAT_GRAY8:
        return DINOR1_PIXEL_GRAY8;
    default:
        return DINOR1_PIXEL_N_FORMATS;
    }
}

static DinoR1ColorMatrix
color_matrix(const GstVideoColorimetry *colorimetry)
{
    switch (colorimetry->matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
        return DINOR1_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
        return DINOR1_MATRIX_BT2020;
    default:
        return DINOR1_MATRIX_BT601;
    }
}

/* A GstVideoMeta may promise more than the memory holds; gst_video_frame_map() looks only at where a plane starts. */
static gboolean
plane_fits(const GstVideoFrame *frame, guint plane)
{
    /* Without a GstVideoMeta all planes lie in the first mapping. */
    const GstMapInfo *map = &frame->map[frame->meta ? plane : 0];
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane), components[GST_VIDEO_MAX_COMPONENTS];
    gsize rows, row_bytes, room;

    gst_video_format_info_component(frame->info.finfo, plane, components);
    rows = (gsize)GST_VIDEO_FRAME_COMP_HEIGHT(frame, components[0]);
    row_bytes = (gsize)GST_VIDEO_FRAME_COMP_WIDTH(frame, components[0]) *
                (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, components[0]);
    if (data < map->data || data > map->data + map->size || stride < 0 || (gsize)stride < row_bytes)
        return FALSE;
    room = (gsize)(map->data + map->size - data);
    return room >= row_bytes && (room - row_bytes) / MAX(stride, 1) >= rows - 1;
}

/* gstcuda is no dependency: what it calls its memory, and the flag that asks for it as it is (GST_MAP_CUDA), are part
 * of its interface. */
#define CUDA_MEMORY_TYPE "CUDAMemory"
#define MAP_CUDA         ((GstMapFlags)(GST_MAP_FLAG_LAST << 1))

/* Waits until the element that made the frame has finished it. The library is there if such memory is. */
static void
finish_cuda_memory(GstBuffer *buffer)
{
    GModule *library = g_module_open("libgstcuda-1.0.so.0", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    gpointer sync = NULL;

    if (!library)
        return;
    if (g_module_symbol(library, "gst_cuda_memory_sync", &sync))
        for (guint i = 0; i < gst_buffer_n_memory(buffer); i++)
            ((void (*)(GstMemory *))sync)(gst_buffer_peek_memory(buffer, i));
    g_module_close(library);
}

static gboolean
is_cuda_memory(GstBuffer *buffer)
{
    for (guint i = 0; i < gst_buffer_n_memory(buffer); i++)
        if (!gst_memory_is_type(gst_buffer_peek_memory(buffer, i), CUDA_MEMORY_TYPE))
            return FALSE;
    return TRUE;
}

gboolean
gst_dinor1_frame_map(GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer, gboolean cuda, GError **error)
{
    if (cuda && !is_cuda_memory(buffer)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "a frame whose caps say " GST_DINOR1_CUDA_MEMORY " has memory of another kind");
        return FALSE;
    }
    if (cuda)
        finish_cuda_memory(buffer);
    if (gst_video_frame_map(frame, info, buffer, cuda ? GST_MAP_READ | MAP_CUDA : GST_MAP_READ))
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "a %s frame of %d×%d pixels cannot be read",
        GST_VIDEO_INFO_NAME(info), GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info));
    return FALSE;
}

gboolean
gst_dinor1_frame_to_image(const GstVideoFrame *frame, gboolean cuda, DinoR1Image *image, GError **error)
{
    const GstVideoInfo *info = &frame->info;

    *image = (DinoR1Image){
        .format = pixel_format(GST_VIDEO_INFO_FORMAT(info)),
        .width = GST_VIDEO_INFO_WIDTH(info),
        .height = GST_VIDEO_INFO_HEIGHT(info),
        .matrix = color_matrix(&info->colorimetry),
        .full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
        .memory = cuda ? DINOR1_MEMORY_DEVICE : DINOR1_MEMORY_HOST,
    };
    for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(frame); plane++) {
        if (!plane_fits(frame, plane)) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
                "plane %u of a %d×%d %s frame with stride %d does not fit into its buffer", plane, image->width,
                image->height, GST_VIDEO_INFO_NAME(info), GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane));
            return FALSE;
        }
        image->planes[plane] = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
        image->strides[plane] = GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane);
    }
    return TRUE;
}
