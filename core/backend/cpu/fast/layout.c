/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

#include <string.h>

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 32768

static gint
positive_axis(const DinoR1Shape *shape, gint axis)
{
    return axis < 0 ? shape->ndim + axis : axis;
}

void
dinor1_fast_slice(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *in = &args->inputs[0].shape;
    const gint axis = positive_axis(in, args->params->slice.axis);
    const gint64 inner = dinor1_shape_span(in, axis + 1, in->ndim), n = args->params->slice.length * inner;

    dinor1_fast_copy(args, &(DinoR1Copy){
                               .from = (const gfloat *)args->inputs[0].data + args->params->slice.start * inner,
                               .to = args->outputs[0].data,
                               .rows = dinor1_shape_span(in, 0, axis),
                               .n = n,
                               .from_stride = in->dims[axis] * inner,
                               .to_stride = n,
                           });
}

void
dinor1_fast_concat(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    const gint axis = positive_axis(out, args->params->concat.axis);
    gint64 at = 0;

    for (guint i = 0; i < args->n_inputs; i++) {
        const DinoR1Shape *in = &args->inputs[i].shape;
        const gint64 n = dinor1_shape_span(in, axis, in->ndim);
        dinor1_fast_copy(args, &(DinoR1Copy){
                                   .from = args->inputs[i].data,
                                   .to = (gfloat *)args->outputs[0].data + at,
                                   .rows = dinor1_shape_span(out, 0, axis),
                                   .n = n,
                                   .from_stride = n,
                                   .to_stride = dinor1_shape_span(out, axis, out->ndim),
                               });
        at += n;
    }
}

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 rows;
    DinoR1Blocks blocks;
} Rows;

static Rows
rows_of(const DinoR1KernelArgs *args, gint64 rows, gint64 n)
{
    return (Rows){args, rows, dinor1_fast_blocks(rows, MAX(TASK_FLOATS / n, 1), 1)};
}

static void
gather_rows(gpointer user_data, gsize task, guint thread)
{
    const Rows *job = user_data;
    const DinoR1View *x = &job->args->inputs[0], *indices = &job->args->inputs[1];
    const gint64 n = dinor1_shape_dim(&x->shape, -2), d = dinor1_shape_dim(&x->shape, -1);
    const gint64 k = dinor1_shape_dim(&indices->shape, -1);
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->rows, (gint64)task, &count);

    for (gint64 i = first; i < first + count; i++) {
        const gint64 row = CLAMP(((const gint32 *)indices->data)[i], 0, n - 1) + (x->shape.ndim == 3 ? i / k * n : 0);
        memcpy(
            (gfloat *)job->args->outputs[0].data + i * d, (const gfloat *)x->data + row * d, (gsize)d * sizeof(gfloat));
    }
}

void
dinor1_fast_gather(const DinoR1KernelArgs *args)
{
    const gint64 d = dinor1_shape_dim(&args->inputs[0].shape, -1);
    Rows job = rows_of(args, dinor1_shape_size(&args->inputs[1].shape), d);

    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)(job.rows * d) / 3, gather_rows, &job);
}

/* Where row @row of @out (all dimensions but the last) begins in a tensor that is broadcast to it. */
static gint64
broadcast_row(const DinoR1Shape *out, gint64 row, const DinoR1Shape *in)
{
    gint64 offset = 0, stride = dinor1_shape_dim(in, -1);

    for (gint o = out->ndim - 2, i = in->ndim - 2; i >= 0; o--, i--) {
        if (in->dims[i] != 1)
            offset += row % out->dims[o] * stride;
        row /= out->dims[o];
        stride *= in->dims[i];
    }
    return offset;
}

static void
expand_rows(gpointer user_data, gsize task, guint thread)
{
    const Rows *job = user_data;
    const DinoR1Shape *out = &job->args->outputs[0].shape, *in = &job->args->inputs[0].shape;
    const gint64 n = dinor1_shape_dim(out, -1);
    const gboolean one = dinor1_shape_dim(in, -1) == 1;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->rows, (gint64)task, &count);

    for (gint64 row = first; row < first + count; row++) {
        const gfloat *x = (const gfloat *)job->args->inputs[0].data + broadcast_row(out, row, in);
        gfloat *to = (gfloat *)job->args->outputs[0].data + row * n;
        if (!one)
            memcpy(to, x, (gsize)n * sizeof(gfloat));
        for (gint64 i = 0; one && i < n; i++)
            to[i] = *x;
    }
}

void
dinor1_fast_expand(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;

    if (args->inputs[0].shape.ndim == 0) {
        const gfloat value = *(const gfloat *)args->inputs[0].data;
        for (gint64 i = 0; i < dinor1_shape_size(out); i++)
            ((gfloat *)args->outputs[0].data)[i] = value;
        return;
    }
    const gint64 n = dinor1_shape_dim(out, -1);
    Rows job = rows_of(args, dinor1_shape_size(out) / n, n);

    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)job.rows * ((gdouble)n / 3 + 5), expand_rows, &job);
}

/* One row of output pixels [W/2, 4C]. */
static void
merge_row(gpointer user_data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = user_data;
    const gint64 *in = args->inputs[0].shape.dims, *out = args->outputs[0].shape.dims; /* [B, H, W, C] both */
    const gint64 batch = (gint64)task / out[1], y = (gint64)task % out[1], c = in[3];
    const gfloat *x = (const gfloat *)args->inputs[0].data + batch * in[1] * in[2] * c;
    gfloat *to = (gfloat *)args->outputs[0].data + (gint64)task * out[2] * out[3];

    for (gint64 i = 0; i < out[2] * 4; i++, to += c) {
        const gint64 row = 2 * y + i % 2, column = i / 4 * 2 + i % 4 / 2;
        if (row < in[1] && column < in[2])
            memcpy(to, x + (row * in[2] + column) * c, (gsize)c * sizeof(gfloat));
        else
            memset(to, 0, (gsize)c * sizeof(gfloat));
    }
}

void
dinor1_fast_patch_merge(const DinoR1KernelArgs *args)
{
    const gint64 *out = args->outputs[0].shape.dims;

    dinor1_fast_run(args, (gsize)(out[0] * out[1]), (gdouble)dinor1_shape_size(&args->outputs[0].shape) / 3, merge_row,
        (gpointer)args);
}
