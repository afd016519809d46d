/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval_curve.h"

#include "command.h"
#include "output.h"

#include <cairo-svg.h>
#include <gio/gio.h>
#include <pango/pangocairo.h>

#define WIDTH     1120
#define HEIGHT    440
#define SIDE      350 /* of a panel */
#define TOP       40
#define LEGEND    860 /* where the names begin */
#define LINE      22  /* from one name to the next */
#define PNG_SCALE 2

/* Told apart by people of any colour vision as far as twelve colours can be. */
static const guint32 colours[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x882255, 0x117733,
    0x332288, 0x999933, 0xaa4499, 0x661100};

#define N_NAMED G_N_ELEMENTS(colours)

static const struct {
    guint iou; /* threshold 0.50 + 0.05 iou */
    gdouble x; /* of the panel's left edge */
    const gchar *title;
} panels[] = {{0, 60, "IoU 0.50"}, {5, 470, "IoU 0.75"}};

typedef struct {
    cairo_t *cr;
    PangoLayout *layout;
    const DinoR1Eval *eval;
    const DinoR1Coco *coco;
    GArray *classes; /* guint: categories with boxes, those with the most first */
} Picture;

gboolean
eval_curve_check(const gchar *path, GError **error)
{
    if (!path || g_str_has_suffix(path, ".svg") || g_str_has_suffix(path, ".png"))
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0, "--curve '%s': expected a name that ends in .svg or .png", path);
    return FALSE;
}

static gint
compare_boxes(gconstpointer a, gconstpointer b, gpointer eval)
{
    const guint class_a = *(const guint *)a, class_b = *(const guint *)b;
    const guint boxes_a = dinor1_eval_get_class(eval, class_a)->n_boxes;
    const guint boxes_b = dinor1_eval_get_class(eval, class_b)->n_boxes;

    if (boxes_a != boxes_b)
        return boxes_a > boxes_b ? -1 : 1;
    return class_a < class_b ? -1 : class_a > class_b;
}

static GArray *
list_classes(const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    GArray *classes = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++)
        if (dinor1_eval_get_class(eval, i)->n_boxes > 0)
            g_array_append_val(classes, i);
    g_array_sort_with_data(classes, compare_boxes, (gpointer)eval);
    return classes;
}

static void
set_colour(cairo_t *cr, guint32 colour)
{
    cairo_set_source_rgb(cr, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0);
}

/* @align: the part of the text that is left of @x; @y: its middle */
static void
write_text(const Picture *picture, const gchar *text, gdouble x, gdouble y, gdouble align)
{
    gint width, height;

    pango_layout_set_text(picture->layout, text, -1);
    pango_layout_get_pixel_size(picture->layout, &width, &height);
    cairo_move_to(picture->cr, x - width * align, y - height / 2.0);
    pango_cairo_show_layout(picture->cr, picture->layout);
}

static void
draw_grid(const Picture *picture, guint panel)
{
    static const gchar *const ticks[] = {"0", "0.2", "0.4", "0.6", "0.8", "1"};
    const gdouble left = panels[panel].x, bottom = TOP + SIDE;
    cairo_t *cr = picture->cr;

    cairo_set_line_width(cr, 1);
    for (guint i = 0; i < G_N_ELEMENTS(ticks); i++) {
        const gdouble at = SIDE * i / (G_N_ELEMENTS(ticks) - 1.0);

        set_colour(cr, 0xdddddd);
        cairo_move_to(cr, left + at, TOP);
        cairo_line_to(cr, left + at, bottom);
        cairo_move_to(cr, left, bottom - at);
        cairo_line_to(cr, left + SIDE, bottom - at);
        cairo_stroke(cr);
        set_colour(cr, 0x333333);
        write_text(picture, ticks[i], left + at, bottom + 12, 0.5);
        write_text(picture, ticks[i], left - 8, bottom - at, 1);
    }
    write_text(picture, panels[panel].title, left, TOP - 18, 0);
    write_text(picture, "precision over recall", left + SIDE, TOP - 18, 1);
}

/* Up to the last recall that is reached: the precision beyond it is 0 by definition. */
static void
draw_curve(const Picture *picture, guint panel, const gdouble *precision, guint32 colour, gdouble width)
{
    cairo_t *cr = picture->cr;

    set_colour(cr, colour);
    cairo_set_line_width(cr, width);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_new_path(cr); /* text leaves its place behind */
    for (guint i = 0; i < DINOR1_EVAL_N_RECALLS && precision[i] > 0; i++)
        cairo_line_to(cr, panels[panel].x + SIDE * i / (DINOR1_EVAL_N_RECALLS - 1.0), TOP + SIDE * (1 - precision[i]));
    cairo_stroke(cr);
}

static guint32
get_colour(guint place)
{
    return place < N_NAMED ? colours[place] : 0xbbbbbb;
}

