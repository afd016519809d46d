/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/initialise.h"

#include "model/build.h"

#include <math.h>
#include <string.h>

#define BACKBONE_STD 0.02f /* of Swin's and BERT's matrices */

static gboolean
contains(const gchar *name, const gchar *part)
{
    return strstr(name, part) != NULL;
}

static void
fill(gfloat *data, gint64 n, gfloat value)
{
    for (gint64 i = 0; i < n; i++)
        data[i] = value;
}

static void
fill_normal(gfloat *data, gint64 n, gfloat std, DinoR1Rng *rng)
{
    for (gint64 i = 0; i < n; i++)
        data[i] = std * dinor1_rng_normal(rng);
}

static void
fill_uniform(gfloat *data, gint64 n, gfloat limit, DinoR1Rng *rng)
{
    for (gint64 i = 0; i < n; i++)
        data[i] = (2 * dinor1_rng_uniform(rng) - 1) * limit;
}

/* nn.init.xavier_uniform_ of [out, in] or [out, in, kh, kw] */
static void
fill_xavier(gfloat *data, const DinoR1Shape *shape, DinoR1Rng *rng)
{
    const gint64 n = dinor1_shape_size(shape), receptive = n / (shape->dims[0] * shape->dims[1]);
    const gfloat limit = sqrtf(6.0f / (gfloat)((shape->dims[0] + shape->dims[1]) * receptive));

    fill_uniform(data, n, limit, rng);
}

/* Sampling offsets start on rays, one direction per head, point p at distance p + 1: [H, L, P, 2]. */
static void
fill_rays(gfloat *data, gint64 n, gint heads, gint n_points)
{
    const gint64 per_head = n / 2 / heads;

    for (gint64 i = 0; i < n / 2; i++) {
        const gdouble angle = 2 * G_PI * (gdouble)(i / per_head) / (gdouble)heads;
        const gdouble scale = MAX(fabs(cos(angle)), fabs(sin(angle)));
        const gdouble distance = (gdouble)(i % per_head % n_points + 1);

        data[2 * i] = (gfloat)(cos(angle) / scale * distance);
        data[2 * i + 1] = (gfloat)(sin(angle) / scale * distance);
    }
}

static void
fill_offsets(const DinoR1Config *config, const gchar *name, gfloat *data, gint64 n)
{
    if (contains(name, ".decoder."))
        fill_rays(data, n, config->decoder_attention_heads, config->decoder_n_points);
    else
        fill_rays(data, n, config->encoder_attention_heads, config->encoder_n_points);
}

static gboolean
is_norm(const gchar *name)
{
    return contains(name, "norm") || contains(name, "LayerNorm") ||
           (contains(name, "input_proj_vision.") && contains(name, ".1."));
}

/* The last layer of a box head: all boxes start as their references. */
static gboolean
is_box_output(const gchar *name)
{
    return contains(name, "bbox_embed") && contains(name, ".layers.2.");
}

/* What a query or a level is told apart by. */
static gboolean
is_embedding(const gchar *name)
{
    return g_str_has_suffix(name, "level_embed") || g_str_has_suffix(name, "query_position_embeddings.weight") ||
           g_str_has_suffix(name, "visual_query_embedding.weight") ||
           g_str_equal(name, "denoising_label_embedding.weight");
}

void
dinor1_initialise(const DinoR1Config *config, const gchar *name, const DinoR1Shape *shape, DinoR1Rng *rng, gfloat *data)
{
    const gint64 n = dinor1_shape_size(shape);
    const gboolean is_weight = g_str_has_suffix(name, ".weight");

    if (g_str_has_suffix(name, "_param")) /* layer scale of the fusion */
        fill(data, n, 1e-4f);
    else if (g_str_equal(name, DINOR1_LOGIT_SCALE)) /* of CLIP */
        fill(data, n, logf(1 / 0.07f));
    else if (contains(name, "class_embed"))
        fill(data, n, -logf(99));
    else if (g_str_has_suffix(name, "sampling_offsets.bias"))
        fill_offsets(config, name, data, n);
    else if (contains(name, "sampling_offsets.") || contains(name, "attention_weights.") || is_box_output(name) ||
             g_str_has_suffix(name, "relative_position_bias_table"))
        fill(data, n, 0);
    else if (is_norm(name))
        fill(data, n, is_weight ? 1 : 0);
    else if (contains(name, "patch_embeddings.projection."))
        fill_uniform(data, n, 1 / sqrtf((gfloat)(3 * config->backbone.patch_size * config->backbone.patch_size)), rng);
    else if (is_embedding(name))
        fill_normal(data, n, 1, rng);
    else if (!is_weight)
        fill(data, n, 0);
    else if (contains(name, "backbone."))
        fill_normal(data, n, BACKBONE_STD, rng);
    else
        fill_xavier(data, shape, rng);
}
