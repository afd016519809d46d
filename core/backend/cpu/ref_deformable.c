/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

/* Channel @c of pixel (y, x) of a level [h, w, channels]; zero outside. */
static gdouble
pixel(const real *level, gint64 h, gint64 w, gint64 channels, gint64 y, gint64 x, gint64 c)
{
    return x >= 0 && x < w && y >= 0 && y < h ? level[(y * w + x) * channels + c] : 0;
}

/* Bilinear sample at pixel coordinates, pixel centres at whole numbers (grid_sample, align_corners=False, zeros). */
static gdouble
sample(const real *level, gint64 h, gint64 w, gint64 channels, gdouble y, gdouble x, gint64 c)
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

/* Where a sample lies on its map, and pixels per unit of its offset. */
typedef struct {
    gdouble x, y, unit_x, unit_y;
} Sample;

/* @centre: 2 or 4 coordinates; [h, w] of the level. */
static Sample
sample_place(
    const DinoR1KernelArgs *args, const real *centre, gint64 coordinates, const real *offset, gint64 h, gint64 w)
{
    gdouble n_points = args->params->deformable.n_points;
    gdouble unit_x = coordinates == 2 ? 1 : 0.5 * centre[2] / n_points * w;
    gdouble unit_y = coordinates == 2 ? 1 : 0.5 * centre[3] / n_points * h;

    return (Sample){centre[0] * w + offset[0] * unit_x - 0.5, centre[1] * h + offset[1] * unit_y - 0.5, unit_x, unit_y};
}

/* One query and head. @value: [N, H*d] of one image; @reference: [L|1, 2 or 4]; @offsets: [L, P, 2];
 * @weights: [L * P]. Writes the d channels of the head. */
static void
attend(const DinoR1KernelArgs *args, const real *value, const real *reference, const real *offsets,
    const gdouble *weights, gint64 head, real *out)
{
    gint64 n_levels = args->params->deformable.n_levels, n_points = args->params->deformable.n_points;
    gint64 channels = dinor1_shape_dim(&args->inputs[0].shape, -1), d = channels / args->params->deformable.heads;
    gint64 reference_levels = args->inputs[1].shape.dims[2], coordinates = args->inputs[1].shape.dims[3];

    for (gint64 c = head * d; c < (head + 1) * d; c++) {
        const real *level = value;
        gdouble sum = 0;
        for (gint64 l = 0; l < n_levels; l++) {
            gint64 h = args->params->deformable.heights[l], w = args->params->deformable.widths[l];
            const real *centre = reference + (reference_levels == 1 ? 0 : l * coordinates);
            for (gint64 p = 0; p < n_points; p++) {
                Sample at = sample_place(args, centre, coordinates, offsets + (l * n_points + p) * 2, h, w);
                sum += weights[l * n_points + p] * sample(level, h, w, channels, at.y, at.x, c);
            }
            level += h * w * channels;
        }
        out[c - head * d] = (real)sum;
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
    const real *reference = args->inputs[1].data; /* [B|1, Q, L|1, 2 or 4] */
    const real *offsets = args->inputs[2].data;   /* [B, Q, H, L, P, 2] */
    const real *logits = args->inputs[3].data;    /* [B, Q, H, L, P] */
    gdouble *weights = args->workspace;

    for (gint64 i = 0; i < batches * queries; i++) {
        gint64 b = i / queries, query = one_reference ? i % queries : i;
        for (gint64 h = 0; h < heads; h++) {
            gint64 row = (i * heads + h) * points;
            for (gint64 p = 0; p < points; p++)
                weights[p] = logits[row + p];
            dinor1_ref_softmax_row(weights, points);
            attend(args, (const real *)args->inputs[0].data + b * value_size, reference + query * reference_size,
                offsets + row * 2, weights, h, (real *)args->outputs[0].data + i * channels + h * channels / heads);
        }
    }
}

gsize
dinor1_ref_deformable_attention_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 4) + 2 * dinor1_ref_deformable_attention_workspace(args);
}

/* One query and head: value [N, H*d] and dy [d], reference [L|1, 2 or 4], offsets [L, P, 2], weights [L * P], and the
 * sums of their gradients. */
typedef struct {
    const real *value, *dy, *reference, *offsets;
    const gdouble *weights;
    gdouble *dvalue, *dreference, *doffsets, *dweights;
} HeadGrad;

/* A sample as sample() takes it, of the channels from @from on, when each of them has the gradient weight * dy. Adds to
 * the level's gradient and returns the sample's own, sum(dy * sample), with its slopes. A sample on a pixel's centre
 * has the slopes to its right and below, as PyTorch's. */
