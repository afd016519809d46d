/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a block of rows: it fits the second-level cache for its two passes. */
#define BLOCK_FLOATS 32768

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 batches, n, c, groups;
    DinoR1Blocks blocks; /* of rows of one image */
    gfloat *means;       /* [B, blocks, C], of a block's rows */
    gfloat *squares;     /* [B, blocks, C], squared distances from that mean, summed */
    gfloat *centres;     /* [B, C]: out = (x - centre) * factor + shift */
    gfloat *factors;     /* [B, C] */
    gfloat *shifts;      /* [B, C] */
} Plan;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, N, C */
    Plan plan = {
        .args = args,
        .batches = dims[0],
        .n = dims[1],
        .c = dims[2],
        .groups = args->params->norm.groups,
        .blocks = dinor1_fast_blocks(dims[1], MAX(BLOCK_FLOATS / dims[2], 1), 1),
    };

    if (!args->workspace) /* only its size is asked for */
        return plan;
    plan.means = args->workspace;
    plan.squares = plan.means + plan.batches * plan.blocks.count * plan.c;
    plan.centres = plan.squares + plan.batches * plan.blocks.count * plan.c;
    plan.factors = plan.centres + plan.batches * plan.c;
    plan.shifts = plan.factors + plan.batches * plan.c;
    return plan;
}

gsize
ISA_NAME(fast_group_norm_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return (gsize)(plan.batches * (2 * plan.blocks.count + 3) * plan.c) * sizeof(gfloat);
}

/* The statistics of @n channels of @rows rows of x. */
static void
measure(const gfloat *x, gint64 rows, gint64 stride, gsize n, gfloat *means, gfloat *squares)
{
    vf sum = v_set(0), square = v_set(0);

    for (gint64 i = 0; i < rows; i++)
        sum += v_load_n(x + i * stride, n);
    const vf mean = sum / v_set((gfloat)rows);
    for (gint64 i = 0; i < rows; i++) {
        const vf centred = v_load_n(x + i * stride, n) - mean;
        square = v_fma(centred, centred, square);
    }
    v_store_n(means, mean, n);
    v_store_n(squares, square, n);
}

static void
measure_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 batch = (gint64)task / plan->blocks.count, c = plan->c;
    gint64 rows;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->n, (gint64)task % plan->blocks.count, &rows);
    const gfloat *x = (const gfloat *)plan->args->inputs[0].data + (batch * plan->n + first) * c;
    gfloat *means = plan->means + (gint64)task * c, *squares = plan->squares + (gint64)task * c;

    for (gint64 i = 0; i < c; i += VW)
        measure(x + i, rows, c, (gsize)(c - i), means + i, squares + i);
}

/* Mean and variance of channels [from, to) of an image from those of its blocks. */
static void
combine(const Plan *plan, gint64 batch, gint64 from, gint64 to, gdouble *mean, gdouble *variance)
{
    const gdouble count = (gdouble)plan->n * (gdouble)(to - from);
    gdouble sum = 0, squares = 0;
    gint64 rows;

    for (gint64 block = 0; block < plan->blocks.count; block++) {
        const gfloat *means = plan->means + (batch * plan->blocks.count + block) * plan->c;
        dinor1_fast_block(plan->blocks, plan->n, block, &rows);
        for (gint64 i = from; i < to; i++)
            sum += (gdouble)rows * means[i];
    }
    *mean = sum / count;
    for (gint64 block = 0; block < plan->blocks.count; block++) {
        const gint64 at = (batch * plan->blocks.count + block) * plan->c;
        dinor1_fast_block(plan->blocks, plan->n, block, &rows);
        for (gint64 i = from; i < to; i++) {
            const gdouble distance = plan->means[at + i] - *mean;
            squares += plan->squares[at + i] + (gdouble)rows * distance * distance;
        }
    }
    *variance = squares / count;
}

static void
set_factors(const Plan *plan, gint64 batch)
{
    const gfloat *gamma = plan->args->inputs[1].data, *beta = plan->args->inputs[2].data; /* [C] */
    const gint64 width = plan->c / plan->groups;
    gfloat *centres = plan->centres + batch * plan->c, *factors = plan->factors + batch * plan->c;
    gfloat *shifts = plan->shifts + batch * plan->c;

    for (gint64 from = 0; from < plan->c; from += width) {
        gdouble mean, variance;
        combine(plan, batch, from, from + width, &mean, &variance);
        for (gint64 i = from; i < from + width; i++) {
            /* The shift makes up for what the centre lost in single precision. */
            const gdouble factor = gamma[i] / sqrt(variance + plan->args->params->norm.epsilon);
            centres[i] = (gfloat)mean;
            factors[i] = (gfloat)factor;
            shifts[i] = (gfloat)(beta[i] + (centres[i] - mean) * factor);
        }
    }
}

static void
normalise_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 batch = (gint64)task / plan->blocks.count;
    const gsize c = (gsize)plan->c;
    const gfloat *centres = plan->centres + batch * plan->c, *factors = plan->factors + batch * plan->c;
    const gfloat *shifts = plan->shifts + batch * plan->c;
    gint64 rows;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->n, (gint64)task % plan->blocks.count, &rows);
    const gint64 offset = (batch * plan->n + first) * plan->c;
    const gfloat *x = (const gfloat *)plan->args->inputs[0].data + offset;
    gfloat *out = (gfloat *)plan->args->outputs[0].data + offset;

    for (gint64 row = 0; row < rows; row++, x += c, out += c)
        for (gsize i = 0; i < c; i += VW) {
            const vf centred = v_load_n(x + i, c - i) - v_load_n(centres + i, c - i);
            v_store_n(out + i, v_fma(centred, v_load_n(factors + i, c - i), v_load_n(shifts + i, c - i)), c - i);
        }
}

void
ISA_NAME(fast_group_norm)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gsize n_tasks = (gsize)(plan.batches * plan.blocks.count);
    const gdouble floats = (gdouble)(plan.batches * plan.n * plan.c);

    dinor1_fast_run(args, n_tasks, floats / 3, measure_block, &plan);
    for (gint64 batch = 0; batch < plan.batches; batch++)
        set_factors(&plan, batch);
    dinor1_fast_run(args, n_tasks, floats / 3, normalise_block, &plan);
}
