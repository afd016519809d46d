/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/**
 * SECTION:element-dinor1detect
 * @title: dinor1detect
 *
 * Finds in every frame what looks like the prompts: exemplars of a prompt bank, or boxes drawn on the video while it
 * plays. Frames pass unchanged; each detection becomes a #GstVideoRegionOfInterestMeta with the label as its type and
 * a "detection" structure with confidence, normalised box and class index, as DL Streamer's elements use it.
 *
 * Frames between two inferences (see #GstDinoR1Detect:inference-interval), and frames that come when the sink reports
 * that it is late, pass at once with the boxes of the last inference; their "detection" says `stale=true`. No frame
 * is ever dropped.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! dinor1detect model=models/dinor1-nano \
 *     prompt-box=300,120,40,100 prompt-label=person ! videoconvert ! dinor1overlay ! videoconvert ! autovideosink
 * ]| Finds everything that looks like the content of the box on the first frame.
 * |[
 * gst-launch-1.0 v4l2src ! decodebin ! dinor1detect model=models/dinor1-nano prompts=cups.safetensors \
 *     threshold=0.4 ! dinor1json location=cups.jsonl ! fakesink
 * ]| Finds what a bank made by `dinor1 prompt` describes and writes a line of JSON per frame.
 */
#include "gstdinor1detect.h"

#include "gstdinor1boxprompt.h"
#include "gstdinor1engine.h"
#include "gstdinor1error.h"
#include "gstdinor1frame.h"
#include "gstdinor1object.h"
#include "gstdinor1settings.h"

GST_DEBUG_CATEGORY_STATIC(gst_dinor1_detect_debug);
#define GST_CAT_DEFAULT gst_dinor1_detect_debug

struct _GstDinoR1Detect {
    GstBaseTransform parent;

    /* Any thread, under the object lock. */
    GstDinoR1Settings settings;
    gboolean started;
    gboolean prompts_changed; /* settings.prompts is newer than what the engine uses */
    GQueue boxes;             /* of GstDinoR1BoxPrompt, for the next frame */
    GstClockTime late_until;  /* running time; frames up to it would reach the sink late */
    GstClockTime latency;     /* how long an inference holds a frame */

    /* The streaming thread; start() and stop() when it does not run. */
    GstDinoR1Engine *engine;
    GstVideoInfo info;
    guint frames_since_inference;
    gboolean timed; /* the next inference runs on an existing plan, so its time is typical */
    gboolean warned_no_prompts;
};

G_DEFINE_TYPE_WITH_CODE(GstDinoR1Detect, gst_dinor1_detect, GST_TYPE_BASE_TRANSFORM,
    GST_DEBUG_CATEGORY_INIT(gst_dinor1_detect_debug, "dinor1detect", 0, "DINO-R1 detector"))
GST_ELEMENT_REGISTER_DEFINE(dinor1detect, "dinor1detect", GST_RANK_NONE, GST_TYPE_DINOR1_DETECT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(GST_DINOR1_FRAME_FORMATS)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(GST_DINOR1_FRAME_FORMATS)));

/* Infer on the next frame that is not late, whatever the interval. */
static void
make_inference_due(GstDinoR1Detect *self)
{
    self->frames_since_inference = G_MAXUINT;
}

/* The stream jumped or changed: boxes found before belong to other pictures. */
static void
forget_frames(GstDinoR1Detect *self)
{
    if (self->engine)
        g_array_set_size(gst_dinor1_engine_get_objects(self->engine), 0);
    make_inference_due(self);
    GST_OBJECT_LOCK(self);
    self->late_until = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK(self);
}

static void
clear_boxes(GstDinoR1Detect *self)
{
    GST_OBJECT_LOCK(self);
    g_queue_clear_full(&self->boxes, (GDestroyNotify)gst_dinor1_box_prompt_free);
    GST_OBJECT_UNLOCK(self);
}

