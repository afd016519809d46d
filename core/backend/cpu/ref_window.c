/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>

/* The map of a window attention. Windows lie on the padded and then shifted map, whose row r is row
 * (r + shift) mod padded_height of the map. */
typedef struct {
    gint64 height, width;               /* real */
    gint64 padded_height, padded_width; /* whole windows */
    gint64 channels, heads;
    gint64 window, shift;
} WindowMap;

/* A place on the shifted map. */
typedef struct {
    gint64 row, column;
} Place;

static WindowMap
window_map(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, H, W, C */
    gint64 window = args->params->window.window;

    return (WindowMap){
        .height = dims[1],
        .width = dims[2],
        .padded_height = (dims[1] + window - 1) / window * window,
        .padded_width = (dims[2] + window - 1) / window * window,
        .channels = dims[3],
        .heads = args->params->window.heads,
        .window = window,
        .shift = args->params->window.shift,
    };
}

/* The pixel's offset in a [H, W, C] map; -1 if the place is padding. */
static gint64
offset_of(const WindowMap *map, Place place)
{
    gint64 y = (place.row + map->shift) % map->padded_height;
    gint64 x = (place.column + map->shift) % map->padded_width;

    return y < map->height && x < map->width ? (y * map->width + x) * map->channels : -1;
}

static const real *
pixel(const WindowMap *map, Place place, const real *data, const real *pad)
{
    gint64 offset = offset_of(map, place);
    return offset < 0 ? pad : data + offset;
}

static gint
band(gint64 position, gint64 padded, gint64 window, gint64 shift)
{
    if (shift == 0 || position < padded - window)
        return 0;
    return position < padded - shift ? 1 : 2;
}

/* After the shift the last windows hold pixels from both ends of the map. Pixels of different regions get -100 on
 * their score (SwinLayer.get_attn_mask). */
static gint
region(const WindowMap *map, Place place)
{
    return 3 * band(place.row, map->padded_height, map->window, map->shift) +
           band(place.column, map->padded_width, map->window, map->shift);
}

/* The element of the table [(2w-1)^2, heads] that a score gets. */
static gint64
table_offset(const WindowMap *map, gint64 head, Place query, Place key)
{
    gint64 span = 2 * map->window - 1;
    gint64 relative = (query.row - key.row + map->window - 1) * span + (query.column - key.column + map->window - 1);

    return relative * map->heads + head;
}

/* @k_pad: [C]? */
static gdouble
score(const DinoR1KernelArgs *args, const WindowMap *map, const real *q, const real *k, const real *k_pad, gint64 head,
    Place query, Place key)
{
    const real *table = args->inputs[3].data;
    const real *keys = pixel(map, key, k, k_pad);
    gint64 d = map->channels / map->heads;
    gdouble dot = keys ? dinor1_ref_dot(q + offset_of(map, query) + head * d, keys + head * d, d) : 0;

    return dot / sqrt((gdouble)d) + table[table_offset(map, head, query, key)] +
           (region(map, query) == region(map, key) ? 0 : -100);
}

/* Pixel @j of the window whose first pixel is @corner. */
static Place
place_in(const WindowMap *map, Place corner, gint64 j)
{
    return (Place){corner.row + j / map->window, corner.column + j % map->window};
}

/* The softmax weights [w * w] of one query and head. */
static void
attention_weights(const DinoR1KernelArgs *args, const WindowMap *map, const real *q, const real *k, const real *k_pad,
    gint64 head, Place query, Place corner, gdouble *weights)
{
    gint64 n = map->window * map->window;

    for (gint64 j = 0; j < n; j++)
        weights[j] = score(args, map, q, k, k_pad, head, query, place_in(map, corner, j));
    dinor1_ref_softmax_row(weights, n);
}

/* One query and head in the window whose first pixel is @corner. q, k, v, out [H, W, C] of one image. */
static void
attend(const DinoR1KernelArgs *args, const WindowMap *map, const real *q, const real *k, const real *v, real *out,
    gint64 head, Place query, Place corner)
{
    gint64 w = map->window, d = map->channels / map->heads;
    gdouble *weights = args->workspace; /* [w * w] */

    attention_weights(args, map, q, k, args->inputs[4].data, head, query, corner, weights);
    for (gint64 l = head * d; l < (head + 1) * d; l++) {
        gdouble sum = 0;
        for (gint64 j = 0; j < w * w; j++) {
            const real *values = pixel(map, place_in(map, corner, j), v, args->inputs[5].data);
            sum += weights[j] * (values ? values[l] : 0);
        }
        out[offset_of(map, query) + l] = (real)sum;
    }
}

gsize
dinor1_ref_window_attention_workspace(const DinoR1KernelArgs *args)
{
    gsize window = (gsize)args->params->window.window;
    return window * window * sizeof(gdouble);
}

