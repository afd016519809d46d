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
    kernels->ops[DINOR1_OP_PERMUTE] = (DinoR1CpuKernel){dinor1_fast_permute, NULL};
    kernels->ops[DINOR1_OP_SLICE] = (DinoR1CpuKernel){dinor1_fast_slice, NULL};
    kernels->ops[DINOR1_OP_CONCAT] = (DinoR1CpuKernel){dinor1_fast_concat, NULL};
    kernels->ops[DINOR1_OP_EXPAND] = (DinoR1CpuKernel){dinor1_fast_expand, NULL};
    kernels->ops[DINOR1_OP_GATHER] = (DinoR1CpuKernel){dinor1_fast_gather, NULL};
    kernels->ops[DINOR1_OP_PATCH_MERGE] = (DinoR1CpuKernel){dinor1_fast_patch_merge, NULL};
    kernels->ops[DINOR1_OP_PREPROCESS] = (DinoR1CpuKernel){dinor1_fast_preprocess, dinor1_fast_preprocess_workspace};
    kernels->ops[DINOR1_OP_SLICE_GRAD] = (DinoR1CpuKernel){dinor1_fast_slice_grad, NULL};
    kernels->ops[DINOR1_OP_GATHER_GRAD] = (DinoR1CpuKernel){dinor1_fast_gather_grad, NULL};
    kernels->ops[DINOR1_OP_PATCH_SPLIT] = (DinoR1CpuKernel){dinor1_fast_patch_split, NULL};
    kernels->ops[DINOR1_OP_SUM_SQUARES] = (DinoR1CpuKernel){dinor1_fast_sum_squares, NULL};
    kernels->ops[DINOR1_OP_BLEND] = (DinoR1CpuKernel){dinor1_fast_blend, NULL};
    kernels->ops[DINOR1_OP_ADAMW] = (DinoR1CpuKernel){dinor1_fast_adamw, NULL};
    kernels->ops[DINOR1_OP_TOPK] = (DinoR1CpuKernel){dinor1_fast_topk, dinor1_fast_topk_workspace};
}