static gboolean
add_box(GstDinoR1Detect *self, const gchar *label, const DinoR1Box *box)
{
    GST_OBJECT_LOCK(self);
    g_queue_push_tail(&self->boxes, gst_dinor1_box_prompt_new(label, box));
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

/* The prompt-box property asks for the next frame, and for the first frame after every start. */
static gboolean
add_property_box(GstDinoR1Detect *self, const gchar *text, GError **error)
{
    DinoR1Box box;

    return !text || (gst_dinor1_box_parse(text, &box, error) && add_box(self, NULL, &box));
}

static gboolean
on_add_prompt(GstDinoR1Detect *self, const gchar *label, gint x, gint y, gint width, gint height)
{
    DinoR1Box box = {(gfloat)x, (gfloat)y, (gfloat)width, (gfloat)height};

    if (!label || !*label || width < 1 || height < 1) {
        GST_WARNING_OBJECT(self, "add-prompt needs a label and a box with a size above zero");
        return FALSE;
    }
    return add_box(self, label, &box);
}

static gboolean
load(GstDinoR1Detect *self, GError **error)
{
    g_auto(GstDinoR1Settings) settings = {0};
    DinoR1DetectorOptions options;

    GST_OBJECT_LOCK(self);
    settings = gst_dinor1_settings_copy(&self->settings);
    self->prompts_changed = FALSE;
    self->started = TRUE;
    GST_OBJECT_UNLOCK(self);

    if (!settings.model) {
        g_set_error_literal(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "No model is set: set the property \"model\" to a model directory, for example model=models/dinor1-nano");
        return FALSE;
    }
    if (!add_property_box(self, settings.prompt_box, error))
        return FALSE;
    options = gst_dinor1_settings_to_options(&settings);
    self->engine = gst_dinor1_engine_new(settings.model, settings.prompts, &options, error);
    return self->engine != NULL;
}

static gboolean
gst_dinor1_detect_stop(GstBaseTransform *trans)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);

    GST_OBJECT_LOCK(self);
    self->started = FALSE;
    GST_OBJECT_UNLOCK(self);
    clear_boxes(self);
    g_clear_pointer(&self->engine, gst_dinor1_engine_free);
    return TRUE;
}

static gboolean
gst_dinor1_detect_start(GstBaseTransform *trans)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);
    g_autoptr(GError) error = NULL;

    forget_frames(self);
    self->timed = FALSE;
    self->warned_no_prompts = FALSE;
    self->latency = 0;
    gst_video_info_init(&self->info);
    if (!load(self, &error)) {
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_ERROR, error);
        gst_dinor1_detect_stop(trans);
        return FALSE;
    }
    GST_INFO_OBJECT(self, "runs on %s", gst_dinor1_engine_get_device(self->engine));
    return TRUE;
}

static gboolean
gst_dinor1_detect_set_caps(GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);

    if (!gst_video_info_from_caps(&self->info, incaps)) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("These video caps cannot be used: %" GST_PTR_FORMAT, incaps), (NULL));
        return FALSE;
    }
    forget_frames(self);
    self->timed = FALSE;
    return TRUE;
}

/* Takes over what the application changed since the last frame. A change that fails is a warning: the video and the
 * prompts in force go on. */
static void
apply_settings(GstDinoR1Detect *self, GQueue *boxes, guint *interval)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *prompts = NULL;
    gboolean prompts_changed;
    gfloat threshold;
    guint max_detections;

    GST_OBJECT_LOCK(self);
    threshold = self->settings.threshold;
    max_detections = self->settings.max_detections;
    *interval = self->settings.inference_interval;
    if ((prompts_changed = self->prompts_changed))
        prompts = g_strdup(self->settings.prompts);
    self->prompts_changed = FALSE;
    *boxes = self->boxes;
    g_queue_init(&self->boxes);
    GST_OBJECT_UNLOCK(self);

    gst_dinor1_engine_set_limits(self->engine, threshold, max_detections);
    if (!prompts_changed)
        return;
    if (!gst_dinor1_engine_load_prompts(self->engine, prompts, &error)) {
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_WARNING, error);
        return;
    }
    self->timed = FALSE;
    make_inference_due(self);
}

static void
embed_boxes(GstDinoR1Detect *self, GQueue *boxes, const DinoR1Image *image)
{
    GstDinoR1BoxPrompt *next;

    while ((next = g_queue_pop_head(boxes))) {
        g_autoptr(GstDinoR1BoxPrompt) prompt = next;
        g_autoptr(GError) error = NULL;

        if (!prompt->label) {
            GST_OBJECT_LOCK(self);
            prompt->label = g_strdup(self->settings.prompt_label);
            GST_OBJECT_UNLOCK(self);
        }
        if (!gst_dinor1_engine_add_prompt(self->engine, prompt->label, image, &prompt->box, &error)) {
            gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_WARNING, error);
            continue;
        }
        GST_INFO_OBJECT(self, "added a prompt for \"%s\"", prompt->label);
        self->timed = FALSE;
        make_inference_due(self);
    }
}

