/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include "interrupt.h"

#include <gst/app/gstappsink.h>
#include <gst/pbutils/pbutils.h>
#include <string.h>

#define POLL_INTERVAL  (50 * GST_MSECOND)
#define MAX_IDLE_POLLS 40

struct _FrameReader {
    const Source *source;
    GstElement *pipeline;
    GstAppSink *sink;
    GstBus *bus;
    GstSample *sample; /* of the current frame */
    Frame frame;
    gboolean mapped;
    gint64 n_read;    /* frames pulled so far */
    gboolean seeked;  /* n_read then says nothing about a frame's number */
    gboolean stopped; /* nothing comes any more */
    gboolean ignores_signals;
};

static const struct {
    GstVideoFormat video;
    DinoR1PixelFormat pixel;
} formats[] = {
    {GST_VIDEO_FORMAT_RGB, DINOR1_PIXEL_RGB},
    {GST_VIDEO_FORMAT_BGR, DINOR1_PIXEL_BGR},
    {GST_VIDEO_FORMAT_RGBx, DINOR1_PIXEL_RGBX},
    {GST_VIDEO_FORMAT_RGBA, DINOR1_PIXEL_RGBX},
    {GST_VIDEO_FORMAT_BGRx, DINOR1_PIXEL_BGRX},
    {GST_VIDEO_FORMAT_BGRA, DINOR1_PIXEL_BGRX},
    {GST_VIDEO_FORMAT_xRGB, DINOR1_PIXEL_XRGB},
    {GST_VIDEO_FORMAT_ARGB, DINOR1_PIXEL_XRGB},
    {GST_VIDEO_FORMAT_xBGR, DINOR1_PIXEL_XBGR},
    {GST_VIDEO_FORMAT_ABGR, DINOR1_PIXEL_XBGR},
    {GST_VIDEO_FORMAT_NV12, DINOR1_PIXEL_NV12},
    {GST_VIDEO_FORMAT_I420, DINOR1_PIXEL_I420},
    {GST_VIDEO_FORMAT_GRAY8, DINOR1_PIXEL_GRAY8},
};

/* All that the detector reads as it is: most decoders need no conversion at all. */
static const gchar description[] =
    "uridecodebin name=decode videoconvert name=convert ! appsink name=sink sync=false max-buffers=3 "
    "caps=video/x-raw,format={RGB,BGR,RGBx,RGBA,BGRx,BGRA,xRGB,ARGB,xBGR,ABGR,NV12,I420,GRAY8}";

/* Keeps what nobody reads from piling up on the bus. */
static GstBusSyncReply
drop_message(GstBus *bus, GstMessage *message, gpointer data)
{
    const gboolean wanted = GST_MESSAGE_TYPE(message) & (GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    if (!wanted)
        gst_message_unref(message);
    return wanted ? GST_BUS_PASS : GST_BUS_DROP;
}

/* Only the first video stream is read. */
static void
link_pad(GstElement *decode, GstPad *pad, gpointer convert)
{
    g_autoptr(GstPad) target = gst_element_get_static_pad(convert, "sink");
    g_autoptr(GstCaps) caps = gst_pad_query_caps(pad, NULL);
    const gboolean is_video =
        !gst_caps_is_empty(caps) && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");

    if (is_video && !gst_pad_is_linked(target))
        gst_pad_link(pad, target);
}

static void
report_no_video(GstElement *decode, gpointer convert)
{
    g_autoptr(GstPad) target = gst_element_get_static_pad(convert, "sink");

    if (!gst_pad_is_linked(target))
        GST_ELEMENT_ERROR(decode, STREAM, WRONG_TYPE, ("it has no video stream"), (NULL));
}

static void
make_pipeline(FrameReader *reader)
{
    GstElement *decode, *convert;

    reader->pipeline = gst_parse_launch(description, NULL);
    reader->bus = gst_element_get_bus(reader->pipeline);
    gst_bus_set_sync_handler(reader->bus, drop_message, NULL, NULL);
    reader->sink = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(reader->pipeline), "sink"));
    decode = gst_bin_get_by_name(GST_BIN(reader->pipeline), "decode");
    convert = gst_bin_get_by_name(GST_BIN(reader->pipeline), "convert");
    g_object_set(decode, "uri", reader->source->uri, NULL);
    g_signal_connect_object(decode, "pad-added", G_CALLBACK(link_pad), convert, 0);
    g_signal_connect_object(decode, "no-more-pads", G_CALLBACK(report_no_video), convert, 0);
    gst_object_unref(decode);
    gst_object_unref(convert);
}

