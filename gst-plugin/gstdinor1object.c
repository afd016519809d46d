/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1object.h"

#include "config.h"

#include <math.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

/* Whole pixels that cover the box: regions of interest have no fractions. */
static GstVideoRegionOfInterestMeta *
add_region(GstBuffer *buffer, const GstDinoR1Object *object, gint width, gint height)
{
    guint left = (guint)CLAMP(floorf(object->box.x), 0, width), top = (guint)CLAMP(floorf(object->box.y), 0, height);
    guint right = (guint)CLAMP(ceilf(object->box.x + object->box.width), 0, width);
    guint bottom = (guint)CLAMP(ceilf(object->box.y + object->box.height), 0, height);

    return gst_buffer_add_video_region_of_interest_meta_id(
        buffer, object->label, left, top, MAX(right, left) - left, MAX(bottom, top) - top);
}

#ifdef HAVE_GST_ANALYTICS
/* The same as GStreamer's own object detection metadata. */
static void
add_analytics(const GstVideoRegionOfInterestMeta *region, const GstDinoR1Object *object, GstBuffer *buffer)
{
    GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
    GstAnalyticsODMtd detection;

    if (!relations)
        relations = gst_buffer_add_analytics_relation_meta(buffer);
    gst_analytics_relation_meta_add_od_mtd(relations, object->label, (gint)region->x, (gint)region->y, (gint)region->w,
        (gint)region->h, object->score, &detection);
}
#endif

void
gst_dinor1_object_attach(const GstDinoR1Object *object, GstBuffer *buffer, gint width, gint height)
{
    GstVideoRegionOfInterestMeta *region = add_region(buffer, object, width, height);
    const DinoR1Box *box = &object->box;
    GstStructure *detection = gst_structure_new("detection", "x_min", G_TYPE_DOUBLE, (gdouble)box->x / width, "x_max",
        G_TYPE_DOUBLE, ((gdouble)box->x + box->width) / width, "y_min", G_TYPE_DOUBLE, (gdouble)box->y / height,
        "y_max", G_TYPE_DOUBLE, ((gdouble)box->y + box->height) / height, "confidence", G_TYPE_DOUBLE,
        (gdouble)object->score, "label_id", G_TYPE_INT, object->label_id, "label", G_TYPE_STRING,
        g_quark_to_string(object->label), NULL);

    if (object->stale)
        gst_structure_set(detection, "stale", G_TYPE_BOOLEAN, TRUE, NULL);
    gst_video_region_of_interest_meta_add_param(region, detection);
#ifdef HAVE_GST_ANALYTICS
    add_analytics(region, object, buffer);
#endif
}

static gboolean
read_object(const GstVideoRegionOfInterestMeta *region, gint width, gint height, GstDinoR1Object *object)
{
    GstStructure *detection =
        gst_video_region_of_interest_meta_get_param((GstVideoRegionOfInterestMeta *)region, "detection");
    gdouble x_min, x_max, y_min, y_max, confidence;

    if (!detection ||
        !gst_structure_get(detection, "x_min", G_TYPE_DOUBLE, &x_min, "x_max", G_TYPE_DOUBLE, &x_max, "y_min",
            G_TYPE_DOUBLE, &y_min, "y_max", G_TYPE_DOUBLE, &y_max, "confidence", G_TYPE_DOUBLE, &confidence, NULL))
        return FALSE;
    *object = (GstDinoR1Object){
        .label = region->roi_type,
        .label_id = -1,
        .score = (gfloat)confidence,
        .box = {(gfloat)(x_min * width), (gfloat)(y_min * height), (gfloat)((x_max - x_min) * width),
            (gfloat)((y_max - y_min) * height)},
    };
    gst_structure_get_int(detection, "label_id", &object->label_id);
    gst_structure_get_boolean(detection, "stale", &object->stale);
    return TRUE;
}

void
gst_dinor1_objects_read(GArray *objects, GstBuffer *buffer, gint width, gint height)
{
    gpointer state = NULL;
    GstMeta *meta;

    g_array_set_size(objects, 0);
    while ((meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
        GstDinoR1Object object;

        if (read_object((GstVideoRegionOfInterestMeta *)meta, width, height, &object))
            g_array_append_val(objects, object);
    }
}