static gboolean
is_late(GstDinoR1Detect *self, GstBuffer *buffer)
{
    const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
    GstClockTime late_until, running_time;

    GST_OBJECT_LOCK(self);
    late_until = self->late_until;
    GST_OBJECT_UNLOCK(self);
    if (!GST_CLOCK_TIME_IS_VALID(late_until) || segment->format != GST_FORMAT_TIME)
        return FALSE;
    running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    return GST_CLOCK_TIME_IS_VALID(running_time) && running_time <= late_until;
}

static gboolean
inference_is_due(GstDinoR1Detect *self, GstBuffer *buffer, guint interval)
{
    if (!gst_dinor1_engine_has_prompts(self->engine) || self->frames_since_inference < interval)
        return FALSE;
    if (is_late(self, buffer)) {
        GST_DEBUG_OBJECT(self, "sink is late: %" GST_PTR_FORMAT " passes without inference", buffer);
        return FALSE;
    }
    return TRUE;
}

/* Raised in steps of a quarter, so that the pipeline is not asked to redistribute its latency for every millisecond. */
static void
raise_latency(GstDinoR1Detect *self, GstClockTime took)
{
    gboolean raised;

    GST_OBJECT_LOCK(self);
    if ((raised = took > self->latency + self->latency / 4))
        self->latency = took;
    GST_OBJECT_UNLOCK(self);
    if (raised)
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

static gboolean
infer(GstDinoR1Detect *self, const DinoR1Image *image, GError **error)
{
    GstClockTime begin = gst_util_get_timestamp();

    if (!gst_dinor1_engine_detect(self->engine, image, error))
        return FALSE;
    self->frames_since_inference = 0;
    if (self->timed)
        raise_latency(self, gst_util_get_timestamp() - begin);
    self->timed = TRUE;
    return TRUE;
}

static void
warn_without_prompts(GstDinoR1Detect *self)
{
    if (self->warned_no_prompts || gst_dinor1_engine_has_prompts(self->engine))
        return;
    self->warned_no_prompts = TRUE;
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
        ("There are no prompts yet, so nothing is looked for: set \"prompts\" to a prompt bank or \"prompt-box\" to "
         "a box on the video"),
        (NULL));
}

/* New prompts of this frame, then the search. Maps the frame only if there is something to do. */
static gboolean
process(GstDinoR1Detect *self, GstBuffer *buffer, GQueue *boxes, guint interval, GError **error)
{
    GstVideoFrame frame;
    DinoR1Image image;
    gboolean ok;

    if (g_queue_is_empty(boxes) && !inference_is_due(self, buffer, interval))
        return TRUE;
    if (!gst_video_frame_map(&frame, &self->info, buffer, GST_MAP_READ)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "a %s frame of %d×%d pixels cannot be read",
            GST_VIDEO_INFO_NAME(&self->info), GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info));
        return FALSE;
    }
    if ((ok = gst_dinor1_frame_to_image(&frame, &image, error))) {
        embed_boxes(self, boxes, &image);
        if (inference_is_due(self, buffer, interval))
            ok = infer(self, &image, error);
    }
    gst_video_frame_unmap(&frame);
    return ok;
}

static void
attach_objects(GstDinoR1Detect *self, GstBuffer *buffer)
{
    GArray *objects = gst_dinor1_engine_get_objects(self->engine);

    for (guint i = 0; i < objects->len; i++) {
        GstDinoR1Object *object = &g_array_index(objects, GstDinoR1Object, i);

        object->stale = self->frames_since_inference > 0;
        gst_dinor1_object_attach(object, buffer, GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info));
    }
}

static GstFlowReturn
gst_dinor1_detect_transform_ip(GstBaseTransform *trans, GstBuffer *buffer)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);
    g_autoptr(GError) error = NULL;
    GQueue boxes;
    guint interval;
    gboolean ok;

    if (self->frames_since_inference < G_MAXUINT)
        self->frames_since_inference++;
    apply_settings(self, &boxes, &interval);
    ok = process(self, buffer, &boxes, interval, &error);
    g_queue_clear_full(&boxes, (GDestroyNotify)gst_dinor1_box_prompt_free);
    if (!ok) {
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_ERROR, error);
        return GST_FLOW_ERROR;
    }
    warn_without_prompts(self);
    attach_objects(self, buffer);
    return GST_FLOW_OK;
}

static gboolean
gst_dinor1_detect_sink_event(GstBaseTransform *trans, GstEvent *event)
{
    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_STOP:
    case GST_EVENT_SEGMENT:
        forget_frames(GST_DINOR1_DETECT(trans));
        break;
    default:
        break;
    }
    return GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->sink_event(trans, event);
}