static void
draw_panel(const Picture *picture, guint panel)
{
    gdouble mean[DINOR1_EVAL_N_RECALLS];

    draw_grid(picture, panel);
    for (guint i = picture->classes->len; i-- > 0;) {
        const guint class = g_array_index(picture->classes, guint, i);

        draw_curve(picture, panel, dinor1_eval_get_precision(picture->eval, class, panels[panel].iou, NULL),
            get_colour(i), i < N_NAMED ? 1.6 : 0.6);
    }
    if (dinor1_eval_get_mean_precision(picture->eval, panels[panel].iou, mean))
        draw_curve(picture, panel, mean, 0x000000, 3);
}

static void
write_number(const Picture *picture, gdouble value, gdouble x, gdouble y)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    write_text(picture, value < 0 ? "-" : g_ascii_formatd(buffer, sizeof buffer, "%.3f", value), x, y, 1);
}

static void
write_entry(const Picture *picture, guint line, guint32 colour, const gchar *name, gdouble ap50, gdouble ap75)
{
    const gdouble y = TOP + LINE * (line + 0.5);
    cairo_t *cr = picture->cr;

    set_colour(cr, colour);
    cairo_rectangle(cr, LEGEND, y - 2, 18, line == 1 ? 4 : 2);
    cairo_fill(cr);
    set_colour(cr, 0x222222);
    pango_layout_set_width(picture->layout, 110 * PANGO_SCALE);
    write_text(picture, name, LEGEND + 26, y, 0);
    pango_layout_set_width(picture->layout, -1);
    write_number(picture, ap50, LEGEND + 190, y);
    write_number(picture, ap75, LEGEND + 245, y);
}

static void
draw_legend(const Picture *picture)
{
    const guint n = picture->classes->len;

    set_colour(picture->cr, 0x222222);
    write_text(picture, "AP50", LEGEND + 190, TOP + LINE * 0.5, 1);
    write_text(picture, "AP75", LEGEND + 245, TOP + LINE * 0.5, 1);
    write_entry(picture, 1, 0x000000, "mean", dinor1_eval_get_figure(picture->eval, "AP50"),
        dinor1_eval_get_figure(picture->eval, "AP75"));
    for (guint i = 0; i < MIN(n, N_NAMED); i++) {
        const guint class = g_array_index(picture->classes, guint, i);
        const DinoR1EvalClass *figures = dinor1_eval_get_class(picture->eval, class);

        write_entry(picture, i + 2, get_colour(i), dinor1_coco_get_category(picture->coco, class)->name, figures->ap50,
            figures->ap75);
    }
    if (n > N_NAMED) {
        g_autofree gchar *text = g_strdup_printf("and %u more classes in grey", n - (guint)N_NAMED);

        write_text(picture, text, LEGEND + 26, TOP + LINE * (N_NAMED + 2.5), 0);
    }
}

static void
draw(cairo_t *cr, const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    g_autoptr(GArray) classes = list_classes(eval, coco);
    PangoFontDescription *font = pango_font_description_from_string("Sans");
    Picture picture = {cr, pango_cairo_create_layout(cr), eval, coco, classes};

    pango_font_description_set_absolute_size(font, 13 * PANGO_SCALE);
    pango_layout_set_font_description(picture.layout, font);
    pango_layout_set_single_paragraph_mode(picture.layout, TRUE);
    pango_layout_set_ellipsize(picture.layout, PANGO_ELLIPSIZE_END);
    set_colour(cr, 0xffffff);
    cairo_paint(cr);
    for (guint i = 0; i < G_N_ELEMENTS(panels); i++)
        draw_panel(&picture, i);
    draw_legend(&picture);
    pango_font_description_free(font);
    g_object_unref(picture.layout);
}

static cairo_surface_t *
make_surface(const gchar *path, gboolean is_svg)
{
    cairo_surface_t *surface;

    if (is_svg)
        return cairo_svg_surface_create(path, WIDTH, HEIGHT);
    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE);
    cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
    return surface;
}

gboolean
eval_curve_write(const DinoR1Eval *eval, const DinoR1Coco *coco, const gchar *path, GError **error)
{
    const gboolean is_svg = g_str_has_suffix(path, ".svg");
    g_autoptr(OutputFile) file = output_file_new(path, error);
    cairo_surface_t *surface;
    cairo_status_t status;
    cairo_t *cr;

    if (!file)
        return FALSE;
    surface = make_surface(output_file_get_path(file), is_svg);
    cr = cairo_create(surface);
    draw(cr, eval, coco);
    cairo_destroy(cr);
    status = is_svg ? CAIRO_STATUS_SUCCESS : cairo_surface_write_to_png(surface, output_file_get_path(file));
    cairo_surface_finish(surface);
    status = status == CAIRO_STATUS_SUCCESS ? cairo_surface_status(surface) : status;
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS)
        return output_file_commit(file, error);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot write '%s': %s", path, cairo_status_to_string(status));
    return FALSE;
}
