/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SUM_SQUARES, BLEND and ADAMW in plain C, so that training makes the same bits on every processor.
 */
#include "backend/cpu/fast/fast.h"

#include <math.h>
#include <string.h>

static void
sum_block(gpointer data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = data;
    const gsize n = (gsize)dinor1_shape_size(&args->inputs[0].shape), first = task * DINOR1_SUM_BLOCK;
    const gfloat *x = args->inputs[0].data;
    gdouble sum = 0;

    for (gsize i = first; i < MIN(n, first + DINOR1_SUM_BLOCK); i++)
        sum += (gdouble)x[i] * (gdouble)x[i];
    ((gdouble *)args->outputs[0].data)[task] = sum;
}

/* One task per block. */
static void
run_blocks(const DinoR1KernelArgs *args, gdouble nanoseconds_each, DinoR1PoolFunc func)
{
    const gsize n = (gsize)dinor1_shape_size(&args->inputs[0].shape);

    dinor1_fast_run(
        args, (n + DINOR1_SUM_BLOCK - 1) / DINOR1_SUM_BLOCK, (gdouble)n * nanoseconds_each, func, (gpointer)args);
}

void
dinor1_fast_sum_squares(const DinoR1KernelArgs *args)
{
    run_blocks(args, 1, sum_block);
}

/* The task's part of output @index, which begins as what the input in its place holds. */
static gfloat *
begin_output(const DinoR1KernelArgs *args, guint index, gsize task, gsize *n)
{
    const gsize first = task * DINOR1_SUM_BLOCK;
    const gfloat *from = (const gfloat *)args->inputs[index].data + first;
    gfloat *to = (gfloat *)args->outputs[index].data + first;

    *n = MIN(DINOR1_SUM_BLOCK, (gsize)dinor1_shape_size(&args->inputs[0].shape) - first);
    if (to != from)
        memcpy(to, from, *n * sizeof *to);
    return to;
}

static void
blend_block(gpointer data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = data;
    const gfloat a = args->params->blend.a, b = args->params->blend.b;
    const gfloat *restrict y = (const gfloat *)args->inputs[1].data + task * DINOR1_SUM_BLOCK;
    gsize n;
    gfloat *restrict x = begin_output(args, 0, task, &n);

    for (gsize i = 0; i < n; i++)
        x[i] = a * x[i] + b * y[i];
}

void
dinor1_fast_blend(const DinoR1KernelArgs *args)
{
    run_blocks(args, 0.5, blend_block);
}

static void
adamw_block(gpointer data, gsize task, guint thread)
{
    const DinoR1KernelArgs *args = data;
    const gfloat beta1 = args->params->adamw.beta1, beta2 = args->params->adamw.beta2;
    const gfloat scale = args->params->adamw.scale, epsilon = args->params->adamw.epsilon;
    const gfloat keep = args->params->adamw.keep, step = args->params->adamw.step, root = args->params->adamw.root;
    const gfloat *restrict g = (const gfloat *)args->inputs[3].data + task * DINOR1_SUM_BLOCK;
    gsize n;
    gfloat *restrict p = begin_output(args, 0, task, &n);
    gfloat *restrict m = begin_output(args, 1, task, &n);
    gfloat *restrict v = begin_output(args, 2, task, &n);

    for (gsize i = 0; i < n; i++) {
        const gfloat gradient = g[i] * scale;

        m[i] += (1 - beta1) * (gradient - m[i]);
        v[i] += (1 - beta2) * (gradient * gradient - v[i]);
        p[i] = p[i] * keep - step * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

void
dinor1_fast_adamw(const DinoR1KernelArgs *args)
{
    run_blocks(args, 2, adamw_block);
}
