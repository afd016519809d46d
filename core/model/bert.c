/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * BertModel (add_pooling_layer=False) and text_projection. T tokens, W hidden size.
 */
#include "model/build.h"

#include <math.h>

#define PREFIX "model.text_backbone"

/* ids, positions [1, T] i32 -> [1, T, W] */
static DinoR1Tensor *
embed(DinoR1Graph *graph, const DinoR1BertConfig *bert, DinoR1Tensor *ids, DinoR1Tensor *positions)
{
    const gint64 width = bert->hidden_size;
    DinoR1Tensor *words =
        dinor1_nn_weight(graph, DINOR1_SHAPE(bert->vocab_size, width), PREFIX ".embeddings.word_embeddings.weight");
    DinoR1Tensor *places = dinor1_nn_weight(
        graph, DINOR1_SHAPE(bert->max_position_embeddings, width), PREFIX ".embeddings.position_embeddings.weight");
    DinoR1Tensor *types = dinor1_nn_weight(
        graph, DINOR1_SHAPE(bert->type_vocab_size, width), PREFIX ".embeddings.token_type_embeddings.weight");
    DinoR1Tensor *sum;

    /* [1, T, W] + [1, T, W] + [1, W] (all tokens are of type 0) */
    sum = dinor1_add(graph, dinor1_gather(graph, words, ids), dinor1_gather(graph, places, positions));
    sum = dinor1_add(graph, sum, dinor1_slice(graph, types, 0, 0, 1));
    return dinor1_nn_layer_norm(graph, PREFIX ".embeddings.LayerNorm", sum, bert->layer_norm_eps, NULL);
}

static DinoR1Tensor *
project(DinoR1Graph *graph, const gchar *layer, const gchar *part, DinoR1Tensor *x)
{
    g_autofree gchar *name = g_strdup_printf("%s.attention.%s", layer, part);

    return dinor1_nn_linear(graph, name, x, x ? dinor1_shape_dim(&x->shape, -1) : 0, DINOR1_ACT_NONE);
}

static DinoR1Tensor *
bert_layer(DinoR1Graph *graph, const DinoR1BertConfig *bert, const gchar *layer, DinoR1Tensor *x, DinoR1Tensor *mask)
{
    const gfloat scale = 1.0f / sqrtf((gfloat)bert->hidden_size / (gfloat)bert->n_heads);
    g_autofree gchar *norm1 = g_strdup_printf("%s.attention.output.LayerNorm", layer);
    g_autofree gchar *norm2 = g_strdup_printf("%s.output.LayerNorm", layer);
    DinoR1Tensor *q = project(graph, layer, "self.query", x);
    DinoR1Tensor *k = project(graph, layer, "self.key", x);
    DinoR1Tensor *v = project(graph, layer, "self.value", x);
    DinoR1Tensor *h = dinor1_attention(graph, q, k, v, mask, bert->n_heads, scale);

    x = dinor1_nn_layer_norm(graph, norm1, project(graph, layer, "output.dense", h), bert->layer_norm_eps, x);
    h = dinor1_nn_ffn(
        graph, layer, "intermediate.dense", "output.dense", x, x, bert->intermediate_size, bert->activation);
    return dinor1_nn_layer_norm(graph, norm2, h, bert->layer_norm_eps, NULL);
}

DinoR1Tensor *
dinor1_build_bert(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *ids, DinoR1Tensor *positions, DinoR1Tensor *mask)
{
    const DinoR1BertConfig *bert = &spec->config->text;
    DinoR1Tensor *x;

    dinor1_graph_set_module(graph, "text encoder");
    x = embed(graph, bert, ids, positions);
    for (gint i = 0; i < bert->n_layers; i++) {
        g_autofree gchar *layer = g_strdup_printf(PREFIX ".encoder.layer.%d", i);

        x = bert_layer(graph, bert, layer, x, mask);
    }
    dinor1_build_tap(graph, spec, x, "bert");
    x = dinor1_nn_linear(graph, "model.text_projection", x, spec->config->d_model, DINOR1_ACT_NONE);
    dinor1_build_tap(graph, spec, x, "tokens.in");
    return x;
}
