/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/op_timer.h"

#include "graph/recorder.h"

#define LONG_ENOUGH 1e-3 /* seconds: a hundred times what a wait costs */
#define MOST_RUNS   100

typedef struct {
    DinoR1Backend *backend;
    DinoR1OpType op;
    DinoR1KernelArgs *args;
    guint n;
} Task;

static gboolean
run_task(gpointer user_data, guint first G_GNUC_UNUSED, guint last G_GNUC_UNUSED, GError **error)
{
    const Task *task = user_data;

    for (guint i = 0; i < task->n; i++)
        if (!task->backend->klass->run(task->backend, task->op, task->args, error))
            return FALSE;
    return TRUE;
}

static gboolean
time_run(DinoR1Recorder *recorder, const Task *task, gdouble *seconds, GError **error)
{
    const gint64 start = g_get_monotonic_time();

    if (!dinor1_recorder_run(recorder, 0, 0, error) || !task->backend->klass->sync(task->backend, error))
        return FALSE;
    *seconds = (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC / task->n;
    return TRUE;
}

gboolean
dinor1_time_op(DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, gdouble *seconds, GError **error)
{
    Task task = {backend, op, args, 1};
    DinoR1Recorder *recorder = dinor1_recorder_new(backend, run_task, &task);
    gboolean done = time_run(recorder, &task, seconds, error);

    if (done && backend->can_record) {
        task.n = (guint)CLAMP(LONG_ENOUGH / MAX(*seconds, 1e-9), 1, MOST_RUNS);
        for (guint i = 0; done && i < 2; i++) /* the first records and warms up */
            done = time_run(recorder, &task, seconds, error);
    }
    dinor1_recorder_free(recorder);
    return done;
}
