/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "draw.h"

#include <math.h>
#include <pango/pangocairo.h>

/* What all items of a picture share. */
typedef struct {
    cairo_t *cr;
    PangoLayout *layout;
    gint width, height;
    gdouble line;    /* width of a box's line, whole pixels so that edges are crisp */
    gdouble padding; /* between a label's letters and the edge of its background */
} Canvas;

typedef struct {
    gdouble r, g, b;
} Colour;

/* FNV-1a, so that a label keeps its colour from one run, machine and GLib version to the next. */
static guint32
label_hash(const gchar *label)
{
    guint32 hash = 2166136261u;

    for (const gchar *c = label ? label : ""; *c; c++)
        hash = (hash ^ (guint8)*c) * 16777619u;
    return hash;
}

static Colour
label_colour(const gchar *label)
{
    guint32 hash = label_hash(label);
    gdouble hue = (hash % 360) / 60.0, saturation = 0.65 + ((hash >> 16) % 3) * 0.15;
    gdouble low = 1 - saturation, mid = low + saturation * (1 - fabs(fmod(hue, 2) - 1));
    const gdouble table[6][3] = {
        {1, mid, low}, {mid, 1, low}, {low, 1, mid}, {low, mid, 1}, {mid, low, 1}, {1, low, mid}};
    const gdouble *rgb = table[(gint)hue];

    return (Colour){rgb[0], rgb[1], rgb[2]};
}

/* The box on whole pixels, clipped to the picture; FALSE if nothing of it is left. */
static gboolean
clip_box(const Canvas *canvas, const DinoR1Box *box, gdouble *x, gdouble *y, gdouble *width, gdouble *height)
{
    gdouble right = (gdouble)box->x + box->width, bottom = (gdouble)box->y + box->height;

    if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(right) || !isfinite(bottom))
        return FALSE;
    *x = MAX(floor(box->x), 0);
    *y = MAX(floor(box->y), 0);
    *width = MIN(ceil(right), canvas->width) - *x;
    *height = MIN(ceil(bottom), canvas->height) - *y;
    return *width > 0 && *height > 0;
}

static void
draw_box(const Canvas *canvas, const DinoR1DrawItem *item)
{
    Colour colour = label_colour(item->label);
    const gdouble dash[2] = {4 * canvas->line, 3 * canvas->line};
    gdouble x, y, width, height, line;

    if (!clip_box(canvas, &item->box, &x, &y, &width, &height))
        return;
    line = MIN(canvas->line, MIN(width, height));
    cairo_set_source_rgb(canvas->cr, colour.r, colour.g, colour.b);
    cairo_set_line_width(canvas->cr, line);
    cairo_set_dash(canvas->cr, dash, item->stale ? 2 : 0, 0);
    cairo_rectangle(canvas->cr, x + line / 2, y + line / 2, width - line, height - line);
    cairo_stroke(canvas->cr);
}

static gchar *
item_text(const DinoR1DrawItem *item)
{
    g_autofree gchar *label = g_utf8_make_valid(item->label ? item->label : "", -1);
    gchar score[G_ASCII_DTOSTR_BUF_SIZE];

    if (!(item->score >= 0))
        return g_steal_pointer(&label);
    g_ascii_formatd(score, sizeof score, "%.2f", item->score);
    return *label ? g_strconcat(label, " ", score, NULL) : g_strdup(score);
}

/* The label sits on the box, or inside its top edge where there is no room above. */
static void
draw_label(const Canvas *canvas, const DinoR1DrawItem *item)
{
    g_autofree gchar *text = item_text(item);
    Colour colour = label_colour(item->label);
    gboolean dark = 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b > 0.5;
    gdouble x, y, width, height;
    gint text_width, text_height;

    if (!*text || !clip_box(canvas, &item->box, &x, &y, &width, &height))
        return;
    pango_layout_set_text(canvas->layout, text, -1);
    pango_layout_get_pixel_size(canvas->layout, &text_width, &text_height);
    width = MIN(text_width + 2 * canvas->padding, canvas->width);
    height = MIN(text_height, canvas->height);
    x = MIN(x, canvas->width - width);
    y = y >= height ? y - height : MIN(y, canvas->height - height);

    cairo_set_source_rgb(canvas->cr, colour.r, colour.g, colour.b);
    cairo_rectangle(canvas->cr, x, y, width, height);
    cairo_fill(canvas->cr);
    cairo_set_source_rgb(canvas->cr, !dark, !dark, !dark);
    cairo_move_to(canvas->cr, x + canvas->padding, y);
    pango_cairo_show_layout(canvas->cr, canvas->layout);
}

static PangoLayout *
new_layout(cairo_t *cr, gdouble font_size, gdouble max_width)
{
    PangoLayout *layout = pango_cairo_create_layout(cr);
    PangoFontDescription *font = pango_font_description_from_string("Sans Bold");

    pango_font_description_set_absolute_size(font, font_size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    pango_layout_set_width(layout, (gint)(MAX(max_width, 1) * PANGO_SCALE));
    pango_font_description_free(font);
    return layout;
}

void
dinor1_draw_detections(cairo_t *cr, gint width, gint height, const DinoR1DrawItem *items, guint n_items)
{
    gdouble side = sqrt((gdouble)width * height); /* 665 at 768×576, 1440 at 1920×1080 */
    Canvas canvas = {cr, NULL, width, height, MAX(round(side / 400), 1), MAX(round(side / 300), 1)};

    if (!n_items || width < 1 || height < 1)
        return;
    cairo_save(cr);
    cairo_rectangle(cr, 0, 0, width, height);
    cairo_clip(cr);
    canvas.layout = new_layout(cr, CLAMP(side / 55, 8, 64), width - 2 * canvas.padding);
    for (guint i = n_items; i-- > 0;)
        draw_box(&canvas, &items[i]);
    for (guint i = n_items; i-- > 0;)
        draw_label(&canvas, &items[i]);
    g_object_unref(canvas.layout);
    cairo_restore(cr);
}
