/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/recorder.h"

typedef struct {
    guint first, last;
    DinoR1Recording *recording; /* NULL: has run once */
} Run;

struct _DinoR1Recorder {
    DinoR1Backend *backend;
    DinoR1RunFunc run;
    gpointer user_data;
    GArray *runs; /* Run */
    gboolean refused;
};

DinoR1Recorder *
dinor1_recorder_new(DinoR1Backend *backend, DinoR1RunFunc run, gpointer user_data)
{
    DinoR1Recorder *recorder = g_new0(DinoR1Recorder, 1);

    recorder->backend = backend;
    recorder->run = run;
    recorder->user_data = user_data;
    recorder->runs = g_array_new(FALSE, FALSE, sizeof(Run));
    return recorder;
}

void
dinor1_recorder_free(DinoR1Recorder *recorder)
{
    if (!recorder)
        return;
    for (guint i = 0; i < recorder->runs->len; i++) {
        DinoR1Recording *recording = g_array_index(recorder->runs, Run, i).recording;

        if (recording)
            recorder->backend->klass->recording_free(recorder->backend, recording);
    }
    g_array_unref(recorder->runs);
    g_free(recorder);
}

static Run *
find_run(DinoR1Recorder *recorder, guint first, guint last)
{
    for (guint i = 0; i < recorder->runs->len; i++) {
        Run *run = &g_array_index(recorder->runs, Run, i);

        if (run->first == first && run->last == last)
            return run;
    }
    return NULL;
}

static DinoR1Recording *
record(DinoR1Recorder *recorder, guint first, guint last, GError **error)
{
    const DinoR1BackendClass *klass = recorder->backend->klass;
    DinoR1Recording *recording;
    gboolean ok;

    if (!klass->record_begin(recorder->backend, error))
        return NULL;
    ok = recorder->run(recorder->user_data, first, last, error);
    recording = klass->record_end(recorder->backend, ok ? error : NULL);
    if (!ok && recording)
        klass->recording_free(recorder->backend, g_steal_pointer(&recording));
    return recording;
}

static gboolean
replay(DinoR1Recorder *recorder, const Run *run, GError **error)
{
    gchar name[32] = "all stages";

    if (run->first == run->last)
        g_snprintf(name, sizeof name, "stage %u", run->first);
    return recorder->backend->klass->replay(recorder->backend, run->recording, name, error);
}

gboolean
dinor1_recorder_run(DinoR1Recorder *recorder, guint first, guint last, GError **error)
{
    Run *run = find_run(recorder, first, last);

    if (run && !run->recording && !recorder->refused) {
        g_autoptr(GError) why = NULL;

        run->recording = record(recorder, first, last, &why);
        if (!run->recording) {
            recorder->refused = TRUE;
            g_debug("%s: this program goes on op by op", why->message);
        }
    }
    if (run && run->recording)
        return replay(recorder, run, error);
    if (!run && recorder->backend->can_record) {
        const Run first_run = {first, last, NULL};
        g_array_append_val(recorder->runs, first_run);
    }
    return recorder->run(recorder->user_data, first, last, error);
}
