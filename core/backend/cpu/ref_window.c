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

static const gfloat *
pixel(const WindowMap *map, Place place, const gfloat *data, const gfloat *pad)
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

static gdouble
score(const DinoR1KernelArgs *args, const WindowMap *map, const gfloat *q, const gfloat *k, gint64 head, Place query,
    Place key)
{
    const gfloat *table = args->inputs[3].data; /* [(2w-1)^2, heads] */
    const gfloat *keys = pixel(map, key, k, args->inputs[4].data);
    gint64 d = map->channels / map->heads, span = 2 * map->window - 1;
    gint64 relative = (query.row - key.row + map->window - 1) * span + (query.column - key.column + map->window - 1);
    gdouble dot = keys ? dinor1_ref_dot(q + offset_of(map, query) + head * d, keys + head * d, d) : 0;

    return dot / sqrt((gdouble)d) + table[relative * map->heads + head] +
           (region(map, query) == region(map, key) ? 0 : -100);
}

/* One query and head in the window whose first pixel is @corner. q, k, v, out [H, W, C] of one image. */
static void
attend(const DinoR1KernelArgs *args, const WindowMap *map, const gfloat *q, const gfloat *k, const gfloat *v,
    gfloat *out, gint64 head, Place query, Place corner)
{
    gint64 w = map->window, d = map->channels / map->heads;
    gdouble *weights = args->workspace; /* [w * w] */

    for (gint64 j = 0; j < w * w; j++)
        weights[j] = score(args, map, q, k, head, query, (Place){corner.row + j / w, corner.column + j % w});
    dinor1_ref_softmax_row(weights, w * w);

    for (gint64 l = head * d; l < (head + 1) * d; l++) {
        gdouble sum = 0;
        for (gint64 j = 0; j < w * w; j++) {
            const gfloat *values =
                pixel(map, (Place){corner.row + j / w, corner.column + j % w}, v, args->inputs[5].data);
            sum += weights[j] * (values ? values[l] : 0);
        }
        out[offset_of(map, query) + l] = (gfloat)sum;
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
        const gfloat *q = (const gfloat *)args->inputs[0].data + b * image;
        const gfloat *k = (const gfloat *)args->inputs[1].data + b * image;
        const gfloat *v = (const gfloat *)args->inputs[2].data + b * image;
        gfloat *out = (gfloat *)args->outputs[0].data + b * image;

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
