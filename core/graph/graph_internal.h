/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A graph from inside, for what rewrites it.
 */
#pragma once

#include "graph/graph.h"

G_BEGIN_DECLS

struct _DinoR1Graph {
    GPtrArray *nodes;   /* DinoR1Node */
    GPtrArray *tensors; /* DinoR1Tensor */
    GPtrArray *memory;  /* copies of constants */
    GStringChunk *strings;
    GHashTable *names;   /* inputs and outputs: name -> tensor */
    GHashTable *weights; /* name -> tensor */
    DinoR1WeightFunc find_weight;
    gpointer user_data;
    const gchar *module;
    guint segment, n_segments; /* the open one, 0 = none; how many there were */
    guint stage;
    gboolean variable;
    gboolean exact;
    GError *error;
};

DinoR1Tensor *dinor1_graph_add_tensor(
    DinoR1Graph *graph, DinoR1TensorKind kind, DinoR1DType dtype, const DinoR1Shape *shape);

G_END_DECLS
