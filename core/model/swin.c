/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Swin Transformer as SwinBackbone runs it inside Grounding DINO: windows never shrink on small maps
 * (always_partition), maps are padded at the bottom and right where a size does not divide.
 */
#include "model/build.h"

#define PREFIX "model.backbone.conv_encoder.model"
/* nn.LayerNorm's default, where the class does not pass the configured one. */
#define DEFAULT_EPSILON 1e-5f

static gint
padding_to(gint64 size, gint multiple)
{
    return (gint)((multiple - size % multiple) % multiple);
}

/* pixels [B, H, W, 3] -> [B, ceil(H/p), ceil(W/p), E] */
static DinoR1Tensor *
patch_embed(DinoR1Graph *graph, const DinoR1SwinConfig *swin, DinoR1Tensor *pixels)
{
    const gint patch = swin->patch_size;
    const gint64 width = swin->embed_dim;
    DinoR1Tensor *weight = dinor1_nn_weight(graph, DINOR1_SHAPE(width, swin->n_channels, patch, patch),
        PREFIX ".embeddings.patch_embeddings.projection.weight");
    DinoR1Tensor *bias =
        dinor1_nn_weight(graph, DINOR1_SHAPE(width), PREFIX ".embeddings.patch_embeddings.projection.bias");
    DinoR1Tensor *x = dinor1_conv2d(graph, pixels, weight, bias, patch, 0, 0,
        padding_to(dinor1_shape_dim(&pixels->shape, 1), patch), padding_to(dinor1_shape_dim(&pixels->shape, 2), patch));

    return dinor1_nn_layer_norm(graph, PREFIX ".embeddings.norm", x, DEFAULT_EPSILON, NULL);
}

static DinoR1Tensor *
project(DinoR1Graph *graph, const DinoR1SwinConfig *swin, const gchar *block, const gchar *part, DinoR1Tensor *x,
    gint64 channels)
{
    g_autofree gchar *name = g_strdup_printf("%s.attention.self.%s", block, part);

    return swin->qkv_bias ? dinor1_nn_linear(graph, name, x, channels, DINOR1_ACT_NONE)
                          : dinor1_nn_linear_no_bias(graph, name, x, channels);
}

/* The projection of a padded, that is zero, position: the bias. */
static DinoR1Tensor *
padded_value(DinoR1Graph *graph, const DinoR1SwinConfig *swin, const gchar *block, const gchar *part, gint64 channels)
{
    return swin->qkv_bias ? dinor1_nn_weight(graph, DINOR1_SHAPE(channels), "%s.attention.self.%s.bias", block, part)
                          : NULL;
}

/* x + attention(norm(x)), x [B, H, W, C] */
static DinoR1Tensor *
attention_half(
    DinoR1Graph *graph, const DinoR1SwinConfig *swin, const gchar *block, DinoR1Tensor *x, gint heads, gint shift)
{
    const gint64 channels = dinor1_shape_dim(&x->shape, 3), side = 2 * (gint64)swin->window_size - 1;
    g_autofree gchar *norm = g_strdup_printf("%s.layernorm_before", block);
    DinoR1Tensor *h = dinor1_nn_layer_norm(graph, norm, x, swin->layer_norm_eps, NULL);
    DinoR1Tensor *q = project(graph, swin, block, "query", h, channels);
    DinoR1Tensor *k = project(graph, swin, block, "key", h, channels);
    DinoR1Tensor *v = project(graph, swin, block, "value", h, channels);
    DinoR1Tensor *table = dinor1_nn_weight(
        graph, DINOR1_SHAPE(side * side, heads), "%s.attention.self.relative_position_bias_table", block);
    DinoR1Tensor *weight =
        dinor1_nn_weight(graph, DINOR1_SHAPE(channels, channels), "%s.attention.output.dense.weight", block);
    DinoR1Tensor *bias = dinor1_nn_weight(graph, DINOR1_SHAPE(channels), "%s.attention.output.dense.bias", block);

    h = dinor1_window_attention(graph, q, k, v, table, padded_value(graph, swin, block, "key", channels),
        padded_value(graph, swin, block, "value", channels), heads, swin->window_size, shift);
    return dinor1_linear(graph, h, weight, bias, DINOR1_ACT_NONE, x);
}

static DinoR1Tensor *
swin_block(
    DinoR1Graph *graph, const DinoR1SwinConfig *swin, const gchar *block, DinoR1Tensor *x, gint heads, gint shift)
{
    g_autofree gchar *norm = g_strdup_printf("%s.layernorm_after", block);
    DinoR1Tensor *h;
    gint64 hidden;

    x = attention_half(graph, swin, block, x, heads, shift);
    if (!x)
        return NULL;
    h = dinor1_nn_layer_norm(graph, norm, x, swin->layer_norm_eps, NULL);
    hidden = (gint64)(swin->mlp_ratio * (gdouble)dinor1_shape_dim(&x->shape, 3));
    return dinor1_nn_ffn(graph, block, "intermediate.dense", "output.dense", h, x, hidden, swin->activation);
}

/* [B, H, W, C] -> [B, ceil(H/2), ceil(W/2), 2C] */
static DinoR1Tensor *
downsample(DinoR1Graph *graph, gint stage, DinoR1Tensor *x)
{
    const gint64 channels = dinor1_shape_dim(&x->shape, 3);
    g_autofree gchar *norm = g_strdup_printf(PREFIX ".encoder.layers.%d.downsample.norm", stage);
    g_autofree gchar *reduction = g_strdup_printf(PREFIX ".encoder.layers.%d.downsample.reduction", stage);

    x = dinor1_nn_layer_norm(graph, norm, dinor1_patch_merge(graph, x), DEFAULT_EPSILON, NULL);
    return dinor1_nn_linear_no_bias(graph, reduction, x, 2 * channels);
}

void
dinor1_build_swin(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *pixels, DinoR1Tensor **outputs)
{
    const DinoR1SwinConfig *swin = &spec->config->backbone;
    DinoR1Tensor *x;
    gint n_outputs = 0;

    dinor1_graph_set_module(graph, "backbone");
    x = patch_embed(graph, swin, pixels);
    for (gint stage = 0; x && stage < swin->n_stages && n_outputs < swin->n_outputs; stage++) {
        for (gint i = 0; x && i < swin->depths[stage]; i++) {
            g_autofree gchar *block = g_strdup_printf(PREFIX ".encoder.layers.%d.blocks.%d", stage, i);

            if (spec->recompute)
                dinor1_graph_begin_segment(graph);
            x = swin_block(graph, swin, block, x, swin->heads[stage], i % 2 ? swin->window_size / 2 : 0);
            dinor1_graph_end_segment(graph);
        }
        if (swin->outputs[n_outputs] == stage + 1) {
            g_autofree gchar *norm = g_strdup_printf(PREFIX ".hidden_states_norms.stage%d", stage + 1);

            outputs[n_outputs] = dinor1_nn_layer_norm(graph, norm, x, DEFAULT_EPSILON, NULL);
            dinor1_build_tap(graph, spec, outputs[n_outputs++], "backbone.stage%d", stage + 1);
        }
        if (x && stage + 1 < swin->n_stages)
            x = downsample(graph, stage, x);
    }
}
