/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GroundingDinoEncoder: per layer fusion, self-attention of the prompt tokens, deformable self-attention of the image.
 */
#include "model/build.h"

/* GroundingDinoTextEnhancerLayer. tokens [1|B, U, D] */
static DinoR1Tensor *
enhance_tokens(DinoR1Graph *graph, const DinoR1Config *config, const gchar *layer, const DinoR1Tokens *tokens)
{
    g_autofree gchar *name = g_strdup_printf("%s.text_enhancer_layer", layer);
    g_autofree gchar *attn = g_strdup_printf("%s.self_attn", name);
    g_autofree gchar *before = g_strdup_printf("%s.layer_norm_before", name);
    g_autofree gchar *after = g_strdup_printf("%s.layer_norm_after", name);
    DinoR1Tensor *qk = dinor1_add(graph, tokens->tokens, tokens->position);
    DinoR1Tensor *h =
        dinor1_nn_attention(graph, attn, qk, qk, tokens->tokens, tokens->mask, config->encoder_attention_heads / 2);
    DinoR1Tensor *x = dinor1_nn_layer_norm(graph, before, h, config->layer_norm_eps, tokens->tokens);

    h = dinor1_nn_ffn(graph, name, "fc1", "fc2", x, x, config->encoder_ffn_dim / 2, config->activation);
    return dinor1_nn_layer_norm(graph, after, h, config->layer_norm_eps, NULL);
}

/* GroundingDinoDeformableLayer. x [B, N, D] */
static DinoR1Tensor *
deformable_layer(
    DinoR1Graph *graph, const DinoR1Config *config, const DinoR1Tables *tables, const gchar *layer, DinoR1Tensor *x)
{
    g_autofree gchar *name = g_strdup_printf("%s.deformable_layer", layer);
    g_autofree gchar *attn = g_strdup_printf("%s.self_attn", name);
    g_autofree gchar *norm1 = g_strdup_printf("%s.self_attn_layer_norm", name);
    g_autofree gchar *norm2 = g_strdup_printf("%s.final_layer_norm", name);
    DinoR1Tensor *query = dinor1_add(graph, x, tables->position);
    DinoR1Tensor *h = dinor1_nn_deformable_attention(graph, attn, query, x, tables->valid, tables->reference,
        &tables->geometry->levels, config->encoder_attention_heads, config->encoder_n_points);

    x = dinor1_nn_layer_norm(graph, norm1, h, config->layer_norm_eps, x);
    h = dinor1_nn_ffn(graph, name, "fc1", "fc2", x, x, config->encoder_ffn_dim, config->activation);
    return dinor1_nn_layer_norm(graph, norm2, h, config->layer_norm_eps, NULL);
}

void
dinor1_build_encoder(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables, DinoR1Tensor **vision,
    DinoR1Tokens *tokens)
{
    const DinoR1Config *config = spec->config;

    for (gint i = 0; i < config->encoder_layers; i++) {
        g_autofree gchar *layer = g_strdup_printf("model.encoder.layers.%d", i);
        g_autofree gchar *fusion = g_strdup_printf("%s.fusion_layer", layer);

        if (spec->recompute)
            dinor1_graph_begin_segment(graph);
        dinor1_graph_set_module(graph, "encoder fusion");
        dinor1_build_fusion(graph, spec, tables, fusion, vision, tokens);
        dinor1_graph_set_module(graph, "encoder tokens");
        tokens->tokens = enhance_tokens(graph, config, layer, tokens);
        dinor1_graph_set_module(graph, "encoder image");
        *vision = deformable_layer(graph, config, tables, layer, *vision);
        dinor1_graph_end_segment(graph);
        dinor1_build_tap(graph, spec, *vision, "encoder.%d.vision", i);
        dinor1_build_tap(graph, spec, tokens->tokens, "encoder.%d.text", i);
    }
}
