/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nn/layers.h"

#include <math.h>

DinoR1Tensor *
dinor1_nn_weight(DinoR1Graph *graph, DinoR1Shape shape, const gchar *format, ...)
{
    g_autofree gchar *name = NULL;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    return dinor1_graph_weight(graph, name, shape);
}

static gint64
width_of(const DinoR1Tensor *x)
{
    return x ? dinor1_shape_dim(&x->shape, -1) : 0;
}

DinoR1Tensor *
dinor1_nn_linear(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_out, DinoR1Activation activation)
{
    DinoR1Tensor *weight = dinor1_nn_weight(graph, DINOR1_SHAPE(n_out, width_of(x)), "%s.weight", name);
    DinoR1Tensor *bias = dinor1_nn_weight(graph, DINOR1_SHAPE(n_out), "%s.bias", name);

    return dinor1_linear(graph, x, weight, bias, activation, NULL);
}

DinoR1Tensor *
dinor1_nn_linear_no_bias(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_out)
{
    DinoR1Tensor *weight = dinor1_nn_weight(graph, DINOR1_SHAPE(n_out, width_of(x)), "%s.weight", name);

    return dinor1_linear(graph, x, weight, NULL, DINOR1_ACT_NONE, NULL);
}

DinoR1Tensor *
dinor1_nn_layer_norm(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gfloat epsilon, DinoR1Tensor *residual)
{
    DinoR1Tensor *gamma = dinor1_nn_weight(graph, DINOR1_SHAPE(width_of(x)), "%s.weight", name);
    DinoR1Tensor *beta = dinor1_nn_weight(graph, DINOR1_SHAPE(width_of(x)), "%s.bias", name);

    return dinor1_layer_norm(graph, x, gamma, beta, epsilon, residual);
}

DinoR1Tensor *
dinor1_nn_ffn(DinoR1Graph *graph, const gchar *name, const gchar *fc1, const gchar *fc2, DinoR1Tensor *x,
    DinoR1Tensor *residual, gint64 n_hidden, DinoR1Activation activation)
{
    const gint64 d = width_of(x);
    DinoR1Tensor *w1 = dinor1_nn_weight(graph, DINOR1_SHAPE(n_hidden, d), "%s.%s.weight", name, fc1);
    DinoR1Tensor *b1 = dinor1_nn_weight(graph, DINOR1_SHAPE(n_hidden), "%s.%s.bias", name, fc1);
    DinoR1Tensor *w2 = dinor1_nn_weight(graph, DINOR1_SHAPE(d, n_hidden), "%s.%s.weight", name, fc2);
    DinoR1Tensor *b2 = dinor1_nn_weight(graph, DINOR1_SHAPE(d), "%s.%s.bias", name, fc2);

    return dinor1_mlp(graph, x, w1, b1, w2, b2, activation, residual);
}

DinoR1Tensor *
dinor1_nn_prediction_head(
    DinoR1Graph *graph, const gchar *name, DinoR1Tensor *x, gint64 n_hidden, gint64 n_out, gint n_layers)
{
    for (gint i = 0; i < n_layers; i++) {
        g_autofree gchar *layer = g_strdup_printf("%s.layers.%d", name, i);
        const gboolean is_last = i == n_layers - 1;

        x = dinor1_nn_linear(graph, layer, x, is_last ? n_out : n_hidden, is_last ? DINOR1_ACT_NONE : DINOR1_ACT_RELU);
    }
    return x;
}

static DinoR1Tensor *
project(DinoR1Graph *graph, const gchar *name, const gchar *part, DinoR1Tensor *x, gint64 n_out)
{
    g_autofree gchar *layer = g_strdup_printf("%s.%s", name, part);

    return dinor1_nn_linear(graph, layer, x, n_out, DINOR1_ACT_NONE);
}

DinoR1Tensor *
dinor1_nn_attention(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *q, DinoR1Tensor *k, DinoR1Tensor *v,
    DinoR1Tensor *mask, gint heads)
{
    const gint64 d = width_of(q);
    const gfloat scale = 1.0f / sqrtf((gfloat)d / (gfloat)heads);
    DinoR1Tensor *context;

    q = project(graph, name, "query", q, d);
    k = project(graph, name, "key", k, d);
    v = project(graph, name, "value", v, d);
    context = dinor1_attention(graph, q, k, v, mask, heads, scale);
    return project(graph, name, "out_proj", context, d);
}

DinoR1Tensor *
dinor1_nn_deformable_attention(DinoR1Graph *graph, const gchar *name, DinoR1Tensor *query, DinoR1Tensor *source,
    DinoR1Tensor *source_mask, DinoR1Tensor *reference, const DinoR1Levels *levels, gint heads, gint n_points)
{
    const gint64 d = width_of(source), n_samples = (gint64)heads * levels->n_levels * n_points;
    DinoR1Tensor *value = project(graph, name, "value_proj", source, d);
    DinoR1Tensor *offsets = project(graph, name, "sampling_offsets", query, n_samples * 2);
    DinoR1Tensor *logits = project(graph, name, "attention_weights", query, n_samples);
    DinoR1Tensor *sampled;

    if (source_mask)
        value = dinor1_mul(graph, value, source_mask);
    sampled = dinor1_deformable_attention(
        graph, value, reference, offsets, logits, heads, n_points, levels->n_levels, levels->heights, levels->widths);
    return project(graph, name, "output_proj", sampled, d);
}

DinoR1Tensor *
dinor1_nn_sine4d(DinoR1Graph *graph, DinoR1Tensor *boxes, gint d)
{
    const gint order[4] = {1, 0, 2, 3};
    DinoR1Tensor *parts[4];

    for (gint i = 0; i < 4; i++)
        parts[i] = dinor1_slice(graph, boxes, -1, order[i], 1);
    return dinor1_sine_embed(graph, dinor1_concat(graph, parts, 4, -1), d / 2, 10000, (gfloat)(2 * G_PI));
}
