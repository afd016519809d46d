/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "io/safetensors.h"

G_BEGIN_DECLS

#define DINOR1_SAFETENSORS_MAX_HEADER 100000000 /* the published limit */

/* What the tensor's shape and dtype need. Returns: NULL, or what is wrong with the shape. */
const gchar *dinor1_stored_tensor_bytes(const DinoR1StoredTensor *tensor, gsize *bytes);

G_END_DECLS
