/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/image.h"

#include <dinor1/error.h>

#define PACKED(name, step, r, g, b)                                                                                    \
    {                                                                                                                  \
        name, 1, {{step, 0}}, {{0, r}, {0, g}, {0, b}}, FALSE                                                          \
    }

static const DinoR1PixelLayout layouts[DINOR1_PIXEL_N_FORMATS] = {
    [DINOR1_PIXEL_RGB] = PACKED("RGB", 3, 0, 1, 2),
    [DINOR1_PIXEL_BGR] = PACKED("BGR", 3, 2, 1, 0),
    [DINOR1_PIXEL_RGBX] = PACKED("RGBX", 4, 0, 1, 2),
    [DINOR1_PIXEL_BGRX] = PACKED("BGRX", 4, 2, 1, 0),
    [DINOR1_PIXEL_XRGB] = PACKED("XRGB", 4, 1, 2, 3),
    [DINOR1_PIXEL_XBGR] = PACKED("XBGR", 4, 3, 2, 1),
    [DINOR1_PIXEL_NV12] = {"NV12", 2, {{1, 0}, {2, 1}}, {{0, 0}, {1, 0}, {1, 1}}, TRUE},
    [DINOR1_PIXEL_I420] = {"I420", 3, {{1, 0}, {1, 1}, {1, 1}}, {{0, 0}, {1, 0}, {2, 0}}, TRUE},
    [DINOR1_PIXEL_GRAY8] = PACKED("GRAY8", 1, 0, 0, 0),
};

const DinoR1PixelLayout *
dinor1_pixel_layout(DinoR1PixelFormat format)
{
    return &layouts[format];
}

static gint
n_samples(gint pixels, guint shift)
{
    return (pixels + (1 << shift) - 1) >> shift;
}

static gboolean
check_plane(const DinoR1Image *image, const DinoR1PixelLayout *layout, guint plane, GError **error)
{
    gint row_bytes = n_samples(image->width, layout->planes[plane].shift) * layout->planes[plane].step;
    gint n_rows = n_samples(image->height, layout->planes[plane].shift);

    if (!image->planes[plane]) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s image of %dx%d: plane %u is missing", layout->name,
            image->width, image->height, plane);
        return FALSE;
    }
    if (image->strides[plane] < row_bytes) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "%s image of %dx%d: plane %u has a stride of %d bytes, but its rows need %d", layout->name, image->width,
            image->height, plane, image->strides[plane], row_bytes);
        return FALSE;
    }
    if ((gsize)image->strides[plane] > G_MAXSSIZE / (gsize)n_rows) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "%s image of %dx%d: plane %u with a stride of %d bytes does not fit in memory", layout->name, image->width,
            image->height, plane, image->strides[plane]);
        return FALSE;
    }
    return TRUE;
}

gboolean
dinor1_image_check(const DinoR1Image *image, GError **error)
{
    if (!image) {
        g_set_error_literal(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "there is no image");
        return FALSE;
    }
    if ((guint)image->format >= DINOR1_PIXEL_N_FORMATS) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "image of unknown pixel format %d", (gint)image->format);
        return FALSE;
    }
    const DinoR1PixelLayout *layout = dinor1_pixel_layout(image->format);

    if (image->width < 1 || image->height < 1 || image->width > DINOR1_IMAGE_MAX_SIDE ||
        image->height > DINOR1_IMAGE_MAX_SIDE) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "%s image of %dx%d: width and height must be from 1 to %d", layout->name, image->width, image->height,
            DINOR1_IMAGE_MAX_SIDE);
        return FALSE;
    }
    if (layout->is_ycbcr && (guint)image->matrix > DINOR1_MATRIX_BT2020) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s image of %dx%d: unknown colour matrix %d",
            layout->name, image->width, image->height, (gint)image->matrix);
        return FALSE;
    }
    for (guint plane = 0; plane < layout->n_planes; plane++) {
        if (!check_plane(image, layout, plane, error))
            return FALSE;
    }
    return TRUE;
}
