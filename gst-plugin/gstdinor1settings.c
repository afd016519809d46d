/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1settings.h"

#define FIXED   (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

#define DEFAULT_DEVICE             "auto"
#define DEFAULT_PRECISION          "auto"
#define DEFAULT_PROMPT_LABEL       "object"
#define DEFAULT_THRESHOLD          0.3f
#define DEFAULT_NMS                0.0f
#define DEFAULT_INFERENCE_INTERVAL 1
#define DEFAULT_MAX_DETECTIONS     300

GType
gst_dinor1_sync_mode_get_type(void)
{
    static const GEnumValue values[] = {
        {GST_DINOR1_SYNC_AUTO,
            "As live if the source is live, as every-frame if not, except that a late sink "
            "is given time to catch up",
            "auto"},
        {GST_DINOR1_SYNC_EVERY_FRAME, "Every frame waits for its boxes", "every-frame"},
        {GST_DINOR1_SYNC_LIVE, "No frame waits for more than half its duration", "live"},
        {0, NULL, NULL},
    };
    static gsize type = 0;

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("GstDinoR1SyncMode", values));
    return type;
}

static void
install_model(GObjectClass *klass)
{
    g_object_class_install_property(klass, GST_DINOR1_PROP_MODEL,
        g_param_spec_string("model", "Model",
            "Model directory in Hugging Face layout (config.json, model.safetensors), e.g. models/dinor1-nano", NULL,
            FIXED));
    g_object_class_install_property(klass, GST_DINOR1_PROP_DEVICE,
        g_param_spec_string("device", "Device",
            "Where the model runs: auto (the first CUDA device, else the CPU), cpu, cuda or cuda:N", DEFAULT_DEVICE,
            FIXED));
    g_object_class_install_property(klass, GST_DINOR1_PROP_PRECISION,
        g_param_spec_string("precision", "Precision", "How the device computes: auto (fp32), fp32, tf32, fp16 or bf16",
            DEFAULT_PRECISION, FIXED));
    g_object_class_install_property(klass, GST_DINOR1_PROP_THREADS,
        g_param_spec_uint("threads", "Threads",
            "CPU threads of the model, or what prepares its frames for a GPU (0 = as many as the machine has)", 0, 1024,
            0, FIXED));
    g_object_class_install_property(klass, GST_DINOR1_PROP_SHORTEST_EDGE,
        g_param_spec_int("shortest-edge", "Shortest edge",
            "Frames are resized so that their shortest side has this many pixels: smaller is faster and misses small "
            "objects (0 = as the model says)",
            0, DINOR1_IMAGE_MAX_SIDE, 0, FIXED));
    g_object_class_install_property(klass, GST_DINOR1_PROP_LONGEST_EDGE,
        g_param_spec_int("longest-edge", "Longest edge",
            "After resizing the longest side has at most this many pixels (0 = as the model says)", 0,
            DINOR1_IMAGE_MAX_SIDE, 0, FIXED));
}

