/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1boxprompt.h"
#include "gstdinor1detectprivate.h"
#include "gstdinor1error.h"
#include "gstdinor1object.h"

#define GST_CAT_DEFAULT gst_dinor1_detect_debug

void
gst_dinor1_detect_forget_frames(GstDinoR1Detect *self)
{
    g_array_set_size(self->objects, 0);
    self->outdated = self->worker && gst_dinor1_worker_is_busy(self->worker);
    self->frames_since_inference = G_MAXUINT;
    self->last_inference = GST_CLOCK_TIME_NONE;
    GST_OBJECT_LOCK(self);
    self->late_until = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK(self);
}

/* Moves what the application changed since the last frame into @job. Under the object lock. */
static void
take_changes(GstDinoR1Detect *self, GstDinoR1Job *job)
{
    job->threshold = self->settings.threshold;
    job->max_detections = self->settings.max_detections;
    job->load_prompts = self->prompts_changed;
    job->prompts = g_strdup(self->settings.prompts);
    job->boxes = self->boxes;
    g_queue_init(&self->boxes);
    self->prompts_changed = FALSE;
    for (GList *link = job->boxes.head; link; link = link->next) {
        GstDinoR1BoxPrompt *prompt = link->data;

        if (!prompt->label)
            prompt->label = g_strdup(self->settings.prompt_label);
    }
}

/* What is to be done with this frame; NULL = nothing. */
static GstDinoR1Job *
next_job(GstDinoR1Detect *self, GstBuffer *buffer)
{
    GstClockTime now = gst_dinor1_detect_running_time(self, buffer);
    GstDinoR1Job *job = NULL;
    gboolean changed, due, late;

    GST_OBJECT_LOCK(self);
    changed = self->prompts_changed || !g_queue_is_empty(&self->boxes);
    due = self->has_prompts && self->frames_since_inference >= self->settings.inference_interval;
    late = gst_dinor1_detect_is_late(self, now);
    if (changed || (due && !late)) {
        job = gst_dinor1_job_new(&self->info);
        job->cuda = self->cuda;
        job->infer = !late;
        take_changes(self, job);
    }
    GST_OBJECT_UNLOCK(self);
    if (!job)
        return NULL;
    self->frames_since_inference = late ? G_MAXUINT : 0;
    self->last_inference = late ? self->last_inference : now;
    return job;
}

/* The library's argument is the frame here. */
static void
post_job_error(GstDinoR1Detect *self, const GError *error)
{
    if (g_error_matches(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT))
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("%s", error->message), (NULL));
    else
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_ERROR, error);
}

/* Takes over what the job found. @fresh: in the frame at hand. FALSE if the stream cannot go on. */
static gboolean
finish_job(GstDinoR1Detect *self, GstDinoR1Job *job, gboolean fresh)
{
    for (guint i = 0; i < job->warnings->len; i++)
        gst_dinor1_post(GST_ELEMENT(self), GST_MESSAGE_WARNING, g_ptr_array_index(job->warnings, i));
    if (job->error) {
        post_job_error(self, job->error);
        return FALSE;
    }
    self->has_prompts = job->has_prompts;
    if (!self->outdated && (job->inferred || !job->has_prompts)) {
        GArray *objects = g_steal_pointer(&job->objects);

        job->objects = self->objects;
        self->objects = objects;
        self->fresh = fresh;
    }
    self->outdated = FALSE;
    return TRUE;
}

/* A frame in real time is copied for the worker: a frame that passes on while it is being read could not be drawn on,
 * and a camera would miss its buffer. */
static gboolean
start_job(GstDinoR1Detect *self, GstBuffer *buffer, GstDinoR1Job *job, gint64 *until)
{
    gboolean realtime;
    GstClockTime patience;

    GST_OBJECT_LOCK(self);
    realtime = gst_dinor1_detect_is_realtime(self);
    patience = self->patience;
    GST_OBJECT_UNLOCK(self);
    *until = realtime ? g_get_monotonic_time() + (gint64)(patience / GST_USECOND) : -1;
    job->buffer = realtime ? gst_buffer_copy_deep(buffer) : gst_buffer_ref(buffer);
    if (!job->buffer) {
        GST_ELEMENT_ERROR(self, RESOURCE, READ, ("A frame of the video cannot be copied"), (NULL));
        gst_dinor1_job_free(job);
        return FALSE;
    }
    gst_dinor1_worker_start(self->worker, job);
    return TRUE;
}

static gboolean
work(GstDinoR1Detect *self, GstBuffer *buffer)
{
    g_autoptr(GstDinoR1Job) before = gst_dinor1_worker_collect(self->worker, 0);
    g_autoptr(GstDinoR1Job) done = NULL;
    GstDinoR1Job *job;
    gint64 until;

    if (before && !finish_job(self, before, FALSE))
        return FALSE;
    if (gst_dinor1_worker_is_busy(self->worker) || !(job = next_job(self, buffer)))
        return TRUE;
    if (!start_job(self, buffer, job, &until))
        return FALSE;
    done = gst_dinor1_worker_collect(self->worker, until);
    return !done || finish_job(self, done, TRUE);
}

static void
warn_without_prompts(GstDinoR1Detect *self)
{
    if (self->warned_no_prompts || self->has_prompts || gst_dinor1_worker_is_busy(self->worker))
        return;
    self->warned_no_prompts = TRUE;
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
        ("There are no prompts yet, so nothing is looked for: set \"prompts\" to a prompt bank or \"prompt-box\" to "
         "a box on the video"),
        (NULL));
}

static void
attach_objects(GstDinoR1Detect *self, GstBuffer *buffer)
{
    for (guint i = 0; i < self->objects->len; i++) {
        GstDinoR1Object *object = &g_array_index(self->objects, GstDinoR1Object, i);

        object->stale = !self->fresh;
        gst_dinor1_object_attach(object, buffer, GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info));
    }
}

gboolean
gst_dinor1_detect_process(GstDinoR1Detect *self, GstBuffer *buffer)
{
    self->fresh = FALSE;
    if (self->frames_since_inference < G_MAXUINT)
        self->frames_since_inference++;
    if (!work(self, buffer))
        return FALSE;
    warn_without_prompts(self);
    attach_objects(self, buffer);
    return TRUE;
}
