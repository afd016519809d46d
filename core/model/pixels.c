/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/pixels.h"

#include "model/image.h"

#include <string.h>

/* R' = Y' + 2(1-Kr) Cr, B' = Y' + 2(1-Kb) Cb, and G' from Y' = Kr R' + Kg G' + Kb B'; video range spends 219 levels on
 * Y' and 224 on Cb and Cr. levels [3, 4]. */
static void
set_ycbcr(const DinoR1Image *image, gfloat *levels)
{
    static const gdouble weights[][2] = {
        [DINOR1_MATRIX_BT601] = {0.299, 0.114},
        [DINOR1_MATRIX_BT709] = {0.2126, 0.0722},
        [DINOR1_MATRIX_BT2020] = {0.2627, 0.0593},
    };
    const gdouble kr = weights[image->matrix][0], kb = weights[image->matrix][1], kg = 1 - kr - kb;
    const gdouble luma = image->full_range ? 1 : 255.0 / 219, luma_zero = image->full_range ? 0 : 16;
    const gdouble chroma = image->full_range ? 1 : 255.0 / 224;
    const gdouble blue = 2 * (1 - kb) * chroma, red = 2 * (1 - kr) * chroma;
    const gdouble by_chroma[3][2] = {{0, red}, {-blue * kb / kg, -red * kr / kg}, {blue, 0}}; /* Cb, Cr */

    for (guint c = 0; c < 3; c++) {
        levels[4 * c] = (gfloat)luma;
        levels[4 * c + 1] = (gfloat)by_chroma[c][0];
        levels[4 * c + 2] = (gfloat)by_chroma[c][1];
        levels[4 * c + 3] = (gfloat)(-luma * luma_zero - 128 * (by_chroma[c][0] + by_chroma[c][1]));
    }
}

void
dinor1_pixels_colour(const DinoR1Image *image, gfloat rescale, const gfloat mean[3], const gfloat std[3],
    gfloat colour[DINOR1_COLOUR_SIZE])
{
    memset(colour, 0, DINOR1_COLOUR_SIZE * sizeof *colour);
    if (dinor1_pixel_layout(image->format)->is_ycbcr)
        set_ycbcr(image, colour);
    for (guint c = 0; c < 3; c++) {
        if (image->format == DINOR1_PIXEL_GRAY8)
            colour[4 * c] = 1;
        else if (!dinor1_pixel_layout(image->format)->is_ycbcr)
            colour[4 * c + c] = 1;
        colour[12 + c] = rescale / std[c];
        colour[16 + c] = -mean[c] / std[c];
    }
}
