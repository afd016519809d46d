/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>

G_BEGIN_DECLS

/* R' G' B' and one unused lane, in levels 0 … 255. Loads and stores need no alignment. */
typedef gfloat DinoR1Float4 __attribute__((vector_size(16), aligned(4), may_alias));

/* Every format is read the same way: a pixel is the sum of one table entry for each of its three bytes, clamped. */
typedef struct {
    gboolean ready;
    DinoR1PixelFormat format;
    DinoR1ColorMatrix matrix;
    gboolean full_range;
    DinoR1Float4 entries[3][256];
} DinoR1PixelTables;

/* Makes the tables of @image's format, matrix and range, unless they are those already. */
void dinor1_pixel_tables_set(DinoR1PixelTables *tables, const DinoR1Image *image);

/* Row @y of the image that the tables were set for, into @row [image->width]. Thread-safe. */
void dinor1_pixel_tables_load_row(const DinoR1PixelTables *tables, const DinoR1Image *image, gint y, DinoR1Float4 *row);

G_END_DECLS
