/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* x [m, k] . weight [n, k]^T */
static DinoR1Gemm
product(gint64 m, gint64 n, gint64 k, const gfloat *x, const gfloat *weight, gfloat *out)
{
    return (DinoR1Gemm){
        .m = m,
        .n = n,
        .k = k,
        .a = x,
        .lda = k,
        .b = weight,
        .ldb = k,
        .trans_b = TRUE,
        .alpha = 1,
        .out = out,
        .ldo = n,
    };
}

void
ISA_NAME(fast_linear)(const DinoR1KernelArgs *args)
{
    const DinoR1View *x = &args->inputs[0], *weight = &args->inputs[1]; /* [..., K], [N, K] */
    const gint64 n = weight->shape.dims[0], k = weight->shape.dims[1];
    DinoR1Gemm gemm = product(dinor1_shape_size(&x->shape) / k, n, k, x->data, weight->data, args->outputs[0].data);

    gemm.bias = args->inputs[2].data;
    gemm.residual = args->inputs[3].data;
    gemm.activation = args->params->linear.activation;
    ISA_NAME(fast_gemm_threaded)(args, &gemm);
}

/* MLP: slabs of rows, each through chunks of the middle that stay in the cache. A few rows do not make slabs enough:
 * their middle is stored whole and both products are split by columns. */
#define WHOLE_ROWS  128
#define SLAB_ROWS   384
#define CHUNK_WIDTH 512

typedef struct {
    gint64 m, k, f, n;
    DinoR1Blocks slabs, chunks;
    gsize middle_size; /* bytes a thread */
} MlpPlan;

static MlpPlan
mlp_plan(const DinoR1KernelArgs *args)
{
    const gint64 *w1 = args->inputs[1].shape.dims; /* [F, K] */
    MlpPlan plan = {.k = w1[1], .f = w1[0], .n = args->inputs[3].shape.dims[0]};

    plan.m = dinor1_shape_size(&args->inputs[0].shape) / plan.k;
    plan.slabs = dinor1_fast_blocks(plan.m, CLAMP((plan.m + 3) / 4, WHOLE_ROWS, SLAB_ROWS), 8);
    plan.chunks = dinor1_fast_blocks(plan.f, CHUNK_WIDTH, 16);
    plan.middle_size = dinor1_fast_slice_size((gsize)(plan.slabs.size * plan.chunks.size) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_mlp_workspace)(const DinoR1KernelArgs *args)
{
    const MlpPlan plan = mlp_plan(args);

    if (plan.m <= WHOLE_ROWS)
        return (gsize)(plan.m * plan.f) * sizeof(gfloat);
    return dinor1_fast_slices_size(args, plan.middle_size);
}

typedef struct {
    const DinoR1KernelArgs *args;
    MlpPlan plan;
} MlpJob;

/* The products of a slab's rows [row, row + rows) with chunk [from, from + width) of the middle. */
static void
mlp_chunk(const MlpJob *job, gint64 row, gint64 rows, gint64 from, gint64 width, gfloat *middle)
{
    const DinoR1KernelArgs *args = job->args;
    const MlpPlan *plan = &job->plan;
    const gfloat *x = (const gfloat *)args->inputs[0].data + row * plan->k;
    const gfloat *w1 = (const gfloat *)args->inputs[1].data + from * plan->k;
    const gfloat *w2 = (const gfloat *)args->inputs[3].data + from;
    const gfloat *residual = args->inputs[5].data;
    DinoR1Gemm first = product(rows, width, plan->k, x, w1, middle);
    DinoR1Gemm second = product(rows, plan->n, width, middle, w2, (gfloat *)args->outputs[0].data + row * plan->n);

    first.bias = (const gfloat *)args->inputs[2].data + from;
    first.activation = args->params->linear.activation;
    second.ldb = plan->f;
    second.bias = args->inputs[4].data;
    second.residual = residual ? residual + row * plan->n : NULL;
    second.accumulate = from > 0;
    ISA_NAME(fast_gemm)(&first);
    ISA_NAME(fast_gemm)(&second);
}

static void
mlp_slab(gpointer user_data, gsize task, guint thread)
{
    const MlpJob *job = user_data;
    const MlpPlan *plan = &job->plan;
    gfloat *middle = (gfloat *)((guint8 *)job->args->workspace + thread * plan->middle_size);
    gint64 rows, width;
    const gint64 row = dinor1_fast_block(plan->slabs, plan->m, (gint64)task, &rows);

    for (gint64 i = 0; i < plan->chunks.count; i++) {
        const gint64 from = dinor1_fast_block(plan->chunks, plan->f, i, &width);
        mlp_chunk(job, row, rows, from, width, middle);
    }
}

static void
mlp_whole(const DinoR1KernelArgs *args, const MlpPlan *plan)
{
    gfloat *middle = args->workspace;
    DinoR1Gemm first = product(plan->m, plan->f, plan->k, args->inputs[0].data, args->inputs[1].data, middle);
    DinoR1Gemm second = product(plan->m, plan->n, plan->f, middle, args->inputs[3].data, args->outputs[0].data);

    first.bias = args->inputs[2].data;
    first.activation = args->params->linear.activation;
    second.bias = args->inputs[4].data;
    second.residual = args->inputs[5].data;
    ISA_NAME(fast_gemm_threaded)(args, &first);
    ISA_NAME(fast_gemm_threaded)(args, &second);
}

void
ISA_NAME(fast_mlp)(const DinoR1KernelArgs *args)
{
    MlpJob job = {args, mlp_plan(args)};
    const MlpPlan *plan = &job.plan;

    if (plan->m <= WHOLE_ROWS) {
        mlp_whole(args, plan);
        return;
    }
    dinor1_fast_run(
        args, (gsize)plan->slabs.count, (gdouble)(plan->m * plan->f * (plan->k + plan->n)) / 30, mlp_slab, &job);
}
