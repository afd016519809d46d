/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * numbered_clip FILE FRAMES ELEMENTS [variable]: encodes frames that show their number (numbered_frame.h), at 25 a
 * second or each for as long as numbered_frame_time() says. ELEMENTS: encoder and muxer; what leaves an element with
 * the name "encoder" is counted and said.
 */
#include "numbered_frame.h"

#include <gst/app/gstappsrc.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    guint n, n_key, n_back; /* frames, key frames, frames that are shown before one that came earlier */
    GstClockTime latest;
} Order;

static GstPadProbeReturn
observe(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Order *order = data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);

    if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER) && !GST_BUFFER_PTS_IS_VALID(buffer))
        return GST_PAD_PROBE_OK;
    order->n_back += order->n > 0 && GST_BUFFER_PTS(buffer) < order->latest;
    order->latest = order->n > 0 ? MAX(order->latest, GST_BUFFER_PTS(buffer)) : GST_BUFFER_PTS(buffer);
    order->n_key += !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    order->n++;
    return GST_PAD_PROBE_OK;
}

static void
watch_encoder(GstElement *pipeline, Order *order)
{
    g_autoptr(GstElement) encoder = gst_bin_get_by_name(GST_BIN(pipeline), "encoder");
    g_autoptr(GstPad) pad = encoder ? gst_element_get_static_pad(encoder, "src") : NULL;

    if (pad)
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, observe, order, NULL);
}

static GstBuffer *
make_frame(guint number, gboolean variable)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, NUMBERED_WIDTH * NUMBERED_HEIGHT * 3 / 2, NULL);
    GstMapInfo map;

    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    numbered_frame_draw(map.data, number);
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_PTS(buffer) = numbered_frame_time(number, variable);
    GST_BUFFER_DURATION(buffer) = numbered_frame_time(number + 1, variable) - GST_BUFFER_PTS(buffer);
    return buffer;
}

static gboolean
run(GstElement *pipeline, guint n_frames, gboolean variable)
{
    g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    g_autoptr(GstMessage) message = NULL;
    g_autoptr(GError) error = NULL;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (guint i = 0; i < n_frames; i++)
        gst_app_src_push_buffer(GST_APP_SRC(source), make_frame(i, variable));
    gst_app_src_end_of_stream(GST_APP_SRC(source));
    message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        g_printerr("%s\n", error->message);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return !error;
}

int
main(int argc, char **argv)
{
    const gboolean variable = argc > 4 && !strcmp(argv[4], "variable");
    g_autoptr(GstElement) pipeline = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree gchar *description = NULL;
    Order order = {0};

    gst_init(&argc, &argv);
    if (argc < 4) {
        g_printerr("usage: numbered_clip FILE FRAMES ELEMENTS [variable]\n");
        return 2;
    }
    description = g_strdup_printf("appsrc name=source format=time max-bytes=0 caps=video/x-raw,format=I420,width=%d,"
                                  "height=%d,framerate=%s ! %s ! filesink location=%s",
        NUMBERED_WIDTH, NUMBERED_HEIGHT, variable ? "0/1" : "25/1", argv[3], argv[1]);
    pipeline = gst_parse_launch(description, &error);
    if (error) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    watch_encoder(pipeline, &order);
    if (!run(pipeline, (guint)atoi(argv[2]), variable))
        return 1;
    g_print("%u frames, %u key frames, %u out of order\n", order.n, order.n_key, order.n_back);
    return 0;
}
