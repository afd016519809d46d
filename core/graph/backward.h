/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/graph.h"

G_BEGIN_DECLS

/**
 * dinor1_graph_backward:
 * @loss: a tensor of one element
 * @wanted: what to differentiate by: inputs, constants or results, no aliases
 * @gradients: (out): n_wanted tensors in the shapes of @wanted; NULL where the loss does not depend on it
 *
 * Appends the backward pass to the graph: reverse-mode differentiation that emits ordinary ops, so it runs on any
 * backend. Nodes of a segment are emitted again before their first use (activation checkpointing).
 *
 * A gradient that reaches an op without a rule (topk has none to give, sine_embed only ever sees detached boxes) is an
 * error of the graph, as any other.
 */
void dinor1_graph_backward(
    DinoR1Graph *graph, DinoR1Tensor *loss, DinoR1Tensor *const *wanted, guint n_wanted, DinoR1Tensor **gradients);

G_END_DECLS
