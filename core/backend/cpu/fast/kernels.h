/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/fast/gemm.h"
#include "backend/cpu/fast/simd.h"

/* The kernels of this instruction set: X(OP, name) has a function fast_name, W(OP, name) a fast_name_workspace too. */
#define DINOR1_FAST_KERNELS(X, W)                                                                                      \
    W(LINEAR, linear)                                                                                                  \
    W(MLP, mlp)                                                                                                        \
    W(MATMUL, matmul)                                                                                                  \
    W(ATTENTION, attention)                                                                                            \
    W(WINDOW_ATTENTION, window_attention)                                                                              \
    W(DEFORMABLE_ATTENTION, deformable_attention)                                                                      \
    X(LAYER_NORM, layer_norm)                                                                                          \
    W(GROUP_NORM, group_norm)                                                                                          \
    X(SOFTMAX, softmax)                                                                                                \
    X(REDUCE, reduce)                                                                                                  \
    X(BINARY, binary)                                                                                                  \
    X(UNARY, unary)                                                                                                    \
    W(SINE_EMBED, sine_embed)                                                                                          \
    W(CONV2D, conv2d)                                                                                                  \
    W(CONV2D_GRAD, conv2d_grad)                                                                                        \
    X(SOFTMAX_GRAD, softmax_grad)                                                                                      \
    X(UNARY_GRAD, unary_grad)                                                                                          \
    W(SUM_TO, sum_to)                                                                                                  \
    W(LAYER_NORM_GRAD, layer_norm_grad)                                                                                \
    W(GROUP_NORM_GRAD, group_norm_grad)                                                                                \
    W(ATTENTION_GRAD, attention_grad)                                                                                  \
    W(WINDOW_ATTENTION_GRAD, window_attention_grad)                                                                    \
    W(DEFORMABLE_ATTENTION_GRAD, deformable_attention_grad)

#define DINOR1_FAST_DECLARE(op, name) void ISA_NAME(fast_##name)(const DinoR1KernelArgs *args);
#define DINOR1_FAST_DECLARE_WORKSPACE(op, name)                                                                        \
    DINOR1_FAST_DECLARE(op, name)                                                                                      \
    gsize ISA_NAME(fast_##name##_workspace)(const DinoR1KernelArgs *args);

DINOR1_FAST_KERNELS(DINOR1_FAST_DECLARE, DINOR1_FAST_DECLARE_WORKSPACE)

/* Computes the whole of @gemm on this thread. */
void ISA_NAME(fast_gemm)(const DinoR1Gemm *gemm);
/* The same in tiles on the pool. */
void ISA_NAME(fast_gemm_threaded)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm);
/* A product of great depth and few tiles, such as the gradient of a weight: parts of its depth are summed in order. */
void ISA_NAME(fast_tall_product)(const DinoR1KernelArgs *args, const DinoR1Gemm *gemm, gpointer workspace);
gsize ISA_NAME(fast_tall_product_workspace)(const DinoR1Gemm *gemm);
/* x [outer, n, inner] summed along n, on the pool. */
void ISA_NAME(fast_sum)(const DinoR1KernelArgs *args, const gfloat *x, gint64 outer, gsize n, gsize inner, gfloat *out);
/* out = softmax(x) of one row [n], 0 if all of it is -inf; out may be x. */
void ISA_NAME(fast_softmax_row)(const gfloat *x, gfloat *out, gsize n);
/* dx = y * (dy - sum(y * dy)) of one row [n]; dx may be dy. */
void ISA_NAME(fast_softmax_row_grad)(const gfloat *y, const gfloat *dy, gfloat *dx, gsize n);
