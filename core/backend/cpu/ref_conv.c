/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

/* One output value: the window of x [H, W, Ci] whose corner is (@top, @left) times the kernel [Ci, kh, kw]. */
static gdouble
convolve(
    const gfloat *x, gint64 h, gint64 w, gint64 ci, const gfloat *kernel, gint64 kh, gint64 kw, gint64 top, gint64 left)
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
    const gfloat *weight = args->inputs[1].data;
    const gfloat *bias = args->inputs[2].data; /* [Co]? */
    gint64 stride = args->params->conv.stride;
    gfloat *out = args->outputs[0].data;

    for (gint64 b = 0; b < in[0]; b++) {
        const gfloat *x = (const gfloat *)args->inputs[0].data + b * in[1] * in[2] * in[3];
        for (gint64 oy = 0; oy < out_dims[1]; oy++)
            for (gint64 ox = 0; ox < out_dims[2]; ox++)
                for (gint64 co = 0; co < kernel[0]; co++)
                    *out++ = (gfloat)(convolve(x, in[1], in[2], in[3], weight + co * kernel[1] * kernel[2] * kernel[3],
                                          kernel[2], kernel[3], oy * stride - args->params->conv.pad_top,
                                          ox * stride - args->params->conv.pad_left) +
                                      (bias ? bias[co] : 0));
    }
}
