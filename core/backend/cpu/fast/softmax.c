/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/simd_math.h"

/* Floats of a task: some 20 us; of the adjoint, which has no exponential, twice as many. */
#define TASK_FLOATS 16384

/* x, out [outer, n, inner], softmax along n; for the adjoint x is what softmax made, dy [outer, n, inner] its gradient
 * and out that of the input. A column block is VW values of inner. */
typedef struct {
    const gfloat *x;
    const gfloat *dy; /* NULL: softmax itself */
    gfloat *out;
    gsize n, inner;
    gint64 outer, columns; /* column blocks of one outer index */
    DinoR1Blocks blocks;   /* of rows, or of column blocks */
} Job;

void
ISA_NAME(fast_softmax_row)(const gfloat *x, gfloat *out, gsize n)
{
    vf highest = v_set(-INFINITY), sum = v_set(0);

    for (gsize i = 0; i < n; i += VW)
        highest = v_max(v_keep_n(v_load_n(x + i, n - i), v_set(-INFINITY), n - i), highest);
    const gfloat max = v_highest(highest);
    const vf shift = v_set(max == -INFINITY ? 0 : max);
    for (gsize i = 0; i < n; i += VW) {
        const vf weight = v_exp(v_load_n(x + i, n - i) - shift);
        sum += v_keep_n(weight, v_set(0), n - i);
        v_store_n(out + i, weight, n - i);
    }
    const vf factor = v_set(max == -INFINITY ? 0 : 1 / v_sum(sum));
    for (gsize i = 0; i < n; i += VW)
        v_store_n(out + i, v_load_n(out + i, n - i) * factor, n - i);
}

/* @lanes columns side by side; rows are @stride apart. */
static void
softmax_columns(const gfloat *x, gfloat *out, gsize n, gsize stride, gsize lanes)
{
    vf highest = v_set(-INFINITY), sum = v_set(0);

    for (gsize i = 0; i < n; i++)
        highest = v_max(v_load_n(x + i * stride, lanes), highest);
    const vi masked = highest == v_set(-INFINITY);
    const vf shift = v_select(masked, v_set(0), highest);
    for (gsize i = 0; i < n; i++) {
        const vf weight = v_exp(v_load_n(x + i * stride, lanes) - shift);
        sum += weight;
        v_store_n(out + i * stride, weight, lanes);
    }
    const vf factor = v_select(masked, v_set(0), v_set(1) / sum);
    for (gsize i = 0; i < n; i++)
        v_store_n(out + i * stride, v_load_n(out + i * stride, lanes) * factor, lanes);
}

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
softmax_columns_grad(const gfloat *y, const gfloat *dy, gfloat *dx, gsize n, gsize stride, gsize lanes)
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

    for (gsize at = (gsize)first * job->n; at < (gsize)(first + count) * job->n; at += job->n) {
        if (job->dy)
            ISA_NAME(fast_softmax_row_grad)(job->x + at, job->dy + at, job->out + at, job->n);
        else
            ISA_NAME(fast_softmax_row)(job->x + at, job->out + at, job->n);
    }
}

static void
run_columns(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->outer * job->columns, (gint64)task, &count);

    for (gint64 i = first; i < first + count; i++) {
        const gsize column = (gsize)(i % job->columns) * VW, lanes = job->inner - column;
        const gsize at = (gsize)(i / job->columns) * job->n * job->inner + column;
        if (job->dy)
            softmax_columns_grad(job->x + at, job->dy + at, job->out + at, job->n, job->inner, lanes);
        else
            softmax_columns(job->x + at, job->out + at, job->n, job->inner, lanes);
    }
}

static void
run(const DinoR1KernelArgs *args, const gfloat *dy)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    const gint axis =
        args->params->softmax.axis < 0 ? args->params->softmax.axis + shape->ndim : args->params->softmax.axis;
    Job job = {
        .x = args->inputs[0].data,
        .dy = dy,
        .out = args->outputs[0].data,
        .n = (gsize)shape->dims[axis],
        .inner = (gsize)dinor1_shape_span(shape, axis + 1, shape->ndim),
        .outer = dinor1_shape_span(shape, 0, axis),
    };
    const gint64 lanes = job.inner == 1 ? 1 : VW;
    const gint64 target = MAX((dy ? 2 : 1) * TASK_FLOATS / ((gint64)job.n * lanes), 1);

    job.columns = (gint64)v_round_up(job.inner) / VW;
    job.blocks = dinor1_fast_blocks(job.inner == 1 ? job.outer : job.outer * job.columns, target, 1);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)dinor1_shape_size(shape) / (dy ? 2 : 1),
        job.inner == 1 ? run_rows : run_columns, &job);
}

void
ISA_NAME(fast_softmax)(const DinoR1KernelArgs *args)
{
    run(args, NULL);
}

void
ISA_NAME(fast_softmax_grad)(const DinoR1KernelArgs *args)
{
    run(args, args->inputs[1].data);
}
