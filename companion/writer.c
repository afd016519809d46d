/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "writer.h"

#include "command.h"
#include "output.h"

#include <gst/app/gstappsrc.h>
#include <gst/pbutils/pbutils.h>
#include <string.h>

#define QUEUE_LENGTH       4
#define DEFAULT_FRAME_RATE 25 /* of a source that does not tell its own */

typedef struct {
    const gchar *ending;
    gboolean is_image;
    const gchar *launch; /* encoder and muxer */
} Encoding;

#define X264  "x264enc pass=qual quantizer=21 speed-preset=veryfast"
#define H264  "openh264enc rate-control=quality ! h264parse"
#define MPEG4 "avenc_mpeg4 pass=quant quantizer=3"
#define VP8   "vp8enc deadline=1 cpu-used=5 end-usage=cq cq-level=16 max-quantizer=40 target-bitrate=20000000"
#define VP9   "vp9enc deadline=1 cpu-used=5 end-usage=cq cq-level=24 target-bitrate=20000000 row-mt=true"
#define MJPEG "jpegenc quality=90"

/* By file name ending, the preferred first. */
static const Encoding encodings[] = {
    {".mp4", FALSE, X264 " ! mp4mux"},
    {".mp4", FALSE, H264 " ! mp4mux"},
    {".mp4", FALSE, MPEG4 " ! mp4mux"},
    {".mov", FALSE, X264 " ! qtmux"},
    {".mov", FALSE, H264 " ! qtmux"},
    {".mov", FALSE, MPEG4 " ! qtmux"},
    {".mov", FALSE, MJPEG " ! qtmux"},
    {".mkv", FALSE, X264 " ! matroskamux"},
    {".mkv", FALSE, H264 " ! matroskamux"},
    {".mkv", FALSE, VP8 " ! matroskamux"},
    {".mkv", FALSE, MPEG4 " ! matroskamux"},
    {".mkv", FALSE, MJPEG " ! matroskamux"},
    {".webm", FALSE, VP8 " ! webmmux"},
    {".webm", FALSE, VP9 " ! webmmux"},
    {".avi", FALSE, MJPEG " ! avimux"},
    {".png", TRUE, "pngenc"},
    {".jpg", TRUE, "jpegenc quality=92"},
    {".jpeg", TRUE, "jpegenc quality=92"},
};

struct _Writer {
    OutputFile *file;
    const Encoding *encoding;
    GstVideoInfo info; /* of the first picture */
    guint64 n_pushed;
    GstElement *pipeline; /* from the first picture on */
    GstAppSrc *input;
    GstBus *bus;
};

static gboolean
ends_with(const gchar *path, const Encoding *encoding)
{
    const gsize length = strlen(path), ending = strlen(encoding->ending);

    return length > ending && !g_ascii_strcasecmp(path + length - ending, encoding->ending);
}

static gboolean
makes(const gchar *path, gboolean is_image)
{
    for (guint i = 0; i < G_N_ELEMENTS(encodings); i++)
        if (encodings[i].is_image == is_image && ends_with(path, &encodings[i]))
            return TRUE;
    return FALSE;
}

gboolean
writer_makes_image(const gchar *path)
{
    return makes(path, TRUE);
}

gboolean
writer_makes_video(const gchar *path)
{
    return makes(path, FALSE);
}

/* Appends to @missing the elements of "NAME PROPERTY… ! NAME PROPERTY…" that are not installed. */
static gboolean
is_installed(const gchar *launch, GString *missing)
{
    g_auto(GStrv) elements = g_strsplit(launch, " ! ", -1);
    gboolean complete = TRUE;

    for (gchar **element = elements; *element; element++) {
        g_autofree gchar *name = g_strndup(*element, strcspn(*element, " "));
        g_autoptr(GstElementFactory) factory = gst_element_factory_find(name);

        if (factory)
            continue;
        complete = FALSE;
        g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", name);
    }
    return complete;
}

static const Encoding *
choose_encoding(const gchar *path, GError **error)
{
    g_autoptr(GString) missing = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(encodings); i++)
        if (ends_with(path, &encodings[i]) && is_installed(encodings[i].launch, missing))
            return &encodings[i];
    if (missing->len)
        g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
            "cannot write '%s': no encoder for it is installed (GStreamer lacks: %s)", path, missing->str);
    else
        g_set_error(error, USAGE_ERROR, 0,
            "cannot write '%s': expected a name that ends in .mp4, .mov, .mkv, .webm, .avi, .png or .jpg", path);
    return NULL;
}

Writer *
writer_new(const gchar *path, GError **error)
{
    g_autoptr(Writer) writer = g_new0(Writer, 1);

    writer->encoding = choose_encoding(path, error);
    if (!writer->encoding)
        return NULL;
    writer->file = output_file_new(path, error);
    return writer->file ? g_steal_pointer(&writer) : NULL;
}

static void
stop(Writer *writer)
{
    if (writer->pipeline)
        gst_element_set_state(writer->pipeline, GST_STATE_NULL);
    g_clear_object(&writer->input);
    g_clear_object(&writer->bus);
    g_clear_object(&writer->pipeline);
}

