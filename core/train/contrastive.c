/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The vision-language contrastive loss (spec section 6): what the prompt encoder makes of a class's boxes should be
 * more like the class's own name than like the other classes' names. C classes.
 */
#include "nn/layers.h"
#include "train/losses.h"

#define TINY 1e-24f /* keeps the slope of a length of 0 finite */

/* Rows of length 1. */
static DinoR1Tensor *
normalise(DinoR1Graph *graph, DinoR1Tensor *x)
{
    DinoR1Tensor *square = dinor1_reduce(graph, DINOR1_REDUCE_SUM, dinor1_mul(graph, x, x), -1);

    return dinor1_binary(
        graph, DINOR1_BINARY_DIV, x, dinor1_unary(graph, DINOR1_UNARY_SQRT, dinor1_affine(graph, square, 1, TINY)));
}

static DinoR1Tensor *
identity(DinoR1Graph *graph, gint64 n)
{
    g_autofree gfloat *matrix = g_new0(gfloat, (gsize)(n * n));

    for (gint64 i = 0; i < n; i++)
        matrix[i * (n + 1)] = 1;
    return dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(n, n), matrix);
}

/* sum_i log sum_j exp(z_ij - z_ii) along @axis: the cross-entropy with the diagonal as the answers. The largest
 * difference is taken out, so that no exponential overflows; it is 0 or more. */
static DinoR1Tensor *
cross_entropy(DinoR1Graph *graph, DinoR1Tensor *logits, gint axis)
{
    DinoR1Tensor *right, *largest, *sum;

    if (!logits)
        return NULL;
    right = dinor1_mul(graph, logits, identity(graph, logits->shape.dims[0]));
    right = dinor1_reduce(graph, DINOR1_REDUCE_SUM, right, axis);
    logits = dinor1_binary(graph, DINOR1_BINARY_SUB, logits, right);
    largest = dinor1_detach(graph, dinor1_reduce(graph, DINOR1_REDUCE_MAX, logits, axis));
    sum = dinor1_unary(graph, DINOR1_UNARY_EXP, dinor1_binary(graph, DINOR1_BINARY_SUB, logits, largest));
    sum = dinor1_unary(graph, DINOR1_UNARY_LOG, dinor1_reduce(graph, DINOR1_REDUCE_SUM, sum, axis));
    return dinor1_build_total(graph, dinor1_add(graph, sum, largest));
}

DinoR1Tensor *
dinor1_build_contrastive(DinoR1Graph *graph, DinoR1Tensor *means, DinoR1Tensor *text)
{
    DinoR1Tensor *scale = dinor1_nn_weight(graph, DINOR1_SHAPE(1), DINOR1_LOGIT_SCALE), *logits, *sum;

    if (!means)
        return NULL;
    logits = dinor1_matmul(graph, normalise(graph, means), FALSE, text, TRUE, 1, NULL, NULL);
    logits = dinor1_mul(graph, logits, dinor1_unary(graph, DINOR1_UNARY_EXP, scale));
    sum = dinor1_add(graph, cross_entropy(graph, logits, 1), cross_entropy(graph, logits, 0));
    return dinor1_affine(graph, sum, 0.5f / (gfloat)means->shape.dims[0], 0);
}
