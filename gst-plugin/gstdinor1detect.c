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
 * Inference runs in a thread of its own. Offline, each frame waits for its boxes. In a live pipeline a frame waits for
 * at most half a frame's duration (which the element adds to the pipeline's latency) and then passes with the boxes
 * found last, so a slow model never holds the video up. #GstDinoR1Detect:sync-mode chooses by hand. Frames between two
 * inferences carry the last boxes as well, as do frames that come while an unbuffered sink reports that it is late.
 * The "detection" of such a box says `stale=true`. No frame is ever dropped.
 *
 * On a CUDA device, frames that are there already (`memory:CUDAMemory`, as nvh264dec, cudaupload and cudaconvert give
 * them) do not come down to the host.
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
#include "gstdinor1boxprompt.h"
#include "gstdinor1detectprivate.h"
#include "gstdinor1error.h"
#include "gstdinor1frame.h"
#include "gstdinor1object.h"

GST_DEBUG_CATEGORY(gst_dinor1_detect_debug);
#define GST_CAT_DEFAULT gst_dinor1_detect_debug

G_DEFINE_TYPE_WITH_CODE(GstDinoR1Detect, gst_dinor1_detect, GST_TYPE_BASE_TRANSFORM,
    GST_DEBUG_CATEGORY_INIT(gst_dinor1_detect_debug, "dinor1detect", 0, "DINO-R1 detector"))
GST_ELEMENT_REGISTER_DEFINE(dinor1detect, "dinor1detect", GST_RANK_NONE, GST_TYPE_DINOR1_DETECT)

#define CAPS                                                                                                           \
    GST_VIDEO_CAPS_MAKE(GST_DINOR1_FRAME_FORMATS)                                                                      \
    "; " GST_VIDEO_CAPS_MAKE_WITH_FEATURES(GST_DINOR1_CUDA_MEMORY, GST_DINOR1_FRAME_FORMATS)
static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

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
    GstDinoR1Engine *engine;

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
    if (!(engine = gst_dinor1_engine_new(settings.model, settings.prompts, &options, error)))
        return FALSE;
    GST_INFO_OBJECT(self, "runs on %s", gst_dinor1_engine_get_device(engine));
    self->takes_cuda = g_str_has_prefix(gst_dinor1_engine_get_device(engine), "cuda");
    self->has_prompts = gst_dinor1_engine_has_prompts(engine);
    self->worker = gst_dinor1_worker_new(engine);
    return TRUE;
}

static gboolean
gst_dinor1_detect_stop(GstBaseTransform *trans)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);

    GST_OBJECT_LOCK(self);
    self->started = FALSE;
    GST_OBJECT_UNLOCK(self);
    clear_boxes(self);
    g_clear_pointer(&self->worker, gst_dinor1_worker_free);
    return TRUE;
}

static gboolean
gst_dinor1_detect_start(GstBaseTransform *trans)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);
    g_autoptr(GError) error = NULL;

    gst_dinor1_detect_forget_frames(self);
    self->warned_no_prompts = FALSE;
    gst_video_info_init(&self->info);
    if (!load(self, &error)) {
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_ERROR, error);
        gst_dinor1_detect_stop(trans);
        return FALSE;
    }
    return TRUE;
}

static gboolean
has_cuda_memory(const GstCaps *caps, guint i)
{
    return gst_caps_features_contains(gst_caps_get_features(caps, i), GST_DINOR1_CUDA_MEMORY);
}

/* Frames pass as they are; those on a GPU only where the detector is on one. */
static GstCaps *
gst_dinor1_detect_transform_caps(GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
    GstCaps *result = gst_caps_copy(caps);

    for (guint i = gst_caps_get_size(result); i-- > 0;)
        if (has_cuda_memory(result, i) && !GST_DINOR1_DETECT(trans)->takes_cuda)
            gst_caps_remove_structure(result, i);
    if (filter)
        gst_caps_take(&result, gst_caps_intersect_full(filter, result, GST_CAPS_INTERSECT_FIRST));
    return result;
}

static gboolean
gst_dinor1_detect_set_caps(GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
    GstDinoR1Detect *self = GST_DINOR1_DETECT(trans);
    GstClockTime patience;
    gboolean changed;

    if (!gst_video_info_from_caps(&self->info, incaps)) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("These video caps cannot be used: %" GST_PTR_FORMAT, incaps), (NULL));
        return FALSE;
    }
    self->cuda = has_cuda_memory(incaps, 0);
    gst_dinor1_detect_forget_frames(self);
    patience = gst_dinor1_detect_patience_for(&self->info);
    GST_OBJECT_LOCK(self);
    changed = self->live && self->patience != patience;
    self->patience = patience;
    GST_OBJECT_UNLOCK(self);
    if (changed)
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    return TRUE;
}

static GstFlowReturn
gst_dinor1_detect_transform_ip(GstBaseTransform *trans, GstBuffer *buffer)
{
    return gst_dinor1_detect_process(GST_DINOR1_DETECT(trans), buffer) ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static void
begin_segment(GstDinoR1Detect *self)
{
    gboolean live = gst_dinor1_detect_upstream_is_live(self);

    gst_dinor1_detect_forget_frames(self);
    GST_OBJECT_LOCK(self);
    self->live = live;
    GST_OBJECT_UNLOCK(self);
}

static gboolean
gst_dinor1_detect_sink_event(GstBaseTransform *trans, GstEvent *event)
{
    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_STOP:
        gst_dinor1_detect_forget_frames(GST_DINOR1_DETECT(trans));
        break;
    case GST_EVENT_SEGMENT:
        begin_segment(GST_DINOR1_DETECT(trans));
        break;
    default:
        break;
    }
    return GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->sink_event(trans, event);
}

static gboolean
gst_dinor1_detect_src_event(GstBaseTransform *trans, GstEvent *event)
{
    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
        gst_dinor1_detect_observe_qos(GST_DINOR1_DETECT(trans), event);
    return GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->src_event(trans, event);
}

static gboolean
gst_dinor1_detect_query(GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
    gboolean ok = GST_BASE_TRANSFORM_CLASS(gst_dinor1_detect_parent_class)->query(trans, direction, query);

    if (ok && direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
        gst_dinor1_detect_add_latency(GST_DINOR1_DETECT(trans), query);
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
    g_array_unref(self->objects);
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
    trans_class->transform_caps = gst_dinor1_detect_transform_caps;
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
    self->objects = g_array_new(FALSE, FALSE, sizeof(GstDinoR1Object));
    self->patience = GST_DINOR1_DETECT_PATIENCE;
    self->late_until = GST_CLOCK_TIME_NONE;
}
