/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"
#include "backend/cpu/fast/patches.h"

/* The gradient of the weight is summed by that many blocks of pixels at most, each of at least so many pixels. */
#define MAX_BLOCKS 16
#define MIN_PIXELS 256
/* Floats of the patches that are taken at once, and how many patches. */
#define PATCH_FLOATS    131072
#define MIN_STEP_PIXELS 16
#define MAX_STEP_PIXELS 192

enum { X, WEIGHT, DY };
enum { DX, DWEIGHT };

typedef struct {
    const DinoR1KernelArgs *args;
    Patches patches;
    DinoR1Blocks blocks; /* of pixels */
    gint64 step;         /* pixels whose patches are taken at once */
    gsize slice_size;
    gfloat *dpatches; /* [pixels, k] */
    gfloat *sums;     /* [blocks, Co, k] */
    guint8 *slices;
} Plan;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    Plan plan = {.args = args, .patches = patches_of(args, &args->inputs[DY])};
    const gint64 pixels = plan.patches.pixels;

    plan.blocks = dinor1_fast_blocks(pixels, MAX((pixels + MAX_BLOCKS - 1) / MAX_BLOCKS, MIN_PIXELS), 1);
    plan.step = MIN(CLAMP(PATCH_FLOATS / plan.patches.k, MIN_STEP_PIXELS, MAX_STEP_PIXELS), plan.blocks.size);
    plan.slice_size = dinor1_fast_slice_size((gsize)(plan.step * plan.patches.k) * sizeof(gfloat));
    return plan;
}

/* Bytes of dpatches and sums. */
static gsize
dpatches_size(const Plan *plan)
{
    return dinor1_fast_slice_size((gsize)(plan->patches.pixels * plan->patches.k) * sizeof(gfloat));
}

static gsize
sums_size(const Plan *plan)
{
    return dinor1_fast_slice_size(
        (gsize)(plan->blocks.count * plan->patches.out_channels * plan->patches.k) * sizeof(gfloat));
}

/* dpatches = dy . weight, for @m pixels */
static DinoR1Gemm
patch_product(const Plan *plan, gint64 m, const gfloat *dy, gfloat *dpatches)
{
    return (DinoR1Gemm){
        .m = m,
        .n = plan->patches.k,
        .k = plan->patches.out_channels,
        .a = dy,
        .lda = plan->patches.out_channels,
        .b = plan->args->inputs[WEIGHT].data,
        .ldb = plan->patches.k,
        .alpha = 1,
        .out = dpatches,
        .ldo = plan->patches.k,
    };
}

/* dweight = dy^T . patches, of @m pixels */
static DinoR1Gemm
weight_product(const Plan *plan, gint64 m, const gfloat *dy, const gfloat *patches, gfloat *dweight)
{
    return (DinoR1Gemm){
        .m = plan->patches.out_channels,
        .n = plan->patches.k,
        .k = m,
        .a = dy,
        .lda = plan->patches.out_channels,
        .trans_a = TRUE,
        .b = patches,
        .ldb = plan->patches.k,
        .alpha = 1,
        .out = dweight,
        .ldo = plan->patches.k,
    };
}

static DinoR1Gemm
point_patch_product(const Plan *plan)
{
    return patch_product(plan, plan->patches.pixels, plan->args->inputs[DY].data, plan->args->outputs[DX].data);
}

static DinoR1Gemm
point_weight_product(const Plan *plan)
{
    return weight_product(plan, plan->patches.pixels, plan->args->inputs[DY].data, plan->args->inputs[X].data,
        plan->args->outputs[DWEIGHT].data);
}

