/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/**
 * SECTION:element-dinor1json
 * @title: dinor1json
 *
 * Writes one line of JSON per frame with the detections that the frame carries (regions of interest with a
 * "detection" structure), frames without any too. Frames pass unchanged, whatever memory they are in. The lines follow
 * the schema "dinor1.detections/1".
 *
 * The file is made when the element starts and is complete at EOS or when the element stops.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! dinor1detect model=models/dinor1-nano \
 *     prompts=people.safetensors ! dinor1json location=people.jsonl ! fakesink
 * ]| Writes to a file.
 * |[
 * gst-launch-1.0 -q filesrc location=vtest.avi ! decodebin ! dinor1detect model=models/dinor1-nano \
 *     prompts=people.safetensors ! dinor1json ! fakesink | jq .
 * ]| Writes to the standard output; -q keeps gst-launch-1.0's own lines away from it.
 */
#include "gstdinor1json.h"

#include "gstdinor1object.h"

#include <dinor1/report.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define DEFAULT_FLUSH TRUE
#define BLOCK_BYTES   65536

GST_DEBUG_CATEGORY_STATIC(gst_dinor1_json_debug);
#define GST_CAT_DEFAULT gst_dinor1_json_debug

enum {
    PROP_LOCATION = 1,
    PROP_FLUSH,
};

struct _GstDinoR1Json {
    GstBaseTransform parent;

    /* Under the object lock. */
    gchar *location;
    gboolean flush;

    /* The streaming thread; start() and stop() when it does not run. */
    gchar *path;      /* what is open, for messages */
    gint fd;          /* -1 = closed */
    GString *pending; /* lines not yet written */
    gint64 n_frames;
    gint width, height;
    GArray *objects; /* of GstDinoR1Object, of the frame at hand */
    GArray *items;   /* of DinoR1ReportItem, the same */
};

G_DEFINE_TYPE_WITH_CODE(GstDinoR1Json, gst_dinor1_json, GST_TYPE_BASE_TRANSFORM,
    GST_DEBUG_CATEGORY_INIT(gst_dinor1_json_debug, "dinor1json", 0, "DINO-R1 JSON lines"))
GST_ELEMENT_REGISTER_DEFINE(dinor1json, "dinor1json", GST_RANK_NONE, GST_TYPE_DINOR1_JSON)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

/* Whatever happens the lines are gone from memory afterwards: a full disk must not fill the memory too. */
static gboolean
write_pending(GstDinoR1Json *self)
{
    gsize done = 0;
    gint failure = 0;

    while (done < self->pending->len && !failure) {
        gssize n = write(self->fd, self->pending->str + done, self->pending->len - done);

        if (n >= 0)
            done += (gsize)n;
        else if (errno != EINTR)
            failure = errno;
    }
    g_string_truncate(self->pending, 0);
    if (failure)
        GST_ELEMENT_ERROR(self, RESOURCE, WRITE,
            ("The detections cannot be written to \"%s\": %s", self->path, g_strerror(failure)), (NULL));
    return !failure;
}

static gboolean
gst_dinor1_json_start(GstBaseTransform *trans)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(trans);
    gboolean to_stdout;

    GST_OBJECT_LOCK(self);
    to_stdout = !self->location || g_str_equal(self->location, "-");
    g_free(self->path);
    self->path = g_strdup(to_stdout ? "standard output" : self->location);
    GST_OBJECT_UNLOCK(self);

    self->n_frames = 0;
    self->fd = to_stdout ? STDOUT_FILENO : g_open(self->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (self->fd < 0) {
        gint failure = errno;

        GST_ELEMENT_ERROR(self, RESOURCE, OPEN_WRITE,
            ("The file \"%s\" for the detections cannot be opened: %s", self->path, g_strerror(failure)), (NULL));
        return FALSE;
    }
    return TRUE;
}

static gboolean
gst_dinor1_json_stop(GstBaseTransform *trans)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(trans);
    gboolean ok = write_pending(self);

    if (self->fd != STDOUT_FILENO && close(self->fd) < 0 && ok) {
        gint failure = errno;

        GST_ELEMENT_ERROR(self, RESOURCE, CLOSE,
            ("The file \"%s\" with the detections cannot be closed: %s", self->path, g_strerror(failure)), (NULL));
    }
    self->fd = -1;
    return TRUE;
}

