/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>

G_BEGIN_DECLS

/* Where a format keeps its bytes. */
typedef struct {
    const gchar *name;
    guint n_planes;
    struct {
        guint8 step;  /* bytes from one sample to the next */
        guint8 shift; /* 1 = half as many samples as pixels, rounded up, both ways */
    } planes[3];
    struct {
        guint8 plane;
        guint8 offset;
    } components[3]; /* R G B or Y' Cb Cr */
    gboolean is_ycbcr;
} DinoR1PixelLayout;

const DinoR1PixelLayout *dinor1_pixel_layout(DinoR1PixelFormat format);

G_END_DECLS
