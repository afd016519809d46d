/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 32768

/* The output's dimensions, neighbours joined where both inputs allow it; strides are in elements, 0 = broadcast. */
typedef struct {
    const gfloat *a, *b;
    gfloat *out;
    DinoR1BinaryFunc func;
    gint ndim;
    gint64 dims[DINOR1_MAX_DIMS], a_strides[DINOR1_MAX_DIMS], b_strides[DINOR1_MAX_DIMS];
    gint64 rows;         /* all but the last dimension */
    gint64 n;            /* the last dimension */
    DinoR1Blocks parts;  /* of a row */
    DinoR1Blocks blocks; /* of rows, where one part is a whole row */
} Job;

/* Strides of a tensor broadcast to @out. */
static void
broadcast_strides(const DinoR1Shape *out, const DinoR1Shape *in, gint64 *strides)
{
    gint64 stride = 1;

    for (gint o = out->ndim - 1, i = in->ndim - 1; o >= 0; o--, i--) {
        const gint64 dim = i >= 0 ? in->dims[i] : 1;
        strides[o] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

static void
set_dimensions(Job *job, const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    gint64 a[DINOR1_MAX_DIMS], b[DINOR1_MAX_DIMS];

    broadcast_strides(out, &args->inputs[0].shape, a);
    broadcast_strides(out, &args->inputs[1].shape, b);
    job->ndim = 0;
    for (gint i = 0; i < out->ndim; i++) {
        const gint64 dim = out->dims[i];
        const gint last = job->ndim - 1;
        if (dim == 1)
            continue;
        if (last >= 0 && job->a_strides[last] == a[i] * dim && job->b_strides[last] == b[i] * dim) {
            job->dims[last] *= dim;
            job->a_strides[last] = a[i];
            job->b_strides[last] = b[i];
            continue;
        }
        job->dims[job->ndim] = dim;
        job->a_strides[job->ndim] = a[i];
        job->b_strides[job->ndim++] = b[i];
    }
    if (job->ndim == 0) {
        job->dims[0] = 1;
        job->a_strides[0] = job->b_strides[0] = 0;
        job->ndim = 1;
    }
}

V_INLINE vf
combine(DinoR1BinaryFunc func, vf a, vf b)
{
    switch (func) {
    case DINOR1_BINARY_ADD:
        return a + b;
    case DINOR1_BINARY_SUB:
        return a - b;
    case DINOR1_BINARY_MUL:
        return a * b;
    case DINOR1_BINARY_DIV:
        return a / b;
    }
    return a;
}

/* A row; an input that does not step is one value. */
V_INLINE void
combine_row(
    DinoR1BinaryFunc func, const gfloat *a, gboolean a_steps, const gfloat *b, gboolean b_steps, gfloat *out, gsize n)
{
    const vf a0 = v_set(*a), b0 = v_set(*b);

    if (a_steps && b_steps)
        for (gsize i = 0; i < n; i += VW)
            v_store_n(out + i, combine(func, v_load_n(a + i, n - i), v_load_n(b + i, n - i)), n - i);
    else if (a_steps)
        for (gsize i = 0; i < n; i += VW)
            v_store_n(out + i, combine(func, v_load_n(a + i, n - i), b0), n - i);
    else
        for (gsize i = 0; i < n; i += VW)
            v_store_n(out + i, combine(func, a0, v_load_n(b + i, b_steps ? n - i : 1)), n - i);
}

static void
run_row(const Job *job, gint64 row, gint64 from, gsize n)
{
    const gint last = job->ndim - 1;
    const gfloat *a = job->a + from * job->a_strides[last], *b = job->b + from * job->b_strides[last];
    gfloat *out = job->out + row * job->n + from;

    for (gint i = last - 1; i >= 0; i--) {
        a += row % job->dims[i] * job->a_strides[i];
        b += row % job->dims[i] * job->b_strides[i];
        row /= job->dims[i];
    }
    switch (job->func) {
    case DINOR1_BINARY_ADD:
        combine_row(DINOR1_BINARY_ADD, a, job->a_strides[last], b, job->b_strides[last], out, n);
        break;
    case DINOR1_BINARY_SUB:
        combine_row(DINOR1_BINARY_SUB, a, job->a_strides[last], b, job->b_strides[last], out, n);
        break;
    case DINOR1_BINARY_MUL:
        combine_row(DINOR1_BINARY_MUL, a, job->a_strides[last], b, job->b_strides[last], out, n);
        break;
    case DINOR1_BINARY_DIV:
        combine_row(DINOR1_BINARY_DIV, a, job->a_strides[last], b, job->b_strides[last], out, n);
        break;
    }
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gint64 part = (gint64)task % job->parts.count;
    gint64 n, count;
    const gint64 from = dinor1_fast_block(job->parts, job->n, part, &n);
    const gint64 first = dinor1_fast_block(job->blocks, job->rows, (gint64)task / job->parts.count, &count);

    for (gint64 row = first; row < first + count; row++)
        run_row(job, row, from, (gsize)n);
}

void
ISA_NAME(fast_binary)(const DinoR1KernelArgs *args)
{
    Job job = {
        .a = args->inputs[0].data,
        .b = args->inputs[1].data,
        .out = args->outputs[0].data,
        .func = args->params->binary.func,
    };

    set_dimensions(&job, args);
    job.n = job.dims[job.ndim - 1];
    job.rows = dinor1_shape_size(&args->outputs[0].shape) / job.n;
    job.parts = dinor1_fast_blocks(job.n, TASK_FLOATS, VW);
    job.blocks = dinor1_fast_blocks(job.rows, MAX(TASK_FLOATS / job.n, 1), 1);
    dinor1_fast_run(args, (gsize)(job.parts.count * job.blocks.count),
        (gdouble)(job.rows * job.n) / 3 + (gdouble)job.rows * 5, run_block, &job);
}
