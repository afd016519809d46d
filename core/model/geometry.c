/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/geometry.h"

#include <math.h>

static gint
ceil_div(gint a, gint b)
{
    return (a + b - 1) / b;
}

void
dinor1_geometry_levels(const DinoR1Config *config, gint height, gint width, DinoR1Levels *levels)
{
    const DinoR1SwinConfig *swin = &config->backbone;
    gint h = ceil_div(height, swin->patch_size), w = ceil_div(width, swin->patch_size);

    levels->n_levels = 0;
    for (gint stage = 1; stage <= swin->n_stages && levels->n_levels < swin->n_outputs; stage++) {
        if (stage == swin->outputs[levels->n_levels]) {
            levels->heights[levels->n_levels] = h;
            levels->widths[levels->n_levels++] = w;
        }
        if (stage < swin->n_stages) {
            h = ceil_div(h, 2);
            w = ceil_div(w, 2);
        }
    }
    for (gint i = levels->n_levels; i < config->num_feature_levels; i++) {
        /* 3x3, stride 2, padding 1 */
        levels->heights[i] = ceil_div(levels->heights[i - 1], 2);
        levels->widths[i] = ceil_div(levels->widths[i - 1], 2);
    }
    levels->n_levels = config->num_feature_levels;
}

/* How many of @n samples of nearest-neighbour downscaling from @full pixels fall into the first @valid
 * (nn.functional.interpolate of the pixel mask). */
static gint
count_valid(gint n, gint full, gint valid)
{
    const gfloat scale = (gfloat)full / (gfloat)n;
    gint count = 0;

    while (count < n && (gint)floorf((gfloat)count * scale) < valid)
        count++;
    return count;
}

/* One level of one image. */
typedef struct {
    gint level, height, width;
    gint valid_height, valid_width;
} Map;

static void
fill_position(DinoR1Geometry *g, gint64 at, const Map *map, gint y, gint x)
{
    const gboolean inside = y < map->valid_height && x < map->valid_width;
    /* The cumulative sum of the mask over its last value, which is 0 where a whole column or row is padding. */
    const gfloat y_sum = x < map->valid_width ? (gfloat)MIN(y + 1, map->valid_height) : 0;
    const gfloat x_sum = y < map->valid_height ? (gfloat)MIN(x + 1, map->valid_width) : 0;

    g->coordinates[2 * at] = y_sum / ((x < map->valid_width ? (gfloat)map->valid_height : 0) + 1e-6f);
    g->coordinates[2 * at + 1] = x_sum / ((y < map->valid_height ? (gfloat)map->valid_width : 0) + 1e-6f);
    g->valid[at] = inside;
}

static void
fill_proposal(DinoR1Geometry *g, gint64 at, const Map *map, gint y, gint x)
{
    const gfloat size = 0.05f * powf(2.0f, (gfloat)map->level);
    const gfloat box[4] = {
        ((gfloat)x + 0.5f) / (gfloat)map->valid_width, ((gfloat)y + 0.5f) / (gfloat)map->valid_height, size, size};
    gboolean ok = g->valid[at] > 0;

    for (gint i = 0; i < 4; i++)
        ok = ok && box[i] > 0.01f && box[i] < 0.99f;
    for (gint i = 0; i < 4; i++)
        g->proposals[4 * at + i] = ok ? logf(box[i] / (1 - box[i])) : INFINITY;
    g->proposal_ok[at] = ok;
}

/* @ratios [L, 2] of this image. */
static void
fill_reference(DinoR1Geometry *g, gint64 at, const Map *map, const gfloat *ratios, gint y, gint x)
{
    const gint n_targets = g->padded ? g->levels.n_levels : 1;
    const gfloat rx = ((gfloat)x + 0.5f) / (ratios[2 * map->level] * (gfloat)map->width);
    const gfloat ry = ((gfloat)y + 0.5f) / (ratios[2 * map->level + 1] * (gfloat)map->height);

    for (gint l = 0; l < n_targets; l++) {
        g->reference[(at * n_targets + l) * 2] = rx * ratios[2 * l];
        g->reference[(at * n_targets + l) * 2 + 1] = ry * ratios[2 * l + 1];
    }
}

static void
fill_image(DinoR1Geometry *g, gint image, gint height, gint width, DinoR1ImageSize size)
{
    gfloat *ratios = g->ratios + (gsize)image * (gsize)g->levels.n_levels * 2;
    Map maps[DINOR1_MAX_LEVELS];
    gint64 at = image * g->n_positions;

    for (gint l = 0; l < g->levels.n_levels; l++) {
        const gint h = g->levels.heights[l], w = g->levels.widths[l];

        maps[l] = (Map){l, h, w, count_valid(h, height, size.height), count_valid(w, width, size.width)};
        ratios[2 * l] = (gfloat)maps[l].valid_width / (gfloat)w;
        ratios[2 * l + 1] = (gfloat)maps[l].valid_height / (gfloat)h;
    }
    for (gint l = 0; l < g->levels.n_levels; l++) {
        for (gint y = 0; y < maps[l].height; y++) {
            for (gint x = 0; x < maps[l].width; x++, at++) {
                fill_position(g, at, &maps[l], y, x);
                fill_proposal(g, at, &maps[l], y, x);
                fill_reference(g, at, &maps[l], ratios, y, x);
                g->level_index[at % g->n_positions] = l;
            }
        }
    }
}

static gboolean
any_padded(gint height, gint width, const DinoR1ImageSize *sizes, gint n_images)
{
    for (gint i = 0; sizes && i < n_images; i++)
        if (sizes[i].height < height || sizes[i].width < width)
            return TRUE;
    return FALSE;
}

DinoR1Geometry *
dinor1_geometry_new(const DinoR1Config *config, gint height, gint width, const DinoR1ImageSize *sizes, gint n_images)
{
    DinoR1Geometry *g = g_new0(DinoR1Geometry, 1);
    gsize n;

    dinor1_geometry_levels(config, height, width, &g->levels);
    for (gint l = 0; l < g->levels.n_levels; l++)
        g->n_positions += (gint64)g->levels.heights[l] * g->levels.widths[l];
    g->padded = any_padded(height, width, sizes, n_images);
    g->batch = g->padded ? n_images : 1;
    n = (gsize)g->batch * (gsize)g->n_positions;
    g->coordinates = g_new(gfloat, n * 2);
    g->level_index = g_new(gint32, (gsize)g->n_positions);
    g->reference = g_new(gfloat, n * 2 * (g->padded ? (gsize)g->levels.n_levels : 1));
    g->proposals = g_new(gfloat, n * 4);
    g->proposal_ok = g_new(gfloat, n);
    g->valid = g_new(gfloat, n);
    g->ratios = g_new(gfloat, (gsize)g->batch * (gsize)g->levels.n_levels * 2);
    for (gint i = 0; i < g->batch; i++)
        fill_image(g, i, height, width, g->padded ? sizes[i] : (DinoR1ImageSize){height, width});
    return g;
}

void
dinor1_geometry_free(DinoR1Geometry *geometry)
{
    if (!geometry)
        return;
    g_free(geometry->coordinates);
    g_free(geometry->level_index);
    g_free(geometry->reference);
    g_free(geometry->proposals);
    g_free(geometry->proposal_ok);
    g_free(geometry->valid);
    g_free(geometry->ratios);
    g_free(geometry);
}
