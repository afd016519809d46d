/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/tensor.h"
#include "io/safetensors.h"

G_BEGIN_DECLS

/* The tensors of a model directory: model.safetensors, or the shards that model.safetensors.index.json lists (there
 * every tensor must be in the shard that its weight_map entry names, and the other way round). Immutable and
 * thread-safe once open, except where a function says so. */
typedef struct _DinoR1Weights DinoR1Weights;

DinoR1Weights *dinor1_weights_open(const gchar *directory, GError **error);
void dinor1_weights_close(DinoR1Weights *weights);

/**
 * dinor1_weights_find:
 * @view: (out): fp32 host memory that lives as long as @weights, aligned as a gfloat and no more
 *
 * F32 tensors are used in place (published files align them to 4 bytes only: asking for more would copy most of a
 * model); all others, and misaligned ones, are widened, at the first request, and kept.
 * Thread-safe.
 *
 * Returns: FALSE with WEIGHTS if the tensor is missing or its stored type is not a float type (names it).
 */
gboolean dinor1_weights_find(DinoR1Weights *weights, const gchar *name, DinoR1View *view, GError **error);
gboolean dinor1_weights_has(const DinoR1Weights *weights, const gchar *name);

guint dinor1_weights_get_n_tensors(const DinoR1Weights *weights);
const DinoR1StoredTensor *dinor1_weights_get_tensor(const DinoR1Weights *weights, guint index); /* by name order */

/* SHA-256 over, in name order: name, NUL, type name, NUL, dimensions as little-endian int64, data. Thread-safe;
 * computed once. */
const gchar *dinor1_weights_get_hash(DinoR1Weights *weights);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Weights, dinor1_weights_close)

G_END_DECLS
