/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/cpu.h"

G_BEGIN_DECLS

/* The plain-C references: one thread, double precision inside, never optimised. They are what every other kernel is
 * compared with, so they are written to be read beside the op table of graph/ops.h. An adjoint stands beside its op. */

/* What f32 views hold. The gradient test compiles the references a second time with views of doubles: differences of
 * single-precision results say nothing about a derivative. */
#ifdef DINOR1_REFERENCE_DOUBLE
typedef gdouble real;
#else
typedef gfloat real;
#endif

void dinor1_ref_binary(const DinoR1KernelArgs *args);
void dinor1_ref_unary(const DinoR1KernelArgs *args);
void dinor1_ref_unary_grad(const DinoR1KernelArgs *args);
void dinor1_ref_sine_embed(const DinoR1KernelArgs *args);

void dinor1_ref_linear(const DinoR1KernelArgs *args);
void dinor1_ref_mlp(const DinoR1KernelArgs *args);
gsize dinor1_ref_mlp_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_matmul(const DinoR1KernelArgs *args);
void dinor1_ref_conv2d(const DinoR1KernelArgs *args);
void dinor1_ref_conv2d_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_conv2d_grad_workspace(const DinoR1KernelArgs *args);

void dinor1_ref_softmax(const DinoR1KernelArgs *args);
void dinor1_ref_layer_norm(const DinoR1KernelArgs *args);
void dinor1_ref_group_norm(const DinoR1KernelArgs *args);
void dinor1_ref_reduce(const DinoR1KernelArgs *args);
void dinor1_ref_softmax_grad(const DinoR1KernelArgs *args);
void dinor1_ref_reduce_max_grad(const DinoR1KernelArgs *args);
void dinor1_ref_layer_norm_grad(const DinoR1KernelArgs *args);
void dinor1_ref_group_norm_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_norm_grad_workspace(const DinoR1KernelArgs *args);

void dinor1_ref_attention(const DinoR1KernelArgs *args);
gsize dinor1_ref_attention_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_attention_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_attention_grad_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_window_attention(const DinoR1KernelArgs *args);
gsize dinor1_ref_window_attention_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_window_attention_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_window_attention_grad_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_deformable_attention(const DinoR1KernelArgs *args);
gsize dinor1_ref_deformable_attention_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_deformable_attention_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_deformable_attention_grad_workspace(const DinoR1KernelArgs *args);

void dinor1_ref_permute(const DinoR1KernelArgs *args);
void dinor1_ref_slice(const DinoR1KernelArgs *args);
void dinor1_ref_concat(const DinoR1KernelArgs *args);
void dinor1_ref_expand(const DinoR1KernelArgs *args);
void dinor1_ref_sum_to(const DinoR1KernelArgs *args);
gsize dinor1_ref_sum_to_workspace(const DinoR1KernelArgs *args);
void dinor1_ref_slice_grad(const DinoR1KernelArgs *args);
void dinor1_ref_patch_merge(const DinoR1KernelArgs *args);
void dinor1_ref_patch_split(const DinoR1KernelArgs *args);
void dinor1_ref_cast(const DinoR1KernelArgs *args);

void dinor1_ref_preprocess(const DinoR1KernelArgs *args);

void dinor1_ref_topk(const DinoR1KernelArgs *args);
void dinor1_ref_gather(const DinoR1KernelArgs *args);
void dinor1_ref_gather_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_gather_grad_workspace(const DinoR1KernelArgs *args);

void dinor1_ref_sum_squares(const DinoR1KernelArgs *args);
void dinor1_ref_blend(const DinoR1KernelArgs *args);
void dinor1_ref_adamw(const DinoR1KernelArgs *args);

void dinor1_ref_focal(const DinoR1KernelArgs *args);
void dinor1_ref_focal_grad(const DinoR1KernelArgs *args);
void dinor1_ref_giou(const DinoR1KernelArgs *args);
void dinor1_ref_giou_grad(const DinoR1KernelArgs *args);
gsize dinor1_ref_giou_grad_workspace(const DinoR1KernelArgs *args);

/* act(x) of LINEAR and MLP. */
gdouble dinor1_ref_activate(DinoR1Activation activation, gdouble x);

/* Turns @n scores into softmax weights in place; all 0 if every score is -inf. */
void dinor1_ref_softmax_row(gdouble *scores, gint64 n);

/* Where element @index of a tensor shaped @out lies in a tensor shaped @in that is broadcast to @out. */
gint64 dinor1_ref_broadcast(const DinoR1Shape *out, gint64 index, const DinoR1Shape *in);

/* Adjoints whose contributions scatter add them up in the workspace, one double for every element of the first
 * @n_outputs outputs. size: the bytes of that, begin: zeroes @sums and returns the workspace behind them, end: writes
 * the outputs. */
gsize dinor1_ref_sums_size(const DinoR1KernelArgs *args, guint n_outputs);
gdouble *dinor1_ref_sums_begin(const DinoR1KernelArgs *args, guint n_outputs, gdouble **sums);
void dinor1_ref_sums_end(const DinoR1KernelArgs *args, guint n_outputs, gdouble *const *sums);

static inline gdouble
dinor1_ref_dot(const real *a, const real *b, gint64 n)
{
    gdouble sum = 0;
    for (gint64 i = 0; i < n; i++)
        sum += (gdouble)a[i] * b[i];
    return sum;
}

G_END_DECLS
