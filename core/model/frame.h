/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures as PREPROCESS reads them (graph/frame.h).
 */
#pragma once

#include "graph/frame.h"

G_BEGIN_DECLS

/* Where the planes of a picture lie in a frame. */
typedef struct {
    guint n_planes;
    struct {
        gsize offset, stride;
        gsize row_bytes, n_rows;
    } planes[3];
    gsize size; /* of the frame */
} DinoR1FrameLayout;

/* The planes of @image (which is valid) one after the other, their rows at multiples of 4 bytes. */
DinoR1FrameLayout dinor1_frame_layout(const DinoR1Image *image);

/* The geometry of @image in a frame with this layout; the taps are left 0. */
DinoR1FrameGeometry dinor1_frame_geometry(const DinoR1Image *image, const DinoR1FrameLayout *layout);

/* What a graph has room for: pictures that need no more of it can take turns. */
typedef struct {
    gint64 bytes;
    gint column_taps, row_taps;
} DinoR1FrameRoom;

/* Enough for @image as the network sees it, and for most others that it sees in that size. */
DinoR1FrameRoom dinor1_frame_room(const DinoR1Image *image, gint width, gint height);

G_END_DECLS
