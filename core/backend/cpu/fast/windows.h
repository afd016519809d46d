/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/fast/fast.h"

G_BEGIN_DECLS

/* Windows lie on the padded and then shifted map, whose row r is row (r + shift) mod padded height of the map. */
typedef struct {
    gint64 height, width, channels;
    gint64 n_down, n_across; /* windows of one image */
    gint64 n_windows;        /* of all images */
    gint64 window, shift, heads;
    gsize n; /* positions in a window */
} DinoR1Windows;

/* The last windows of a shifted map hold pixels from both its ends: 3 bands each way make 9 regions. */
#define DINOR1_N_REGIONS 9
/* What a score between two regions gets (SwinLayer.get_attn_mask). */
#define DINOR1_OTHER_REGION (-100.f)

/* Of an op whose first input is a map [B, H, W, C]. */
DinoR1Windows dinor1_fast_windows(const DinoR1KernelArgs *args);

/* Where the pixels of window @index begin in all images' channels, -1 for padding, and which regions they belong to;
 * both [n]. Returns whether the window may hold more than one region. */
gboolean dinor1_fast_window_locate(const DinoR1Windows *windows, gint64 index, gint64 *offsets, gint32 *regions);

/* The element of a head's column of the table [(2w-1)^2, heads] that the score of @query and @key gets. */
static inline gint64
dinor1_fast_window_entry(const DinoR1Windows *windows, gint64 query, gint64 key)
{
    const gint64 w = windows->window;

    return ((query / w - key / w + w - 1) * (2 * w - 1) + query % w - key % w + w - 1) * windows->heads;
}

G_END_DECLS
