/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/graph.h"

G_BEGIN_DECLS

/**
 * dinor1_graph_lower:
 * @half: DINOR1_F16 or DINOR1_BF16
 *
 * Rewrites a graph of f32 for half types: products, attention and convolutions compute with halves, what lies between
 * them follows, and CASTs stand where types meet, one a tensor and type. Weights that never change become constants of
 * the half type. f32 stay: the inputs and outputs of the graph, nodes marked exact, ops without half types (softmax,
 * top-k, sums, sine embeddings, losses), the inputs that dinor1_op_input_type() calls f32, and what products make for
 * those alone: they add up in float and give the sums as they are.
 *
 * A graph with its backward pass is lowered as a whole: the gradients of products are products. Weights that change are
 * cast by a node in each run, and their gradients, which only the caller reads, are f32 sums.
 *
 * For a graph that is built, before its program is made.
 */
void dinor1_graph_lower(DinoR1Graph *graph, DinoR1DType half);

G_END_DECLS
