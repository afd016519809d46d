/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

static gdouble
sigmoid(gdouble x)
{
    return 1 / (1 + exp(-x));
}

/* The parts of alpha_t * |t - p|^gamma * BCE(p, t), none of which cancels for large logits: 1 - p is sigmoid(-x). */
typedef struct {
    gdouble alpha_t, difference, bce; /* difference: p - t */
} Focal;

static Focal
focal_parts(const DinoR1OpParams *params, gdouble x, gdouble t)
{
    gdouble alpha = params->focal.alpha;

    return (Focal){
        .alpha_t = alpha * t + (1 - alpha) * (1 - t),
        .difference = (1 - t) * sigmoid(x) - t * sigmoid(-x),
        .bce = (1 - t) * MAX(x, 0) + t * MAX(-x, 0) + log1p(exp(-fabs(x))),
    };
}

void
dinor1_ref_focal(const DinoR1KernelArgs *args)
{
    const real *x = args->inputs[0].data, *t = args->inputs[1].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++) {
        Focal f = focal_parts(args->params, x[i], t[i]);
        out[i] = (real)(f.alpha_t * pow(fabs(f.difference), args->params->focal.gamma) * f.bce);
    }
}

/* With D = p - t: dp/dx = p (1 - p) and dBCE/dx = D, so that the slope is
 * alpha_t * (gamma * |D|^(gamma - 1) * sign(D) * p * (1 - p) * BCE + |D|^gamma * D); 0 where D is. */
static gdouble
focal_slope(const DinoR1OpParams *params, gdouble x, gdouble t)
{
    Focal f = focal_parts(params, x, t);
    gdouble gamma = params->focal.gamma, size = fabs(f.difference);

    if (size == 0)
        return 0;
    return f.alpha_t * pow(size, gamma) * (gamma * sigmoid(x) * sigmoid(-x) * f.bce / f.difference + f.difference);
}

void
dinor1_ref_focal_grad(const DinoR1KernelArgs *args)
{
    const real *x = args->inputs[0].data, *t = args->inputs[1].data, *dy = args->inputs[2].data;
    real *dx = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++)
        dx[i] = (real)(dy[i] * focal_slope(args->params, x[i], t[i]));
}

/* An extent along one axis and its slopes by the two ends of box a. */
typedef struct {
    gdouble size, by_low, by_high;
} Extent;

/* d max(a, b) / da; between equal numbers PyTorch splits the gradient. */
static gdouble
share(gdouble a, gdouble b)
{
    return a > b ? 1 : a < b ? 0 : 0.5;
}

/* What boxes have in common along an axis; touching counts as overlapping by 0, as in PyTorch's clamp. */
static Extent
overlap(gdouble a_low, gdouble a_high, gdouble b_low, gdouble b_high)
{
    gdouble size = MIN(a_high, b_high) - MAX(a_low, b_low);

    if (size < 0)
        return (Extent){0, 0, 0};
    return (Extent){size, -share(a_low, b_low), share(b_high, a_high)};
}

/* What covers both boxes. */
static Extent
hull(gdouble a_low, gdouble a_high, gdouble b_low, gdouble b_high)
{
    return (Extent){MAX(a_high, b_high) - MIN(a_low, b_low), -share(b_low, a_low), share(a_high, b_high)};
}

/* An area and its slopes by a's (x low, y low, x high, y high). */
typedef struct {
    gdouble size, slopes[4];
} Area;

static Area
area(Extent x, Extent y)
{
    return (Area){x.size * y.size, {x.by_low * y.size, y.by_low * x.size, x.by_high * y.size, y.by_high * x.size}};
}

/* Adds sign * a / b; nothing where b is 0. */
static void
add_quotient(Area *sum, gdouble sign, const Area *a, const Area *b)
{
    if (b->size == 0)
        return;
    sum->size += sign * a->size / b->size;
    for (gint i = 0; i < 4; i++)
        sum->slopes[i] += sign * (a->slopes[i] - a->size / b->size * b->slopes[i]) / b->size;
}

/* Generalised IoU: inter / union - (hull - union) / hull, of boxes (cx, cy, w, h). */
static Area
giou(const real *a, const real *b)
{
    gdouble ends[2][4]; /* of a and b: low and high along x, then y */
    Area inter, both, around, gap, result = {0};

    for (gint axis = 0; axis < 2; axis++) {
        for (gint end = 0; end < 2; end++) {
            ends[0][2 * axis + end] = a[axis] + (end - 0.5) * a[2 + axis];
            ends[1][2 * axis + end] = b[axis] + (end - 0.5) * b[2 + axis];
        }
    }
    inter = area(overlap(ends[0][0], ends[0][1], ends[1][0], ends[1][1]),
        overlap(ends[0][2], ends[0][3], ends[1][2], ends[1][3]));
    around = area(
        hull(ends[0][0], ends[0][1], ends[1][0], ends[1][1]), hull(ends[0][2], ends[0][3], ends[1][2], ends[1][3]));
    both = area((Extent){a[2], -1, 1}, (Extent){a[3], -1, 1});
    both.size += (gdouble)b[2] * b[3] - inter.size;
    gap.size = around.size - both.size;
    for (gint i = 0; i < 4; i++) {
        both.slopes[i] -= inter.slopes[i];
        gap.slopes[i] = around.slopes[i] - both.slopes[i];
    }
    add_quotient(&result, 1, &inter, &both);
    add_quotient(&result, -1, &gap, &around);
    return result;
}

/* A [..., 1] shape's index as one of the boxes [..., 4] that are broadcast to it. */
static gint64
box_offset(const DinoR1Shape *out, gint64 index, const DinoR1Shape *boxes)
{
    DinoR1Shape one = *boxes;

    one.dims[one.ndim - 1] = 1;
    return 4 * dinor1_ref_broadcast(out, index, &one);
}

void
dinor1_ref_giou(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->outputs[0].shape; /* [..., 1] */
    const real *a = args->inputs[0].data, *b = args->inputs[1].data;
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dinor1_shape_size(shape); i++)
        out[i] = (real)giou(
            a + box_offset(shape, i, &args->inputs[0].shape), b + box_offset(shape, i, &args->inputs[1].shape))
                     .size;
}

gsize
dinor1_ref_giou_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 1);
}

void
dinor1_ref_giou_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[2].shape; /* [..., 1] */
    const real *a = args->inputs[0].data, *b = args->inputs[1].data, *dy = args->inputs[2].data;
    gdouble *sum;

    dinor1_ref_sums_begin(args, 1, &sum);
    for (gint64 i = 0; i < dinor1_shape_size(shape); i++) {
        gint64 offset = box_offset(shape, i, &args->inputs[0].shape);
        Area g = giou(a + offset, b + box_offset(shape, i, &args->inputs[1].shape));
        for (gint axis = 0; axis < 2; axis++) { /* low and high are centre -+ size / 2 */
            sum[offset + axis] += dy[i] * (g.slopes[axis] + g.slopes[2 + axis]);
            sum[offset + 2 + axis] += dy[i] * (g.slopes[2 + axis] - g.slopes[axis]) / 2;
        }
    }
    dinor1_ref_sums_end(args, 1, &sum);
}