void
dinor1_ref_window_attention(const DinoR1KernelArgs *args)
{
    WindowMap map = window_map(args);
    gint64 image = map.height * map.width * map.channels;

    for (gint64 b = 0; b < args->inputs[0].shape.dims[0]; b++) {
        const real *q = (const real *)args->inputs[0].data + b * image;
        const real *k = (const real *)args->inputs[1].data + b * image;
        const real *v = (const real *)args->inputs[2].data + b * image;
        real *out = (real *)args->outputs[0].data + b * image;

        for (gint64 row = 0; row < map.padded_height; row++) {
            for (gint64 column = 0; column < map.padded_width; column++) {
                Place query = {row, column};
                Place corner = {row / map.window * map.window, column / map.window * map.window};
                if (offset_of(&map, query) < 0)
                    continue;
                for (gint64 head = 0; head < map.heads; head++)
                    attend(args, &map, q, k, v, out, head, query, corner);
            }
        }
    }
}

gsize
dinor1_ref_window_attention_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 6) + 2 * dinor1_ref_window_attention_workspace(args);
}

/* One image: q, k, v, dy [H, W, C], k_pad?, v_pad? [C] and the sums of their gradients; dtable as the table. */
typedef struct {
    const real *q, *k, *v, *dy, *k_pad, *v_pad;
    gdouble *dq, *dk, *dv, *dtable, *dk_pad, *dv_pad;
    gdouble *weights, *dweights; /* [w * w] of scratch */
} ImageGrad;

/* The gradients of one score and its key. */
static void
score_grad(const ImageGrad *g, const WindowMap *map, gint64 head, Place query, Place key, gdouble dscore)
{
    gint64 d = map->channels / map->heads, at_query = offset_of(map, query) + head * d, at_key = offset_of(map, key);
    const real *keys = pixel(map, key, g->k, g->k_pad);
    gdouble *dkeys = at_key < 0 ? g->dk_pad : g->dk + at_key, scaled = dscore / sqrt((gdouble)d);

    g->dtable[table_offset(map, head, query, key)] += dscore;
    for (gint64 l = 0; l < d; l++) {
        g->dq[at_query + l] += keys ? scaled * keys[head * d + l] : 0;
        dkeys[head * d + l] += scaled * g->q[at_query + l];
    }
}

/* One query and head in the window whose first pixel is @corner. */
static void
attend_grad(
    const DinoR1KernelArgs *args, const ImageGrad *g, const WindowMap *map, gint64 head, Place query, Place corner)
{
    gint64 n = map->window * map->window, d = map->channels / map->heads;
    const real *dy = g->dy + offset_of(map, query) + head * d;
    gdouble mean = 0;

    attention_weights(args, map, g->q, g->k, g->k_pad, head, query, corner, g->weights);
    for (gint64 j = 0; j < n; j++) {
        gint64 offset = offset_of(map, place_in(map, corner, j));
        const real *values = pixel(map, place_in(map, corner, j), g->v, g->v_pad);
        gdouble *dvalues = offset < 0 ? g->dv_pad : g->dv + offset;

        g->dweights[j] = values ? dinor1_ref_dot(dy, values + head * d, d) : 0;
        mean += g->weights[j] * g->dweights[j];
        for (gint64 l = 0; l < d; l++)
            dvalues[head * d + l] += g->weights[j] * dy[l];
    }
    for (gint64 j = 0; j < n; j++)
        score_grad(g, map, head, query, place_in(map, corner, j), g->weights[j] * (g->dweights[j] - mean));
}

void
dinor1_ref_window_attention_grad(const DinoR1KernelArgs *args)
{
    WindowMap map = window_map(args);
    gint64 image = map.height * map.width * map.channels;
    gdouble *sums[6], *scratch = dinor1_ref_sums_begin(args, 6, sums);

    for (gint64 b = 0; b < args->inputs[0].shape.dims[0]; b++) {
        const ImageGrad g = {
            .q = (const real *)args->inputs[0].data + b * image,
            .k = (const real *)args->inputs[1].data + b * image,
            .v = (const real *)args->inputs[2].data + b * image,
            .dy = (const real *)args->inputs[4].data + b * image,
            .k_pad = args->inputs[5].data,
            .v_pad = args->inputs[6].data,
            .dq = sums[0] + b * image,
            .dk = sums[1] + b * image,
            .dv = sums[2] + b * image,
            .dtable = sums[3],
            .dk_pad = sums[4],
            .dv_pad = sums[5],
            .weights = scratch,
            .dweights = scratch + map.window * map.window,
        };
        for (gint64 row = 0; row < map.padded_height; row++) {
            for (gint64 column = 0; column < map.padded_width; column++) {
                Place query = {row, column};
                Place corner = {row / map.window * map.window, column / map.window * map.window};
                for (gint64 head = 0; offset_of(&map, query) >= 0 && head < map.heads; head++)
                    attend_grad(args, &g, &map, head, query, corner);
            }
        }
    }
    dinor1_ref_sums_end(args, 6, sums);
}
