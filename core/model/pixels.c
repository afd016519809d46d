/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/pixels.h"

#include "model/image.h"

static void
set_rgb(DinoR1PixelTables *tables)
{
    for (gint value = 0; value < 256; value++) {
        gfloat x = (gfloat)value;

        tables->entries[0][value] = (DinoR1Float4){x, 0, 0, 0};
        tables->entries[1][value] = (DinoR1Float4){0, x, 0, 0};
        tables->entries[2][value] = (DinoR1Float4){0, 0, x, 0};
    }
}

static void
set_gray(DinoR1PixelTables *tables)
{
    for (gint value = 0; value < 256; value++) {
        gfloat x = (gfloat)value;

        tables->entries[0][value] = (DinoR1Float4){x, x, x, 0};
        tables->entries[1][value] = tables->entries[2][value] = (DinoR1Float4){0, 0, 0, 0};
    }
}

/* R' = Y' + 2(1-Kr) Cr, B' = Y' + 2(1-Kb) Cb, and G' from Y' = Kr R' + Kg G' + Kb B'; video range spends 219 levels on
 * Y' and 224 on Cb and Cr. */
static void
set_ycbcr(DinoR1PixelTables *tables)
{
    static const gdouble weights[][2] = {
        [DINOR1_MATRIX_BT601] = {0.299, 0.114},
        [DINOR1_MATRIX_BT709] = {0.2126, 0.0722},
        [DINOR1_MATRIX_BT2020] = {0.2627, 0.0593},
    };
    gdouble kr = weights[tables->matrix][0], kb = weights[tables->matrix][1], kg = 1 - kr - kb;
    gdouble luma_scale = tables->full_range ? 1 : 255.0 / 219, luma_zero = tables->full_range ? 0 : 16;
    gdouble chroma_scale = tables->full_range ? 1 : 255.0 / 224;

    for (gint value = 0; value < 256; value++) {
        gfloat y = (gfloat)((value - luma_zero) * luma_scale);
        gdouble blue = 2 * (1 - kb) * (value - 128) * chroma_scale;
        gdouble red = 2 * (1 - kr) * (value - 128) * chroma_scale;

        tables->entries[0][value] = (DinoR1Float4){y, y, y, 0};
        tables->entries[1][value] = (DinoR1Float4){0, (gfloat)(-blue * kb / kg), (gfloat)blue, 0};
        tables->entries[2][value] = (DinoR1Float4){(gfloat)red, (gfloat)(-red * kr / kg), 0, 0};
    }
}

void
dinor1_pixel_tables_set(DinoR1PixelTables *tables, const DinoR1Image *image)
{
    if (tables->ready && tables->format == image->format && tables->matrix == image->matrix &&
        tables->full_range == image->full_range)
        return;

    tables->ready = TRUE;
    tables->format = image->format;
    tables->matrix = image->matrix;
    tables->full_range = image->full_range;
    if (dinor1_pixel_layout(image->format)->is_ycbcr)
        set_ycbcr(tables);
    else if (image->format == DINOR1_PIXEL_GRAY8)
        set_gray(tables);
    else
        set_rgb(tables);
}

static void
clamp(gfloat *values, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        gfloat value = values[i] < 0 ? 0 : values[i];

        values[i] = value > 255 ? 255 : value;
    }
}

void
dinor1_pixel_tables_load_row(const DinoR1PixelTables *tables, const DinoR1Image *image, gint y, DinoR1Float4 *row)
{
    const DinoR1PixelLayout *layout = dinor1_pixel_layout(image->format);
    const guint8 *from[3];
    gsize step[3];
    guint shift[3];

    for (guint c = 0; c < 3; c++) {
        guint plane = layout->components[c].plane;

        step[c] = layout->planes[plane].step;
        shift[c] = layout->planes[plane].shift;
        from[c] =
            image->planes[plane] + (gsize)(y >> shift[c]) * (gsize)image->strides[plane] + layout->components[c].offset;
    }
    for (gsize x = 0; x < (gsize)image->width; x++) {
        row[x] = tables->entries[0][from[0][x * step[0]]] + (tables->entries[1][from[1][(x >> shift[1]) * step[1]]] +
                                                                tables->entries[2][from[2][(x >> shift[2]) * step[2]]]);
    }
    if (layout->is_ycbcr)
        clamp((gfloat *)row, 4 * (gsize)image->width);
}
