/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/tensor.h"

#include "base/half.h"

const gchar *
dinor1_dtype_name(DinoR1DType dtype)
{
    switch (dtype) {
    case DINOR1_F32:
        return "f32";
    case DINOR1_I32:
        return "i32";
    case DINOR1_U8:
        return "u8";
    case DINOR1_F16:
        return "f16";
    case DINOR1_BF16:
        return "bf16";
    case DINOR1_F64:
        return "f64";
    }
    return "?";
}

void
dinor1_narrow(DinoR1DType half, guint16 *to, const gfloat *from, gsize n)
{
    for (gsize i = 0; i < n; i++)
        to[i] = half == DINOR1_F16 ? dinor1_float_to_half(from[i]) : dinor1_float_to_bf16(from[i]);
}
