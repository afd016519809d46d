/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One training step as a graph (spec section 6). Letters as in model/build.h, and
 * M boxes of an image (padded to the largest number in the batch, at least 1), U prompt tokens: C classes of the batch,
 * then R remembered negatives; R_dn denoising queries per image, before the Q matching ones.
 *
 * The stages:
 *  0: pixels to the embeddings of this process's boxes, and what they add to the prompts of all; the caller sums;
 *  1: the rest of the forward pass up to the matching costs; the caller reads them, matches, fills the targets;
 *  2: this process's share of the losses, and the backward pass down to the prompts; the caller sums their gradient;
 *  3: the rest of the backward pass.
 */
#pragma once

#include "model/build.h"

G_BEGIN_DECLS

/* Weights of the loss terms; dinor1_loss_weights_init() has the specification's. */
typedef struct {
    gfloat focal, l1, giou;                /* 1, 5, 2 */
    gfloat focal_alpha;                    /* 0.25 */
    gfloat focal_gamma;                    /* 2 */
    gfloat cost_focal, cost_l1, cost_giou; /* of the matcher and of GRQO's reward: 2, 5, 2 */
    gfloat grqo_alpha, grqo_beta;          /* 0.01, 0.04; both 0 = SFT */
    gint n_muted; /* queries at the end of the selection order without an advantage of their own; -1 = round(Q/3) */
    gfloat contrastive; /* 100 */
} DinoR1LossWeights;

void dinor1_loss_weights_init(DinoR1LossWeights *weights);

typedef struct {
    DinoR1GraphSpec graph; /* n_tokens = n_classes + n_negatives */
    DinoR1LossWeights weights;
    gint n_boxes;      /* M */
    gint n_classes;    /* C, may be 0 when no image of the batch has a box and there are negatives */
    gint n_negatives;  /* R */
    gint n_denoising;  /* R_dn, 0 = none */
    gint n_named;      /* Cn: those of the C that have a text, for the contrastive loss; 0 = without */
    DinoR1DType dtype; /* of the products' factors: f32 or a half type, for the caller to lower the graph to */
    gfloat share; /* of the batch's images: 1 for one process, 0 for one whose image is a blank to keep it company */
} DinoR1TrainSpec;

/* Sets of predictions that are matched and have a loss: the encoder's proposals, then the decoder's layers. */
#define DINOR1_MAX_SETS (DINOR1_MAX_LAYERS + 1)

/**
 * dinor1_build_training:
 * @weights: gives every parameter, "denoising_label_embedding.weight" [max_text_len, D] too if n_denoising > 0
 *
 * Inputs of stage 0:
 *  "pixel_values" [B, H, W, 3]
 *  "boxes" [B, M, 4] (cx, cy, w, h of the image; padding: a box in the middle)
 *  "select" [C + Cn, B*M]: which box is the prompt of each class, then the weights of each named class's mean
 * Result of stage 0: "prompts" [C + Cn, D]; with C = 0 there is nothing to exchange.
 * Inputs of stage 1:
 *  "prompts.all" [C + Cn, D]: the sum of "prompts" over all processes
 *  "negatives" [R, D]
 *  "labels" [B, M, U] one-hot, 0 for padding
 *  "padding_cost" [B, 1, M]: 0, or DINOR1_PADDING_COST for padding
 *  "dn.index" [B, R_dn] i32 noised class, "dn.boxes" [B, R_dn, 4], "dn.mask" [1, R_dn + Q, R_dn + Q] 0 or -inf
 * Results of stage 1, for each set s: "cost.s" [B, Q, M]; and "objectness" [B, N].
 * Inputs of stage 2, for each set s: "target.s.class" [B, Q, U], "target.s.boxes" [B, Q, 4],
 *  "target.s.positive" [B, Q, 1] 0 or 1; "per_positive" [1]: 1 / number of positives of all processes;
 *  the same with "dn" for s, and "dn.per_positive" [1]; with GRQO "reference_objectness" [B, N], "has_boxes" [B, 1],
 *  "mute" [1, Q] 1 or 0.
 * Results of stage 1: "loss" [1]; the terms "loss.class", "loss.l1", "loss.giou", "loss.dn", "loss.advantage",
 *  "loss.kl", weighted, summed over the sets; with GRQO "reward.mean" and "reward.std" of the last layer, means over
 * the images; and for each parameter that the loss depends on "gradient:NAME".
 */
DinoR1Graph *dinor1_build_training(const DinoR1TrainSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

#define DINOR1_PADDING_COST 1e5f

/* The forward pass of the reference model up to "objectness" [B, N], for the KL term: stages 0 and 1 without the costs.
 */
DinoR1Graph *dinor1_build_reference(const DinoR1TrainSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

/* How many queries this batch's canvas selects, Q. */
gint64 dinor1_train_spec_n_queries(const DinoR1TrainSpec *spec);

G_END_DECLS
