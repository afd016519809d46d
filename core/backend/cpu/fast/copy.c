/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

#include <string.h>

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 32768

typedef struct {
    DinoR1Copy copy;
    DinoR1Blocks parts; /* of a row */
    DinoR1Blocks rows;  /* where one part is a whole row */
} Job;

static void
copy_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const DinoR1Copy *copy = &job->copy;
    gint64 n, count;
    const gint64 from = dinor1_fast_block(job->parts, copy->n, (gint64)task % job->parts.count, &n);
    const gint64 first = dinor1_fast_block(job->rows, copy->rows, (gint64)task / job->parts.count, &count);

    for (gint64 row = first; row < first + count; row++) {
        gfloat *to = copy->to + row * copy->to_stride + from;
        if (copy->from)
            memcpy(to, copy->from + row * copy->from_stride + from, (gsize)n * sizeof(gfloat));
        else
            memset(to, 0, (gsize)n * sizeof(gfloat));
    }
}

void
dinor1_fast_copy(const DinoR1KernelArgs *args, const DinoR1Copy *copy)
{
    Job job = {
        .copy = *copy,
        .parts = dinor1_fast_blocks(copy->n, TASK_FLOATS, 16),
        .rows = dinor1_fast_blocks(copy->rows, MAX(TASK_FLOATS / copy->n, 1), 1),
    };

    dinor1_fast_run(
        args, (gsize)(job.parts.count * job.rows.count), (gdouble)(copy->rows * copy->n) / 3, copy_block, &job);
}
