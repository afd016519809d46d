/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench_streams.h"

#define WARM_UP 3 /* runs: plan, record, replay */

typedef struct {
    DinoR1Detector *detector;
    DinoR1Image images[DINOR1_DETECTOR_MAX_BATCH];
    guint batch, runs;
    GThread *thread;
    GError *error;
} Stream;

static gboolean
detect(const Stream *stream, guint runs, GError **error)
{
    DinoR1DetectionList found[DINOR1_DETECTOR_MAX_BATCH];

    for (guint i = 0; i < runs; i++)
        if (!dinor1_detector_detect_batch(stream->detector, stream->images, stream->batch, found, error))
            return FALSE;
    return TRUE;
}

static gpointer
run_stream(gpointer data)
{
    Stream *stream = data;

    detect(stream, stream->runs, &stream->error);
    return NULL;
}

static gboolean
prepare(Stream *stream, DinoR1Model *model, const DinoR1DetectorOptions *options, const DinoR1PromptBank *bank,
    GError **error)
{
    stream->detector = dinor1_detector_new(model, options, error);
    return stream->detector && dinor1_detector_set_prompts(stream->detector, bank, error) &&
           detect(stream, WARM_UP, error);
}

/* Returns the seconds that all streams took, or -1 with the first one's error. */
static gdouble
run_all(Stream *streams, guint n, GError **error)
{
    const gint64 start = g_get_monotonic_time();
    GError *first = NULL;
    gint64 end;

    for (guint i = 0; i < n; i++)
        streams[i].thread = g_thread_new("stream", run_stream, &streams[i]);
    for (guint i = 0; i < n; i++)
        g_thread_join(streams[i].thread);
    end = g_get_monotonic_time();
    for (guint i = 0; i < n; i++) {
        if (!first)
            first = g_steal_pointer(&streams[i].error);
        g_clear_error(&streams[i].error);
    }
    if (!first)
        return (gdouble)(end - start) / G_USEC_PER_SEC;
    g_propagate_error(error, first);
    return -1;
}

gboolean
bench_streams(DinoR1Model *model, const DinoR1DetectorOptions *options, const DinoR1PromptBank *bank,
    const DinoR1Image *image, guint n_streams, guint batch, guint runs, gdouble *frames_per_second, GError **error)
{
    g_autofree Stream *streams = g_new0(Stream, n_streams);
    DinoR1DetectorOptions own = *options;
    const guint threads = own.n_threads ? own.n_threads : g_get_num_processors();
    gboolean done = TRUE;
    gdouble seconds = -1;

    own.n_threads = MAX(1, threads / n_streams);
    for (guint i = 0; done && i < n_streams; i++) {
        for (guint k = 0; k < batch; k++)
            streams[i].images[k] = *image;
        streams[i].batch = batch;
        streams[i].runs = runs;
        done = prepare(&streams[i], model, &own, bank, error);
    }
    if (done)
        seconds = run_all(streams, n_streams, error);
    for (guint i = 0; i < n_streams; i++)
        g_clear_pointer(&streams[i].detector, dinor1_detector_free);
    if (seconds < 0)
        return FALSE;
    *frames_per_second = (gdouble)n_streams * batch * runs / MAX(seconds, 1e-9);
    return TRUE;
}
