/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/train_graph.h"

G_BEGIN_DECLS

/* One set of predictions: logits [B, Q, U], boxes [B, Q, 4]. */
typedef struct {
    DinoR1Tensor *logits, *boxes;
} DinoR1Predictions;

/* What one set is compared with. */
typedef struct {
    DinoR1Tensor *classes;  /* [B, Q, U] */
    DinoR1Tensor *boxes;    /* [B, Q, 4] */
    DinoR1Tensor *positive; /* [B, Q, 1] */
} DinoR1Targets;

/* Sums of the weighted terms so far, each [1]; NULL before the first. */
typedef struct {
    DinoR1Tensor *classes, *l1, *giou;
} DinoR1LossSums;

/* cost_ij = focal_ij + L1_ij - GIoU_ij, each with its weight, [B, Q, M]; @labels [B, M, U], @boxes [B, M, 4] */
DinoR1Tensor *dinor1_build_cost(DinoR1Graph *graph, const DinoR1LossWeights *weights,
    const DinoR1Predictions *predictions, DinoR1Tensor *labels, DinoR1Tensor *boxes);

/* Adds focal, L1 and GIoU of one set, times @per_positive [1], to @sums. */
void dinor1_build_supervised(DinoR1Graph *graph, const DinoR1LossWeights *weights, const DinoR1Predictions *predictions,
    const DinoR1Targets *targets, DinoR1Tensor *per_positive, DinoR1LossSums *sums);

/* The sum of all elements, [1]. */
DinoR1Tensor *dinor1_build_total(DinoR1Graph *graph, DinoR1Tensor *x);

/* The inputs of GRQO. */
typedef struct {
    DinoR1Tensor *has_boxes; /* [B, 1] */
    DinoR1Tensor *mute;      /* [1, Q] */
} DinoR1Group;

/* What GRQO makes of one layer. */
typedef struct {
    DinoR1Tensor *advantage;   /* [1]: the mean over images and queries of the unmuted advantages */
    DinoR1Tensor *reward_mean; /* [B, 1] */
    DinoR1Tensor *reward_std;  /* [B, 1] */
} DinoR1Advantage;

/* @cost [B, Q, M] with DINOR1_PADDING_COST on padding. */
void dinor1_build_advantage(
    DinoR1Graph *graph, DinoR1Tensor *cost, const DinoR1Group *group, DinoR1Advantage *advantage);

/* Symmetric cross-entropy of the similarities exp(s) cos(a_i, b_j), s the weight
 * DINOR1_LOGIT_SCALE, with i = j as the right answers, [1]. @means,
 * @text [C, D]; @text's rows are of length 1. */
DinoR1Tensor *dinor1_build_contrastive(DinoR1Graph *graph, DinoR1Tensor *means, DinoR1Tensor *text);

/* The mean over images and queries of rho - log(rho) - 1 with rho = (o_ref + 2e-9) / (o + 2e-9), [1]. @objectness,
 * @reference: logits [B, Q] at the same locations. */
DinoR1Tensor *dinor1_build_kl(DinoR1Graph *graph, DinoR1Tensor *objectness, DinoR1Tensor *reference);

G_END_DECLS
