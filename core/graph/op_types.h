/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/op_shapes.h"

G_BEGIN_DECLS

/* The type rule: what the output of @op has (unless its shape rule says otherwise). Returns NULL, or (transfer full)
 * which type does not fit. */
gchar *dinor1_types_infer(DinoR1OpType op, const DinoR1OpParams *params, const DinoR1View *inputs,
    const gboolean *present, DinoR1DType *output);

G_END_DECLS
