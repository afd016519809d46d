/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 65536

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 rows, c;
    DinoR1Blocks blocks;
} Job;

/* out = LayerNorm(x + residual); x is read from memory once, the passes after that from the cache. */
static void
normalise(const Job *job, const gfloat *x, const gfloat *residual, gfloat *out)
{
    const gfloat *gamma = job->args->inputs[1].data, *beta = job->args->inputs[2].data; /* [C] */
    const gsize c = (gsize)job->c;
    vf sum = v_set(0), squares = v_set(0);

    for (gsize i = 0; i < c; i += VW) {
        vf v = v_load_n(x + i, c - i);
        if (residual) {
            v += v_load_n(residual + i, c - i);
            v_store_n(out + i, v, c - i);
        }
        sum += v;
    }
    if (residual)
        x = out;
    const vf mean = v_set(v_sum(sum) / (gfloat)c);
    for (gsize i = 0; i < c; i += VW) {
        const vf centred = v_load_n(x + i, c - i) - mean;
        squares += v_keep_n(centred * centred, v_set(0), c - i);
    }
    const vf factor = v_set(1 / sqrtf(v_sum(squares) / (gfloat)c + job->args->params->norm.epsilon));
    for (gsize i = 0; i < c; i += VW) {
        const vf centred = (v_load_n(x + i, c - i) - mean) * factor;
        v_store_n(out + i, v_fma(centred, v_load_n(gamma + i, c - i), v_load_n(beta + i, c - i)), c - i);
    }
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gfloat *x = job->args->inputs[0].data, *residual = job->args->inputs[3].data;
    gfloat *out = job->args->outputs[0].data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->rows, (gint64)task, &count);

    for (gint64 row = first; row < first + count; row++)
        normalise(job, x + row * job->c, residual ? residual + row * job->c : NULL, out + row * job->c);
}

void
ISA_NAME(fast_layer_norm)(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *shape = &args->inputs[0].shape;
    Job job = {.args = args, .c = dinor1_shape_dim(shape, -1)};

    job.rows = dinor1_shape_size(shape) / job.c;
    job.blocks = dinor1_fast_blocks(job.rows, MAX(TASK_FLOATS / job.c, 1), 1);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)(job.rows * job.c) / 2, run_block, &job);
}
