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
    gfloat *slopes;      /* [B, C], of the adjoint: dx = dy * factor + (x - centre) * slope + shift */
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
    plan.slopes = plan.shifts + plan.batches * plan.c;
    return plan;
}

gsize
ISA_NAME(fast_group_norm_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return (gsize)(plan.batches * (2 * plan.blocks.count + 4) * plan.c) * sizeof(gfloat);
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

gsize
ISA_NAME(fast_group_norm_grad_workspace)(const DinoR1KernelArgs *args)
{
    return ISA_NAME(fast_group_norm_workspace)(args);
}

/* Factors become 1 / deviation, shifts what the centre lost in single precision. */
static void
set_deviations(const Plan *plan, gint64 batch)
{
    const gint64 width = plan->c / plan->groups, at = batch * plan->c;

    for (gint64 from = 0; from < plan->c; from += width) {
        gdouble mean, variance;
        combine(plan, batch, from, from + width, &mean, &variance);
        for (gint64 i = at + from; i < at + from + width; i++) {
            plan->centres[i] = (gfloat)mean;
            plan->factors[i] = (gfloat)(1 / sqrt(variance + plan->args->params->norm.epsilon));
            plan->shifts[i] = (gfloat)(plan->centres[i] - mean);
        }
    }
}

/* A block's sums of dy and of dy (x - centre), in place of its means and squares. */
static void
sum_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 batch = (gint64)task / plan->blocks.count, c = plan->c;
    gint64 rows;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->n, (gint64)task % plan->blocks.count, &rows);
    const gfloat *x = (const gfloat *)plan->args->inputs[0].data + (batch * plan->n + first) * c;
    const gfloat *dy = (const gfloat *)plan->args->inputs[2].data + (batch * plan->n + first) * c;

    for (gint64 i = 0; i < c; i += VW) {
        const gsize lanes = (gsize)(c - i);
        const vf centre = v_load_n(plan->centres + batch * c + i, lanes);
        vf sum = v_set(0), product = v_set(0);
        for (gint64 row = 0; row < rows; row++) {
            const vf gradient = v_load_n(dy + row * c + i, lanes);
            sum += gradient;
            product = v_fma(gradient, v_load_n(x + row * c + i, lanes) - centre, product);
        }
        v_store_n(plan->means + (gint64)task * c + i, sum, lanes);
        v_store_n(plan->squares + (gint64)task * c + i, product, lanes);
    }
}

/* The sums of dy and of dy z over an image's rows; z = (x - mean) / deviation. */
static void
channel_sums(const Plan *plan, gint64 batch, gint64 channel, gdouble *sum, gdouble *product)
{
    const gdouble rest = plan->shifts[batch * plan->c + channel], factor = plan->factors[batch * plan->c + channel];

    *sum = *product = 0;
    for (gint64 block = batch * plan->blocks.count; block < (batch + 1) * plan->blocks.count; block++) {
        *sum += plan->means[block * plan->c + channel];
        *product += plan->squares[block * plan->c + channel];
    }
    *product = (*product + rest * *sum) * factor;
}

/* With g = gamma dy: dx = (g - mean(g) - z mean(g z)) / deviation. */
static void
set_slopes(const Plan *plan, gint64 batch)
{
    const gfloat *gamma = plan->args->inputs[1].data; /* [C] */
    gfloat *dgamma = plan->args->outputs[1].data, *dbeta = plan->args->outputs[2].data;
    const gint64 width = plan->c / plan->groups;
    const gdouble count = (gdouble)plan->n * (gdouble)width;

    for (gint64 from = 0; from < plan->c; from += width) {
        gdouble mean_g = 0, mean_gz = 0;
        for (gint64 i = from; i < from + width; i++) {
            gdouble sum, product;
            channel_sums(plan, batch, i, &sum, &product);
            mean_g += gamma[i] * sum / count;
            mean_gz += gamma[i] * product / count;
            dgamma[i] = (gfloat)(product + (batch ? dgamma[i] : 0));
            dbeta[i] = (gfloat)(sum + (batch ? dbeta[i] : 0));
        }
        for (gint64 i = from; i < from + width; i++) {
            const gint64 at = batch * plan->c + i;
            const gdouble factor = plan->factors[at], rest = plan->shifts[at];
            plan->factors[at] = (gfloat)(gamma[i] * factor);
            plan->slopes[at] = (gfloat)(-mean_gz * factor * factor);
            plan->shifts[at] = (gfloat)(-(mean_g + rest * factor * mean_gz) * factor);
        }
    }
}

static void
grad_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 batch = (gint64)task / plan->blocks.count, channel = batch * plan->c;
    const gsize c = (gsize)plan->c;
    gint64 rows;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->n, (gint64)task % plan->blocks.count, &rows);
    const gint64 offset = (batch * plan->n + first) * plan->c;
    const gfloat *x = (const gfloat *)plan->args->inputs[0].data + offset;
    const gfloat *dy = (const gfloat *)plan->args->inputs[2].data + offset;
    gfloat *dx = (gfloat *)plan->args->outputs[0].data + offset;

    for (gint64 row = 0; row < rows; row++, x += c, dy += c, dx += c)
        for (gsize i = 0; i < c; i += VW) {
            const vf centred = v_load_n(x + i, c - i) - v_load_n(plan->centres + channel + i, c - i);
            const vf by_x = v_fma(
                centred, v_load_n(plan->slopes + channel + i, c - i), v_load_n(plan->shifts + channel + i, c - i));
            v_store_n(
                dx + i, v_fma(v_load_n(dy + i, c - i), v_load_n(plan->factors + channel + i, c - i), by_x), c - i);
        }
}

void
ISA_NAME(fast_group_norm_grad)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gsize n_tasks = (gsize)(plan.batches * plan.blocks.count);
    const gdouble floats = (gdouble)(plan.batches * plan.n * plan.c);

    dinor1_fast_run(args, n_tasks, floats / 3, measure_block, &plan);
    for (gint64 batch = 0; batch < plan.batches; batch++)
        set_deviations(&plan, batch);
    dinor1_fast_run(args, n_tasks, floats / 2, sum_block, &plan);
    for (gint64 batch = 0; batch < plan.batches; batch++)
        set_slopes(&plan, batch);
    dinor1_fast_run(args, n_tasks, floats / 2, grad_block, &plan);
}