/* Pops the messages of the bus up to the first error, and lists the decoders that GStreamer missed. */
static GstMessage *
pop_error(GstBus *bus, GString *missing)
{
    GstMessage *message;

    while ((message = gst_bus_pop(bus)) && GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR) {
        if (gst_is_missing_plugin_message(message)) {
            g_autofree gchar *plugin = gst_missing_plugin_message_get_description(message);

            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", plugin);
        }
        gst_message_unref(message);
    }
    return message;
}

/* GStreamer's sentences for people are general; the last line of what it tells programmers says what happened. */
static const gchar *
get_detail(const gchar *debug)
{
    const gchar *line = debug ? strrchr(debug, '\n') : NULL;

    return line && line[1] ? line + 1 : "no details";
}

/* Sets @error if an element reported one. */
static gboolean
check_bus(FrameReader *reader, GError **error)
{
    g_autoptr(GString) missing = g_string_new(NULL);
    g_autoptr(GstMessage) message = pop_error(reader->bus, missing);
    g_autoptr(GError) reason = NULL;
    g_autofree gchar *debug = NULL;

    if (!message)
        return TRUE;
    gst_message_parse_error(message, &reason, &debug);
    if (missing->len)
        g_set_error(error, reason->domain, reason->code,
            "cannot decode '%s': GStreamer lacks a plugin for it: %s (gstreamer1.0-libav, -plugins-good, -bad and "
            "-ugly "
            "have most decoders)",
            reader->source->name, missing->str);
    else if (g_error_matches(reason, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED))
        g_set_error(error, reason->domain, reason->code, "cannot read '%s': %s (%s)", reader->source->name,
            reason->message, get_detail(debug));
    else
        g_set_error(error, reason->domain, reason->code, "cannot read '%s': %s", reader->source->name, reason->message);
    return FALSE;
}

static gboolean
is_interrupted(const FrameReader *reader)
{
    return !reader->ignores_signals && interrupt_get_signal();
}

static void
release_frame(FrameReader *reader)
{
    if (reader->mapped)
        gst_video_frame_unmap(&reader->frame.video);
    reader->mapped = FALSE;
    g_clear_pointer(&reader->sample, gst_sample_unref);
}

/* Counts the streaming tasks, and those that run. */
static void
count_tasks(const GValue *value, gpointer data)
{
    GstElement *element = g_value_get_object(value);
    guint *counts = data;

    GST_OBJECT_LOCK(element);
    for (GList *link = element->pads; link; link = link->next) {
        const GstTaskState state = gst_pad_get_task_state(link->data);

        counts[0] += GST_PAD_TASK(link->data) != NULL;
        counts[1] += state == GST_TASK_STARTED;
    }
    GST_OBJECT_UNLOCK(element);
}

/* decodebin loses the error of a demuxer that fails while it is being plugged in; then nothing runs and nothing ends.
 */
static gboolean
is_dead(FrameReader *reader)
{
    GstIterator *elements = gst_bin_iterate_recurse(GST_BIN(reader->pipeline));
    guint counts[2] = {0, 0};

    gst_iterator_foreach(elements, count_tasks, counts);
    gst_iterator_free(elements);
    return reader->source->is_local && counts[0] > 0 && counts[1] == 0;
}

static gboolean
check_alive(FrameReader *reader, guint *idle_polls, GError **error)
{
    *idle_polls = is_dead(reader) ? *idle_polls + 1 : 0;
    if (*idle_polls < MAX_IDLE_POLLS)
        return TRUE;
    g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX,
        "cannot read '%s': decoding stopped after %" G_GINT64_FORMAT " frames; the file is damaged or cut off",
        reader->source->name, reader->n_read);
    return FALSE;
}

