/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/frame.h"

#include "model/image.h"
#include "model/resample.h"

/* NV12 of 1920x1080 and RGB of 1280x720; a picture of less than three times the sides that the network sees. */
#define LEAST_BYTES ((gint64)4 << 20)
#define LEAST_TAPS  8

/* As GStreamer aligns rows, so that its planes can be copied whole. */
static gsize
round_up(gsize size)
{
    return (size + 3) / 4 * 4;
}

DinoR1FrameLayout
dinor1_frame_layout(const DinoR1Image *image)
{
    const DinoR1PixelLayout *pixels = dinor1_pixel_layout(image->format);
    DinoR1FrameLayout layout = {.n_planes = pixels->n_planes};

    for (guint p = 0; p < layout.n_planes; p++) {
        const guint shift = pixels->planes[p].shift;
        const gsize row_bytes = (gsize)((image->width + (1 << shift) - 1) >> shift) * pixels->planes[p].step;

        layout.planes[p].offset = layout.size;
        layout.planes[p].stride = round_up(row_bytes);
        layout.planes[p].row_bytes = row_bytes;
        layout.planes[p].n_rows = (gsize)((image->height + (1 << shift) - 1) >> shift);
        layout.size += layout.planes[p].stride * layout.planes[p].n_rows;
    }
    return layout;
}

DinoR1FrameGeometry
dinor1_frame_geometry(const DinoR1Image *image, const DinoR1FrameLayout *layout)
{
    const DinoR1PixelLayout *pixels = dinor1_pixel_layout(image->format);
    DinoR1FrameGeometry geometry = {.width = image->width, .height = image->height};

    for (guint k = 0; k < 3; k++) {
        const guint plane = pixels->components[k].plane;

        geometry.components[k].offset = (gint32)layout->planes[plane].offset + pixels->components[k].offset;
        geometry.components[k].stride = (gint32)layout->planes[plane].stride;
        geometry.components[k].step = pixels->planes[plane].step;
        geometry.components[k].shift = pixels->planes[plane].shift;
    }
    return geometry;
}

static gint64
next_power(gint64 least, gint64 size)
{
    while (least < size)
        least *= 2;
    return least;
}

DinoR1FrameRoom
dinor1_frame_room(const DinoR1Image *image, gint width, gint height)
{
    return (DinoR1FrameRoom){
        .bytes = next_power(LEAST_BYTES, (gint64)dinor1_frame_layout(image).size),
        .column_taps = (gint)next_power(LEAST_TAPS, dinor1_resample_max_taps(image->width, width)),
        .row_taps = (gint)next_power(LEAST_TAPS, dinor1_resample_max_taps(image->height, height)),
    };
}
