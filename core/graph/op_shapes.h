/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/ops.h"

G_BEGIN_DECLS

/* One shape rule at work: reads x (the inputs, has says which are there) and writes out[i].shape; the outputs' dtype is
 * what op_types.h gives. Returns NULL, or (transfer full) what does not fit. */
typedef struct {
    const DinoR1OpParams *params;
    const DinoR1View *x;
    const gboolean *has;
    DinoR1View *out;
} DinoR1ShapeRule;

typedef gchar *(*DinoR1ShapeRuleFunc)(const DinoR1ShapeRule *rule);

/* A description of what is wrong; for use in "return". */
gchar *dinor1_shape_wrong(const gchar *why, ...) G_GNUC_PRINTF(1, 2);

/* NumPy broadcasting of the dimensions [0, na) of a and [0, nb) of b. */
gboolean dinor1_shape_broadcast(const DinoR1Shape *a, gint na, const DinoR1Shape *b, gint nb, DinoR1Shape *out);

/* The rules of the adjoints, the losses and the optimiser (op_shapes_grad.c); NULL for other ops. */
DinoR1ShapeRuleFunc dinor1_shape_rule_grad(DinoR1OpType op);

G_END_DECLS
