/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1worker.h"

#include "gstdinor1boxprompt.h"
#include "gstdinor1frame.h"
#include "gstdinor1object.h"

struct _GstDinoR1Worker {
    GstDinoR1Engine *engine; /* the thread's own */
    GThread *thread;
    GMutex lock;
    GCond changed;
    GstDinoR1Job *job; /* to do, at hand or done */
    gboolean done;
    gboolean quit;
};

GstDinoR1Job *
gst_dinor1_job_new(const GstVideoInfo *info)
{
    GstDinoR1Job *job = g_new0(GstDinoR1Job, 1);

    job->info = *info;
    job->objects = g_array_new(FALSE, FALSE, sizeof(GstDinoR1Object));
    job->warnings = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    g_queue_init(&job->boxes);
    return job;
}

void
gst_dinor1_job_free(GstDinoR1Job *job)
{
    gst_clear_buffer(&job->buffer);
    g_free(job->prompts);
    g_queue_clear_full(&job->boxes, (GDestroyNotify)gst_dinor1_box_prompt_free);
    g_array_unref(job->objects);
    g_ptr_array_unref(job->warnings);
    g_clear_error(&job->error);
    g_free(job);
}

/* Takes @error of a prompt that could not be had: a warning, unless nothing more can be had at all. */
static void
keep_failure(GstDinoR1Engine *engine, GstDinoR1Job *job, GError *error)
{
    if (gst_dinor1_engine_is_dead(engine))
        job->error = error;
    else
        g_ptr_array_add(job->warnings, error);
}

static void
embed_boxes(GstDinoR1Engine *engine, GstDinoR1Job *job, const DinoR1Image *image)
{
    for (GList *link = job->boxes.head; link && !job->error; link = link->next) {
        const GstDinoR1BoxPrompt *prompt = link->data;
        GError *error = NULL;

        if (!gst_dinor1_engine_add_prompt(engine, prompt->label, image, &prompt->box, &error))
            keep_failure(engine, job, error);
    }
}

static void
work_on_image(GstDinoR1Engine *engine, GstDinoR1Job *job, const DinoR1Image *image)
{
    embed_boxes(engine, job, image);
    if (!job->error && job->infer && gst_dinor1_engine_has_prompts(engine))
        job->inferred = gst_dinor1_engine_detect(engine, image, job->objects, &job->error);
}

static void
work_on_frame(GstDinoR1Engine *engine, GstDinoR1Job *job)
{
    GstVideoFrame frame;
    DinoR1Image image;

    if (!gst_dinor1_frame_map(&frame, &job->info, job->buffer, job->cuda, &job->error))
        return;
    if (gst_dinor1_frame_to_image(&frame, job->cuda, &image, &job->error))
        work_on_image(engine, job, &image);
    gst_video_frame_unmap(&frame);
}

static void
work(GstDinoR1Engine *engine, GstDinoR1Job *job)
{
    GError *error = NULL;

    gst_dinor1_engine_set_limits(engine, job->threshold, job->max_detections);
    if (job->load_prompts && !gst_dinor1_engine_load_prompts(engine, job->prompts, &error))
        keep_failure(engine, job, error);
    if (!job->error)
        work_on_frame(engine, job);
    job->has_prompts = gst_dinor1_engine_has_prompts(engine);
}

static gpointer
run(gpointer data)
{
    GstDinoR1Worker *worker = data;

    g_mutex_lock(&worker->lock);
    while (!worker->quit) {
        if (worker->job && !worker->done) {
            g_mutex_unlock(&worker->lock);
            work(worker->engine, worker->job);
            g_mutex_lock(&worker->lock);
            worker->done = TRUE;
            g_cond_signal(&worker->changed);
        } else {
            g_cond_wait(&worker->changed, &worker->lock);
        }
    }
    g_mutex_unlock(&worker->lock);
    return NULL;
}

GstDinoR1Worker *
gst_dinor1_worker_new(GstDinoR1Engine *engine)
{
    GstDinoR1Worker *worker = g_new0(GstDinoR1Worker, 1);

    worker->engine = engine;
    g_mutex_init(&worker->lock);
    g_cond_init(&worker->changed);
    worker->thread = g_thread_new("dinor1detect", run, worker);
    return worker;
}

void
gst_dinor1_worker_free(GstDinoR1Worker *worker)
{
    g_mutex_lock(&worker->lock);
    worker->quit = TRUE;
    g_cond_signal(&worker->changed);
    g_mutex_unlock(&worker->lock);
    g_thread_join(worker->thread);
    g_clear_pointer(&worker->job, gst_dinor1_job_free);
    gst_dinor1_engine_free(worker->engine);
    g_cond_clear(&worker->changed);
    g_mutex_clear(&worker->lock);
    g_free(worker);
}

gboolean
gst_dinor1_worker_is_busy(const GstDinoR1Worker *worker)
{
    return worker->job != NULL;
}

void
gst_dinor1_worker_start(GstDinoR1Worker *worker, GstDinoR1Job *job)
{
    g_mutex_lock(&worker->lock);
    worker->job = job;
    worker->done = FALSE;
    g_cond_signal(&worker->changed);
    g_mutex_unlock(&worker->lock);
}

static gboolean
wait_until(GstDinoR1Worker *worker, gint64 until)
{
    if (until < 0) {
        g_cond_wait(&worker->changed, &worker->lock);
        return TRUE;
    }
    return until > 0 && g_cond_wait_until(&worker->changed, &worker->lock, until);
}

GstDinoR1Job *
gst_dinor1_worker_collect(GstDinoR1Worker *worker, gint64 until)
{
    GstDinoR1Job *job = NULL;

    g_mutex_lock(&worker->lock);
    while (worker->job && !worker->done && wait_until(worker, until))
        continue;
    if (worker->done)
        job = g_steal_pointer(&worker->job);
    worker->done = FALSE;
    g_mutex_unlock(&worker->lock);
    return job;
}
