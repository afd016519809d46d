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
            [DINOR1_OP_PREPROCESS] = {dinor1_ref_preprocess, NULL},
            [DINOR1_OP_CAST] = {dinor1_ref_cast, NULL},
            [DINOR1_OP_SUM_TO] = {dinor1_ref_sum_to, dinor1_ref_sum_to_workspace},
            [DINOR1_OP_UNARY_GRAD] = {dinor1_ref_unary_grad, NULL},
            [DINOR1_OP_SOFTMAX_GRAD] = {dinor1_ref_softmax_grad, NULL},
            [DINOR1_OP_LAYER_NORM_GRAD] = {dinor1_ref_layer_norm_grad, dinor1_ref_norm_grad_workspace},
            [DINOR1_OP_GROUP_NORM_GRAD] = {dinor1_ref_group_norm_grad, dinor1_ref_norm_grad_workspace},
            [DINOR1_OP_CONV2D_GRAD] = {dinor1_ref_conv2d_grad, dinor1_ref_conv2d_grad_workspace},
            [DINOR1_OP_ATTENTION_GRAD] = {dinor1_ref_attention_grad, dinor1_ref_attention_grad_workspace},
            [DINOR1_OP_WINDOW_ATTENTION_GRAD] = {dinor1_ref_window_attention_grad,
                dinor1_ref_window_attention_grad_workspace},
            [DINOR1_OP_DEFORMABLE_ATTENTION_GRAD] = {dinor1_ref_deformable_attention_grad,
                dinor1_ref_deformable_attention_grad_workspace},
            [DINOR1_OP_SLICE_GRAD] = {dinor1_ref_slice_grad, NULL},
            [DINOR1_OP_GATHER_GRAD] = {dinor1_ref_gather_grad, dinor1_ref_gather_grad_workspace},
            [DINOR1_OP_REDUCE_MAX_GRAD] = {dinor1_ref_reduce_max_grad, NULL},
            [DINOR1_OP_PATCH_SPLIT] = {dinor1_ref_patch_split, NULL},
            [DINOR1_OP_FOCAL] = {dinor1_ref_focal, NULL},
            [DINOR1_OP_FOCAL_GRAD] = {dinor1_ref_focal_grad, NULL},
            [DINOR1_OP_GIOU] = {dinor1_ref_giou, NULL},
            [DINOR1_OP_GIOU_GRAD] = {dinor1_ref_giou_grad, dinor1_ref_giou_grad_workspace},
            [DINOR1_OP_SUM_SQUARES] = {dinor1_ref_sum_squares, NULL},
            [DINOR1_OP_BLEND] = {dinor1_ref_blend, NULL},
            [DINOR1_OP_ADAMW] = {dinor1_ref_adamw, NULL},
        },
};

void
dinor1_cpu_init_reference(DinoR1CpuKernels *kernels)
{
    *kernels = references;
}
