/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

static const DinoR1CpuKernels references = {
    .ops =
        {
            [DINOR1_OP_BINARY] = {dinor1_ref_binary, NULL},
            [DINOR1_OP_UNARY] = {dinor1_ref_unary, NULL},
            [DINOR1_OP_LINEAR] = {dinor1_ref_linear, NULL},
            [DINOR1_OP_MLP] = {dinor1_ref_mlp, dinor1_ref_mlp_workspace},
            [DINOR1_OP_MATMUL] = {dinor1_ref_matmul, NULL},
            [DINOR1_OP_SOFTMAX] = {dinor1_ref_softmax, NULL},
            [DINOR1_OP_LAYER_NORM] = {dinor1_ref_layer_norm, NULL},
            [DINOR1_OP_GROUP_NORM] = {dinor1_ref_group_norm, NULL},
            [DINOR1_OP_CONV2D] = {dinor1_ref_conv2d, NULL},
            [DINOR1_OP_ATTENTION] = {dinor1_ref_attention, dinor1_ref_attention_workspace},
            [DINOR1_OP_WINDOW_ATTENTION] = {dinor1_ref_window_attention, dinor1_ref_window_attention_workspace},
            [DINOR1_OP_DEFORMABLE_ATTENTION] = {dinor1_ref_deformable_attention,
                dinor1_ref_deformable_attention_workspace},
            [DINOR1_OP_PERMUTE] = {dinor1_ref_permute, NULL},
            [DINOR1_OP_SLICE] = {dinor1_ref_slice, NULL},
            [DINOR1_OP_CONCAT] = {dinor1_ref_concat, NULL},
            [DINOR1_OP_EXPAND] = {dinor1_ref_expand, NULL},
            [DINOR1_OP_REDUCE] = {dinor1_ref_reduce, NULL},
            [DINOR1_OP_TOPK] = {dinor1_ref_topk, NULL},
            [DINOR1_OP_GATHER] = {dinor1_ref_gather, NULL},
            [DINOR1_OP_SINE_EMBED] = {dinor1_ref_sine_embed, NULL},
            [DINOR1_OP_PATCH_MERGE] = {dinor1_ref_patch_merge, NULL},
        },
};

void
dinor1_cpu_init_reference(DinoR1CpuKernels *kernels)
{
    *kernels = references;
}
