/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GroundingDinoFusionLayer: attention between N image positions and U prompt tokens, both ways, in a space of width E
 * with H heads of size e.
 *
 * The published code subtracts the maximum of the scores and clamps them to +-50000 before each softmax; in fp32 that
 * changes nothing unless scores of one image lie more than 50000 apart, so the softmax's own maximum serves.
 */
#include "model/build.h"

#include <math.h>

typedef struct {
    DinoR1Graph *graph;
    const gchar *name;
    gint64 d, e_total, heads, e;
    gfloat scale;
    const DinoR1Tables *tables;
} Fusion;

/* What a fusion layer adds to each side, before the layer scale. */
typedef struct {
    DinoR1Tensor *vision; /* [B, N, D] */
    DinoR1Tensor *tokens; /* [B, U, D] */
} Deltas;

static DinoR1Tensor *
project(const Fusion *f, const gchar *part, DinoR1Tensor *x, gint64 n_out)
{
    g_autofree gchar *name = g_strdup_printf("%s.attn.%s", f->name, part);

    return dinor1_nn_linear(f->graph, name, x, n_out, DINOR1_ACT_NONE);
}

static DinoR1Tensor *
weight(const Fusion *f, const gchar *part, DinoR1Shape shape)
{
    return dinor1_nn_weight(f->graph, shape, "%s.attn.%s", f->name, part);
}

/* As published. vision [B, N, D], tokens [1|B, U, D]. */
static Deltas
direct(const Fusion *f, DinoR1Tensor *vision, DinoR1Tensor *tokens, DinoR1Tensor *padding)
{
    DinoR1Tensor *q = project(f, "vision_proj", vision, f->e_total);
    DinoR1Tensor *k = project(f, "text_proj", tokens, f->e_total);
    DinoR1Tensor *v_vision = project(f, "values_vision_proj", vision, f->e_total);
    DinoR1Tensor *v_tokens = project(f, "values_text_proj", tokens, f->e_total);
    DinoR1Tensor *to_vision = dinor1_attention(f->graph, q, k, v_tokens, padding, (gint)f->heads, f->scale);
    DinoR1Tensor *to_tokens =
        dinor1_attention(f->graph, k, q, v_vision, f->tables->valid_mask, (gint)f->heads, f->scale);

    return (Deltas){project(f, "out_vision_proj", to_vision, f->d), project(f, "out_text_proj", to_tokens, f->d)};
}

/* [b, U, H*e] -> [b, H, U, e] */
static DinoR1Tensor *
split_heads(const Fusion *f, DinoR1Tensor *x)
{
    const gint perm[4] = {0, 2, 1, 3};

    if (!x)
        return NULL;
    x = dinor1_reshape(f->graph, x, DINOR1_SHAPE(x->shape.dims[0], x->shape.dims[1], f->heads, f->e));
    return dinor1_permute(f->graph, x, perm);
}

/* [b, H, U, k] -> [b, H*U, k] */
static DinoR1Tensor *
flatten_heads(const Fusion *f, DinoR1Tensor *x)
{
    return x ? dinor1_reshape(
                   f->graph, x, DINOR1_SHAPE(x->shape.dims[0], x->shape.dims[1] * x->shape.dims[2], x->shape.dims[3]))
             : NULL;
}

/* The keys seen from image space: scale * W_q,h^T k_hu, [b, H*U, D], and the constant scale * b_q,h . k_hu,
 * [b, H*U, 1]. */
static void
project_keys(const Fusion *f, DinoR1Tensor *tokens, DinoR1Tensor **keys, DinoR1Tensor **shift)
{
    DinoR1Tensor *k = split_heads(f, project(f, "text_proj", tokens, f->e_total));
    DinoR1Tensor *wq = dinor1_reshape(f->graph, weight(f, "vision_proj.weight", DINOR1_SHAPE(f->e_total, f->d)),
        DINOR1_SHAPE(1, f->heads, f->e, f->d));
    DinoR1Tensor *bq = dinor1_reshape(
        f->graph, weight(f, "vision_proj.bias", DINOR1_SHAPE(f->e_total)), DINOR1_SHAPE(1, f->heads, f->e, 1));

    *keys = flatten_heads(f, dinor1_matmul(f->graph, k, FALSE, wq, FALSE, f->scale, NULL, NULL));
    *shift = flatten_heads(f, dinor1_matmul(f->graph, k, FALSE, bq, FALSE, f->scale, NULL, NULL));
}

