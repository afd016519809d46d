/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "gstdinor1engine.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* What is to be done with one frame, in this order, and what came of it. */
typedef struct {
    GstBuffer *buffer;
    GstVideoInfo info;
    gboolean cuda; /* the frame is in the memory of a CUDA device */
    gfloat threshold;
    guint max_detections;
    gboolean load_prompts; /* replace all prompts by those of the file @prompts, NULL = by none */
    gchar *prompts;
    GQueue boxes; /* of GstDinoR1BoxPrompt: what they show becomes prompts */
    gboolean infer;

    gboolean has_prompts; /* afterwards */
    gboolean inferred;
    GArray *objects;     /* of GstDinoR1Object: what was found */
    GPtrArray *warnings; /* of GError: changes of the prompts that failed; the old ones stay */
    GError *error;       /* the frame cannot be read, or the inference failed */
} GstDinoR1Job;

GstDinoR1Job *gst_dinor1_job_new(const GstVideoInfo *info);
void gst_dinor1_job_free(GstDinoR1Job *job);

/* A thread that does one job at a time with an engine. For one caller's thread at a time. */
typedef struct _GstDinoR1Worker GstDinoR1Worker;

/* Takes @engine over. */
GstDinoR1Worker *gst_dinor1_worker_new(GstDinoR1Engine *engine);

/* Waits for the job at hand. */
void gst_dinor1_worker_free(GstDinoR1Worker *worker);

/* TRUE between start() and the collect() that returns the job. */
gboolean gst_dinor1_worker_is_busy(const GstDinoR1Worker *worker);

/* Takes @job over; the worker must not be busy. */
void gst_dinor1_worker_start(GstDinoR1Worker *worker, GstDinoR1Job *job);

/**
 * gst_dinor1_worker_collect:
 * @until: monotonic time up to which to wait for the end of the job; 0 = do not wait, -1 = as long as it takes
 *
 * Returns: (transfer full): the job that was started, done; NULL if there is none or it is not done yet.
 */
GstDinoR1Job *gst_dinor1_worker_collect(GstDinoR1Worker *worker, gint64 until);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstDinoR1Job, gst_dinor1_job_free)

G_END_DECLS
