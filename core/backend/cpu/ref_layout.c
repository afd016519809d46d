/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <string.h>

void
dinor1_ref_permute(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *in = &args->inputs[0].shape, *shape = &args->outputs[0].shape;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(shape); i++) {
        gint64 rest = i, offset = 0;
        for (gint axis = shape->ndim - 1; axis >= 0; axis--) {
            gint from = args->params->permute.perm[axis];
            offset += rest % shape->dims[axis] * dinor1_shape_span(in, from + 1, in->ndim);
            rest /= shape->dims[axis];
        }
        out[i] = x[offset];
    }
}

static gint
positive_axis(const DinoR1Shape *shape, gint axis)
{
    return axis < 0 ? shape->ndim + axis : axis;
}

void
dinor1_ref_slice(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *in = &args->inputs[0].shape;
    gint axis = positive_axis(in, args->params->slice.axis);
    gint64 inner = dinor1_shape_span(in, axis + 1, in->ndim), length = args->params->slice.length;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    for (gint64 o = 0; o < dinor1_shape_span(in, 0, axis); o++)
        memcpy(out + o * length * inner, x + (o * in->dims[axis] + args->params->slice.start) * inner,
            (gsize)(length * inner) * sizeof(real));
}

void
dinor1_ref_slice_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape;
    gint axis = positive_axis(shape, args->params->slice_grad.axis);
    gint64 inner = dinor1_shape_span(shape, axis + 1, shape->ndim), size = args->params->slice_grad.size;
    gint64 length = args->inputs[0].shape.dims[axis];
    const real *dy = args->inputs[0].data;
    real *out = args->outputs[0].data;

    memset(out, 0, (gsize)dinor1_shape_size(shape) * sizeof(real));
    for (gint64 o = 0; o < dinor1_shape_span(shape, 0, axis); o++)
        memcpy(out + (o * size + args->params->slice_grad.start) * inner, dy + o * length * inner,
            (gsize)(length * inner) * sizeof(real));
}

void
dinor1_ref_concat(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape;
    gint axis = positive_axis(shape, args->params->concat.axis);
    real *out = args->outputs[0].data;

    for (gint64 o = 0; o < dinor1_shape_span(shape, 0, axis); o++) {
        for (guint i = 0; i < args->n_inputs; i++) {
            const DinoR1View *x = &args->inputs[i];
            gint64 n = dinor1_shape_span(&x->shape, axis, x->shape.ndim);
            memcpy(out, (const real *)x->data + o * n, (gsize)n * sizeof(real));
            out += n;
        }
    }
}

void
dinor1_ref_expand(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape;
    const real *x = args->inputs[0].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(shape); i++)
        out[i] = x[dinor1_ref_broadcast(shape, i, &args->inputs[0].shape)];
}

gsize
dinor1_ref_sum_to_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 1);
}

void
dinor1_ref_sum_to(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    const real *dy = args->inputs[0].data;
    gdouble *sum;

    dinor1_ref_sums_begin(args, 1, &sum);
    for (gint64 i = 0; i < dinor1_shape_size(shape); i++)
        sum[dinor1_ref_broadcast(shape, i, &args->outputs[0].shape)] += dy[i];
    dinor1_ref_sums_end(args, 1, &sum);
}

void
dinor1_ref_patch_merge(const DinoR1KernelArgs *args)
{
    const gint64 *in = args->inputs[0].shape.dims; /* B, H, W, C */
    gint64 h = in[1], w = in[2], c = in[3];
    real *out = args->outputs[0].data; /* [B, ceil(H/2), ceil(W/2), 4, C] */

    for (gint64 b = 0; b < in[0]; b++) {
        const real *x = (const real *)args->inputs[0].data + b * h * w * c;
        for (gint64 top = 0; top < h; top += 2) {
            for (gint64 left = 0; left < w; left += 2) {
                for (gint part = 0; part < 4; part++, out += c) {
                    gint64 row = top + part % 2, column = left + part / 2;
                    if (row < h && column < w)
                        memcpy(out, x + (row * w + column) * c, (gsize)c * sizeof(real));
                    else
                        memset(out, 0, (gsize)c * sizeof(real));
                }
            }
        }
    }
}

void
dinor1_ref_patch_split(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->outputs[0].shape.dims; /* B, H, W, C */
    gint64 h = dims[1], w = dims[2], c = dims[3];
    const real *dy = args->inputs[0].data; /* [B, ceil(H/2), ceil(W/2), 4, C] */
    real *out = args->outputs[0].data;

    for (gint64 b = 0; b < dims[0]; b++) {
        for (gint64 row = 0; row < h; row++) {
            for (gint64 column = 0; column < w; column++, out += c) {
                gint64 pixel = (b * ((h + 1) / 2) + row / 2) * ((w + 1) / 2) + column / 2;
                gint64 part = row % 2 + column % 2 * 2;
                memcpy(out, dy + (pixel * 4 + part) * c, (gsize)c * sizeof(real));
            }
        }
    }
}