/* The token values seen from image space: W_o,h v_hu, [b, H*U, D]. */
static DinoR1Tensor *
project_values(const Fusion *f, DinoR1Tensor *tokens)
{
    const gint perm[3] = {1, 0, 2};
    DinoR1Tensor *v = split_heads(f, project(f, "values_text_proj", tokens, f->e_total));
    DinoR1Tensor *wo = dinor1_reshape(f->graph, weight(f, "out_vision_proj.weight", DINOR1_SHAPE(f->d, f->e_total)),
        DINOR1_SHAPE(f->d, f->heads, f->e));

    /* [H, D, e]; depends on weights only */
    wo = dinor1_reshape(f->graph, dinor1_permute(f->graph, wo, perm), DINOR1_SHAPE(1, f->heads, f->d, f->e));
    return flatten_heads(f, dinor1_matmul(f->graph, v, FALSE, wo, TRUE, 1, NULL, NULL));
}

/* Image to tokens: softmax over the positions, then the mean of the positions through W_v, [B, U, D].
 * The weights sum to one, so the bias of W_v is added once. scores [B, H*U, N]. */
static DinoR1Tensor *
gather_tokens(const Fusion *f, DinoR1Tensor *scores, DinoR1Tensor *vision, gint64 n_tokens)
{
    const gint perm[4] = {0, 2, 1, 3};
    DinoR1Tensor *wv = dinor1_reshape(f->graph, weight(f, "values_vision_proj.weight", DINOR1_SHAPE(f->e_total, f->d)),
        DINOR1_SHAPE(1, f->heads, f->e, f->d));
    DinoR1Tensor *bv = dinor1_reshape(
        f->graph, weight(f, "values_vision_proj.bias", DINOR1_SHAPE(f->e_total)), DINOR1_SHAPE(1, f->heads, 1, f->e));
    DinoR1Tensor *mean;

    if (f->tables->valid_mask)
        scores = dinor1_add(f->graph, scores, f->tables->valid_mask);
    mean = dinor1_matmul(f->graph, dinor1_softmax(f->graph, scores, -1), FALSE, vision, FALSE, 1, NULL, NULL);
    if (!mean)
        return NULL;
    mean = dinor1_reshape(f->graph, mean, DINOR1_SHAPE(mean->shape.dims[0], f->heads, n_tokens, f->d));
    mean = dinor1_add(f->graph, dinor1_matmul(f->graph, mean, FALSE, wv, TRUE, 1, NULL, NULL), bv);
    mean = dinor1_permute(f->graph, mean, perm); /* [B, U, H, e] */
    if (!mean)
        return NULL;
    mean = dinor1_reshape(f->graph, mean, DINOR1_SHAPE(mean->shape.dims[0], n_tokens, f->e_total));
    return project(f, "out_text_proj", mean, f->d);
}

/* What the scores of one position add to its products, [b, 1, H*U]: shift [b, H*U, 1], and the padding [1, 1, U] of
 * every head. */
static DinoR1Tensor *
add_padding(const Fusion *f, DinoR1Tensor *shift, DinoR1Tensor *padding, gint64 n_tokens)
{
    const gint64 batch = shift->shape.dims[0];
    DinoR1Tensor *row = shift;

    if (padding)
        row = dinor1_add(f->graph, dinor1_reshape(f->graph, row, DINOR1_SHAPE(batch, f->heads, n_tokens)), padding);
    return row ? dinor1_reshape(f->graph, row, DINOR1_SHAPE(batch, 1, f->heads * n_tokens)) : NULL;
}

/* The same numbers with the prompts projected into image space: instead of four N x D x E products, four of
 * N x D x H*U. */
