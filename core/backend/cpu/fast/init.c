/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"
#include "backend/cpu/fast/kernels.h"

void
ISA_NAME(cpu_init)(DinoR1CpuKernels *kernels)
{
#define SET(op, name) kernels->ops[DINOR1_OP_##op] = (DinoR1CpuKernel){ISA_NAME(fast_##name), NULL};
#define SET_WORKSPACE(op, name)                                                                                        \
    kernels->ops[DINOR1_OP_##op] = (DinoR1CpuKernel){ISA_NAME(fast_##name), ISA_NAME(fast_##name##_workspace)};
    DINOR1_FAST_KERNELS(SET, SET_WORKSPACE)
#undef SET
#undef SET_WORKSPACE
}
