/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 65536
/* Values that are summed in one go: sums of sums lose less. */
#define CHUNK 128

/* x [outer, n, inner], reduced along n. A column block is VW values of inner. */
typedef struct {
    const gfloat *x;
    gfloat *out;
    gsize n, inner;
    gint64 outer, columns;
    gboolean maximum;
    gfloat factor;       /* of a sum */
    DinoR1Blocks blocks; /* of rows, or of column blocks */
} Job;

static gfloat
row_maximum(const gfloat *x, gsize n)
{
    vf highest = v_set(-INFINITY);

    for (gsize i = 0; i < n; i += VW)
        highest = v_max(v_keep_n(v_load_n(x + i, n - i), v_set(-INFINITY), n - i), highest);
    return v_highest(highest);
}

static gfloat
row_sum(const gfloat *x, gsize n)
{
    gdouble total = 0;

    for (gsize from = 0; from < n; from += CHUNK) {
        const gsize to = MIN(from + CHUNK, n);
        vf sum = v_set(0);
        for (gsize i = from; i < to; i += VW)
            sum += v_load_n(x + i, to - i);
        total += v_sum(sum);
    }
    return (gfloat)total;
}

static vf
columns_maximum(const gfloat *x, gsize n, gsize stride, gsize lanes)
{
    vf highest = v_set(-INFINITY);

    for (gsize i = 0; i < n; i++)
        highest = v_max(v_load_n(x + i * stride, lanes), highest);
    return highest;
}

static vf
columns_sum(const gfloat *x, gsize n, gsize stride, gsize lanes)
{
    vf total = v_set(0);

    for (gsize from = 0; from < n; from += CHUNK) {
        vf sum = v_set(0);
        for (gsize i = from; i < MIN(from + CHUNK, n); i++)
            sum += v_load_n(x + i * stride, lanes);
        total += sum;
    }
    return total;
}

static void
run_rows(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->outer, (gint64)task, &count);

    for (gsize row = (gsize)first; row < (gsize)(first + count); row++) {
        const gfloat *x = job->x + row * job->n;
        job->out[row] = job->maximum ? row_maximum(x, job->n) : row_sum(x, job->n) * job->factor;
    }
}

static void
run_columns(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->outer * job->columns, (gint64)task, &count);

    for (gint64 i = first; i < first + count; i++) {
        const gsize column = (gsize)(i % job->columns) * VW, row = (gsize)(i / job->columns);
        const gsize lanes = job->inner - column;
        const gfloat *x = job->x + row * job->n * job->inner + column;
        const vf value = job->maximum ? columns_maximum(x, job->n, job->inner, lanes)
                                      : columns_sum(x, job->n, job->inner, lanes) * v_set(job->factor);
        v_store_n(job->out + row * job->inner + column, value, lanes);
    }
}

static void
run(const DinoR1KernelArgs *args, Job job)
{
    const gint64 lanes = job.inner == 1 ? 1 : VW;

    job.columns = (gint64)v_round_up(job.inner) / VW;
    job.blocks = dinor1_fast_blocks(
        job.inner == 1 ? job.outer : job.outer * job.columns, MAX(TASK_FLOATS / ((gint64)job.n * lanes), 1), 1);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)job.outer * (gdouble)(job.n * job.inner) / 4,
        job.inner == 1 ? run_rows : run_columns, &job);
}

void
ISA_NAME(fast_sum)(const DinoR1KernelArgs *args, const gfloat *x, gint64 outer, gsize n, gsize inner, gfloat *out)
{
    run(args, (Job){.x = x, .out = out, .n = n, .inner = inner, .outer = outer, .factor = 1});
}

void
ISA_NAME(fast_reduce)(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    const DinoR1ReduceFunc func = args->params->reduce.func;
    const gint axis =
        args->params->reduce.axis < 0 ? args->params->reduce.axis + shape->ndim : args->params->reduce.axis;
    const Job job = {
        .x = args->inputs[0].data,
        .out = args->outputs[0].data,
        .n = (gsize)shape->dims[axis],
        .inner = (gsize)dinor1_shape_span(shape, axis + 1, shape->ndim),
        .outer = dinor1_shape_span(shape, 0, axis),
        .maximum = func == DINOR1_REDUCE_MAX,
        .factor = func == DINOR1_REDUCE_MEAN ? 1 / (gfloat)shape->dims[axis] : 1,
    };

    run(args, job);
}
