/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1detectprivate.h"

#define GST_CAT_DEFAULT gst_dinor1_detect_debug

#define MAX_PATIENCE (100 * GST_MSECOND)

/* A sink that is late for other reasons than inference must not blind the detector for longer. */
#define MAX_BLIND GST_SECOND

GstClockTime
gst_dinor1_detect_patience_for(const GstVideoInfo *info)
{
    gint fps_n = GST_VIDEO_INFO_FPS_N(info), fps_d = GST_VIDEO_INFO_FPS_D(info);

    if (fps_n < 1)
        return GST_DINOR1_DETECT_PATIENCE;
    return MIN(gst_util_uint64_scale_int(GST_SECOND / 2, fps_d, fps_n), MAX_PATIENCE);
}

gboolean
gst_dinor1_detect_is_realtime(GstDinoR1Detect *self)
{
    GstDinoR1SyncMode mode = self->settings.sync_mode;

    return mode == GST_DINOR1_SYNC_LIVE || (mode == GST_DINOR1_SYNC_AUTO && self->live);
}

GstClockTime
gst_dinor1_detect_running_time(GstDinoR1Detect *self, GstBuffer *buffer)
{
    const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;

    if (segment->format != GST_FORMAT_TIME)
        return GST_CLOCK_TIME_NONE;
    return gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

/* Where frames wait for inference, leaving it out lets a late sink catch up. Real-time frames do not wait for it. */
gboolean
gst_dinor1_detect_is_late(GstDinoR1Detect *self, GstClockTime now)
{
    if (self->settings.sync_mode != GST_DINOR1_SYNC_AUTO || self->live)
        return FALSE;
    return GST_CLOCK_TIME_IS_VALID(now) && GST_CLOCK_TIME_IS_VALID(self->late_until) && now <= self->late_until &&
           GST_CLOCK_TIME_IS_VALID(self->last_inference) && now < self->last_inference + MAX_BLIND;
}

gboolean
gst_dinor1_detect_upstream_is_live(GstDinoR1Detect *self)
{
    g_autoptr(GstQuery) query = gst_query_new_latency();
    gboolean live = FALSE;

    if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query))
        gst_query_parse_latency(query, &live, NULL, NULL);
    return live;
}

/* GstBaseTransform's own answer to QoS drops frames. Here only inference is left out. */
void
gst_dinor1_detect_observe_qos(GstDinoR1Detect *self, GstEvent *event)
{
    GstClockTimeDiff jitter;
    GstClockTime timestamp;

    gst_event_parse_qos(event, NULL, NULL, &jitter, &timestamp);
    GST_OBJECT_LOCK(self);
    if (jitter > 0 && GST_CLOCK_TIME_IS_VALID(timestamp))
        self->late_until = timestamp + (GstClockTime)jitter;
    else
        self->late_until = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK(self);
}

/* A real-time frame may leave as late as its patience. No frame is queued, so the maximum stays what upstream can hold.
 * With sync-mode=every-frame a frame takes as long as its inference, which nobody knows beforehand. */
void
gst_dinor1_detect_add_latency(GstDinoR1Detect *self, GstQuery *query)
{
    GstClockTime min, max;
    gboolean live;

    gst_query_parse_latency(query, &live, &min, &max);
    GST_OBJECT_LOCK(self);
    if (live && self->settings.sync_mode != GST_DINOR1_SYNC_EVERY_FRAME)
        min += self->patience;
    GST_OBJECT_UNLOCK(self);
    gst_query_set_latency(query, live, min, max);
}