static void
install_detection(GObjectClass *klass)
{
    g_object_class_install_property(klass, GST_DINOR1_PROP_THRESHOLD,
        g_param_spec_float(
            "threshold", "Threshold", "Detections with a lower score are left out", 0, 1, DEFAULT_THRESHOLD, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_MAX_DETECTIONS,
        g_param_spec_uint("max-detections", "Maximum of detections", "At most this many detections per frame, the best",
            1, 10000, DEFAULT_MAX_DETECTIONS, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_INFERENCE_INTERVAL,
        g_param_spec_uint("inference-interval", "Inference interval",
            "Run the model on every Nth frame; the frames between carry its boxes, marked stale (1 = every frame)", 1,
            G_MAXUINT - 1, DEFAULT_INFERENCE_INTERVAL, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_SYNC_MODE,
        g_param_spec_enum("sync-mode", "Synchronisation", "Whether frames wait for their boxes",
            gst_dinor1_sync_mode_get_type(), GST_DINOR1_SYNC_AUTO, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_NMS,
        g_param_spec_float("nms", "NMS",
            "Of two boxes of a class that overlap by more than this IoU only the better stays (0 = off: the model "
            "needs none)",
            0, 1, DEFAULT_NMS, FIXED));
}

static void
install_prompts(GObjectClass *klass)
{
    g_object_class_install_property(klass, GST_DINOR1_PROP_PROMPTS,
        g_param_spec_string("prompts", "Prompts",
            "Prompt bank (.safetensors, made by \"dinor1 prompt\"). Set while playing it replaces all prompts from the "
            "next frame on; set it again to reload the file",
            NULL, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_PROMPT_BOX,
        g_param_spec_string("prompt-box", "Prompt box",
            "\"x,y,width,height\" in pixels: what this box shows on the next frame (at start: on the first) is added "
            "to the prompts as an example of prompt-label",
            NULL, PLAYING));
    g_object_class_install_property(klass, GST_DINOR1_PROP_PROMPT_LABEL,
        g_param_spec_string(
            "prompt-label", "Prompt label", "The label of what prompt-box shows", DEFAULT_PROMPT_LABEL, PLAYING));
}

void
gst_dinor1_settings_install(GObjectClass *klass)
{
    install_model(klass);
    install_detection(klass);
    install_prompts(klass);
}

void
gst_dinor1_settings_init(GstDinoR1Settings *settings)
{
    *settings = (GstDinoR1Settings){
        .device = g_strdup(DEFAULT_DEVICE),
        .precision = g_strdup(DEFAULT_PRECISION),
        .prompt_label = g_strdup(DEFAULT_PROMPT_LABEL),
        .threshold = DEFAULT_THRESHOLD,
        .nms = DEFAULT_NMS,
        .inference_interval = DEFAULT_INFERENCE_INTERVAL,
        .max_detections = DEFAULT_MAX_DETECTIONS,
    };
}

void
gst_dinor1_settings_clear(GstDinoR1Settings *settings)
{
    g_free(settings->model);
    g_free(settings->prompts);
    g_free(settings->device);
    g_free(settings->precision);
    g_free(settings->prompt_box);
    g_free(settings->prompt_label);
    *settings = (GstDinoR1Settings){0};
}

GstDinoR1Settings
gst_dinor1_settings_copy(const GstDinoR1Settings *settings)
{
    GstDinoR1Settings copy = *settings;

    copy.model = g_strdup(settings->model);
    copy.prompts = g_strdup(settings->prompts);
    copy.device = g_strdup(settings->device);
    copy.precision = g_strdup(settings->precision);
    copy.prompt_box = g_strdup(settings->prompt_box);
    copy.prompt_label = g_strdup(settings->prompt_label);
    return copy;
}

static gchar **
string_field(const GstDinoR1Settings *settings, guint id)
{
    GstDinoR1Settings *s = (GstDinoR1Settings *)settings;

    switch (id) {
    case GST_DINOR1_PROP_MODEL:
        return &s->model;
    case GST_DINOR1_PROP_PROMPTS:
        return &s->prompts;
    case GST_DINOR1_PROP_DEVICE:
        return &s->device;
    case GST_DINOR1_PROP_PRECISION:
        return &s->precision;
    case GST_DINOR1_PROP_PROMPT_BOX:
        return &s->prompt_box;
    case GST_DINOR1_PROP_PROMPT_LABEL:
        return &s->prompt_label;
    default:
        return NULL;
    }
}

static void
set_string(gchar **field, const gchar *text)
{
    g_free(*field);
    *field = text && *text ? g_strdup(text) : NULL;
}

gboolean
gst_dinor1_settings_set(GstDinoR1Settings *settings, guint id, const GValue *value)
{
    gchar **string = string_field(settings, id);

    if (string) {
        set_string(string, g_value_get_string(value));
        if (id == GST_DINOR1_PROP_PROMPT_LABEL && !*string)
            *string = g_strdup(DEFAULT_PROMPT_LABEL);
        return TRUE;
    }
    switch (id) {
    case GST_DINOR1_PROP_THRESHOLD:
        settings->threshold = g_value_get_float(value);
        return TRUE;
    case GST_DINOR1_PROP_INFERENCE_INTERVAL:
        settings->inference_interval = g_value_get_uint(value);
        return TRUE;
    case GST_DINOR1_PROP_SYNC_MODE:
        settings->sync_mode = (GstDinoR1SyncMode)g_value_get_enum(value);
        return TRUE;
    case GST_DINOR1_PROP_MAX_DETECTIONS:
        settings->max_detections = g_value_get_uint(value);
        return TRUE;
    case GST_DINOR1_PROP_NMS:
        settings->nms = g_value_get_float(value);
        return TRUE;
    case GST_DINOR1_PROP_THREADS:
        settings->threads = g_value_get_uint(value);
        return TRUE;
    case GST_DINOR1_PROP_SHORTEST_EDGE:
        settings->shortest_edge = g_value_get_int(value);
        return TRUE;
    case GST_DINOR1_PROP_LONGEST_EDGE:
        settings->longest_edge = g_value_get_int(value);
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
gst_dinor1_settings_get(const GstDinoR1Settings *settings, guint id, GValue *value)
{
    gchar **string = string_field(settings, id);

    if (string) {
        g_value_set_string(value, *string);
        return TRUE;
    }
    switch (id) {
    case GST_DINOR1_PROP_THRESHOLD:
        g_value_set_float(value, settings->threshold);
        return TRUE;
    case GST_DINOR1_PROP_INFERENCE_INTERVAL:
        g_value_set_uint(value, settings->inference_interval);
        return TRUE;
    case GST_DINOR1_PROP_SYNC_MODE:
        g_value_set_enum(value, (gint)settings->sync_mode);
        return TRUE;
    case GST_DINOR1_PROP_MAX_DETECTIONS:
        g_value_set_uint(value, settings->max_detections);
        return TRUE;
    case GST_DINOR1_PROP_NMS:
        g_value_set_float(value, settings->nms);
        return TRUE;
    case GST_DINOR1_PROP_THREADS:
        g_value_set_uint(value, settings->threads);
        return TRUE;
    case GST_DINOR1_PROP_SHORTEST_EDGE:
        g_value_set_int(value, settings->shortest_edge);
        return TRUE;
    case GST_DINOR1_PROP_LONGEST_EDGE:
        g_value_set_int(value, settings->longest_edge);
        return TRUE;
    default:
        return FALSE;
    }
}

DinoR1DetectorOptions
gst_dinor1_settings_to_options(const GstDinoR1Settings *settings)
{
    DinoR1DetectorOptions options;

    dinor1_detector_options_init(&options);
    options.device = settings->device;
    options.precision = settings->precision;
    options.n_threads = settings->threads;
    options.threshold = settings->threshold;
    options.nms = settings->nms;
    options.max_detections = settings->max_detections;
    options.shortest_edge = settings->shortest_edge;
    options.longest_edge = settings->longest_edge;
    return options;
}