static gboolean
gst_dinor1_json_set_caps(GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(trans);
    const GstStructure *structure = gst_caps_get_structure(incaps, 0);

    return gst_structure_get(structure, "width", G_TYPE_INT, &self->width, "height", G_TYPE_INT, &self->height, NULL);
}

static void
fill_items(GstDinoR1Json *self)
{
    g_array_set_size(self->items, 0);
    for (guint i = 0; i < self->objects->len; i++) {
        const GstDinoR1Object *object = &g_array_index(self->objects, GstDinoR1Object, i);
        DinoR1ReportItem item = {.label = g_quark_to_string(object->label), .score = object->score, .box = object->box};

        g_array_append_val(self->items, item);
    }
}

static GstFlowReturn
gst_dinor1_json_transform_ip(GstBaseTransform *trans, GstBuffer *buffer)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(trans);
    DinoR1FrameInfo frame = {
        .frame = self->n_frames++,
        .pts = GST_BUFFER_PTS_IS_VALID(buffer) ? (gint64)GST_BUFFER_PTS(buffer) : -1,
        .width = self->width,
        .height = self->height,
    };
    gboolean flush;

    gst_dinor1_objects_read(self->objects, buffer, frame.width, frame.height);
    fill_items(self);
    dinor1_report_append_json(self->pending, &frame, (const DinoR1ReportItem *)self->items->data, self->items->len);
    GST_OBJECT_LOCK(self);
    flush = self->flush;
    GST_OBJECT_UNLOCK(self);
    if ((flush || self->pending->len >= BLOCK_BYTES) && !write_pending(self))
        return GST_FLOW_ERROR;
    return GST_FLOW_OK;
}

static gboolean
gst_dinor1_json_sink_event(GstBaseTransform *trans, GstEvent *event)
{
    if (GST_EVENT_TYPE(event) == GST_EVENT_EOS)
        write_pending(GST_DINOR1_JSON(trans));
    return GST_BASE_TRANSFORM_CLASS(gst_dinor1_json_parent_class)->sink_event(trans, event);
}

static void
gst_dinor1_json_set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(object);

    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_LOCATION:
        g_free(self->location);
        self->location = g_value_dup_string(value);
        break;
    case PROP_FLUSH:
        self->flush = g_value_get_boolean(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void
gst_dinor1_json_get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(object);

    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_LOCATION:
        g_value_set_string(value, self->location);
        break;
    case PROP_FLUSH:
        g_value_set_boolean(value, self->flush);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void
gst_dinor1_json_finalize(GObject *object)
{
    GstDinoR1Json *self = GST_DINOR1_JSON(object);

    g_free(self->location);
    g_free(self->path);
    g_string_free(self->pending, TRUE);
    g_array_unref(self->objects);
    g_array_unref(self->items);
    G_OBJECT_CLASS(gst_dinor1_json_parent_class)->finalize(object);
}

static void
gst_dinor1_json_class_init(GstDinoR1JsonClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_dinor1_json_set_property;
    object_class->get_property = gst_dinor1_json_get_property;
    object_class->finalize = gst_dinor1_json_finalize;
    g_object_class_install_property(object_class, PROP_LOCATION,
        g_param_spec_string("location", "Location", "File to write (\"-\" or not set: the standard output)", NULL,
            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
    g_object_class_install_property(object_class, PROP_FLUSH,
        g_param_spec_boolean("flush", "Flush",
            "Write every line at once, for a reader that follows along (FALSE: in blocks)", DEFAULT_FLUSH,
            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

    trans_class->start = gst_dinor1_json_start;
    trans_class->stop = gst_dinor1_json_stop;
    trans_class->set_caps = gst_dinor1_json_set_caps;
    trans_class->transform_ip = gst_dinor1_json_transform_ip;
    trans_class->sink_event = gst_dinor1_json_sink_event;

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(element_class, "DINO-R1 JSON lines", "Filter/Analyzer/Video",
        "Writes the detections of every frame as a line of JSON", "gst-dinor1 contributors");
}

static void
gst_dinor1_json_init(GstDinoR1Json *self)
{
    self->fd = -1;
    self->flush = DEFAULT_FLUSH;
    self->pending = g_string_new(NULL);
    self->objects = g_array_new(FALSE, FALSE, sizeof(GstDinoR1Object));
    self->items = g_array_new(FALSE, FALSE, sizeof(DinoR1ReportItem));
    gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
}
