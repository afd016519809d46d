/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the parts of dinor1detect share: gstdinor1detect.c is the element, gstdinor1detectframe.c does what is to be
 * done with a frame, gstdinor1detecttime.c knows when a frame has to be where.
 */
#pragma once

#include "gstdinor1detect.h"
#include "gstdinor1settings.h"
#include "gstdinor1worker.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN(gst_dinor1_detect_debug);

struct _GstDinoR1Detect {
    GstBaseTransform parent;

    /* Any thread, under the object lock. */
    GstDinoR1Settings settings;
    gboolean started;
    gboolean prompts_changed; /* settings.prompts is newer than what the engine uses */
    GQueue boxes;             /* of GstDinoR1BoxPrompt, for the next frame */
    GstClockTime late_until;  /* running time; frames up to it would reach the sink late */
    GstClockTime patience;    /* how long a live frame waits for its boxes */
    gboolean live;            /* upstream is */

    /* The streaming thread; start() and stop() when it does not run. */
    GstDinoR1Worker *worker;
    GstVideoInfo info;
    gboolean takes_cuda; /* the detector is on a CUDA device */
    gboolean cuda;       /* so are the frames */
    GArray *objects;     /* of GstDinoR1Object: what was found last */
    gboolean fresh;      /* … in the frame at hand */
    gboolean outdated;   /* the job at hand is about a picture of before a seek or a change of caps */
    gboolean has_prompts;
    gboolean warned_no_prompts;
    guint frames_since_inference; /* G_MAXUINT = infer as soon as possible */
    GstClockTime last_inference;  /* running time of its frame */
};

/* The stream jumped or changed: boxes found before belong to other pictures. */
void gst_dinor1_detect_forget_frames(GstDinoR1Detect *self);

/* Does what is to be done with the frame and attaches the boxes. FALSE, after an error message, if the stream cannot go
 * on. */
gboolean gst_dinor1_detect_process(GstDinoR1Detect *self, GstBuffer *buffer);

/* How long a live frame waits for its boxes where nobody says how long it lasts. */
#define GST_DINOR1_DETECT_PATIENCE (20 * GST_MSECOND)

/* The same for frames of these caps. */
GstClockTime gst_dinor1_detect_patience_for(const GstVideoInfo *info);

/* Whether frames do not wait for inference. Under the object lock. */
gboolean gst_dinor1_detect_is_realtime(GstDinoR1Detect *self);

GstClockTime gst_dinor1_detect_running_time(GstDinoR1Detect *self, GstBuffer *buffer);

/* Whether the frame of this running time should go without inference, so that a late sink catches up. Under the object
 * lock. */
gboolean gst_dinor1_detect_is_late(GstDinoR1Detect *self, GstClockTime now);

gboolean gst_dinor1_detect_upstream_is_live(GstDinoR1Detect *self);
void gst_dinor1_detect_observe_qos(GstDinoR1Detect *self, GstEvent *event);

/* Adds what the element takes to the answer of a latency query. */
void gst_dinor1_detect_add_latency(GstDinoR1Detect *self, GstQuery *query);

G_END_DECLS
