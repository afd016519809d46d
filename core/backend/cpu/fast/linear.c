/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"

static DinoR1Gemm
linear_product(const DinoR1KernelArgs *args)
{
    const DinoR1View *inputs = args->inputs; /* x [..., K], weight [N, K], bias [N]?, residual [..., N]? */
    const gint64 n = inputs[1].shape.dims[0], k = inputs[1].shape.dims[1];

    return (DinoR1Gemm){
        .m = dinor1_shape_size(&inputs[0].shape) / k,
        .n = n,
        .k = k,
        .a = inputs[0].data,
        .lda = k,
        .b = inputs[1].data,
        .ldb = k,
        .trans_b = TRUE,
        .alpha = 1,
        .bias = inputs[2].data,
        .residual = inputs[3].data,
        .out = args->outputs[0].data,
        .ldo = n,
        .activation = args->params->linear.activation,
    };
}

gsize
ISA_NAME(fast_linear_workspace)(const DinoR1KernelArgs *args)
{
    const DinoR1Gemm gemm = linear_product(args);

    return ISA_NAME(fast_product_workspace)(&gemm);
}

void
ISA_NAME(fast_linear)(const DinoR1KernelArgs *args)
{
    const DinoR1Gemm gemm = linear_product(args);

    ISA_NAME(fast_product)(args, &gemm, args->workspace);
}