gsize
ISA_NAME(fast_conv2d_grad_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    if (plan.patches.point) {
        const DinoR1Gemm dx = point_patch_product(&plan), dweight = point_weight_product(&plan);
        return MAX(ISA_NAME(fast_product_workspace)(&dx), ISA_NAME(fast_tall_product_workspace)(&dweight));
    }
    return dpatches_size(&plan) + sums_size(&plan) + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

/* The gradients of a block's patches and what the block adds to the weight's. */
static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const Patches *p = &plan->patches;
    gfloat *patches = (gfloat *)(plan->slices + thread * plan->slice_size);
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->blocks, p->pixels, (gint64)task, &count);

    for (gint64 at = first; at < first + count; at += plan->step) {
        const gint64 m = MIN(plan->step, first + count - at);
        const gfloat *dy = (const gfloat *)plan->args->inputs[DY].data + at * p->out_channels;
        const DinoR1Gemm dpatches = patch_product(plan, m, dy, plan->dpatches + at * p->k);
        DinoR1Gemm dweight = weight_product(plan, m, dy, patches, plan->sums + (gint64)task * p->out_channels * p->k);
        for (gint64 i = 0; i < m; i++)
            take_patch(p, plan->args->inputs[X].data, at + i, patches + i * p->k);
        dweight.residual = at > first ? dweight.out : NULL;
        ISA_NAME(fast_gemm)(&dweight);
        ISA_NAME(fast_gemm)(&dpatches);
    }
}

/* Adds to row @y [W, Ci] of dx what row @ky of the kernels at output pixels @pixel ... @pixel + Wo passes back. */
static void
add_patches(const Plan *plan, gint64 pixel, gint64 ky, gfloat *row)
{
    const Patches *p = &plan->patches;

    for (gint64 i = 0; i < p->out_width; i++) {
        const gfloat *dpatch = plan->dpatches + (pixel + i) * p->k + ky * p->kernel_width; /* [Ci, taps] */
        const gint64 left = i * p->params->conv.stride - p->params->conv.pad_left;
        for (gint64 kx = MAX(0, -left); kx < p->kernel_width && left + kx < p->width; kx++)
            for (gint64 c = 0; c < p->channels; c++)
                row[(left + kx) * p->channels + c] += dpatch[c * p->taps + kx];
    }
}

/* One row of dx: every kernel row that covers it. */
static void
run_row(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const Patches *p = &plan->patches;
    const gint64 batch = (gint64)task / p->height, y = (gint64)task % p->height, stride = p->params->conv.stride;
    gfloat *row = (gfloat *)plan->args->outputs[DX].data + (gint64)task * p->width * p->channels;

    memset(row, 0, (gsize)(p->width * p->channels) * sizeof(gfloat));
    for (gint64 ky = 0; ky < p->kernel_height; ky++) {
        const gint64 top = y + p->params->conv.pad_top - ky;
        if (top >= 0 && top % stride == 0 && top / stride < p->out_height)
            add_patches(plan, (batch * p->out_height + top / stride) * p->out_width, ky, row);
    }
}

void
ISA_NAME(fast_conv2d_grad)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const DinoR1Gemm dx = point_patch_product(&plan), dweight = point_weight_product(&plan);
    const gdouble patch_floats = (gdouble)(plan.patches.pixels * plan.patches.k);

    if (plan.patches.point) {
        ISA_NAME(fast_product)(args, &dx, args->workspace);
        ISA_NAME(fast_tall_product)(args, &dweight, args->workspace);
        return;
    }
    plan.dpatches = args->workspace;
    plan.sums = (gfloat *)((guint8 *)args->workspace + dpatches_size(&plan));
    plan.slices = (guint8 *)plan.sums + sums_size(&plan);
    dinor1_fast_run(
        args, (gsize)plan.blocks.count, 2 * dinor1_fast_gemm_nanoseconds(&dx) + patch_floats, run_block, &plan);
    ISA_NAME(fast_sum)
    (args, plan.sums, 1, (gsize)plan.blocks.count, (gsize)(plan.patches.out_channels * plan.patches.k),
        args->outputs[DWEIGHT].data);
    dinor1_fast_run(args, (gsize)(args->inputs[X].shape.dims[0] * plan.patches.height), patch_floats, run_row, &plan);
}
