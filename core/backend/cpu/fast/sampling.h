/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* Where the samples of deformable attention lie; a sample is a point of a level. */

#include "backend/cpu/fast/fast.h"
#include "backend/cpu/fast/simd.h"

/* The level of each sample. */
typedef struct {
    gfloat *width, *height; /* [n_padded] */
    gint32 *start;          /* [n_padded], the level's first position */
} Levels;

/* Pixel coordinates of the samples are origin + scale * offset, for all heads of a query. */
typedef struct {
    gfloat *x_origin, *x_scale, *y_origin, *y_scale; /* [n_padded] */
} Frame;

static inline gsize
samples_of(const DinoR1OpParams *params)
{
    return (gsize)params->deformable.n_levels * (gsize)params->deformable.n_points;
}

static inline void
set_levels(const DinoR1OpParams *params, Levels levels)
{
    gint32 start = 0;

    for (gsize i = 0; i < samples_of(params); i++) {
        const gsize level = i / (gsize)params->deformable.n_points;
        levels.width[i] = (gfloat)params->deformable.widths[level];
        levels.height[i] = (gfloat)params->deformable.heights[level];
        levels.start[i] = start;
        if ((i + 1) % (gsize)params->deformable.n_points == 0)
            start += params->deformable.widths[level] * params->deformable.heights[level];
    }
}

/* @reference: [L|1, 2 or 4] of one query. A centre places offsets in pixels of the level, a box in parts of itself. */
static inline void
set_frame(const DinoR1KernelArgs *args, Levels samples, const gfloat *reference, Frame frame)
{
    const gint64 *dims = args->inputs[1].shape.dims;
    const gint64 levels = dims[2], coordinates = dims[3];
    const gsize points = (gsize)args->params->deformable.n_points, n = samples_of(args->params);

    for (gsize i = 0; i < n; i++) {
        const gfloat *box = reference + (levels == 1 ? 0 : (gint64)(i / points) * coordinates);
        const gfloat width = samples.width[i], height = samples.height[i];
        frame.x_origin[i] = box[0] * width - 0.5f;
        frame.y_origin[i] = box[1] * height - 0.5f;
        frame.x_scale[i] = coordinates == 2 ? 1 : 0.5f * box[2] / (gfloat)points * width;
        frame.y_scale[i] = coordinates == 2 ? 1 : 0.5f * box[3] / (gfloat)points * height;
    }
}

/* The two pixels that a coordinate lies between and what each counts; 0 outside [0, size). Coordinates are held to
 * [-1, size], where both count 0, so that every index can be read; NaN goes to -1. */
typedef struct {
    vi low, high;
    vf low_factor, high_factor;
} Between;

V_INLINE Between
between(vf coordinate, vf size)
{
    const vf zero = v_set(0), last = size - v_set(1);
    const vf held = v_min(v_max(coordinate, v_set(-1)), size);
    const vf low = v_floor(held), high = low + v_set(1);
    const vf fraction = held - low;

    return (Between){
        .low = v_to_int(v_min(v_max(low, zero), last)),
        .high = v_to_int(v_min(high, last)),
        .low_factor = v_select((low >= zero) & (low <= last), v_set(1) - fraction, zero),
        .high_factor = v_select(high <= last, fraction, zero),
    };
}

/* Coordinates of samples [first, first + VW); @offsets: [n, 2]. */
V_INLINE void
place(Frame frame, const gfloat *offsets, gsize first, gsize n, vf *x, vf *y)
{
    const gsize left = 2 * (n - first);
    const vf low = v_load_n(offsets + 2 * first, left);
    const vf high = left > VW ? v_load_n(offsets + 2 * first + VW, left - VW) : v_set(0);

    *x = v_fma(v_even(low, high), v_load(frame.x_scale + first), v_load(frame.x_origin + first));
    *y = v_fma(v_odd(low, high), v_load(frame.y_scale + first), v_load(frame.y_origin + first));
}
