/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GroundingDinoDecoder.
 */
#include "model/build.h"

typedef struct {
    DinoR1Graph *graph;
    const DinoR1GraphSpec *spec;
    const DinoR1Tables *tables;
    const DinoR1DecoderInput *input;
} Decoder;

/* MLP(sine4d(reference)), [B, Q, D]. @reference [B, Q, L|1, 4]: the first level's is used. */
static DinoR1Tensor *
query_position(const Decoder *decoder, DinoR1Tensor *reference)
{
    DinoR1Graph *graph = decoder->graph;
    const gint d = decoder->spec->config->d_model;
    DinoR1Tensor *boxes = dinor1_slice(graph, reference, 2, 0, 1);

    if (!boxes)
        return NULL;
    boxes = dinor1_reshape(graph, boxes, DINOR1_SHAPE(boxes->shape.dims[0], boxes->shape.dims[1], 4));
    return dinor1_nn_prediction_head(
        graph, "model.decoder.reference_points_head", dinor1_nn_sine4d(graph, boxes, d), d, d, 2);
}

static DinoR1Tensor *
norm(const Decoder *decoder, const gchar *layer, const gchar *part, DinoR1Tensor *x, DinoR1Tensor *residual)
{
    g_autofree gchar *name = g_strdup_printf("%s.%s", layer, part);

    return dinor1_nn_layer_norm(decoder->graph, name, x, decoder->spec->config->layer_norm_eps, residual);
}

/* GroundingDinoDecoderLayer. x, position [B, Q, D], reference [B, Q, L|1, 4] */
static DinoR1Tensor *
decoder_layer(
    const Decoder *decoder, const gchar *layer, DinoR1Tensor *x, DinoR1Tensor *position, DinoR1Tensor *reference)
{
    DinoR1Graph *graph = decoder->graph;
    const DinoR1Config *config = decoder->spec->config;
    const DinoR1Tokens *tokens = decoder->input->tokens;
    const gint heads = config->decoder_attention_heads;
    g_autofree gchar *self_attn = g_strdup_printf("%s.self_attn", layer);
    g_autofree gchar *token_attn = g_strdup_printf("%s.encoder_attn_text", layer);
    g_autofree gchar *image_attn = g_strdup_printf("%s.encoder_attn", layer);
    DinoR1Tensor *q = dinor1_add(graph, x, position), *h;

    h = dinor1_nn_attention(graph, self_attn, q, q, x, decoder->input->mask, heads);
    x = norm(decoder, layer, "self_attn_layer_norm", h, x);
    q = dinor1_add(graph, x, position);
    h = dinor1_nn_attention(graph, token_attn, q, tokens->tokens, tokens->tokens, tokens->padding, heads);
    x = norm(decoder, layer, "encoder_attn_text_layer_norm", h, x);
    q = dinor1_add(graph, x, position);
    h = dinor1_nn_deformable_attention(graph, image_attn, q, decoder->input->memory, decoder->tables->valid, reference,
        &decoder->tables->geometry->levels, heads, config->decoder_n_points);
    x = norm(decoder, layer, "encoder_attn_layer_norm", h, x);
    h = dinor1_nn_ffn(graph, layer, "fc1", "fc2", x, x, config->decoder_ffn_dim, config->activation);
    return norm(decoder, layer, "final_layer_norm", h, NULL);
}

DinoR1Tensor *
dinor1_build_refined_boxes(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, gint layer, DinoR1Tensor *x, DinoR1Tensor *boxes)
{
    g_autofree gchar *name = g_strdup_printf("bbox_embed.%d", layer);
    DinoR1Tensor *delta, *logits;

    dinor1_graph_begin_exact(graph);
    delta = dinor1_nn_prediction_head(graph, name, x, spec->config->d_model, 4, 3);
    logits = dinor1_add(graph, delta, dinor1_logit(graph, boxes, spec->config->logit_eps));
    boxes = dinor1_unary(graph, DINOR1_UNARY_SIGMOID, logits);
    dinor1_graph_end_exact(graph);
    return boxes;
}

DinoR1Tensor *
dinor1_build_content_queries(DinoR1Graph *graph, const DinoR1GraphSpec *spec, gint64 n_queries)
{
    const DinoR1Config *config = spec->config;
    DinoR1Tensor *x = dinor1_nn_weight(
        graph, DINOR1_SHAPE(config->num_queries, config->d_model), "model.query_position_embeddings.weight");

    if (n_queries < config->num_queries)
        x = dinor1_slice(graph, x, 0, 0, n_queries);
    return dinor1_expand(graph, x, DINOR1_SHAPE(spec->batch, n_queries, config->d_model));
}

void
dinor1_build_decoder(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    const DinoR1DecoderInput *input, DinoR1DecoderLayer *layers)
{
    const Decoder decoder = {graph, spec, tables, input};
    DinoR1Tensor *x = input->queries, *boxes = input->boxes;

    dinor1_graph_set_module(graph, "decoder");
    for (gint i = 0; i < spec->config->decoder_layers; i++) {
        g_autofree gchar *layer = g_strdup_printf("model.decoder.layers.%d", i);
        DinoR1Tensor *start = dinor1_detach(graph, boxes);
        DinoR1Tensor *reference = dinor1_build_box_reference(graph, tables, start);

        layers[i].start = boxes;
        x = decoder_layer(&decoder, layer, x, query_position(&decoder, reference), reference);
        layers[i].hidden = norm(&decoder, "model.decoder", "layer_norm", x, NULL);
        boxes = dinor1_build_refined_boxes(graph, spec, i, x, start);
        dinor1_build_tap(graph, spec, layers[i].hidden, "decoder.%d.hidden", i);
        dinor1_build_tap(graph, spec, boxes, "decoder.%d.reference", i);
    }
}
