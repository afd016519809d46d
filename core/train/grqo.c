/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GRQO, group relative query optimization (arXiv 2505.24025; spec section 6): every query is rewarded by how well it
 * fits its best box, relative to the other queries of its image.
 */
#include "train/losses.h"

#define EPSILON 2e-9f

void
dinor1_build_advantage(DinoR1Graph *graph, DinoR1Tensor *cost, const DinoR1Group *group, DinoR1Advantage *advantage)
{
    DinoR1Tensor *reward, *centred, *square, *relative;
    gint64 batch, n_queries;

    if (!cost)
        return;
    batch = cost->shape.dims[0];
    n_queries = cost->shape.dims[1];
    /* r_i = -min_j C_ij, [B, Q] */
    reward = dinor1_reduce(graph, DINOR1_REDUCE_MAX, dinor1_affine(graph, cost, -1, 0), -1);
    reward = dinor1_reshape(graph, reward, DINOR1_SHAPE(batch, n_queries));
    /* An image without boxes: a reward of 0 for all, so that its numbers stay finite. */
    reward = dinor1_mul(graph, reward, group->has_boxes);
    advantage->reward_mean = dinor1_reduce(graph, DINOR1_REDUCE_MEAN, reward, -1);
    centred = dinor1_binary(graph, DINOR1_BINARY_SUB, reward, advantage->reward_mean);
    square = dinor1_reduce(graph, DINOR1_REDUCE_SUM, dinor1_mul(graph, centred, centred), -1);
    /* Unbiased; the shift keeps the square root's slope finite where all rewards are equal. */
    square = dinor1_affine(graph, square, 1 / (gfloat)MAX(n_queries - 1, 1), EPSILON * EPSILON);
    advantage->reward_std = dinor1_unary(graph, DINOR1_UNARY_SQRT, square);
    relative =
        dinor1_binary(graph, DINOR1_BINARY_DIV, centred, dinor1_affine(graph, advantage->reward_std, 1, EPSILON));
    relative = dinor1_mul(graph, relative, group->mute);
    advantage->advantage =
        dinor1_affine(graph, dinor1_build_total(graph, relative), 1 / (gfloat)(batch * n_queries), 0);
}

DinoR1Tensor *
dinor1_build_kl(DinoR1Graph *graph, DinoR1Tensor *objectness, DinoR1Tensor *reference)
{
    DinoR1Tensor *o = dinor1_affine(graph, dinor1_unary(graph, DINOR1_UNARY_SIGMOID, objectness), 1, EPSILON);
    DinoR1Tensor *o_ref = dinor1_affine(graph, dinor1_unary(graph, DINOR1_UNARY_SIGMOID, reference), 1, EPSILON);
    DinoR1Tensor *rho = dinor1_binary(graph, DINOR1_BINARY_DIV, o_ref, o);
    DinoR1Tensor *kl = dinor1_binary(graph, DINOR1_BINARY_SUB, rho, dinor1_unary(graph, DINOR1_UNARY_LOG, rho));

    if (!kl)
        return NULL;
    kl = dinor1_build_total(graph, dinor1_affine(graph, kl, 1, -1));
    return dinor1_affine(graph, kl, 1 / (gfloat)dinor1_shape_size(&objectness->shape), 0);
}
