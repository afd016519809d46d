/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* What a convolution sees of x [B, H, W, Ci]: per output pixel a patch [Ci, kh, kw], as the weights have it. */

#include "backend/cpu/fast/fast.h"

typedef struct {
    const DinoR1OpParams *params;
    gint64 height, width, channels; /* of x */
    gint64 kernel_height, kernel_width, taps;
    gint64 out_height, out_width, out_channels;
    gint64 pixels;  /* of all outputs */
    gint64 k;       /* size of a patch */
    gboolean point; /* 1x1 and nothing moved: the patches are x itself */
} Patches;

/* The inputs begin with x and the weight; @output: the convolution's output or its gradient. */
static inline Patches
patches_of(const DinoR1KernelArgs *args, const DinoR1View *output)
{
    const gint64 *in = args->inputs[0].shape.dims, *kernel = args->inputs[1].shape.dims, *out = output->shape.dims;
    const DinoR1OpParams *params = args->params;

    return (Patches){
        .params = params,
        .height = in[1],
        .width = in[2],
        .channels = in[3],
        .kernel_height = kernel[2],
        .kernel_width = kernel[3],
        .taps = kernel[2] * kernel[3],
        .out_height = out[1],
        .out_width = out[2],
        .out_channels = out[3],
        .pixels = out[0] * out[1] * out[2],
        .k = kernel[1] * kernel[2] * kernel[3],
        .point = kernel[2] == 1 && kernel[3] == 1 && params->conv.stride == 1 && out[1] == in[1] && out[2] == in[2] &&
                 params->conv.pad_top == 0 && params->conv.pad_left == 0,
    };
}

/* The pixels under the kernel for output pixel @index, zeros outside. */
static inline void
take_patch(const Patches *p, const gfloat *x, gint64 index, gfloat *patch)
{
    const gint64 batch = index / (p->out_height * p->out_width);
    const gint64 top = index / p->out_width % p->out_height * p->params->conv.stride - p->params->conv.pad_top;
    const gint64 left = index % p->out_width * p->params->conv.stride - p->params->conv.pad_left;

    x += batch * p->height * p->width * p->channels;
    for (gint64 tap = 0; tap < p->taps; tap++) {
        const gint64 row = top + tap / p->kernel_width, column = left + tap % p->kernel_width;
        const gboolean inside = row >= 0 && row < p->height && column >= 0 && column < p->width;
        const gfloat *pixel = inside ? x + (row * p->width + column) * p->channels : NULL;
        for (gint64 c = 0; c < p->channels; c++)
            patch[c * p->taps + tap] = inside ? pixel[c] : 0;
    }
}
