/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/simd_math.h"

/* Floats of a task: some 20 us. */
#define TASK_FLOATS 16384
/* Where v_sin_cos() ends to be exact. */
#define MAX_ANGLE 8000.f

typedef struct {
    const DinoR1KernelArgs *args;
    gsize pairs;      /* features / 2 */
    gfloat *divisors; /* [pairs], T^(2i/features) */
    gint64 coordinates;
    DinoR1Blocks blocks;
} Job;

gsize
ISA_NAME(fast_sine_embed_workspace)(const DinoR1KernelArgs *args)
{
    return (gsize)args->params->sine.features / 2 * sizeof(gfloat);
}

/* [sin, cos] pairs of one coordinate. */
static void
embed(const Job *job, gfloat angle, gfloat *out)
{
    const gsize pairs = job->pairs;

    if (!(fabsf(angle) < MAX_ANGLE)) {
        for (gsize i = 0; i < pairs; i++) {
            out[2 * i] = sinf(angle / job->divisors[i]);
            out[2 * i + 1] = cosf(angle / job->divisors[i]);
        }
        return;
    }
    for (gsize i = 0; i < pairs; i += VW) {
        const vf divisor = v_keep_n(v_load_n(job->divisors + i, pairs - i), v_set(1), pairs - i);
        vf sine, cosine;
        v_sin_cos(v_set(angle) / divisor, &sine, &cosine);
        for (gsize lane = 0; lane < MIN(VW, pairs - i); lane++) {
            out[2 * (i + lane)] = sine[lane];
            out[2 * (i + lane) + 1] = cosine[lane];
        }
    }
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gfloat *x = job->args->inputs[0].data;
    gfloat *out = job->args->outputs[0].data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->blocks, job->coordinates, (gint64)task, &count);

    for (gint64 i = first; i < first + count; i++)
        embed(job, x[i] * job->args->params->sine.scale, out + i * 2 * (gint64)job->pairs);
}

void
ISA_NAME(fast_sine_embed)(const DinoR1KernelArgs *args)
{
    const gint features = args->params->sine.features;
    Job job = {
        .args = args,
        .pairs = (gsize)features / 2,
        .divisors = args->workspace,
        .coordinates = dinor1_shape_size(&args->inputs[0].shape),
    };

    for (gsize i = 0; i < job.pairs; i++)
        job.divisors[i] = (gfloat)pow(args->params->sine.temperature, 2 * (gdouble)i / features);
    job.blocks = dinor1_fast_blocks(job.coordinates, MAX(TASK_FLOATS / features, 1), 1);
    dinor1_fast_run(args, (gsize)job.blocks.count, (gdouble)job.coordinates * features * 2, run_block, &job);
}
