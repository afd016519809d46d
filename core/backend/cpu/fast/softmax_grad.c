/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 32768

/* y, dy, dx [outer, n, inner], softmax along n. A column block is VW values of inner. */
typedef struct {
    const gfloat *y, *dy;
    gfloat *dx;
    gsize n, inner;
    gint64 outer, columns; /* column blocks of one outer index */
    DinoR1Blocks blocks;   /* of rows, or of column blocks */
} Job;

void
ISA_NAME(fast_softmax_row_grad)(const gfloat *y, const gfloat *dy, gfloat *dx, gsize n)
{
    vf sum = v_set(0);

    for (gsize i = 0; i < n; i += VW)
        sum = v_fma(v_load_n(y + i, n - i), v_load_n(dy + i, n - i), sum);
    const vf mean = v_set(v_sum(sum));
    for (gsize i = 0; i < n; i += VW)
        v_store_n(dx + i, v_load_n(y + i, n - i) * (v_load_n(dy + i, n - i) - mean), n - i);
}

/* @lanes columns side by side; rows are @stride apart. */
static void
columns_grad(const gfloat *y, const gfloat *dy, gfloat *dx, gsize n, gsize stride, gsize lanes)
{
    vf sum = v_set(0);

    for (gsize i = 0; i < n * stride; i += stride)
        sum = v_fma(v_load_n(y + i, lanes), v_load_n(dy + i, lanes), sum);
    for (gsize i = 0; i < n * stride; i += stride)
        v_store_n(dx + i, v_load_n(y + i, lanes) * (v_load_n(dy + i, lanes) - sum), lanes);
}

static void
run_rows(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->outer, (gint64)task, &count);

    for (gsize at = (gsize)first * job->n; at < (gsize)(first + count) * job->n; at += job->n)
        ISA_NAME(fast_softmax_row_grad)(job->y + at, job->dy + at, job->dx + at, job->n);
}

static void
run_columns(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->outer * job->columns, (gint64)task, &count);

    for (gint64 i = first; i < first + count; i++) {
        const gsize column = (gsize)(i % job->columns) * VW;
        const gsize at = (gsize)(i / job->columns) * job->n * job->inner + column;
        columns_grad(job->y + at, job->dy + at, job->dx + at, job->n, job->inner, job->inner - column);
    }
}

void
ISA_NAME(fast_softmax_grad)(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    const gint axis =
        args->params->softmax.axis < 0 ? args->params->softmax.axis + shape->ndim : args->params->softmax.axis;
    Job job = {
        .y = args->inputs[0].data,
        .dy = args->inputs[1].data,
        .dx = args->outputs[0].data,
        .n = (gsize)shape->dims[axis],
        .inner = (gsize)dinor1_shape_span(shape, axis + 1, shape->ndim),
        .outer = dinor1_shape_span(shape, 0, axis),
    };
    const gint64 lanes = job.inner == 1 ? 1 : VW;
    const gint64 target = MAX(TASK_FLOATS / ((gint64)job.n * lanes), 1);

    job.columns = (gint64)v_round_up(job.inner) / VW;
    job.blocks = dinor1_fast_blocks(job.inner == 1 ? job.outer : job.outer * job.columns, target, 1);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)dinor1_shape_size(shape) / 2,
        job.inner == 1 ? run_rows : run_columns, &job);
}
