/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one door of a library that hides a second copy of the references, with doubles in the place of f32.
 */
#include "grad.h"

#include <dinor1/api.h>

DINOR1_API void
opcheck_reference_double(DinoR1CpuKernels *kernels)
{
    dinor1_cpu_init_reference(kernels);
}
