/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#include "model/frame.h"
#include "model/image.h"
#include "model/pixels.h"
#include "model/resample.h"

#include <string.h>

/* The published mean and deviation. */
static const gfloat mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

/* Rows with @gap bytes between them and planes with @gap bytes before; the frame ends with the last sample. */
static DinoR1FrameLayout
spread(const DinoR1Image *image, gsize gap)
{
    DinoR1FrameLayout layout = dinor1_frame_layout(image);
    gsize size = 0;

    for (guint p = 0; p < layout.n_planes; p++) {
        layout.planes[p].offset = size + gap;
        layout.planes[p].stride = layout.planes[p].row_bytes + gap;
        size = layout.planes[p].offset + (layout.planes[p].n_rows - 1) * layout.planes[p].stride +
               layout.planes[p].row_bytes;
    }
    layout.size = size;
    return layout;
}

/* The tables of one axis, with @spare taps that are not used. */
static gint32
add_axis(OpCase *c, gint from, gint to, gint spare)
{
    const gsize pitch = (gsize)(dinor1_resample_max_taps(from, to) + spare);
    g_autofree gint32 *starts = g_new(gint32, to);
    g_autofree gfloat *weights = g_new(gfloat, (gsize)to * pitch);
    gint n_taps = dinor1_resample_fill(from, to, pitch, starts, weights);

    opcheck_input_data(c, DINOR1_I32, DINOR1_SHAPE(to), starts);
    opcheck_input_data(c, DINOR1_F32, DINOR1_SHAPE(to, (gint64)pitch), weights);
    return n_taps;
}

static OpCase *
add_picture(GPtrArray *cases, const DinoR1Image *image, gint width, gint height, gsize gap)
{
    const DinoR1FrameLayout layout = spread(image, gap);
    DinoR1FrameGeometry geometry = dinor1_frame_geometry(image, &layout);
    gfloat colour[DINOR1_COLOUR_SIZE];
    OpCase *c = opcheck_add(cases, DINOR1_OP_PREPROCESS, 5e-7, "%s %dx%d to %dx%d, gap %d, matrix %d%s",
        dinor1_pixel_layout(image->format)->name, image->width, image->height, width, height, (gint)gap, image->matrix,
        image->full_range ? ", full range" : "");

    dinor1_pixels_colour(image, 1 / 255.0f, mean, deviation, colour);
    c->scale = 1 / (gdouble)deviation[0];
    opcheck_input(c, DINOR1_SHAPE((gint64)layout.size), (OpFill){FILL_BYTES, 0, 0});
    opcheck_input_data(c, DINOR1_I32, DINOR1_SHAPE(DINOR1_FRAME_GEOMETRY), &geometry);
    opcheck_input_data(c, DINOR1_F32, DINOR1_SHAPE(5, 4), colour);
    geometry.column_taps = add_axis(c, image->width, width, (gint)gap % 3);
    geometry.row_taps = add_axis(c, image->height, height, (gint)gap % 2);
    memcpy(c->data[1], &geometry, sizeof geometry);
    return c;
}

void
opcheck_preprocess_cases(GPtrArray *cases)
{
    /* From width, height, to width, height: alike, larger, smaller, one pixel, by 6.2 and 16. */
    const gint sizes[][4] = {{13, 9, 13, 9}, {13, 9, 37, 20}, {64, 43, 40, 21}, {1, 1, 7, 5}, {5, 7, 1, 1},
        {70, 31, 11, 5}, {33, 200, 48, 12}, {97, 65, 61, 66}};

    for (gint format = 0; format < DINOR1_PIXEL_N_FORMATS; format++) {
        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
            const DinoR1Image image = {
                .format = (DinoR1PixelFormat)format,
                .width = sizes[i][0],
                .height = sizes[i][1],
                .matrix = (DinoR1ColorMatrix)(i % 3),
                .full_range = i / 3 % 2,
            };

            add_picture(cases, &image, sizes[i][2], sizes[i][3], i % 2 ? 0 : i + 1);
        }
    }
    for (guint i = 0; i < 2; i++) {
        const DinoR1Image image = {i ? DINOR1_PIXEL_NV12 : DINOR1_PIXEL_RGB, 1920, 1080, {NULL}, {0}};

        add_picture(cases, &image, 1333, 750, 0)->big = TRUE;
    }
}
