/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"

void
dinor1_cpu_init_avx512(DinoR1CpuKernels *kernels)
{
}
