/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "curves.h"

#include <math.h>

/* Of a picture, in pixels. */
#define WIDTH  640
#define HEIGHT 220
#define LEFT   80
#define MARGIN 20

#define MAX_POINTS 600  /* of a curve: the means of so many stretches */
#define MAX_RATIO  1000 /* of the largest value to the smallest before the axis becomes logarithmic */

const gchar curves_style[] = "svg{background:#fafafa;border:1px solid #ddd}text{font:12px sans-serif;fill:#555}"
                             "polyline{fill:none;stroke-width:1.5}"
                             ".c0 polyline{stroke:#1965b0}.c0 circle,.c0 text{fill:#1965b0}"
                             ".c1 polyline{stroke:#dc050c}.c1 circle,.c1 text{fill:#dc050c}"
                             ".c2 polyline{stroke:#4eb265}.c2 circle,.c2 text{fill:#4eb265}"
                             ".c3 polyline{stroke:#882e72}.c3 circle,.c3 text{fill:#882e72}";

/* What a picture shows: the smallest and largest of each axis. */
typedef struct {
    gdouble x0, x1, y0, y1;
    gboolean logarithmic; /* y is */
} Range;

/* The means of stretches of the values, which stay as they are. */
static GArray *
thin(const GArray *values)
{
    const gdouble *data = (const gdouble *)(gconstpointer)values->data;
    const guint n = values->len, n_points = MIN(n, MAX_POINTS);
    GArray *means = g_array_sized_new(FALSE, FALSE, sizeof(gdouble), n_points);

    for (guint i = 0; i < n_points; i++) {
        const guint first = (guint)((guint64)i * n / n_points), last = (guint)((guint64)(i + 1) * n / n_points);
        gdouble mean = 0;

        for (guint k = first; k < last; k++)
            mean += data[k] / (last - first);
        g_array_append_val(means, mean);
    }
    return means;
}

static gdouble
at(const GArray *values, guint i)
{
    return g_array_index(values, gdouble, i);
}

static void
widen(Range *range, const GArray *xs, const GArray *ys)
{
    for (guint i = 0; i < ys->len; i++) {
        range->x0 = MIN(range->x0, at(xs, i));
        range->x1 = MAX(range->x1, at(xs, i));
        range->y0 = MIN(range->y0, at(ys, i));
        range->y1 = MAX(range->y1, at(ys, i));
    }
}

static void
add_number(GString *page, const gchar *format, gdouble value)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(page, g_ascii_formatd(buffer, sizeof buffer, format, value));
}

static void
add_label(GString *page, gint x, gint y, const gchar *anchor, gdouble value)
{
    g_string_append_printf(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    add_number(page, "%.4g", value);
    g_string_append(page, "</text>\n");
}

/* From 0 to 1. */
static gdouble
place_y(const Range *range, gdouble y)
{
    return range->logarithmic ? log(y / range->y0) / log(range->y1 / range->y0)
                              : (y - range->y0) / (range->y1 - range->y0);
}

static void
add_point(GString *page, const Range *range, gdouble x, gdouble y, const gchar *between)
{
    add_number(page, "%.1f", LEFT + (WIDTH - LEFT - MARGIN) * (x - range->x0) / (range->x1 - range->x0));
    g_string_append(page, between);
    add_number(page, "%.1f", HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * place_y(range, y));
}

static void
add_axes(GString *page, const Range *range)
{
    add_label(page, LEFT - 6, MARGIN + 4, "end", range->y1);
    add_label(page, LEFT - 6, HEIGHT - MARGIN + 4, "end", range->y0);
    add_label(page, LEFT, HEIGHT - 4, "start", range->x0);
    add_label(page, WIDTH - MARGIN, HEIGHT - 4, "end", range->x1);
}

/* The line, a dot where it ends, and its name above the picture. */
static void
add_curve(GString *page, const Range *range, const Curve *curve, const GArray *xs, const GArray *ys, guint number)
{
    g_string_append_printf(page, "<g class=\"c%u\"><polyline points=\"", number);
    for (guint i = 0; i < ys->len; i++) {
        add_point(page, range, at(xs, i), at(ys, i), ",");
        g_string_append_c(page, ' ');
    }
    g_string_append(page, "\"/>\n<circle r=\"2.5\" cx=\"");
    add_point(page, range, at(xs, xs->len - 1), at(ys, ys->len - 1), "\" cy=\"");
    g_string_append(page, "\"/>\n");
    if (curve->name)
        g_string_append_printf(
            page, "<text x=\"%u\" y=\"%d\">%s</text>\n", LEFT + 8 + 90 * number, MARGIN - 6, curve->name);
    g_string_append(page, "</g>\n");
}

static void
start_picture(GString *page, const gchar *title, const Range *range)
{
    g_string_append_printf(page,
        "<h2>%s%s</h2>\n<svg role=\"img\" aria-label=\"%s\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", title,
        range->logarithmic ? " (logarithmic)" : "", title, WIDTH, HEIGHT, WIDTH, HEIGHT);
}

void
curves_draw(GString *page, const gchar *title, const Curve *curves, guint n_curves)
{
    g_autoptr(GPtrArray) thinned = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    Range range = {G_MAXDOUBLE, -G_MAXDOUBLE, G_MAXDOUBLE, -G_MAXDOUBLE, FALSE};

    for (guint i = 0; i < n_curves; i++) {
        g_ptr_array_add(thinned, thin(curves[i].xs));
        g_ptr_array_add(thinned, thin(curves[i].ys));
        widen(&range, thinned->pdata[2 * i], thinned->pdata[2 * i + 1]);
    }
    if (range.x0 > range.x1)
        return;
    range.x1 = MAX(range.x1, range.x0 + (range.x1 > range.x0 ? 0 : 1));
    range.y1 = MAX(range.y1, range.y0 + (range.y1 > range.y0 ? 0 : 1));
    range.logarithmic = range.y0 > 0 && range.y1 > MAX_RATIO * range.y0;
    start_picture(page, title, &range);
    add_axes(page, &range);
    for (guint i = 0; i < n_curves; i++)
        if (curves[i].ys->len > 0)
            add_curve(page, &range, &curves[i], thinned->pdata[2 * i], thinned->pdata[2 * i + 1], i);
    g_string_append(page, "</svg>\n");
}
