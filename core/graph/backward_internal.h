/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/graph.h"

G_BEGIN_DECLS

/* One backward pass while it is built (backward.c). */
typedef struct _DinoR1Backward DinoR1Backward;

/* A node whose output has the gradient @dy. */
typedef struct {
    DinoR1Backward *pass;
    DinoR1Graph *graph;
    const DinoR1Node *node;
    DinoR1Tensor *dy;
} DinoR1Adjoint;

/* Input or output @k as the backward pass may read it: the original, or the copy that its segment computes again. NULL
 * for an absent input. */
DinoR1Tensor *dinor1_adjoint_input(const DinoR1Adjoint *adjoint, guint k);
DinoR1Tensor *dinor1_adjoint_output(const DinoR1Adjoint *adjoint, guint k);

/* Whether anybody wants the gradient of input @k. */
gboolean dinor1_adjoint_wants(const DinoR1Adjoint *adjoint, guint k);

/* Adds @gradient, in the input's shape or a broadcast of it, to the gradient of input @k. */
void dinor1_adjoint_give(const DinoR1Adjoint *adjoint, guint k, DinoR1Tensor *gradient);

/* Appends the nodes that give the gradients of a node's inputs. */
typedef void (*DinoR1AdjointFunc)(const DinoR1Adjoint *adjoint);

/* NULL for an op without a gradient (adjoints.c). */
DinoR1AdjointFunc dinor1_adjoint_rule(DinoR1OpType op);

G_END_DECLS
