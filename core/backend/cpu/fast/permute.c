/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

#include <string.h>

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 16384
/* Side of a square that both its rows and its columns find in the first-level cache. */
#define SQUARE 16

/* The output's dimensions, those joined that are neighbours in the input too. A row is the last of them; rows that are
 * whole in the input are copied, others go in squares with @across, the dimension that is innermost in the input. */
typedef struct {
    const gfloat *x;
    gfloat *out;
    gint ndim;
    gint64 dims[DINOR1_MAX_DIMS], from_strides[DINOR1_MAX_DIMS], to_strides[DINOR1_MAX_DIMS];
    gint across;      /* -1: rows are whole */
    gint64 n, stride; /* of the last dimension, in the input */
    gint64 count;     /* places of all dimensions but the last and @across */
    DinoR1Blocks parts;
} Job;

static void
set_dimensions(Job *job, const DinoR1KernelArgs *args)
{
    const DinoR1Shape *in = &args->inputs[0].shape;
    gint64 stride = 1;

    for (gint i = 0; i < in->ndim; i++) {
        const gint from = args->params->permute.perm[i];
        const gint64 dim = in->dims[from], step = dinor1_shape_span(in, from + 1, in->ndim);
        const gint last = job->ndim - 1;
        if (dim == 1)
            continue;
        if (last >= 0 && job->from_strides[last] == step * dim) {
            job->dims[last] *= dim;
            job->from_strides[last] = step;
            continue;
        }
        job->dims[job->ndim] = dim;
        job->from_strides[job->ndim++] = step;
    }
    if (job->ndim == 0) {
        job->dims[0] = job->from_strides[0] = 1;
        job->ndim = 1;
    }
    for (gint i = job->ndim - 1; i >= 0; i--) {
        job->to_strides[i] = stride;
        stride *= job->dims[i];
    }
}

/* Transposes x [width, height] with rows @stride apart into out [height, width] with rows @to_stride apart. */
static void
transpose(const gfloat *x, gint64 stride, gfloat *out, gint64 to_stride, gint64 height, gint64 width)
{
    for (gint64 top = 0; top < height; top += SQUARE)
        for (gint64 left = 0; left < width; left += SQUARE)
            for (gint64 i = top; i < MIN(top + SQUARE, height); i++)
                for (gint64 j = left; j < MIN(left + SQUARE, width); j++)
                    out[i * to_stride + j] = x[j * stride + i];
}

static void
permute_part(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gint64 size = job->across < 0 ? job->count : job->dims[job->across];
    gint64 place = job->across < 0 ? 0 : (gint64)task / job->parts.count, height;
    const gint64 first = dinor1_fast_block(job->parts, size, (gint64)task % job->parts.count, &height);
    gint64 from = 0, to = 0;

    if (job->across < 0) {
        for (gint64 row = first; row < first + height; row++) {
            gint64 rest = row;
            from = 0;
            for (gint i = job->ndim - 2; i >= 0; rest /= job->dims[i--])
                from += rest % job->dims[i] * job->from_strides[i];
            memcpy(job->out + row * job->n, job->x + from, (gsize)job->n * sizeof(gfloat));
        }
        return;
    }
    for (gint i = job->ndim - 2; i >= 0; i--) {
        if (i == job->across)
            continue;
        from += place % job->dims[i] * job->from_strides[i];
        to += place % job->dims[i] * job->to_strides[i];
        place /= job->dims[i];
    }
    transpose(job->x + from + first, job->stride, job->out + to + first * job->to_strides[job->across],
        job->to_strides[job->across], height, job->n);
}

void
dinor1_fast_permute(const DinoR1KernelArgs *args)
{
    const gint64 size = dinor1_shape_size(&args->outputs[0].shape);
    Job job = {.x = args->inputs[0].data, .out = args->outputs[0].data, .across = -1};

    set_dimensions(&job, args);
    job.n = job.dims[job.ndim - 1];
    job.stride = job.from_strides[job.ndim - 1];
    for (gint i = 0; i < job.ndim - 1; i++)
        if (job.from_strides[i] == 1)
            job.across = i;
    job.count = size / job.n / (job.across < 0 ? 1 : job.dims[job.across]);
    job.parts = dinor1_fast_blocks(
        job.across < 0 ? job.count : job.dims[job.across], MAX(TASK_FLOATS / job.n, 1), job.across < 0 ? 1 : SQUARE);
    dinor1_fast_run(
        args, (gsize)(job.parts.count * (job.across < 0 ? 1 : job.count)), (gdouble)size, permute_part, &job);
}
