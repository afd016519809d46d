/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

/* Channel @c of pixel (y, x) of a level [h, w, channels]; zero outside. */
static gdouble
pixel(const gfloat *level, gint64 h, gint64 w, gint64 channels, gint64 y, gint64 x, gint64 c)
{
    return x >= 0 && x < w && y >= 0 && y < h ? level[(y * w + x) * channels + c] : 0;
}

/* Bilinear sample at pixel coordinates, pixel centres at whole numbers (grid_sample, align_corners=False, zeros). */
static gdouble
sample(const gfloat *level, gint64 h, gint64 w, gint64 channels, gdouble y, gdouble x, gint64 c)
{
    /* Far outside, or NaN: no conversion to an integer. */
    if (!(x > -1 && x < w && y > -1 && y < h))
        return 0;

    gint64 x0 = (gint64)floor(x), y0 = (gint64)floor(y);
    gdouble fx = x - x0, fy = y - y0;
    return (1 - fy) * (1 - fx) * pixel(level, h, w, channels, y0, x0, c) +
           (1 - fy) * fx * pixel(level, h, w, channels, y0, x0 + 1, c) +
           fy * (1 - fx) * pixel(level, h, w, channels, y0 + 1, x0, c) +
           fy * fx * pixel(level, h, w, channels, y0 + 1, x0 + 1, c);
}

gsize
dinor1_ref_deformable_attention_workspace(const DinoR1KernelArgs *args)
{
    return (gsize)args->params->deformable.n_levels * (gsize)args->params->deformable.n_points * sizeof(gdouble);
}

/* One query and head. @value: [N, H*d] of one image; @reference: [L|1, 2 or 4]; @offsets: [L, P, 2];
 * @weights: [L * P]. Writes the d channels of the head. */
static void
attend(const DinoR1KernelArgs *args, const gfloat *value, const gfloat *reference, const gfloat *offsets,
    const gdouble *weights, gint64 head, gfloat *out)
{
    gint64 n_levels = args->params->deformable.n_levels, n_points = args->params->deformable.n_points;
    gint64 channels = dinor1_shape_dim(&args->inputs[0].shape, -1), d = channels / args->params->deformable.heads;
    gint64 reference_levels = args->inputs[1].shape.dims[2], coordinates = args->inputs[1].shape.dims[3];

    for (gint64 c = head * d; c < (head + 1) * d; c++) {
        const gfloat *level = value;
        gdouble sum = 0;
        for (gint64 l = 0; l < n_levels; l++) {
            gint64 h = args->params->deformable.heights[l], w = args->params->deformable.widths[l];
            const gfloat *centre = reference + (reference_levels == 1 ? 0 : l * coordinates);
            for (gint64 p = 0; p < n_points; p++) {
                const gfloat *offset = offsets + (l * n_points + p) * 2;
                gdouble unit_x = coordinates == 2 ? 1.0 / w : 0.5 * centre[2] / n_points;
                gdouble unit_y = coordinates == 2 ? 1.0 / h : 0.5 * centre[3] / n_points;
                gdouble x = (centre[0] + offset[0] * unit_x) * w - 0.5, y = (centre[1] + offset[1] * unit_y) * h - 0.5;
                sum += weights[l * n_points + p] * sample(level, h, w, channels, y, x, c);
            }
            level += h * w * channels;
        }
        out[c - head * d] = (gfloat)sum;
    }
}

void
dinor1_ref_deformable_attention(const DinoR1KernelArgs *args)
{
    gint64 heads = args->params->deformable.heads;
    gint64 points = (gint64)args->params->deformable.n_levels * args->params->deformable.n_points;
    gint64 batches = args->outputs[0].shape.dims[0], queries = args->outputs[0].shape.dims[1];
    gint64 channels = args->outputs[0].shape.dims[2];
    gint64 value_size = dinor1_shape_span(&args->inputs[0].shape, 1, 3);
    gint64 reference_size = dinor1_shape_span(&args->inputs[1].shape, 2, 4);
    gboolean one_reference = args->inputs[1].shape.dims[0] == 1;
    const gfloat *reference = args->inputs[1].data; /* [B|1, Q, L|1, 2 or 4] */
    const gfloat *offsets = args->inputs[2].data;   /* [B, Q, H, L, P, 2] */
    const gfloat *logits = args->inputs[3].data;    /* [B, Q, H, L, P] */
    gdouble *weights = args->workspace;

    for (gint64 i = 0; i < batches * queries; i++) {
        gint64 b = i / queries, query = one_reference ? i % queries : i;
        for (gint64 h = 0; h < heads; h++) {
            gint64 row = (i * heads + h) * points;
            for (gint64 p = 0; p < points; p++)
                weights[p] = logits[row + p];
            dinor1_ref_softmax_row(weights, points);
            attend(args, (const gfloat *)args->inputs[0].data + b * value_size, reference + query * reference_size,
                offsets + row * 2, weights, h, (gfloat *)args->outputs[0].data + i * channels + h * channels / heads);
        }
    }
}