static gdouble
sample_grad(const real *level, gdouble *dlevel, gint64 h, gint64 w, gint64 channels, Sample at, gint64 from, gint64 d,
    const real *dy, gdouble weight, gdouble *slope_x, gdouble *slope_y)
{
    gdouble dot = 0;

    *slope_x = *slope_y = 0;
    if (!(at.x >= -1 && at.x < w && at.y >= -1 && at.y < h))
        return 0;
    for (gint corner = 0; corner < 4; corner++) {
        gint64 x = (gint64)floor(at.x) + corner % 2, y = (gint64)floor(at.y) + corner / 2;
        gdouble part_x = 1 - fabs(at.x - x), part_y = 1 - fabs(at.y - y);
        if (x < 0 || x >= w || y < 0 || y >= h)
            continue;
        for (gint64 c = 0; c < d; c++) {
            gint64 offset = (y * w + x) * channels + from + c;
            gdouble product = (gdouble)dy[c] * level[offset];
            dlevel[offset] += weight * part_x * part_y * dy[c];
            dot += part_x * part_y * product;
            *slope_x += (corner % 2 ? part_y : -part_y) * product;
            *slope_y += (corner / 2 ? part_x : -part_x) * product;
        }
    }
    return dot;
}

/* From the gradient of a sample's place, in pixels, to its offset and reference. */
static void
place_grad(const DinoR1KernelArgs *args, Sample at, gint64 h, gint64 w, const real *offset, gdouble dx, gdouble dy,
    gdouble *doffset, gdouble *dcentre)
{
    gdouble n_points = args->params->deformable.n_points;

    doffset[0] += dx * at.unit_x;
    doffset[1] += dy * at.unit_y;
    dcentre[0] += dx * w;
    dcentre[1] += dy * h;
    if (args->inputs[1].shape.dims[3] == 4) {
        dcentre[2] += dx * offset[0] * 0.5 / n_points * w;
        dcentre[3] += dy * offset[1] * 0.5 / n_points * h;
    }
}

static void
attend_grad(const DinoR1KernelArgs *args, const HeadGrad *g, gint64 head)
{
    gint64 n_levels = args->params->deformable.n_levels, n_points = args->params->deformable.n_points;
    gint64 channels = dinor1_shape_dim(&args->inputs[0].shape, -1), d = channels / args->params->deformable.heads;
    gint64 coordinates = args->inputs[1].shape.dims[3], first = 0;

    for (gint64 l = 0; l < n_levels; l++) {
        gint64 h = args->params->deformable.heights[l], w = args->params->deformable.widths[l];
        gint64 centre = args->inputs[1].shape.dims[2] == 1 ? 0 : l * coordinates;
        for (gint64 i = l * n_points; i < (l + 1) * n_points; i++) {
            const real *offset = g->offsets + i * 2;
            Sample at = sample_place(args, g->reference + centre, coordinates, offset, h, w);
            gdouble slope_x, slope_y;
            g->dweights[i] = sample_grad(g->value + first, g->dvalue + first, h, w, channels, at, head * d, d, g->dy,
                g->weights[i], &slope_x, &slope_y);
            place_grad(args, at, h, w, offset, g->weights[i] * slope_x, g->weights[i] * slope_y, g->doffsets + i * 2,
                g->dreference + centre);
        }
        first += h * w * channels;
    }
}

void
dinor1_ref_deformable_attention_grad(const DinoR1KernelArgs *args)
{
    const DinoR1View *value = &args->inputs[0], *reference = &args->inputs[1], *dy = &args->inputs[4];
    const real *offsets = args->inputs[2].data, *logits = args->inputs[3].data;
    gint64 heads = args->params->deformable.heads, channels = value->shape.dims[2];
    gint64 points = (gint64)args->params->deformable.n_levels * args->params->deformable.n_points;
    gint64 queries = dy->shape.dims[1], reference_size = dinor1_shape_span(&reference->shape, 2, 4);
    gdouble *sums[4], *weights = dinor1_ref_sums_begin(args, 4, sums), *dweights = weights + points;

    for (gint64 i = 0; i < dy->shape.dims[0] * queries * heads; i++) {
        gint64 query = i / heads, image = query / queries * value->shape.dims[1] * channels;
        gint64 centre = (reference->shape.dims[0] == 1 ? query % queries : query) * reference_size;
        const HeadGrad g = {
            .value = (const real *)value->data + image,
            .dy = (const real *)dy->data + i * (channels / heads),
            .reference = (const real *)reference->data + centre,
            .offsets = offsets + i * points * 2,
            .weights = weights,
            .dvalue = sums[0] + image,
            .dreference = sums[1] + centre,
            .doffsets = sums[2] + i * points * 2,
            .dweights = dweights,
        };
        gdouble mean = 0;

        for (gint64 p = 0; p < points; p++)
            weights[p] = logits[i * points + p];
        dinor1_ref_softmax_row(weights, points);
        attend_grad(args, &g, i % heads);
        for (gint64 p = 0; p < points; p++)
            mean += weights[p] * dweights[p];
        for (gint64 p = 0; p < points; p++)
            sums[3][i * points + p] = weights[p] * (dweights[p] - mean);
    }
    dinor1_ref_sums_end(args, 4, sums);
}