/* The next sample; none without error at the end and after a signal. */
static gboolean
pull(FrameReader *reader, GstSample **sample, GError **error)
{
    guint idle_polls = 0;

    *sample = NULL;
    while (!reader->stopped && !is_interrupted(reader)) {
        g_autoptr(GstSample) pulled = gst_app_sink_try_pull_sample(reader->sink, POLL_INTERVAL);

        if (pulled) {
            /* The sink writes the caps that follow a seek into its own sample, which nobody may hold then. */
            *sample = gst_sample_copy(pulled);
            reader->n_read++;
            return TRUE;
        }
        if (!check_bus(reader, error))
            return FALSE;
        reader->stopped = gst_app_sink_is_eos(reader->sink);
        if (!reader->stopped && !check_alive(reader, &idle_polls, error))
            return FALSE;
    }
    return TRUE;
}

static gint64
get_pts(GstSample *sample)
{
    const GstSegment *segment = gst_sample_get_segment(sample);
    const GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample));
    const guint64 time = segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(pts)
                             ? gst_segment_to_stream_time(segment, GST_FORMAT_TIME, pts)
                             : pts;

    return GST_CLOCK_TIME_IS_VALID(time) ? (gint64)time : -1;
}

static DinoR1ColorMatrix
get_matrix(const GstVideoInfo *info)
{
    switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
        return DINOR1_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
        return DINOR1_MATRIX_BT2020;
    default:
        return DINOR1_MATRIX_BT601;
    }
}

static void
describe_image(const GstVideoFrame *video, DinoR1Image *image)
{
    *image = (DinoR1Image){
        .width = GST_VIDEO_FRAME_WIDTH(video),
        .height = GST_VIDEO_FRAME_HEIGHT(video),
        .matrix = get_matrix(&video->info),
        .full_range = video->info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
    };
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        if (formats[i].video == GST_VIDEO_FRAME_FORMAT(video))
            image->format = formats[i].pixel;
    for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(video); i++) {
        image->planes[i] = GST_VIDEO_FRAME_PLANE_DATA(video, i);
        image->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE(video, i);
    }
}

/* Takes @sample and makes it the current frame. */
static gboolean
show(FrameReader *reader, GstSample *sample, GError **error)
{
    GstVideoInfo info;

    reader->sample = sample;
    reader->mapped = gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) &&
                     gst_video_frame_map(&reader->frame.video, &info, gst_sample_get_buffer(sample), GST_MAP_READ);
    if (!reader->mapped) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "cannot read '%s': a frame has no usable memory",
            reader->source->name);
        return FALSE;
    }
    describe_image(&reader->frame.video, &reader->frame.image);
    reader->frame.number = reader->seeked ? -1 : reader->n_read - 1;
    reader->frame.pts = get_pts(sample);
    return TRUE;
}

/* Skips to the frame with the number asked for. */
static gboolean
pull_number(FrameReader *reader, GstSample **sample, GError **error)
{
    const gint64 wanted = reader->source->frame;

    do {
        if (!pull(reader, sample, error))
            return FALSE;
        if (reader->n_read > wanted || is_interrupted(reader))
            return TRUE;
        g_clear_pointer(sample, gst_sample_unref);
    } while (!reader->stopped);
    if (reader->n_read == 0)
        return TRUE;
    g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "'%s' has no frame %" G_GINT64_FORMAT ": it has %" G_GINT64_FORMAT ", counted from 0", reader->source->name,
        wanted, reader->n_read);
    return FALSE;
}

gboolean
frame_reader_seek(FrameReader *reader, gint64 time)
{
    const gboolean done = gst_element_seek_simple(reader->pipeline, GST_FORMAT_TIME,
        GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE, time);

    reader->seeked |= done;
    reader->stopped &= !done;
    return done;
}

