/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"
#include "backend/cpu/fast/patches.h"

/* Floats of a task's patches, and how many patches. */
#define PATCH_FLOATS 524288
#define MIN_PIXELS   24
#define MAX_PIXELS   192

typedef struct {
    const DinoR1KernelArgs *args;
    Patches patches;
    DinoR1Gemm gemm; /* of all patches; a is set only where they need no copying */
    DinoR1Panels panels;
    DinoR1Blocks blocks;
    gsize slice_size;
    guint8 *slices;
} Plan;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    Plan plan = {.args = args, .patches = patches_of(args, &args->outputs[0])};
    const Patches *patches = &plan.patches;

    plan.gemm = (DinoR1Gemm){
        .m = patches->pixels,
        .n = patches->out_channels,
        .k = patches->k,
        .a = args->inputs[0].data,
        .lda = patches->k,
        .b = args->inputs[1].data,
        .ldb = patches->k,
        .trans_b = TRUE,
        .alpha = 1,
        .bias = args->inputs[2].data,
        .out = args->outputs[0].data,
        .ldo = patches->out_channels,
    };
    plan.panels = panels_of(&plan.gemm);
    plan.blocks =
        dinor1_fast_blocks(patches->pixels, CLAMP(PATCH_FLOATS / patches->k, MIN_PIXELS, MAX_PIXELS), PANEL_ROWS);
    plan.slice_size = dinor1_fast_slice_size((gsize)(plan.blocks.size * patches->k) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_conv2d_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    if (plan.patches.point)
        return ISA_NAME(fast_product_workspace)(&plan.gemm);
    return panels_size(&plan.panels) + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    gfloat *patches = (gfloat *)(plan->slices + thread * plan->slice_size);
    DinoR1Gemm tile = plan->gemm;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->patches.pixels, (gint64)task, &tile.m);

    for (gint64 i = 0; i < tile.m; i++)
        take_patch(&plan->patches, plan->args->inputs[0].data, first + i, patches + i * plan->patches.k);
    tile.a = patches;
    tile.out += first * tile.ldo;
    ISA_NAME(fast_panel_product)(&tile, &plan->panels, 0);
}

void
ISA_NAME(fast_conv2d)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);

    if (plan.patches.point) {
        ISA_NAME(fast_product)(args, &plan.gemm, args->workspace);
        return;
    }
    plan.panels.data = args->workspace;
    plan.slices = (guint8 *)args->workspace + panels_size(&plan.panels);
    ISA_NAME(fast_pack)(args, &plan.panels);
    dinor1_fast_run(args, (gsize)plan.blocks.count,
        dinor1_fast_gemm_nanoseconds(&plan.gemm) + (gdouble)(plan.patches.pixels * plan.patches.k), run_block, &plan);
}
