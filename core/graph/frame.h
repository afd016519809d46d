/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What PREPROCESS is told of a picture. Only sizes of tensors are fixed when a program is planned: a picture of another
 * size or format fills the same inputs anew.
 *
 * Component k of pixel (y, x), one byte, is frame[offset + (y >> shift) * stride + (x >> shift) * step]. The first
 * three rows of colour [5, 4] make levels of components: level c is the sum over k < 3 of colour[c][k] * component k,
 * plus colour[c][3], clamped to 0 … 255. The levels are resampled,
 *     out[0, i, j, c] = sum over u < row_taps, v < column_taps of
 *                       row_weights[i, u] * column_weights[j, v] * level c of pixel (rows[i] + u, columns[j] + v),
 * and normalised: times colour[3][c], plus colour[4][c]. The weights of a window sum to 1.
 */
#pragma once

#include <dinor1/image.h>

G_BEGIN_DECLS

/* All components of all pixels lie inside the frame (dinor1_frame_fits()). columns and rows never fall, and every
 * window lies inside the picture. */
typedef struct {
    gint32 width, height;         /* 1 … DINOR1_IMAGE_MAX_SIDE */
    gint32 column_taps, row_taps; /* of Kx and Ky, those in use */
    struct {
        gint32 offset, stride, step;
        gint32 shift; /* 1: half as many samples as pixels, rounded up, both ways */
    } components[3];  /* R G B or Y' Cb Cr */
} DinoR1FrameGeometry;

#define DINOR1_FRAME_GEOMETRY ((gint)(sizeof(DinoR1FrameGeometry) / sizeof(gint32)))

/* Whether the picture lies inside a frame of @n bytes. */
static inline gboolean
dinor1_frame_fits(const DinoR1FrameGeometry *geometry, gint64 n)
{
    if (geometry->width < 1 || geometry->height < 1 || geometry->width > DINOR1_IMAGE_MAX_SIDE ||
        geometry->height > DINOR1_IMAGE_MAX_SIDE)
        return FALSE;
    for (gint k = 0; k < 3; k++) {
        const gint64 offset = geometry->components[k].offset, stride = geometry->components[k].stride;
        const gint32 step = geometry->components[k].step, shift = geometry->components[k].shift;

        if (offset < 0 || stride < 0 || step < 0 || shift < 0 || shift > 1)
            return FALSE;
        if (offset + ((geometry->height - 1) >> shift) * stride + ((geometry->width - 1) >> shift) * (gint64)step >= n)
            return FALSE;
    }
    return TRUE;
}

G_END_DECLS
