/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <cairo.h>
#include <dinor1/image.h>

G_BEGIN_DECLS

/* One box to draw. */
typedef struct {
    const gchar *label; /* may be NULL */
    gfloat score;       /* 0 … 1; not shown when it is below 0 or not a number */
    DinoR1Box box;      /* in pixels of the picture */
    gboolean stale;     /* a box of an earlier picture: drawn dashed */
} DinoR1DrawItem;

/**
 * dinor1_draw_detections:
 * @cr: a context whose user space is the pixels of the picture
 * @width: @height: the picture's size
 * @items: by falling score: the first is drawn last, on top
 *
 * Draws every box with its label and score. A label has the same colour in every process; lines and letters grow with
 * the picture; nothing is drawn outside of it. Boxes that miss the picture or are not finite are left out.
 */
void dinor1_draw_detections(cairo_t *cr, gint width, gint height, const DinoR1DrawItem *items, guint n_items);

G_END_DECLS
