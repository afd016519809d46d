/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The visual prompt encoder of DINO-R1 (spec section 2): one D-vector per example box.
 */
#include "model/build.h"

#define PREFIX "model.visual_prompt_encoder"

/* Self-attention under the identity mask: each prompt attends to itself, so the softmax is 1 and only the value and
 * output projections remain. The query and key projections stay in the checkpoint. q [B, M, D] */
static DinoR1Tensor *
attend_to_itself(DinoR1Graph *graph, gint64 d, DinoR1Tensor *q)
{
    const gchar *unused[] = {"query", "key"};

    for (guint i = 0; i < G_N_ELEMENTS(unused); i++) {
        dinor1_nn_weight(graph, DINOR1_SHAPE(d, d), PREFIX ".self_attn.%s.weight", unused[i]);
        dinor1_nn_weight(graph, DINOR1_SHAPE(d), PREFIX ".self_attn.%s.bias", unused[i]);
    }
    q = dinor1_nn_linear(graph, PREFIX ".self_attn.value", q, d, DINOR1_ACT_NONE);
    return dinor1_nn_linear(graph, PREFIX ".self_attn.out_proj", q, d, DINOR1_ACT_NONE);
}

DinoR1Tensor *
dinor1_build_visual_prompts(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    DinoR1Tensor *feat, DinoR1Tensor *boxes)
{
    const DinoR1Config *config = spec->config;
    const gint d = config->d_model;
    const gfloat epsilon = config->layer_norm_eps;
    DinoR1Tensor *position, *q, *h;

    dinor1_graph_set_module(graph, "prompt encoder");
    position = dinor1_nn_prediction_head(graph, PREFIX ".position_mlp", dinor1_nn_sine4d(graph, boxes, d), d, d, 2);
    dinor1_build_tap(graph, spec, position, "prompt.position");
    q = dinor1_nn_weight(graph, DINOR1_SHAPE(1, d), PREFIX ".visual_query_embedding.weight");
    q = dinor1_expand(graph, q, DINOR1_SHAPE(spec->batch, spec->n_tokens, d));
    h = dinor1_nn_deformable_attention(graph, PREFIX ".cross_attn", dinor1_add(graph, q, position), feat, tables->valid,
        dinor1_build_box_reference(graph, tables, boxes), &tables->geometry->levels, config->encoder_attention_heads,
        config->encoder_n_points);
    q = dinor1_nn_layer_norm(graph, PREFIX ".cross_attn_layer_norm", h, epsilon, q);
    dinor1_build_tap(graph, spec, q, "prompt.cross");
    q = dinor1_nn_layer_norm(graph, PREFIX ".self_attn_layer_norm", attend_to_itself(graph, d, q), epsilon, q);
    dinor1_build_tap(graph, spec, q, "prompt.self");
    h = dinor1_nn_ffn(graph, PREFIX, "fc1", "fc2", q, q, config->encoder_ffn_dim, DINOR1_ACT_RELU);
    return dinor1_nn_layer_norm(graph, PREFIX ".final_layer_norm", h, epsilon, NULL);
}
