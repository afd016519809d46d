/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* How a device computes. */
typedef struct {
    const gchar *name; /* "fp32", "tf32", "fp16", "bf16" */
    DinoR1DType dtype; /* of weights and activations */
} DinoR1Precision;

/**
 * dinor1_precision_choose:
 * @name: one of them, or "auto" or NULL: fp32, until fp16 is known to find the same
 * @device: (inout): what the backend calls itself, for people; one with several precisions says then which it uses
 *
 * Sets the backend up for it. Returns: FALSE with ARGUMENT (there is no such precision) or UNSUPPORTED (the device does
 * not have it).
 */
gboolean dinor1_precision_choose(
    DinoR1Backend *backend, gchar **device, const gchar *name, DinoR1Precision *precision, GError **error);

G_END_DECLS
