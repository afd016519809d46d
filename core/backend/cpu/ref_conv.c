/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

/* One output value: the window of x [H, W, Ci] whose corner is (@top, @left) times the kernel [Ci, kh, kw]. */
static gdouble
convolve(
    const real *x, gint64 h, gint64 w, gint64 ci, const real *kernel, gint64 kh, gint64 kw, gint64 top, gint64 left)
{
    gdouble sum = 0;

    for (gint64 ky = MAX(0, -top); ky < kh && top + ky < h; ky++)
        for (gint64 kx = MAX(0, -left); kx < kw && left + kx < w; kx++)
            for (gint64 c = 0; c < ci; c++)
                sum += (gdouble)x[((top + ky) * w + left + kx) * ci + c] * kernel[(c * kh + ky) * kw + kx];
    return sum;
}

void
dinor1_ref_conv2d(const DinoR1KernelArgs *args)
{
    const gint64 *in = args->inputs[0].shape.dims;        /* B, H, W, Ci */
    const gint64 *kernel = args->inputs[1].shape.dims;    /* Co, Ci, kh, kw */
    const gint64 *out_dims = args->outputs[0].shape.dims; /* B, Ho, Wo, Co */
    const real *weight = args->inputs[1].data;
    const real *bias = args->inputs[2].data; /* [Co]? */
    gint64 stride = args->params->conv.stride;
    real *out = args->outputs[0].data;

    for (gint64 b = 0; b < in[0]; b++) {
        const real *x = (const real *)args->inputs[0].data + b * in[1] * in[2] * in[3];
        for (gint64 oy = 0; oy < out_dims[1]; oy++)
            for (gint64 ox = 0; ox < out_dims[2]; ox++)
                for (gint64 co = 0; co < kernel[0]; co++)
                    *out++ = (real)(convolve(x, in[1], in[2], in[3], weight + co * kernel[1] * kernel[2] * kernel[3],
                                        kernel[2], kernel[3], oy * stride - args->params->conv.pad_top,
                                        ox * stride - args->params->conv.pad_left) +
                                    (bias ? bias[co] : 0));
    }
}

/* What a result of convolve() passes back when its gradient is @dy: to the window, and to the kernel. */
static void
convolve_grad(const real *x, gdouble *dx, gint64 h, gint64 w, gint64 ci, const real *kernel, gdouble *dkernel,
    gint64 kh, gint64 kw, gint64 top, gint64 left, gdouble dy)
{
    for (gint64 ky = MAX(0, -top); ky < kh && top + ky < h; ky++) {
        for (gint64 kx = MAX(0, -left); kx < kw && left + kx < w; kx++) {
            for (gint64 c = 0; c < ci; c++) {
                gint64 pixel = ((top + ky) * w + left + kx) * ci + c, tap = (c * kh + ky) * kw + kx;
                dx[pixel] += dy * kernel[tap];
                dkernel[tap] += dy * x[pixel];
            }
        }
    }
}

gsize
dinor1_ref_conv2d_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 2);
}

void
dinor1_ref_conv2d_grad(const DinoR1KernelArgs *args)
{
    const gint64 *in = args->inputs[0].shape.dims;     /* B, H, W, Ci */
    const gint64 *kernel = args->inputs[1].shape.dims; /* Co, Ci, kh, kw */
    const gint64 *out = args->inputs[2].shape.dims;    /* B, Ho, Wo, Co */
    const real *weight = args->inputs[1].data, *dy = args->inputs[2].data;
    gint64 stride = args->params->conv.stride, image = in[1] * in[2] * in[3], taps = kernel[1] * kernel[2] * kernel[3];
    gdouble *sums[2];

    dinor1_ref_sums_begin(args, 2, sums);
    for (gint64 b = 0; b < in[0]; b++)
        for (gint64 oy = 0; oy < out[1]; oy++)
            for (gint64 ox = 0; ox < out[2]; ox++)
                for (gint64 co = 0; co < kernel[0]; co++)
                    convolve_grad((const real *)args->inputs[0].data + b * image, sums[0] + b * image, in[1], in[2],
                        in[3], weight + co * taps, sums[1] + co * taps, kernel[2], kernel[3],
                        oy * stride - args->params->conv.pad_top, ox * stride - args->params->conv.pad_left, *dy++);
    dinor1_ref_sums_end(args, 2, sums);
}
