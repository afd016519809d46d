/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Layers as graph builders. @name is the layer's prefix in the checkpoint; its tensors' names and shapes are those of
 * the published PyTorch classes. B images, N rows, D model width.
 */
#pragma once

#include "graph/graph.h"

G_BEGIN_DECLS

/* A weight by a formatted name. */
DinoR1Tensor *dinor1_nn_weight(DinoR1Graph *graph, DinoR1Shape shape, const gchar *format, ...) G_GNUC_PRINTF(3, 4);

/* nn.Linear: act(x . weight^T + bias), x [..., K] to [..., n_out]. */
DinoR1Tensor *dinor1_nn_linear(
    DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_out, DinoR1Activation activation);
DinoR1Tensor *dinor1_nn_linear_no_bias(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_out);

/* nn.LayerNorm of x + residual (residual may be NULL). */
DinoR1Tensor *dinor1_nn_layer_norm(
    DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gfloat epsilon, DinoR1Tensor *residual);

/* x + fc2(act(fc1(x))), both layers named below @name. */
DinoR1Tensor *dinor1_nn_ffn(DinoR1Graph *graph, const gchar *name, const gchar *fc1, const gchar *fc2, DinoR1Tensor *x,
    DinoR1Tensor *residual, gint64 n_hidden, DinoR1Activation activation);

/* GroundingDinoMLPPredictionHead: layers.0 … layers.{n-1}, ReLU between. */
DinoR1Tensor *dinor1_nn_prediction_head(
    DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_hidden, gint64 n_out, gint n_layers);

/* GroundingDinoMultiheadAttention: query, key, value, out_proj of width D; q [B, Nq, D], k and v [B|1, Nk, D], mask
 * added to the scores or NULL. */
DinoR1Tensor *dinor1_nn_attention(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *q, DinoR1Tensor *k,
    DinoR1Tensor *v, DinoR1Tensor *mask, gint heads);

/* sine4d of boxes [B, n, 4] (cx, cy, w, h): D/2 features per coordinate in the order (y, x, w, h), [B, n, 2D]
 * (get_sine_pos_embed with its exchange_xy). */
DinoR1Tensor *dinor1_nn_sine4d(DinoR1Graph *graph, DinoR1Tensor *boxes, gint d);

/* The feature maps that one flattened sequence holds. */
typedef struct {
    gint n_levels;
    gint heights[DINOR1_MAX_LEVELS], widths[DINOR1_MAX_LEVELS];
} DinoR1Levels;

/* GroundingDinoMultiscaleDeformableAttention: query [B, Q, D] (with position), source [B, N, D],
 * reference [B|1, Q, L|1, 2 or 4], source_mask [B, N, 1] multiplied onto the values or NULL. */
DinoR1Tensor *dinor1_nn_deformable_attention(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *query,
    DinoR1Tensor *source, DinoR1Tensor *source_mask, DinoR1Tensor *reference, const DinoR1Levels *levels, gint heads,
    gint n_points);

G_END_DECLS
