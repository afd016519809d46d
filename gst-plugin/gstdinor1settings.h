/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/detector.h>
#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
    GST_DINOR1_SYNC_AUTO,
    GST_DINOR1_SYNC_EVERY_FRAME,
    GST_DINOR1_SYNC_LIVE,
} GstDinoR1SyncMode;

GType gst_dinor1_sync_mode_get_type(void);

/* What the application set on a dinor1detect. Not locked here. */
typedef struct {
    gchar *model, *prompts, *device, *precision, *prompt_box, *prompt_label; /* NULL = not set; "" becomes NULL */
    gfloat threshold, nms;
    guint inference_interval, max_detections, threads;
    gint shortest_edge, longest_edge;
    GstDinoR1SyncMode sync_mode;
} GstDinoR1Settings;

enum {
    GST_DINOR1_PROP_MODEL = 1,
    GST_DINOR1_PROP_PROMPTS,
    GST_DINOR1_PROP_THRESHOLD,
    GST_DINOR1_PROP_DEVICE,
    GST_DINOR1_PROP_INFERENCE_INTERVAL,
    GST_DINOR1_PROP_SYNC_MODE,
    GST_DINOR1_PROP_MAX_DETECTIONS,
    GST_DINOR1_PROP_NMS,
    GST_DINOR1_PROP_THREADS,
    GST_DINOR1_PROP_SHORTEST_EDGE,
    GST_DINOR1_PROP_LONGEST_EDGE,
    GST_DINOR1_PROP_PROMPT_BOX,
    GST_DINOR1_PROP_PROMPT_LABEL,
    GST_DINOR1_PROP_PRECISION,
};

/* Installs the properties above with the ids above. */
void gst_dinor1_settings_install(GObjectClass *klass);

void gst_dinor1_settings_init(GstDinoR1Settings *settings);
void gst_dinor1_settings_clear(GstDinoR1Settings *settings);
GstDinoR1Settings gst_dinor1_settings_copy(const GstDinoR1Settings *settings);

/* Returns: FALSE if there is no property @id. */
gboolean gst_dinor1_settings_set(GstDinoR1Settings *settings, guint id, const GValue *value);
gboolean gst_dinor1_settings_get(const GstDinoR1Settings *settings, guint id, GValue *value);

/* The strings stay those of @settings. */
DinoR1DetectorOptions gst_dinor1_settings_to_options(const GstDinoR1Settings *settings);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GstDinoR1Settings, gst_dinor1_settings_clear)

G_END_DECLS
