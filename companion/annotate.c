/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "annotate.h"

/* CAIRO_FORMAT_RGB24 is one native 32-bit word a pixel. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define CAIRO_VIDEO_FORMAT GST_VIDEO_FORMAT_BGRx
#else
#define CAIRO_VIDEO_FORMAT GST_VIDEO_FORMAT_xRGB
#endif

struct _Annotator {
    GstVideoConverter *converter; /* from @input to @output */
    GstVideoInfo input, output;
};

Annotator *
annotator_new(void)
{
    return g_new0(Annotator, 1);
}

void
annotator_free(Annotator *annotator)
{
    g_clear_pointer(&annotator->converter, gst_video_converter_free);
    g_free(annotator);
}

static void
prepare(Annotator *annotator, const GstVideoInfo *input)
{
    GstVideoInfo progressive = *input;

    if (annotator->converter && gst_video_info_is_equal(&annotator->input, input))
        return;
    g_clear_pointer(&annotator->converter, gst_video_converter_free);
    annotator->input = *input;
    gst_video_info_set_format(
        &annotator->output, CAIRO_VIDEO_FORMAT, GST_VIDEO_INFO_WIDTH(input), GST_VIDEO_INFO_HEIGHT(input));
    annotator->output.fps_n = input->fps_n;
    annotator->output.fps_d = input->fps_d;
    annotator->output.par_n = input->par_n;
    annotator->output.par_d = input->par_d;
    progressive.interlace_mode = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
    annotator->converter = gst_video_converter_new(&progressive, &annotator->output, NULL);
}

static void
draw(GstVideoFrame *picture, const DinoR1DrawItem *items, guint n_items)
{
    const gint width = GST_VIDEO_FRAME_WIDTH(picture), height = GST_VIDEO_FRAME_HEIGHT(picture);
    cairo_surface_t *surface = cairo_image_surface_create_for_data(GST_VIDEO_FRAME_PLANE_DATA(picture, 0),
        CAIRO_FORMAT_RGB24, width, height, GST_VIDEO_FRAME_PLANE_STRIDE(picture, 0));
    cairo_t *cr = cairo_create(surface);

    dinor1_draw_detections(cr, width, height, items, n_items);
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    cairo_surface_destroy(surface);
}

GstBuffer *
annotator_draw(Annotator *annotator, const Frame *frame, const DinoR1DrawItem *items, guint n_items, GstVideoInfo *info)
{
    GstBuffer *buffer;
    GstVideoFrame picture;

    prepare(annotator, &frame->video.info);
    buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&annotator->output), NULL);
    if (gst_video_frame_map(&picture, &annotator->output, buffer, GST_MAP_READWRITE)) {
        gst_video_converter_frame(annotator->converter, &frame->video, &picture);
        draw(&picture, items, n_items);
        gst_video_frame_unmap(&picture);
    }
    GST_BUFFER_PTS(buffer) = frame->pts >= 0 ? (GstClockTime)frame->pts : GST_CLOCK_TIME_NONE;
    GST_BUFFER_DURATION(buffer) = GST_BUFFER_DURATION(frame->video.buffer);
    *info = annotator->output;
    return buffer;
}
