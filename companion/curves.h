/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One curve: the points in the order of xs. */
typedef struct {
    const gchar *name; /* for the legend; NULL = none */
    GArray *xs, *ys;   /* gdouble, equally many */
} Curve;

#define CURVES_MAX 4 /* of one picture: so many colours */

/* The style sheet of the pictures, to stand in the page's <style>. */
extern const gchar curves_style[];

/* Appends one SVG picture under a heading; long curves are thinned. Curves without points are left out; nothing at all
 * without any point. The axis is logarithmic where values are positive and more than 1000 times apart. */
void curves_draw(GString *page, const gchar *title, const Curve *curves, guint n_curves);

G_END_DECLS
