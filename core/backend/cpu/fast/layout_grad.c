/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

#include <string.h>

/* Columns of a task of gather_grad: whole cache lines. */
#define GATHER_COLUMNS 32

/* @rows pieces of @n zeros, @stride apart. */
static void
clear(const DinoR1KernelArgs *args, gfloat *to, gint64 rows, gint64 n, gint64 stride)
{
    if (n > 0)
        dinor1_fast_copy(args, &(DinoR1Copy){.to = to, .rows = rows, .n = n, .to_stride = stride});
}

void
dinor1_fast_slice_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape, *in = &args->inputs[0].shape;
    const gint axis =
        args->params->slice_grad.axis < 0 ? args->params->slice_grad.axis + out->ndim : args->params->slice_grad.axis;
    const gint64 rows = dinor1_shape_span(out, 0, axis), inner = dinor1_shape_span(out, axis + 1, out->ndim);
    const gint64 n = in->dims[axis] * inner, stride = out->dims[axis] * inner;
    const gint64 first = args->params->slice_grad.start * inner, end = first + n;
    gfloat *to = args->outputs[0].data;

    clear(args, to, rows, first, stride);
    dinor1_fast_copy(args, &(DinoR1Copy){
                               .from = args->inputs[0].data,
                               .to = to + first,
                               .rows = rows,
                               .n = n,
                               .from_stride = n,
                               .to_stride = stride,
                           });
    clear(args, to + end, rows, stride - end, stride);
}

/* Some columns of one image: rows are added in order, and no two tasks add to the same place. */
static void
add_columns(gpointer user_data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = user_data;
    const DinoR1Shape *out = &args->outputs[0].shape, *indices = &args->inputs[1].shape;
    const gint64 n = dinor1_shape_dim(out, -2), d = dinor1_shape_dim(out, -1);
    const gint64 images = out->ndim == 3 ? out->dims[0] : 1, k = dinor1_shape_size(indices) / images;
    const gint64 image = (gint64)task % images, column = (gint64)task / images * GATHER_COLUMNS;
    const gint64 width = MIN(GATHER_COLUMNS, d - column);
    const gint32 *index = (const gint32 *)args->inputs[1].data + image * k;
    const gfloat *dy = (const gfloat *)args->inputs[0].data + image * k * d + column;
    gfloat *to = (gfloat *)args->outputs[0].data + image * n * d + column;

    for (gint64 i = 0; i < k; i++, dy += d) {
        gfloat *row = to + CLAMP(index[i], 0, n - 1) * d;
        for (gint64 c = 0; c < width; c++)
            row[c] += dy[c];
    }
}

void
dinor1_fast_gather_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    const gint64 d = dinor1_shape_dim(out, -1), images = out->ndim == 3 ? out->dims[0] : 1;
    const gint64 blocks = (d + GATHER_COLUMNS - 1) / GATHER_COLUMNS;

    clear(args, args->outputs[0].data, 1, dinor1_shape_size(out), 0);
    dinor1_fast_run(args, (gsize)(images * blocks), (gdouble)dinor1_shape_size(&args->inputs[0].shape) / 3, add_columns,
        (gpointer)args);
}

/* One row of pixels [W, C]. */
static void
split_row(gpointer user_data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = user_data;
    const gint64 *in = args->inputs[0].shape.dims, *out = args->outputs[0].shape.dims; /* [B, H, W, C] both */
    const gint64 batch = (gint64)task / out[1], y = (gint64)task % out[1], c = out[3];
    const gfloat *dy = (const gfloat *)args->inputs[0].data + ((batch * in[1] + y / 2) * in[2] * 4 + y % 2) * c;
    gfloat *to = (gfloat *)args->outputs[0].data + (gint64)task * out[2] * c;

    for (gint64 x = 0; x < out[2]; x++, to += c)
        memcpy(to, dy + (x / 2 * 4 + x % 2 * 2) * c, (gsize)c * sizeof(gfloat));
}

void
dinor1_fast_patch_split(const DinoR1KernelArgs *args)
{
    const gint64 *out = args->outputs[0].shape.dims;

    dinor1_fast_run(args, (gsize)(out[0] * out[1]), (gdouble)dinor1_shape_size(&args->outputs[0].shape) / 3, split_row,
        (gpointer)args);
}
