/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A piece of memory that is in use from step @first to step @last, both included. */
typedef struct {
    gsize size;
    gint first, last;
    gsize offset; /* (out): 64-byte aligned */
} DinoR1PlanBuffer;

/* Gives every buffer an offset so that no two that are in use at the same step overlap.
 * Returns: the arena's size. Greedy, largest first (Pisarchyk and Lee, 2020). */
gsize dinor1_plan_arena(DinoR1PlanBuffer *buffers, guint n_buffers);

G_END_DECLS
