/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"

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

static DinoR1Gemm
linear_product(const DinoR1KernelArgs *args)
{
    const DinoR1View *x = &args->inputs[0], *weight = &args->inputs[1]; /* [..., K], [N, K] */
    const gint64 n = weight->shape.dims[0], k = weight->shape.dims[1];
    DinoR1Gemm gemm = product(dinor1_shape_size(&x->shape) / k, n, k, x->data, weight->data, args->outputs[0].data);

    gemm.bias = args->inputs[2].data;
    gemm.residual = args->inputs[3].data;
    gemm.activation = args->params->linear.activation;
    return gemm;
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
