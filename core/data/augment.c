/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

#define SPEC_EDGE     800 /* the shortest edge that the specification's numbers are for */
#define MIN_KEPT_AREA 0.25f

static gint
scaled(gint size, const DinoR1Config *config)
{
    return MAX(1, (gint)lroundf((gfloat)size * (gfloat)config->shortest_edge / SPEC_EDGE));
}

void
dinor1_augment_options_init(DinoR1AugmentOptions *options, const DinoR1Config *config)
{
    *options = (DinoR1AugmentOptions){
        .enabled = TRUE,
        .min_size = scaled(480, config),
        .max_size = scaled(800, config),
        .n_sizes = 11,
        .longest = config->longest_edge,
        .crop_sizes = {scaled(400, config), scaled(500, config), scaled(600, config)},
        .crop_min = scaled(384, config),
        .crop_max = scaled(600, config),
    };
}

static gint
draw_between(DinoR1Rng *rng, gint low, gint high)
{
    return low >= high ? high : low + (gint)dinor1_rng_below(rng, (guint32)(high - low + 1));
}

static gint
draw_size(const DinoR1AugmentOptions *options, DinoR1Rng *rng)
{
    const gint n = MAX(options->n_sizes, 1), k = (gint)dinor1_rng_below(rng, (guint32)n);

    return n == 1 ? options->max_size : options->min_size + (options->max_size - options->min_size) * k / (n - 1);
}

/* A crop of crop_min … crop_max pixels a side of the source resized to @size, in source pixels. */
static void
draw_crop(const DinoR1AugmentOptions *options, gint size, DinoR1Rng *rng, DinoR1Augmentation *a)
{
    const gint source_width = a->crop_width, source_height = a->crop_height;
    const gfloat scale = (gfloat)size / (gfloat)MIN(source_width, source_height);
    const gint width = draw_between(rng, options->crop_min, options->crop_max);
    const gint height = draw_between(rng, options->crop_min, options->crop_max);

    a->crop_width = CLAMP((gint)((gfloat)width / scale), 1, source_width);
    a->crop_height = CLAMP((gint)((gfloat)height / scale), 1, source_height);
    a->crop_x = draw_between(rng, 0, source_width - a->crop_width);
    a->crop_y = draw_between(rng, 0, source_height - a->crop_height);
}

DinoR1Augmentation
dinor1_augment_draw(const DinoR1AugmentOptions *options, const DinoR1Config *config, gint source_width,
    gint source_height, DinoR1Rng *rng)
{
    DinoR1Augmentation a = {.crop_width = source_width, .crop_height = source_height};
    gint size = config->shortest_edge, longest = config->longest_edge;

    if (options->enabled) {
        a.mirrored = dinor1_rng_below(rng, 2) == 1;
        if (options->crop_sizes[0] > 0 && dinor1_rng_below(rng, 2) == 1)
            draw_crop(options, options->crop_sizes[dinor1_rng_below(rng, 3)], rng, &a);
        size = draw_size(options, rng);
        longest = options->longest;
    }
    dinor1_resize_rule(a.crop_width, a.crop_height, size, longest, &a.width, &a.height);
    return a;
}

static void
mirror_row(gfloat *row, gint width)
{
    for (gint x = 0; x < width / 2; x++) {
        for (gint c = 0; c < 3; c++) {
            const gfloat left = row[3 * x + c];

            row[3 * x + c] = row[3 * (width - 1 - x) + c];
            row[3 * (width - 1 - x) + c] = left;
        }
    }
}

gboolean
dinor1_augment_pixels(const DinoR1Augmentation *augmentation, const DinoR1Config *config, DinoR1Preprocess *preprocess,
    const DinoR1Image *source, gfloat *out, gsize stride, GError **error)
{
    const gsize row = (gsize)augmentation->width * 3;
    g_autofree gfloat *pixels = g_new(gfloat, row * (gsize)augmentation->height);
    DinoR1Image crop = *source;

    crop.width = augmentation->crop_width;
    crop.height = augmentation->crop_height;
    crop.planes[0] += (gsize)augmentation->crop_y * (gsize)source->strides[0] + (gsize)augmentation->crop_x * 3;
    if (!dinor1_preprocess_run(preprocess, &crop, augmentation->width, augmentation->height, config->rescale_factor,
            config->image_mean, config->image_std, NULL, pixels, error))
        return FALSE;
    for (gint y = 0; y < augmentation->height; y++) {
        gfloat *to = out + (gsize)y * stride;

        memcpy(to, pixels + (gsize)y * row, row * sizeof *to);
        if (augmentation->mirrored)
            mirror_row(to, augmentation->width);
    }
    return TRUE;
}

gboolean
dinor1_augment_box(const DinoR1Augmentation *augmentation, const DinoR1Box *box, gfloat out[4])
{
    const gfloat width = (gfloat)augmentation->crop_width, height = (gfloat)augmentation->crop_height;
    const gfloat x0 = CLAMP(box->x - (gfloat)augmentation->crop_x, 0, width);
    const gfloat y0 = CLAMP(box->y - (gfloat)augmentation->crop_y, 0, height);
    const gfloat x1 = CLAMP(box->x + box->width - (gfloat)augmentation->crop_x, 0, width);
    const gfloat y1 = CLAMP(box->y + box->height - (gfloat)augmentation->crop_y, 0, height);

    out[0] = (x0 + x1) / 2 / width;
    out[1] = (y0 + y1) / 2 / height;
    out[2] = (x1 - x0) / width;
    out[3] = (y1 - y0) / height;
    if (augmentation->mirrored)
        out[0] = 1 - out[0];
    return (x1 - x0) * (y1 - y0) >= MIN_KEPT_AREA * box->width * box->height &&
           out[2] * (gfloat)augmentation->width >= 1 && out[3] * (gfloat)augmentation->height >= 1;
}
