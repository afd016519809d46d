/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 16384

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 rows, c;
    DinoR1Blocks blocks;
    gfloat *sums; /* [2, blocks, C]: dgamma and dbeta of each block */
} Job;

/* What a row is normalised with. */
typedef struct {
    vf mean, factor;
} Statistics;

V_INLINE vf
value(const gfloat *x, const gfloat *residual, gsize i, gsize lanes)
{
    const vf v = v_load_n(x + i, lanes);
    return residual ? v + v_load_n(residual + i, lanes) : v;
}

static Statistics
statistics(const Job *job, const gfloat *x, const gfloat *residual)
{
    const gsize c = (gsize)job->c;
    vf sum = v_set(0), squares = v_set(0);

    for (gsize i = 0; i < c; i += VW)
        sum += value(x, residual, i, c - i);
    const vf mean = v_set(v_sum(sum) / (gfloat)c);
    for (gsize i = 0; i < c; i += VW) {
        const vf centred = value(x, residual, i, c - i) - mean;
        squares += v_keep_n(centred * centred, v_set(0), c - i);
    }
    return (Statistics){mean, v_set(1 / sqrtf(v_sum(squares) / (gfloat)c + job->args->params->norm.epsilon))};
}

/* With z = (x - mean) * factor and g = gamma dy: dx = (g - mean(g) - z mean(g z)) * factor. */
static void
row_grad(const Job *job, const gfloat *x, const gfloat *residual, const gfloat *dy, gfloat *dx, gfloat *dgamma,
    gfloat *dbeta)
{
    const gfloat *gamma = job->args->inputs[1].data; /* [C] */
    const gsize c = (gsize)job->c;
    const Statistics s = statistics(job, x, residual);
    vf sum_g = v_set(0), sum_gz = v_set(0);

    for (gsize i = 0; i < c; i += VW) {
        const vf z = (value(x, residual, i, c - i) - s.mean) * s.factor, gradient = v_load_n(dy + i, c - i);
        const vf g = gradient * v_load_n(gamma + i, c - i);
        sum_g += g;
        sum_gz = v_fma(g, z, sum_gz);
        v_store_n(dgamma + i, v_fma(gradient, z, v_load_n(dgamma + i, c - i)), c - i);
        v_store_n(dbeta + i, gradient + v_load_n(dbeta + i, c - i), c - i);
    }
    const vf mean_g = v_set(v_sum(sum_g) / (gfloat)c), mean_gz = v_set(v_sum(sum_gz) / (gfloat)c);
    for (gsize i = 0; i < c; i += VW) {
        const vf z = (value(x, residual, i, c - i) - s.mean) * s.factor;
        const vf g = v_load_n(dy + i, c - i) * v_load_n(gamma + i, c - i);
        v_store_n(dx + i, (g - mean_g - z * mean_gz) * s.factor, c - i);
    }
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gfloat *x = job->args->inputs[0].data, *dy = job->args->inputs[2].data, *residual = job->args->inputs[3].data;
    gfloat *dx = job->args->outputs[0].data;
    gfloat *dgamma = job->sums + (gint64)task * job->c, *dbeta = dgamma + job->blocks.count * job->c;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->rows, (gint64)task, &count);

    memset(dgamma, 0, (gsize)job->c * sizeof(gfloat));
    memset(dbeta, 0, (gsize)job->c * sizeof(gfloat));
    for (gint64 at = first * job->c; at < (first + count) * job->c; at += job->c)
        row_grad(job, x + at, residual ? residual + at : NULL, dy + at, dx + at, dgamma, dbeta);
}

static Job
make_job(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    Job job = {.args = args, .c = dinor1_shape_dim(shape, -1), .sums = args->workspace};

    job.rows = dinor1_shape_size(shape) / job.c;
    job.blocks = dinor1_fast_blocks(job.rows, MAX(TASK_FLOATS / job.c, 1), 1);
    return job;
}

gsize
ISA_NAME(fast_layer_norm_grad_workspace)(const DinoR1KernelArgs *args)
{
    const Job job = make_job(args);

    return (gsize)(2 * job.blocks.count * job.c) * sizeof(gfloat);
}

void
ISA_NAME(fast_layer_norm_grad)(const DinoR1KernelArgs *args)
{
    Job job = make_job(args);

    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)(job.rows * job.c), run_block, &job);
    for (gint64 i = 0; i < 2; i++)
        ISA_NAME(fast_sum)
    (args, job.sums + i * job.blocks.count * job.c, 1, (gsize)job.blocks.count, (gsize)job.c,
        args->outputs[1 + i].data);
}
