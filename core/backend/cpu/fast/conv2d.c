/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"

/* Floats of a task's patches, and how many patches. */
#define PATCH_FLOATS 524288
#define MIN_PIXELS   24
#define MAX_PIXELS   192

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 height, width, channels; /* of x */
    gint64 kernel_height, kernel_width;
    gint64 out_height, out_width, out_channels;
    gint64 pixels;   /* of all outputs */
    gint64 k;        /* a patch: [Ci, kh, kw], as the weights have it */
    gboolean point;  /* 1x1 and nothing moved: the patches are x itself */
    DinoR1Gemm gemm; /* of all patches; a is set only where they need no copying */
    DinoR1Panels panels;
    DinoR1Blocks blocks;
    gsize slice_size;
    guint8 *slices;
} Plan;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1OpParams *params = args->params;
    const gint64 *in = args->inputs[0].shape.dims, *kernel = args->inputs[1].shape.dims;
    const gint64 *out = args->outputs[0].shape.dims;
    Plan plan = {
        .args = args,
        .height = in[1],
        .width = in[2],
        .channels = in[3],
        .kernel_height = kernel[2],
        .kernel_width = kernel[3],
        .out_height = out[1],
        .out_width = out[2],
        .out_channels = out[3],
        .pixels = out[0] * out[1] * out[2],
        .k = kernel[1] * kernel[2] * kernel[3],
    };

    plan.point = kernel[2] == 1 && kernel[3] == 1 && params->conv.stride == 1 && out[1] == in[1] && out[2] == in[2] &&
                 params->conv.pad_top == 0 && params->conv.pad_left == 0;
    plan.gemm = (DinoR1Gemm){
        .m = plan.pixels,
        .n = plan.out_channels,
        .k = plan.k,
        .a = args->inputs[0].data,
        .lda = plan.k,
        .b = args->inputs[1].data,
        .ldb = plan.k,
        .trans_b = TRUE,
        .alpha = 1,
        .bias = args->inputs[2].data,
        .out = args->outputs[0].data,
        .ldo = plan.out_channels,
    };
    plan.panels = panels_of(&plan.gemm);
    plan.blocks = dinor1_fast_blocks(plan.pixels, CLAMP(PATCH_FLOATS / plan.k, MIN_PIXELS, MAX_PIXELS), PANEL_ROWS);
    plan.slice_size = dinor1_fast_slice_size((gsize)(plan.blocks.size * plan.k) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_conv2d_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    if (plan.point)
        return ISA_NAME(fast_product_workspace)(&plan.gemm);
    return panels_size(&plan.panels) + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

/* The pixels under the kernel for output pixel @index, zeros outside. */
static void
take_patch(const Plan *plan, gint64 index, gfloat *patch)
{
    const DinoR1OpParams *params = plan->args->params;
    const gint64 batch = index / (plan->out_height * plan->out_width);
    const gint64 top = index / plan->out_width % plan->out_height * params->conv.stride - params->conv.pad_top;
    const gint64 left = index % plan->out_width * params->conv.stride - params->conv.pad_left;
    const gfloat *x = (const gfloat *)plan->args->inputs[0].data + batch * plan->height * plan->width * plan->channels;
    const gint64 taps = plan->kernel_height * plan->kernel_width;

    for (gint64 tap = 0; tap < taps; tap++) {
        const gint64 row = top + tap / plan->kernel_width, column = left + tap % plan->kernel_width;
        const gboolean inside = row >= 0 && row < plan->height && column >= 0 && column < plan->width;
        const gfloat *pixel = inside ? x + (row * plan->width + column) * plan->channels : NULL;
        for (gint64 c = 0; c < plan->channels; c++)
            patch[c * taps + tap] = inside ? pixel[c] : 0;
    }
}

static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    gfloat *patches = (gfloat *)(plan->slices + thread * plan->slice_size);
    DinoR1Gemm tile = plan->gemm;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->pixels, (gint64)task, &tile.m);

    for (gint64 i = 0; i < tile.m; i++)
        take_patch(plan, first + i, patches + i * plan->k);
    tile.a = patches;
    tile.out += first * tile.ldo;
    ISA_NAME(fast_panel_product)(&tile, &plan->panels, 0);
}

void
ISA_NAME(fast_conv2d)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);

    if (plan.point) {
        ISA_NAME(fast_product)(args, &plan.gemm, args->workspace);
        return;
    }
    plan.panels.data = args->workspace;
    plan.slices = (guint8 *)args->workspace + panels_size(&plan.panels);
    ISA_NAME(fast_pack)(args, &plan.panels);
    dinor1_fast_run(args, (gsize)plan.blocks.count,
        dinor1_fast_gemm_nanoseconds(&plan.gemm) + (gdouble)(plan.pixels * plan.k), run_block, &plan);
}
