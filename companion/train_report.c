/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_report.h"

#include "output.h"
#include "train_log.h"

/* Of a curve's picture, in pixels. */
#define WIDTH  640
#define HEIGHT 220
#define LEFT   60
#define MARGIN 20

#define MAX_POINTS 600 /* of a curve: the means of so many stretches */

/* One picture: the curve of one member of a log. */
typedef struct {
    const gchar *title, *member, *x_member;
} Curve;

static const Curve update_curves[] = {
    {"Loss", "loss", "update"},
    {"Classification loss", "loss_class", "update"},
    {"L1 loss", "loss_l1", "update"},
    {"GIoU loss", "loss_giou", "update"},
    {"Denoising loss", "loss_denoising", "update"},
    {"GRQO advantage loss", "loss_advantage", "update"},
    {"KL to the epoch's reference", "loss_kl", "update"},
    {"Reward, mean of the group", "reward_mean", "update"},
    {"Reward, spread of the group", "reward_std", "update"},
    {"Gradient norm before clipping", "gradient_norm", "update"},
    {"Learning rate", "learning_rate", "update"},
};

static const Curve evaluation_curves[] = {
    {"AP by epoch", "AP", "epoch"},
    {"AP50 by epoch", "AP50", "epoch"},
};

static const gchar head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>dinor1 finetune</title>\n"
    "<style>body{font:15px sans-serif;margin:2em auto;max-width:700px;color:#222}h2{font-size:1.1em;margin:1.5em 0 "
    ".3em}table{border-collapse:collapse}td{padding:2px 12px 2px 0;border-bottom:1px solid #ddd}"
    "svg{background:#fafafa;border:1px solid #ddd}text{font:12px sans-serif;fill:#555}"
    "polyline{fill:none;stroke:#1965b0;stroke-width:1.5}circle{fill:#1965b0}</style></head><body>\n"
    "<h1>Training report</h1>\n";

/* What a picture shows: the smallest and largest of each axis. */
typedef struct {
    gdouble x0, x1, y0, y1;
} Range;

/* Replaces stretches of values by their means. */
static void
thin(GArray *values)
{
    gdouble *data = (gdouble *)(gpointer)values->data;
    const guint n = values->len, n_points = MIN(n, MAX_POINTS);

    for (guint i = 0; i < n_points; i++) {
        const guint first = (guint)((guint64)i * n / n_points), last = (guint)((guint64)(i + 1) * n / n_points);
        gdouble sum = 0;

        for (guint k = first; k < last; k++)
            sum += data[k];
        data[i] = sum / (last - first);
    }
    g_array_set_size(values, n_points);
}

static Range
find_range(const GArray *xs, const GArray *ys)
{
    Range range = {g_array_index(xs, gdouble, 0), g_array_index(xs, gdouble, xs->len - 1),
        g_array_index(ys, gdouble, 0), g_array_index(ys, gdouble, 0)};

    for (guint i = 0; i < ys->len; i++) {
        range.y0 = MIN(range.y0, g_array_index(ys, gdouble, i));
        range.y1 = MAX(range.y1, g_array_index(ys, gdouble, i));
    }
    if (!(range.x1 > range.x0))
        range.x1 = range.x0 + 1;
    if (!(range.y1 > range.y0))
        range.y1 = range.y0 + 1;
    return range;
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

static void
add_point(GString *page, const Range *range, gdouble x, gdouble y, const gchar *between)
{
    add_number(page, "%.1f", LEFT + (WIDTH - LEFT - MARGIN) * (x - range->x0) / (range->x1 - range->x0));
    g_string_append(page, between);
    add_number(page, "%.1f", HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (y - range->y0) / (range->y1 - range->y0));
}

static void
draw(GString *page, const gchar *title, const GArray *xs, const GArray *ys)
{
    const Range range = find_range(xs, ys);

    g_string_append_printf(page,
        "<h2>%s</h2>\n<svg role=\"img\" aria-label=\"%s\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", title,
        title, WIDTH, HEIGHT, WIDTH, HEIGHT);
    add_label(page, LEFT - 6, MARGIN + 4, "end", range.y1);
    add_label(page, LEFT - 6, HEIGHT - MARGIN + 4, "end", range.y0);
    add_label(page, LEFT, HEIGHT - 4, "start", range.x0);
    add_label(page, WIDTH - MARGIN, HEIGHT - 4, "end", range.x1);
    g_string_append(page, "<polyline points=\"");
    for (guint i = 0; i < ys->len; i++) {
        add_point(page, &range, g_array_index(xs, gdouble, i), g_array_index(ys, gdouble, i), ",");
        g_string_append_c(page, ' ');
    }
    g_string_append(page, "\"/>\n<circle r=\"2.5\" cx=\"");
    add_point(
        page, &range, g_array_index(xs, gdouble, xs->len - 1), g_array_index(ys, gdouble, ys->len - 1), "\" cy=\"");
    g_string_append(page, "\"/>\n</svg>\n");
}

static gboolean
is_zero(const GArray *values)
{
    for (guint i = 0; i < values->len; i++)
        if (g_array_index(values, gdouble, i) != 0)
            return FALSE;
    return TRUE;
}

/* A term that was never there has no picture. */
static gboolean
add_curves(GString *page, const gchar *log, const Curve *curves, guint n_curves, GError **error)
{
    for (guint i = 0; i < n_curves; i++) {
        g_autoptr(GArray) xs = train_log_read(log, curves[i].x_member, error);
        g_autoptr(GArray) ys = xs ? train_log_read(log, curves[i].member, error) : NULL;

        if (!ys)
            return FALSE;
        if (is_zero(ys))
            continue;
        thin(xs);
        thin(ys);
        draw(page, curves[i].title, xs, ys);
    }
    return TRUE;
}

static void
add_options(GString *page, const TrainConfig *config)
{
    const gchar *name;

    g_string_append(page, "<h2>Options</h2>\n<table>\n");
    for (guint i = 0;; i++) {
        g_autofree gchar *value = train_config_describe(config, i, &name);
        g_autofree gchar *escaped = value ? g_markup_escape_text(value, -1) : NULL;

        if (!value)
            break;
        g_string_append_printf(page, "<tr><td>%s</td><td>%s</td></tr>\n", name, escaped);
    }
    g_string_append(page, "</table>\n</body></html>\n");
}

gboolean
train_report_write(
    const gchar *path, const TrainConfig *config, const gchar *log, const gchar *evaluations, GError **error)
{
    g_autoptr(GString) page = g_string_new(head);
    g_autoptr(TextOutput) output = NULL;

    if (!add_curves(page, evaluations, evaluation_curves, G_N_ELEMENTS(evaluation_curves), error) ||
        !add_curves(page, log, update_curves, G_N_ELEMENTS(update_curves), error))
        return FALSE;
    add_options(page, config);
    output = text_output_new(path, error);
    return output && text_output_write(output, page->str, page->len, error) && text_output_commit(output, error);
}