/* Goes to the key frame before the time asked for. Where a format cannot, reading goes on from the beginning. */
static gboolean
pull_key_frame(FrameReader *reader, GstSample **sample, GError **error)
{
    const gint64 targets[] = {reader->source->time, 0};

    if (!pull(reader, sample, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(targets); i++) {
        if (is_interrupted(reader) || reader->n_read == 0 || !frame_reader_seek(reader, targets[i]))
            return TRUE;
        g_clear_pointer(sample, gst_sample_unref);
        if (!pull(reader, sample, error))
            return FALSE;
        if (*sample && get_pts(*sample) <= reader->source->time)
            return TRUE;
    }
    return TRUE;
}

gboolean
frame_reader_check_time(const FrameReader *reader, gint64 pts, GError **error)
{
    if (pts >= 0)
        return TRUE;
    g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "'%s' does not tell when its frames are shown: name them by number, as in '#frame=12'", reader->source->name);
    return FALSE;
}

gboolean
frame_reader_check_end(FrameReader *reader, gint64 time, GError **error)
{
    const gint64 end = frame_reader_get_duration(reader);

    if (end < 0 || time < end)
        return TRUE;
    g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "'%s' ends at %.3f s, before %.3f s",
        reader->source->name, (gdouble)end / GST_SECOND, (gdouble)time / GST_SECOND);
    return FALSE;
}

/* The last frame that starts at or before the time asked for. */
static gboolean
pull_time(FrameReader *reader, GstSample **sample, GError **error)
{
    const gint64 wanted = reader->source->time;
    g_autoptr(GstSample) next = NULL;

    if (!pull_key_frame(reader, sample, error))
        return FALSE;
    while (*sample) {
        if (!frame_reader_check_time(reader, get_pts(*sample), error) || !pull(reader, &next, error))
            return FALSE;
        if (!next || get_pts(next) > wanted)
            break;
        gst_sample_unref(*sample);
        *sample = g_steal_pointer(&next);
    }
    return next || frame_reader_check_end(reader, wanted, error);
}

/* The sample to show next, if there is one. */
static gboolean
pull_wanted(FrameReader *reader, GstSample **sample, GError **error)
{
    gboolean done;

    if (reader->source->frame < 0 && reader->source->time < 0)
        return pull(reader, sample, error);
    done = reader->source->frame >= 0 ? pull_number(reader, sample, error) : pull_time(reader, sample, error);
    reader->stopped = TRUE;
    return done;
}

FrameReader *
frame_reader_new(const Source *source, GError **error)
{
    g_autoptr(FrameReader) reader = g_new0(FrameReader, 1);

    reader->source = source;
    make_pipeline(reader);
    if (gst_element_set_state(reader->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
        return g_steal_pointer(&reader);
    if (check_bus(reader, error))
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "cannot read '%s': GStreamer cannot open it",
            source->name);
    return NULL;
}

void
frame_reader_free(FrameReader *reader)
{
    release_frame(reader);
    gst_element_set_state(reader->pipeline, GST_STATE_NULL);
    gst_object_unref(reader->sink);
    gst_object_unref(reader->bus);
    gst_object_unref(reader->pipeline);
    g_free(reader);
}

void
frame_reader_ignore_signals(FrameReader *reader)
{
    reader->ignores_signals = TRUE;
}

gboolean
frame_reader_next(FrameReader *reader, const Frame **frame, GError **error)
{
    GstSample *sample = NULL;

    *frame = NULL;
    release_frame(reader);
    if (reader->stopped)
        return TRUE;
    if (!pull_wanted(reader, &sample, error)) {
        g_clear_pointer(&sample, gst_sample_unref);
        return FALSE;
    }
    if (!sample && reader->n_read == 0 && !is_interrupted(reader)) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "'%s' has no frames", reader->source->name);
        return FALSE;
    }
    if (!sample)
        return TRUE;
    *frame = &reader->frame;
    return show(reader, sample, error);
}

gint64
frame_reader_get_duration(FrameReader *reader)
{
    gint64 duration;

    return gst_element_query_duration(reader->pipeline, GST_FORMAT_TIME, &duration) ? duration : -1;
}
