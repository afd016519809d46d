/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/**
 * SECTION:element-dinor1overlay
 * @title: dinor1overlay
 *
 * Draws the detections that a frame carries (regions of interest with a "detection" structure) into the picture: box,
 * label and score, one colour per label. Boxes of an earlier frame are dashed. A frame without detections passes
 * untouched.
 *
 * Takes any format that GStreamer can blend on, so no videoconvert is needed before it; on BGRx it draws straight
 * into the frame, which is fastest.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! dinor1detect model=models/dinor1-nano \
 *     prompt-box=300,120,40,100 prompt-label=person ! dinor1overlay ! videoconvert ! autovideosink
 * ]|
 */
#include "gstdinor1overlay.h"

#include "draw.h"
#include "gstdinor1object.h"

#include <gst/video/video-overlay-composition.h>
#include <string.h>

GST_DEBUG_CATEGORY_STATIC(gst_dinor1_overlay_debug);
#define GST_CAT_DEFAULT gst_dinor1_overlay_debug

/* CAIRO_FORMAT_RGB24 is a 32-bit word in the machine's byte order. */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define CAIRO_VIDEO_FORMAT GST_VIDEO_FORMAT_BGRx
#else
#define CAIRO_VIDEO_FORMAT GST_VIDEO_FORMAT_xRGB
#endif

struct _GstDinoR1Overlay {
    GstBaseTransform parent;

    GstVideoInfo info;
    GArray *objects;   /* of GstDinoR1Object, of the frame at hand */
    GArray *items;     /* of DinoR1DrawItem, the same */
    GstBuffer *canvas; /* transparent picture of the frame's size, for formats that cairo cannot draw on */
};

G_DEFINE_TYPE_WITH_CODE(GstDinoR1Overlay, gst_dinor1_overlay, GST_TYPE_BASE_TRANSFORM,
    GST_DEBUG_CATEGORY_INIT(gst_dinor1_overlay_debug, "dinor1overlay", 0, "DINO-R1 overlay"))
GST_ELEMENT_REGISTER_DEFINE(dinor1overlay, "dinor1overlay", GST_RANK_NONE, GST_TYPE_DINOR1_OVERLAY)

#define CAPS GST_VIDEO_CAPS_MAKE(GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

static gboolean
gst_dinor1_overlay_set_caps(GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
    GstDinoR1Overlay *self = GST_DINOR1_OVERLAY(trans);

    gst_clear_buffer(&self->canvas);
    return gst_video_info_from_caps(&self->info, incaps);
}

static gboolean
gst_dinor1_overlay_stop(GstBaseTransform *trans)
{
    gst_clear_buffer(&GST_DINOR1_OVERLAY(trans)->canvas);
    return TRUE;
}

static void
fill_items(GstDinoR1Overlay *self)
{
    g_array_set_size(self->items, 0);
    for (guint i = 0; i < self->objects->len; i++) {
        const GstDinoR1Object *object = &g_array_index(self->objects, GstDinoR1Object, i);
        DinoR1DrawItem item = {g_quark_to_string(object->label), object->score, object->box, object->stale};

        g_array_append_val(self->items, item);
    }
}

/* Draws on memory of the frame's size, 4 bytes a pixel. */
static gboolean
draw_on(GstDinoR1Overlay *self, guint8 *data, cairo_format_t format, gint stride)
{
    gint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
    cairo_surface_t *surface = cairo_image_surface_create_for_data(data, format, width, height, stride);
    cairo_t *cr = cairo_create(surface);
    cairo_status_t status;

    dinor1_draw_detections(cr, width, height, (const DinoR1DrawItem *)self->items->data, self->items->len);
    status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS)
        GST_ELEMENT_ERROR(self, LIBRARY, FAILED,
            ("The boxes cannot be drawn on a picture of %d×%d pixels: %s", width, height,
                cairo_status_to_string(status)),
            (NULL));
    return status == CAIRO_STATUS_SUCCESS;
}

static gboolean
draw_canvas(GstDinoR1Overlay *self)
{
    gint width = GST_VIDEO_INFO_WIDTH(&self->info), height = GST_VIDEO_INFO_HEIGHT(&self->info);
    GstMapInfo map;
    gboolean ok;

    if (!self->canvas) {
        self->canvas = gst_buffer_new_allocate(NULL, 4 * (gsize)width * (gsize)height, NULL);
        gst_buffer_add_video_meta(
            self->canvas, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, width, height);
    }
    if (!gst_buffer_map(self->canvas, &map, GST_MAP_WRITE))
        return FALSE;
    memset(map.data, 0, map.size);
    ok = draw_on(self, map.data, CAIRO_FORMAT_ARGB32, 4 * width);
    gst_buffer_unmap(self->canvas, &map);
    return ok;
}