static Deltas
projected(const Fusion *f, DinoR1Tensor *vision, DinoR1Tensor *tokens, DinoR1Tensor *padding)
{
    const gint64 n_tokens = tokens->shape.dims[1], n_keys = f->heads * n_tokens;
    DinoR1Tensor *bo = weight(f, "out_vision_proj.bias", DINOR1_SHAPE(f->d));
    DinoR1Tensor *keys, *shift, *by_token, *by_position, *values = project_values(f, tokens);
    DinoR1Tensor *row;
    Deltas deltas = {NULL, NULL};

    project_keys(f, tokens, &keys, &shift);
    if (!keys || !shift || !values)
        return deltas;
    by_token = dinor1_matmul(f->graph, keys, FALSE, vision, TRUE, 1, NULL, NULL); /* [B, H*U, N] */
    by_token = dinor1_add(f->graph, by_token, shift);
    deltas.tokens = gather_tokens(f, by_token, vision, n_tokens);

    by_position = dinor1_matmul(f->graph, vision, FALSE, keys, TRUE, 1, NULL, NULL); /* [B, N, H*U] */
    row = add_padding(f, shift, padding, n_tokens);
    by_position = dinor1_add(f->graph, by_position, row);
    if (!by_position)
        return deltas;
    by_position = dinor1_reshape(f->graph, by_position,
        DINOR1_SHAPE(by_position->shape.dims[0], by_position->shape.dims[1], f->heads, n_tokens));
    by_position = dinor1_softmax(f->graph, by_position, -1);
    if (!by_position)
        return deltas;
    by_position = dinor1_reshape(
        f->graph, by_position, DINOR1_SHAPE(by_position->shape.dims[0], by_position->shape.dims[1], n_keys));
    deltas.vision = dinor1_matmul(f->graph, by_position, FALSE, values, FALSE, 1, bo, NULL);
    return deltas;
}

/* Per image position the direct way costs 3DE (vision_proj, values_vision_proj, out_vision_proj) + 4EU, the
 * projected way 4DHU. */
static gboolean
use_projection(const Fusion *f, DinoR1FusionMode mode, gint64 n_tokens)
{
    if (mode != DINOR1_FUSION_AUTO)
        return mode == DINOR1_FUSION_PROJECTED;
    return 4 * f->d * f->heads * n_tokens < 3 * f->d * f->e_total + 4 * f->e_total * n_tokens;
}

/* normed + scale * delta: the residual is the normed input, as published. */
static DinoR1Tensor *
add_scaled(const Fusion *f, const gchar *scale, DinoR1Tensor *normed, DinoR1Tensor *delta)
{
    DinoR1Tensor *gamma = dinor1_nn_weight(f->graph, DINOR1_SHAPE(f->d), "%s.%s", f->name, scale);

    return dinor1_add(f->graph, dinor1_mul(f->graph, delta, gamma), normed);
}

void
dinor1_build_fusion(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables, const gchar *name,
    DinoR1Tensor **vision, DinoR1Tokens *tokens)
{
    const DinoR1Config *config = spec->config;
    const gint64 e_total = config->encoder_ffn_dim / 2, heads = config->encoder_attention_heads / 2;
    const Fusion f = {
        graph, name, config->d_model, e_total, heads, e_total / heads, 1 / sqrtf((gfloat)(e_total / heads)), tables};
    g_autofree gchar *norm_vision = g_strdup_printf("%s.layer_norm_vision", name);
    g_autofree gchar *norm_tokens = g_strdup_printf("%s.layer_norm_text", name);
    DinoR1Tensor *x = dinor1_nn_layer_norm(graph, norm_vision, *vision, config->layer_norm_eps, NULL);
    DinoR1Tensor *t = dinor1_nn_layer_norm(graph, norm_tokens, tokens->tokens, config->layer_norm_eps, NULL);
    Deltas deltas = {NULL, NULL};

    if (x && t)
        deltas = use_projection(&f, spec->fusion, t->shape.dims[1]) ? projected(&f, x, t, tokens->padding)
                                                                    : direct(&f, x, t, tokens->padding);
    *vision = add_scaled(&f, "vision_param", x, deltas.vision);
    tokens->tokens = add_scaled(&f, "text_param", t, deltas.tokens);
}