void
writer_free(Writer *writer)
{
    stop(writer);
    g_clear_pointer(&writer->file, output_file_free);
    g_free(writer);
}

/* Every encoder takes even sizes; not all take odd ones. */
static gchar *
describe_pipeline(const Writer *writer, const GstVideoInfo *info)
{
    const gint width = MAX(GST_VIDEO_INFO_WIDTH(info) & ~1, 2), height = MAX(GST_VIDEO_INFO_HEIGHT(info) & ~1, 2);
    g_autofree gchar *scale =
        writer->encoding->is_image
            ? g_strdup("videoconvert")
            : g_strdup_printf("videoconvert ! videoscale ! video/x-raw,width=%d,height=%d", width, height);

    return g_strdup_printf(
        "appsrc name=input format=time ! %s ! %s ! filesink name=output", scale, writer->encoding->launch);
}

static gboolean
start(Writer *writer, const GstVideoInfo *info, GError **error)
{
    g_autofree gchar *description = describe_pipeline(writer, info);
    g_autoptr(GstCaps) caps = NULL;
    g_autoptr(GstElement) output = NULL;

    writer->info = *info;
    if (info->fps_n == 0) {
        writer->info.fps_n = DEFAULT_FRAME_RATE;
        writer->info.fps_d = 1;
    }
    caps = gst_video_info_to_caps(&writer->info);
    writer->pipeline = gst_parse_launch_full(description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!writer->pipeline) {
        g_prefix_error(error, "cannot write '%s': ", output_file_get_final_path(writer->file));
        return FALSE;
    }
    writer->bus = gst_element_get_bus(writer->pipeline);
    writer->input = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(writer->pipeline), "input"));
    output = gst_bin_get_by_name(GST_BIN(writer->pipeline), "output");
    g_object_set(output, "location", output_file_get_path(writer->file), NULL);
    gst_app_src_set_caps(writer->input, caps);
    gst_element_set_state(writer->pipeline, GST_STATE_PLAYING);
    return TRUE;
}

/* Waits for the end or, at most @timeout, for an error. */
static gboolean
check_bus(Writer *writer, GstClockTime timeout, GstMessageType types, GError **error)
{
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(writer->bus, timeout, types | GST_MESSAGE_ERROR);
    g_autoptr(GError) reason = NULL;

    if (!message || GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
        return TRUE;
    gst_message_parse_error(message, &reason, NULL);
    g_set_error(error, reason->domain, reason->code, "cannot write '%s': %s", output_file_get_final_path(writer->file),
        reason->message);
    return FALSE;
}

static gboolean
check_size(const Writer *writer, const GstVideoInfo *info, GError **error)
{
    const gint width = GST_VIDEO_INFO_WIDTH(&writer->info), height = GST_VIDEO_INFO_HEIGHT(&writer->info);
    const gboolean same = GST_VIDEO_INFO_WIDTH(info) == width && GST_VIDEO_INFO_HEIGHT(info) == height;

    if (writer->encoding->is_image)
        g_set_error(error, USAGE_ERROR, 0,
            "'%s' can hold one picture, but there are more: name a video (.mp4, .mkv, .webm, .avi) or a directory",
            output_file_get_final_path(writer->file));
    else if (!same)
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
            "cannot write '%s': the picture's size changes from %dx%d to %dx%d",
            output_file_get_final_path(writer->file), width, height, GST_VIDEO_INFO_WIDTH(info),
            GST_VIDEO_INFO_HEIGHT(info));
    return same && !writer->encoding->is_image;
}

/* A picture without a time follows the one before. */
static void
complete_time(const Writer *writer, GstBuffer *buffer)
{
    if (!GST_BUFFER_PTS_IS_VALID(buffer))
        GST_BUFFER_PTS(buffer) =
            gst_util_uint64_scale(writer->n_pushed, GST_SECOND * writer->info.fps_d, writer->info.fps_n);
}

gboolean
writer_push(Writer *writer, const GstVideoInfo *info, GstBuffer *buffer, GError **error)
{
    gboolean ready = writer->pipeline ? check_size(writer, info, error) : start(writer, info, error);

    while (ready && gst_app_src_get_current_level_buffers(writer->input) >= QUEUE_LENGTH)
        ready = check_bus(writer, 5 * GST_MSECOND, 0, error);
    ready = ready && check_bus(writer, 0, 0, error);
    if (!ready) {
        gst_buffer_unref(buffer);
        return FALSE;
    }
    complete_time(writer, buffer);
    writer->n_pushed++;
    gst_app_src_push_buffer(writer->input, buffer);
    return TRUE;
}

gboolean
writer_finish(Writer *writer, GError **error)
{
    if (!writer->pipeline)
        return TRUE;
    gst_app_src_end_of_stream(writer->input);
    if (!check_bus(writer, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS, error))
        return FALSE;
    stop(writer);
    return output_file_commit(writer->file, error);
}
