/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matcher's cost and the supervised losses (spec section 6, Matching and Supervised loss).
 */
#include "train/losses.h"

void
dinor1_loss_weights_init(DinoR1LossWeights *weights)
{
    *weights = (DinoR1LossWeights){
        .focal = 1,
        .l1 = 5,
        .giou = 2,
        .focal_alpha = 0.25f,
        .focal_gamma = 2,
        .cost_focal = 2,
        .cost_l1 = 5,
        .cost_giou = 2,
        .grqo_alpha = 0.01f,
        .grqo_beta = 0.04f,
        .n_muted = -1,
        .contrastive = 100,
    };
}

DinoR1Tensor *
dinor1_build_total(DinoR1Graph *graph, DinoR1Tensor *x)
{
    return dinor1_sum_to(graph, x, DINOR1_SHAPE(1));
}

/* Focal loss of every logit as if its target were @target. */
static DinoR1Tensor *
focal_as(DinoR1Graph *graph, const DinoR1LossWeights *weights, DinoR1Tensor *logits, gfloat target)
{
    DinoR1Tensor *constant = dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(1), &target);

    if (!logits)
        return NULL;
    constant = dinor1_expand(graph, constant, logits->shape);
    return dinor1_focal(graph, logits, constant, weights->focal_alpha, weights->focal_gamma);
}

/* sum_u [y_ju pos_iu + (1 - y_ju) neg_iu] = sum_u neg_iu + sum_u (pos_iu - neg_iu) y_ju */
static DinoR1Tensor *
focal_cost(DinoR1Graph *graph, const DinoR1LossWeights *weights, DinoR1Tensor *logits, DinoR1Tensor *labels)
{
    DinoR1Tensor *pos = focal_as(graph, weights, logits, 1), *neg = focal_as(graph, weights, logits, 0);
    DinoR1Tensor *all = dinor1_reduce(graph, DINOR1_REDUCE_SUM, neg, -1);
    DinoR1Tensor *gain = dinor1_binary(graph, DINOR1_BINARY_SUB, pos, neg);

    return dinor1_add(graph, dinor1_matmul(graph, gain, FALSE, labels, TRUE, 1, NULL, NULL), all);
}

DinoR1Tensor *
dinor1_build_cost(DinoR1Graph *graph, const DinoR1LossWeights *weights, const DinoR1Predictions *predictions,
    DinoR1Tensor *labels, DinoR1Tensor *boxes)
{
    DinoR1Tensor *cost = focal_cost(graph, weights, predictions->logits, labels), *a, *b, *l1, *giou;

    if (!cost)
        return NULL;
    /* [B, Q, 1, 4] against [B, 1, M, 4] */
    a = dinor1_reshape(graph, predictions->boxes, DINOR1_SHAPE(cost->shape.dims[0], cost->shape.dims[1], 1, 4));
    b = dinor1_reshape(graph, boxes, DINOR1_SHAPE(cost->shape.dims[0], 1, cost->shape.dims[2], 4));
    l1 = dinor1_unary(graph, DINOR1_UNARY_ABS, dinor1_binary(graph, DINOR1_BINARY_SUB, a, b));
    l1 = dinor1_reshape(graph, dinor1_reduce(graph, DINOR1_REDUCE_SUM, l1, -1), cost->shape);
    giou = dinor1_reshape(graph, dinor1_giou(graph, a, b), cost->shape);
    cost = dinor1_affine(graph, cost, weights->cost_focal, 0);
    cost = dinor1_add(graph, cost, dinor1_affine(graph, l1, weights->cost_l1, 0));
    return dinor1_add(graph, cost, dinor1_affine(graph, giou, -weights->cost_giou, 0));
}

static void
add_term(DinoR1Graph *graph, DinoR1Tensor **sum, DinoR1Tensor *total, DinoR1Tensor *per_positive, gfloat weight)
{
    DinoR1Tensor *term = dinor1_affine(graph, dinor1_mul(graph, total, per_positive), weight, 0);

    *sum = *sum ? dinor1_add(graph, *sum, term) : term;
}

void
dinor1_build_supervised(DinoR1Graph *graph, const DinoR1LossWeights *weights, const DinoR1Predictions *predictions,
    const DinoR1Targets *targets, DinoR1Tensor *per_positive, DinoR1LossSums *sums)
{
    DinoR1Tensor *focal =
        dinor1_focal(graph, predictions->logits, targets->classes, weights->focal_alpha, weights->focal_gamma);
    DinoR1Tensor *distance = dinor1_binary(graph, DINOR1_BINARY_SUB, predictions->boxes, targets->boxes);
    DinoR1Tensor *giou = dinor1_giou(graph, predictions->boxes, targets->boxes);

    distance = dinor1_mul(graph, dinor1_unary(graph, DINOR1_UNARY_ABS, distance), targets->positive);
    giou = dinor1_mul(graph, dinor1_affine(graph, giou, -1, 1), targets->positive);
    add_term(graph, &sums->classes, dinor1_build_total(graph, focal), per_positive, weights->focal);
    add_term(graph, &sums->l1, dinor1_build_total(graph, distance), per_positive, weights->l1);
    add_term(graph, &sums->giou, dinor1_build_total(graph, giou), per_positive, weights->giou);
}