static gboolean
blend_canvas(GstDinoR1Overlay *self, GstVideoFrame *frame)
{
    GstVideoOverlayRectangle *rectangle =
        gst_video_overlay_rectangle_new_raw(self->canvas, 0, 0, (guint)GST_VIDEO_INFO_WIDTH(&self->info),
            (guint)GST_VIDEO_INFO_HEIGHT(&self->info), GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
    GstVideoOverlayComposition *composition = gst_video_overlay_composition_new(rectangle);
    gboolean ok = gst_video_overlay_composition_blend(composition, frame);

    gst_video_overlay_composition_unref(composition);
    gst_video_overlay_rectangle_unref(rectangle);
    if (!ok)
        GST_ELEMENT_ERROR(self, STREAM, FORMAT,
            ("Boxes cannot be drawn on %s video: put a videoconvert before dinor1overlay",
                GST_VIDEO_INFO_NAME(&self->info)),
            (NULL));
    return ok;
}

/* GStreamer's blending reads pixels of 2, 4 and 8 bytes as whole words, and crashes where they are not aligned. */
static gboolean
is_aligned(const GstVideoFrame *frame)
{
    for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS(frame); i++) {
        guintptr pixel = (guintptr)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, i);
        guintptr start = (guintptr)GST_VIDEO_FRAME_PLANE_DATA(frame, GST_VIDEO_FRAME_COMP_PLANE(frame, i));

        if ((pixel & (pixel - 1)) == 0 && ((start | (guintptr)GST_VIDEO_FRAME_COMP_STRIDE(frame, i)) & (pixel - 1)))
            return FALSE;
    }
    return TRUE;
}

static gboolean
draw(GstDinoR1Overlay *self, GstVideoFrame *frame)
{
    if (!is_aligned(frame)) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT,
            ("Boxes cannot be drawn on %s video whose rows are not aligned to its pixels: put a videoconvert before "
             "dinor1overlay",
                GST_VIDEO_INFO_NAME(&self->info)),
            (NULL));
        return FALSE;
    }
    if (GST_VIDEO_FRAME_FORMAT(frame) == CAIRO_VIDEO_FORMAT)
        return draw_on(
            self, GST_VIDEO_FRAME_PLANE_DATA(frame, 0), CAIRO_FORMAT_RGB24, GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0));
    return draw_canvas(self) && blend_canvas(self, frame);
}

static GstFlowReturn
gst_dinor1_overlay_transform_ip(GstBaseTransform *trans, GstBuffer *buffer)
{
    GstDinoR1Overlay *self = GST_DINOR1_OVERLAY(trans);
    GstVideoFrame frame;
    gboolean ok;

    gst_dinor1_objects_read(
        self->objects, buffer, GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info));
    if (!self->objects->len)
        return GST_FLOW_OK;
    fill_items(self);
    if (!gst_video_frame_map(&frame, &self->info, buffer, GST_MAP_READWRITE)) {
        GST_ELEMENT_ERROR(self, RESOURCE, WRITE,
            ("A %s frame of %d×%d pixels cannot be drawn on", GST_VIDEO_INFO_NAME(&self->info),
                GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info)),
            (NULL));
        return GST_FLOW_ERROR;
    }
    ok = draw(self, &frame);
    gst_video_frame_unmap(&frame);
    return ok ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static void
gst_dinor1_overlay_finalize(GObject *object)
{
    GstDinoR1Overlay *self = GST_DINOR1_OVERLAY(object);

    g_array_unref(self->objects);
    g_array_unref(self->items);
    G_OBJECT_CLASS(gst_dinor1_overlay_parent_class)->finalize(object);
}

static void
gst_dinor1_overlay_class_init(GstDinoR1OverlayClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->finalize = gst_dinor1_overlay_finalize;
    trans_class->set_caps = gst_dinor1_overlay_set_caps;
    trans_class->stop = gst_dinor1_overlay_stop;
    trans_class->transform_ip = gst_dinor1_overlay_transform_ip;

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(element_class, "DINO-R1 overlay", "Filter/Editor/Video",
        "Draws the boxes, labels and scores of detections into the video", "gst-dinor1 contributors");
}

static void
gst_dinor1_overlay_init(GstDinoR1Overlay *self)
{
    self->objects = g_array_new(FALSE, FALSE, sizeof(GstDinoR1Object));
    self->items = g_array_new(FALSE, FALSE, sizeof(DinoR1DrawItem));
    gst_video_info_init(&self->info);
}
