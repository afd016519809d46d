/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"

/* Slabs of rows, each through chunks of the middle that stay in the cache. A chunk is a block of the second product's
 * depth. A few rows do not pay for panels: their middle is stored whole. */
#define MIN_SLAB_ROWS 24
#define MAX_SLAB_ROWS 192

typedef struct {
    const DinoR1KernelArgs *args;
    DinoR1Gemm first, second; /* [m, f] = x . w1^T, [m, n] = middle . w2^T */
    DinoR1Panels w1, w2;
    DinoR1Blocks slabs;
    gfloat *middles;   /* one a thread; the whole middle of few rows */
    gsize middle_size; /* bytes of one */
    gboolean whole;
} Plan;

static DinoR1Gemm
product(gint64 m, const DinoR1View *weight)
{
    const gint64 n = weight->shape.dims[0], k = weight->shape.dims[1];

    return (DinoR1Gemm){
        .m = m, .n = n, .k = k, .lda = k, .b = weight->data, .ldb = k, .trans_b = TRUE, .alpha = 1, .ldo = n};
}

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1View *inputs = args->inputs; /* x [..., K], w1 [F, K], b1 [F], w2 [N, F], b2 [N], residual [..., N]? */
    const gint64 m = dinor1_shape_size(&inputs[0].shape) / inputs[1].shape.dims[1];
    Plan plan = {.args = args, .first = product(m, &inputs[1]), .second = product(m, &inputs[3])};

    plan.first.a = inputs[0].data;
    plan.first.bias = inputs[2].data;
    plan.first.activation = args->params->linear.activation;
    plan.second.bias = inputs[4].data;
    plan.second.residual = inputs[5].data;
    plan.second.out = args->outputs[0].data;
    plan.w1 = panels_of(&plan.first);
    plan.w2 = panels_of(&plan.second);
    /* A chunk of the middle begins at a whole panel of w1. */
    plan.w2.depth = dinor1_fast_blocks(plan.w2.k, PANEL_DEPTH, PANEL_WIDTH);
    plan.slabs = dinor1_fast_blocks(m, CLAMP((m + 3) / 4, MIN_SLAB_ROWS, MAX_SLAB_ROWS), PANEL_ROWS);
    plan.whole = m < PANEL_MIN_ROWS;
    plan.middle_size = plan.whole ? (gsize)(m * plan.first.n) * sizeof(gfloat)
                                  : (gsize)(plan.slabs.size * plan.w2.depth.size) * sizeof(gfloat);
    return plan;
}

gsize
ISA_NAME(fast_mlp_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    if (plan.whole)
        return plan.middle_size;
    return panels_size(&plan.w1) + panels_size(&plan.w2) + dinor1_fast_slices_size(args, plan.middle_size);
}

static void
run_slab(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    DinoR1Gemm first = plan->first, second = plan->second;
    const gint64 row = dinor1_fast_block(plan->slabs, plan->first.m, (gint64)task, &first.m);
    gfloat *middle = plan->middles + thread * dinor1_fast_slice_size(plan->middle_size) / sizeof(gfloat);

    first.a += row * first.lda;
    second.m = first.m;
    second.a = first.out = middle;
    second.residual = second.residual ? second.residual + row * second.ldo : NULL;
    second.out += row * second.ldo;
    for (gint64 chunk = 0; chunk < plan->w2.depth.count; chunk++) {
        const gint64 from = dinor1_fast_block(plan->w2.depth, plan->w2.k, chunk, &first.n);
        first.bias = plan->first.bias + from;
        first.ldo = second.lda = first.n;
        ISA_NAME(fast_panel_product)(&first, &plan->w1, from);
        ISA_NAME(fast_panel_block)(&second, &plan->w2, 0, chunk);
    }
}

void
ISA_NAME(fast_mlp)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);

    if (plan.whole) {
        plan.second.a = plan.first.out = args->workspace;
        ISA_NAME(fast_gemm_threaded)(args, &plan.first);
        ISA_NAME(fast_gemm_threaded)(args, &plan.second);
        return;
    }
    plan.w1.data = args->workspace;
    plan.w2.data = plan.w1.data + panels_size(&plan.w1) / sizeof(gfloat);
    plan.middles = plan.w2.data + panels_size(&plan.w2) / sizeof(gfloat);
    ISA_NAME(fast_pack)(args, &plan.w1);
    ISA_NAME(fast_pack)(args, &plan.w2);
    dinor1_fast_run(args, (gsize)plan.slabs.count,
        dinor1_fast_gemm_nanoseconds(&plan.first) + dinor1_fast_gemm_nanoseconds(&plan.second), run_slab, &plan);
}
