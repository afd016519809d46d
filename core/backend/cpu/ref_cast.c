/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CAST, the one reference that knows half types.
 */
#include "backend/cpu/ref.h"
#include "base/half.h"

static real
read_number(const DinoR1View *view, gint64 index)
{
    switch (view->dtype) {
    case DINOR1_F16:
        return dinor1_half_to_float(((const guint16 *)view->data)[index]);
    case DINOR1_BF16:
        return dinor1_bf16_to_float(((const guint16 *)view->data)[index]);
    default:
        return ((const real *)view->data)[index];
    }
}

static void
write_number(const DinoR1View *view, gint64 index, real value)
{
    switch (view->dtype) {
    case DINOR1_F16:
        ((guint16 *)view->data)[index] = dinor1_float_to_half((gfloat)value);
        break;
    case DINOR1_BF16:
        ((guint16 *)view->data)[index] = dinor1_float_to_bf16((gfloat)value);
        break;
    default:
        ((real *)view->data)[index] = value;
    }
}

void
dinor1_ref_cast(const DinoR1KernelArgs *args)
{
    for (gint64 i = 0; i < dinor1_shape_size(&args->outputs[0].shape); i++)
        write_number(&args->outputs[0], i, read_number(&args->inputs[0], i));
}
