/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Floats of a task's patches, and output pixels that amortise BLAS's packing of the weights. */
#define PATCH_FLOATS 524288
#define MIN_PIXELS   64
#define MAX_PIXELS   256

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 height, width, channels; /* of x */
    gint64 kernel_height, kernel_width;
    gint64 out_height, out_width, out_channels;
    gint64 pixels;  /* of all outputs */
    gint64 k;       /* a patch: [Ci, kh, kw], as the weights have it */
    gboolean point; /* 1x1 and nothing moved: the patches are x itself */
    DinoR1Blocks blocks;
    gsize slice_size;
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
    plan.blocks = dinor1_fast_blocks(plan.pixels, CLAMP(PATCH_FLOATS / plan.k, MIN_PIXELS, MAX_PIXELS), 8);
    plan.slice_size = dinor1_fast_slice_size((gsize)(plan.blocks.size * plan.k) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_conv2d_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return plan.point ? 0 : dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
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
    const DinoR1KernelArgs *args = plan->args;
    gfloat *patches = (gfloat *)((guint8 *)args->workspace + thread * plan->slice_size);
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->pixels, (gint64)task, &count);

    for (gint64 i = 0; i < count; i++)
        take_patch(plan, first + i, patches + i * plan->k);
    ISA_NAME(fast_gemm)
    (&(DinoR1Gemm){
        .m = count,
        .n = plan->out_channels,
        .k = plan->k,
        .a = patches,
        .lda = plan->k,
        .b = args->inputs[1].data,
        .ldb = plan->k,
        .trans_b = TRUE,
        .alpha = 1,
        .bias = args->inputs[2].data,
        .out = (gfloat *)args->outputs[0].data + first * plan->out_channels,
        .ldo = plan->out_channels,
    });
}

void
ISA_NAME(fast_conv2d)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const DinoR1Gemm whole = {
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

    if (plan.point)
        ISA_NAME(fast_gemm_threaded)(args, &whole);
    else
        dinor1_fast_run(args, (gsize)plan.blocks.count,
            dinor1_fast_gemm_nanoseconds(&whole) + (gdouble)(plan.pixels * plan.k), run_block, &plan);
}