/* GstBaseTransform's own answer to QoS drops frames. Here only inference is left out. */
static void
observe_qos(GstDinoR1Detect *self, GstEvent *event)
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

static gboolean
gst_dinor1_detect_src_event(GstBaseTransform *trans, GstEvent *event)
{
    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
        observe_qos(GST_DINOR1_DETECT(trans), event);
    return GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->src_event(trans, event);
}

/* Inference runs in the streaming thread: a frame leaves as late as its inference took. No frame is queued, so the
 * maximum stays what upstream can hold. */
static void
add_latency(GstDinoR1Detect *self, GstQuery *query)
{
    GstClockTime min, max;
    gboolean live;

    gst_query_parse_latency(query, &live, &min, &max);
    GST_OBJECT_LOCK(self);
    min += self->latency;
    GST_OBJECT_UNLOCK(self);
    if (live)
        gst_query_set_latency(query, live, min, max);
}

static gboolean
gst_dinor1_detect_query(GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
    gboolean ok = GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->query(trans, direction, query);

    if (ok && direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
        add_latency(GST_DINOR1_DETECT(trans), query);
    return ok;
}

static void
gst_dinor1_detect_set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(object);
    g_autoptr(GError) error = NULL;
    g_autofree gchar *prompt_box = NULL;
    gboolean known;

    GST_OBJECT_LOCK(self);
    known = gst_dinor1_settings_set(&self->settings, id, value);
    self->prompts_changed |= id == GST_DINOR1_PROP_PROMPTS;
    /* Before start() the box only waits in the settings. */
    if (self->started)
        prompt_box = g_strdup(self->settings.prompt_box);
    GST_OBJECT_UNLOCK(self);
    if (!known)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    if (id == GST_DINOR1_PROP_PROMPT_BOX && !add_property_box(self, prompt_box, &error))
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_WARNING, error);
}

static void
gst_dinor1_detect_get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(object);
    gboolean known;

    GST_OBJECT_LOCK(self);
    known = gst_dinor1_settings_get(&self->settings, id, value);
    GST_OBJECT_UNLOCK(self);
    if (!known)
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void
gst_dinor1_detect_finalize(GObject *object)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(object);

    clear_boxes(self);
    gst_dinor1_settings_clear(&self->settings);
    G_OBJECT_CLASS(gst_dinor1_detect_parent_class)->finalize(object);
}

static void
gst_dinor1_detect_class_init(GstDinoR1DetectClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_dinor1_detect_set_property;
    object_class->get_property = gst_dinor1_detect_get_property;
    object_class->finalize = gst_dinor1_detect_finalize;
    gst_dinor1_settings_install(object_class);

    /**
     * GstDinoR1Detect::add-prompt:
     * @label: the class, made if it is new
     * @x: left edge of the box in pixels of the video
     * @y: top edge
     * @width: width, at least 1
     * @height: height, at least 1
     *
     * Adds what the box shows on the next frame to the prompts, as an example of @label. From that frame on everything
     * of its kind is found. A box that cannot be used (it misses the frame) is reported by a warning message. Prompts
     * added this way last until the element goes to READY.
     *
     * Returns: TRUE if the box waits for the next frame
     */
    g_signal_new_class_handler("add-prompt", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION,
        G_CALLBACK(on_add_prompt), NULL, NULL, NULL, G_TYPE_BOOLEAN, 5, G_TYPE_STRING, G_TYPE_INT, G_TYPE_INT,
        G_TYPE_INT, G_TYPE_INT);

    trans_class->start = gst_dinor1_detect_start;
    trans_class->stop = gst_dinor1_detect_stop;
    trans_class->set_caps = gst_dinor1_detect_set_caps;
    trans_class->transform_ip = gst_dinor1_detect_transform_ip;
    trans_class->sink_event = gst_dinor1_detect_sink_event;
    trans_class->src_event = gst_dinor1_detect_src_event;
    trans_class->query = gst_dinor1_detect_query;

    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(element_class, "DINO-R1 detector", "Filter/Analyzer/Video",
        "Finds everything that looks like the examples it was shown (visual-prompted object detection)",
        "gst-dinor1 contributors");
}

static void
gst_dinor1_detect_init(GstDinoR1Detect *self)
{
    g_queue_init(&self->boxes);
    gst_dinor1_settings_init(&self->settings);
    self->late_until = GST_CLOCK_TIME_NONE;
}
