/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Visual-guided query selection (two-stage part of GroundingDinoModel).
 */
#include "model/build.h"

#include <math.h>

DinoR1Tensor *
dinor1_build_class_logits(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, const gchar *name, DinoR1Tensor *x, const DinoR1Tokens *tokens)
{
    const gboolean plain = spec->config->type == DINOR1_MODEL_GROUNDING_DINO;
    const gfloat scale = plain ? 1 : 1 / sqrtf((gfloat)spec->config->d_model);
    DinoR1Tensor *logits = dinor1_matmul(graph, x, FALSE, tokens->tokens, TRUE, scale, NULL, NULL);
    DinoR1Tensor *bias = plain ? NULL : dinor1_nn_weight(graph, (DinoR1Shape){0}, "%s.bias", name);

    if (tokens->padding)
        bias = plain ? tokens->padding : dinor1_add(graph, tokens->padding, bias); /* [1, 1, U] */
    return plain && !bias ? logits : dinor1_add(graph, logits, bias);
}

void
dinor1_build_query_selection(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    DinoR1Tensor *memory, const DinoR1Tokens *tokens, DinoR1Selection *selection)
{
    const DinoR1Config *config = spec->config;
    const gint64 n = tables->geometry->n_positions, d = config->d_model;
    DinoR1Tensor *x, *x_selected, *logits, *delta, *proposals = tables->proposals;

    dinor1_graph_set_module(graph, "query selection");
    x = dinor1_nn_linear(graph, "model.enc_output", dinor1_mul(graph, memory, tables->proposal_ok), d, DINOR1_ACT_NONE);
    x = dinor1_nn_layer_norm(graph, "model.enc_output_norm", x, config->layer_norm_eps, NULL);
    logits = dinor1_build_class_logits(graph, spec, "model.encoder_output_class_embed", x, tokens);
    selection->objectness = dinor1_reduce(graph, DINOR1_REDUCE_MAX, logits, -1);
    selection->objectness = dinor1_reshape(graph, selection->objectness, DINOR1_SHAPE(spec->batch, n));
    selection->indices = dinor1_topk(graph, selection->objectness, MIN(config->num_queries, n));
    selection->logits = dinor1_gather(graph, logits, selection->indices);

    /* The box head sees only what was selected: the same numbers as selecting from all N boxes. */
    x_selected = dinor1_gather(graph, x, selection->indices);
    dinor1_graph_begin_exact(graph);
    delta = dinor1_nn_prediction_head(graph, "model.encoder_output_bbox_embed", x_selected, d, 4, 3);
    if (tables->geometry->batch != spec->batch)
        proposals = dinor1_expand(graph, proposals, DINOR1_SHAPE(spec->batch, n, 4));
    proposals = dinor1_gather(graph, proposals, selection->indices);
    selection->boxes = dinor1_unary(graph, DINOR1_UNARY_SIGMOID, dinor1_add(graph, delta, proposals));
    dinor1_graph_end_exact(graph);
    dinor1_build_tap(graph, spec, x, "enc_output");
    dinor1_build_tap(graph, spec, selection->objectness, "enc_logits_max");
    dinor1_build_tap(graph, spec, selection->indices, "topk");
    dinor1_build_tap(graph, spec, selection->boxes, "init_reference");
}
