/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/pixels.h"

#include "model/image.h"

/* The comparison of two DinoR1Float4: -1 or 0 in each lane. */
typedef gint32 DinoR1Int4 __attribute__((vector_size(16)));

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

/* The bytes of one component in one row. */
typedef struct {
    const guint8 *bytes;
    gsize step;
} Component;

static Component
component_of(const DinoR1Image *image, const DinoR1PixelLayout *layout, guint c, gint y)
{
    guint plane = layout->components[c].plane;
    gsize row = (gsize)(y >> layout->planes[plane].shift) * (gsize)image->strides[plane];

    return (Component){image->planes[plane] + row + layout->components[c].offset, layout->planes[plane].step};
}

/* To 0 … 255, with masks: C has no ?: for vectors. */
static inline DinoR1Float4
clamp(DinoR1Float4 value)
{
    const DinoR1Float4 most = {255, 255, 255, 255};
    DinoR1Int4 below = value < most;

    value = (DinoR1Float4)(((DinoR1Int4)value & below) | ((DinoR1Int4)most & ~below));
    return (DinoR1Float4)((DinoR1Int4)value & (value > 0));
}

void
dinor1_pixel_tables_load_row(const DinoR1PixelTables *tables, const DinoR1Image *image, gint y, DinoR1Float4 *row)
{
    const DinoR1PixelLayout *layout = dinor1_pixel_layout(image->format);
    const Component a = component_of(image, layout, 0, y);
    const Component b = component_of(image, layout, 1, y);
    const Component c = component_of(image, layout, 2, y);
    const DinoR1Float4 *to_a = tables->entries[0], *to_b = tables->entries[1], *to_c = tables->entries[2];
    gsize n = (gsize)image->width;

    if (!layout->is_ycbcr) {
        for (gsize x = 0; x < n; x++)
            row[x] = to_a[a.bytes[x * a.step]] + to_b[b.bytes[x * b.step]] + to_c[c.bytes[x * c.step]];
        return;
    }
    /* 4:2:0: two neighbours share a chroma sample. */
    for (gsize x = 0; x < n; x += 2) {
        DinoR1Float4 chroma = to_b[b.bytes[x / 2 * b.step]] + to_c[c.bytes[x / 2 * c.step]];

        row[x] = clamp(to_a[a.bytes[x * a.step]] + chroma);
        if (x + 1 < n)
            row[x + 1] = clamp(to_a[a.bytes[(x + 1) * a.step]] + chroma);
    }
}
