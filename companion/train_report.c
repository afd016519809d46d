/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_report.h"

#include "curves.h"
#include "output.h"
#include "samples.h"
#include "train_log.h"

#include <string.h>

#define MAX_REASONS 10

/* Of an update's log line. */
static const struct {
    const gchar *title, *member;
} update_curves[] = {
    {"Loss", "loss"},
    {"Classification loss", "loss_class"},
    {"L1 loss", "loss_l1"},
    {"GIoU loss", "loss_giou"},
    {"Denoising loss", "loss_denoising"},
    {"Vision-language loss", "loss_contrastive"},
    {"GRQO advantage loss", "loss_advantage"},
    {"KL to the epoch's reference", "loss_kl"},
    {"Reward, mean of the group", "reward_mean"},
    {"Reward, spread of the group", "reward_std"},
    {"Gradient norm before clipping", "gradient_norm"},
    {"Learning rate", "learning_rate"},
};

static const gchar *const figure_names[] = {"AP", "AP50", "AP75", "AR100"};

static const gchar head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>dinor1 finetune</title>\n"
    "<style>body{font:15px sans-serif;margin:2em auto;padding:0 1em;max-width:900px;color:#222}"
    "h2{font-size:1.1em;margin:1.5em 0 "
    ".3em}table{border-collapse:collapse}td,th{padding:2px 12px 2px 0;border-bottom:1px solid #ddd;text-align:left}"
    ".figures td+td,.figures th+th{text-align:right}.samples td{padding:4px;width:33%;border:0}"
    ".samples img{width:100%}";

/* The evaluations' lines that tables compare; NULL = there is none. */
typedef struct {
    JsonObject *before, *best, *last;
} Evaluations;

/* The epochs that are over at an evaluation: 0 = before training. */
static gdouble
get_epochs(JsonObject *line)
{
    gdouble epoch = -1;

    train_log_get_number(line, "epoch", &epoch);
    return epoch + 1;
}

static Evaluations
find_evaluations(const GPtrArray *lines)
{
    Evaluations found = {NULL, NULL, NULL};
    gdouble best = -2, precision;

    for (guint i = 0; i < lines->len; i++) {
        JsonObject *line = lines->pdata[i];

        if (get_epochs(line) < 1)
            found.before = line;
        else
            found.last = line;
        if (train_log_get_number(line, "AP", &precision) && precision > best) {
            best = precision;
            found.best = line;
        }
    }
    return found;
}

static JsonObject *
get_heldout(JsonObject *line)
{
    return line && json_object_has_member(line, "heldout") ? json_object_get_object_member(line, "heldout") : NULL;
}

/* The object of a class among an evaluation's. */
static JsonObject *
find_class(JsonObject *line, const gchar *name)
{
    JsonArray *classes =
        line && json_object_has_member(line, "classes") ? json_object_get_array_member(line, "classes") : NULL;

    for (guint i = 0; classes && i < json_array_get_length(classes); i++) {
        JsonObject *object = json_array_get_object_element(classes, i);

        if (!strcmp(json_object_get_string_member_with_default(object, "name", ""), name))
            return object;
    }
    return NULL;
}

/* A dash where there is nothing to measure. */
static void
add_cell(GString *page, JsonObject *figures, const gchar *name)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];
    gdouble value;

    if (figures && train_log_get_number(figures, name, &value) && value >= 0)
        g_string_append_printf(page, "<td>%s</td>", g_ascii_formatd(buffer, sizeof buffer, "%.4f", value));
    else
        g_string_append(page, "<td>–</td>");
}

static void
add_difference(GString *page, JsonObject *before, JsonObject *after, const gchar *name)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];
    gdouble from, to;

    if (before && after && train_log_get_number(before, name, &from) && train_log_get_number(after, name, &to) &&
        from >= 0 && to >= 0)
        g_string_append_printf(page, "<td>%s</td>", g_ascii_formatd(buffer, sizeof buffer, "%+.4f", to - from));
    else
        g_string_append(page, "<td>–</td>");
}

static void
add_row(GString *page, const gchar *name, JsonObject *figures)
{
    if (!figures)
        return;
    g_string_append_printf(page, "<tr><td>%s</td>", name);
    for (guint i = 0; i < G_N_ELEMENTS(figure_names); i++)
        add_cell(page, figures, figure_names[i]);
    g_string_append(page, "</tr>\n");
}

static void
add_header(GString *page)
{
    g_string_append(page, "<table class=\"figures\">\n<tr><th></th>");
    for (guint i = 0; i < G_N_ELEMENTS(figure_names); i++)
        g_string_append_printf(page, "<th>%s</th>", figure_names[i]);
    g_string_append(page, "</tr>\n");
}

static gchar *
name_epochs(const gchar *which, JsonObject *line)
{
    const guint epochs = line ? (guint)get_epochs(line) : 0;

    if (epochs == 0)
        return g_strdup_printf("%s (before training)", which);
    return g_strdup_printf("%s (after epoch %u)", which, epochs - 1);
}

static void
add_summary(GString *page, const Evaluations *found)
{
    g_autofree gchar *best = name_epochs("best", found->best), *last = name_epochs("last", found->last);

    g_string_append(page, "<h2>Validation set</h2>\n");
    add_header(page);
    add_row(page, "before training", found->before);
    add_row(page, best, found->best);
    add_row(page, last, found->last);
    g_string_append(page, "</table>\n");
}

/* What the training cost elsewhere. */
static void
add_forgotten(GString *page, const Evaluations *found)
{
    JsonObject *before = get_heldout(found->before), *best = get_heldout(found->best), *last = get_heldout(found->last);

    if (!before && !last)
        return;
    g_string_append(page, "<h2>What was forgotten: the held-out set</h2>\n");
    add_header(page);
    add_row(page, "before training", before);
    add_row(page, "model that is best on the validation set", best);
    add_row(page, "last", last);
    if (before && last) {
        g_string_append(page, "<tr><td>last − before</td>");
        for (guint i = 0; i < G_N_ELEMENTS(figure_names); i++)
            add_difference(page, before, last, figure_names[i]);
        g_string_append(page, "</tr>\n");
    }
    g_string_append(page, "</table>\n");
}

static void
add_class(GString *page, const Evaluations *found, const gchar *name)
{
    JsonObject *states[] = {
        find_class(found->before, name), find_class(found->best, name), find_class(found->last, name)};
    g_autofree gchar *escaped = g_markup_escape_text(name, -1);
    gdouble n_boxes = 0;

    train_log_get_number(states[1], "boxes", &n_boxes);
    g_string_append_printf(page, "<tr><td>%s</td><td>%.0f</td>", escaped, n_boxes);
    for (guint i = 0; i < G_N_ELEMENTS(states); i++)
        add_cell(page, states[i], "AP");
    for (guint i = 0; i < G_N_ELEMENTS(states); i++)
        add_cell(page, states[i], "AP50");
    g_string_append(page, "</tr>\n");
}

static void
add_classes(GString *page, const Evaluations *found)
{
    JsonArray *classes =
        json_object_has_member(found->best, "classes") ? json_object_get_array_member(found->best, "classes") : NULL;

    if (!classes || json_array_get_length(classes) == 0)
        return;
    g_string_append(page,
        "<h2>By class</h2>\n<table class=\"figures\">\n<tr><th>class</th><th>boxes</th><th>AP before</th>"
        "<th>AP best</th><th>AP last</th><th>AP50 before</th><th>AP50 best</th><th>AP50 last</th></tr>\n");
    for (guint i = 0; i < json_array_get_length(classes); i++)
        add_class(page, found,
            json_object_get_string_member_with_default(json_array_get_object_element(classes, i), "name", ""));
    g_string_append(page, "</table>\n");
}

/* The points of the lines that have the number. @heldout: of the object in the line. */
static Curve
make_curve(const gchar *name, const GPtrArray *lines, const gchar *member, gboolean heldout)
{
    const Curve curve = {name, g_array_new(FALSE, FALSE, sizeof(gdouble)), g_array_new(FALSE, FALSE, sizeof(gdouble))};

    for (guint i = 0; i < lines->len; i++) {
        JsonObject *line = lines->pdata[i], *figures = heldout ? get_heldout(line) : line;
        const gdouble x = get_epochs(line);
        gdouble y;

        if (!figures || !train_log_get_number(figures, member, &y) || y < 0)
            continue;
        g_array_append_val(curve.xs, x);
        g_array_append_val(curve.ys, y);
    }
    return curve;
}

static void
curve_clear(Curve *curve)
{
    g_array_unref(curve->xs);
    g_array_unref(curve->ys);
}

static void
add_precision_curves(GString *page, const GPtrArray *lines)
{
    const gboolean has_heldout = lines->len > 0 && get_heldout(lines->pdata[lines->len - 1]);
    Curve curves[] = {
        make_curve("AP", lines, "AP", FALSE),
        make_curve("AP50", lines, "AP50", FALSE),
        make_curve("AP", lines, "AP", TRUE),
        make_curve("AP50", lines, "AP50", TRUE),
    };

    curves_draw(page, "Average precision, by epochs that are over", curves, 2);
    if (has_heldout)
        curves_draw(page, "Average precision on the held-out set, by epochs that are over", curves + 2, 2);
    for (guint i = 0; i < G_N_ELEMENTS(curves); i++)
        curve_clear(&curves[i]);
}

static gboolean
add_evaluations(GString *page, const TrainReport *report, GError **error)
{
    g_autoptr(GPtrArray) lines = train_log_read_lines(report->evaluations, error);
    const Evaluations found = lines ? find_evaluations(lines) : (Evaluations){NULL, NULL, NULL};

    if (!lines)
        return FALSE;
    if (!found.best)
        return TRUE;
    add_summary(page, &found);
    add_precision_curves(page, lines);
    add_forgotten(page, &found);
    add_classes(page, &found);
    return samples_append_html(report->samples, page, error);
}

/* From the first value that is not 0 on: GRQO, for one, is not there before it starts. */
static Curve
make_update_curve(const GPtrArray *lines, const gchar *member)
{
    const Curve curve = {NULL, g_array_new(FALSE, FALSE, sizeof(gdouble)), g_array_new(FALSE, FALSE, sizeof(gdouble))};
    gdouble x, y;

    for (guint i = 0; i < lines->len; i++)
        if (train_log_get_number(lines->pdata[i], "update", &x) && train_log_get_number(lines->pdata[i], member, &y) &&
            (y != 0 || curve.ys->len > 0)) {
            g_array_append_val(curve.xs, x);
            g_array_append_val(curve.ys, y);
        }
    return curve;
}

/* A term that was never there has no picture. */
static gboolean
add_updates(GString *page, const TrainReport *report, GError **error)
{
    g_autoptr(GPtrArray) lines = train_log_read_lines(report->log, error);

    for (guint i = 0; lines && i < G_N_ELEMENTS(update_curves); i++) {
        Curve curve = make_update_curve(lines, update_curves[i].member);

        curves_draw(page, update_curves[i].title, &curve, 1);
        curve_clear(&curve);
    }
    return lines != NULL;
}

static void
add_item(GString *page, const gchar *text)
{
    g_autofree gchar *escaped = g_markup_escape_text(text, -1);

    g_string_append_printf(page, "<li>%s</li>\n", escaped);
}

static void
add_skipped(GString *page, const TrainReport *report)
{
    const guint n = skipped_get_n_pictures(report->skipped);
    g_autofree gchar *entries = skipped_describe_entries(report->skipped);
    g_auto(GStrv) reasons = skipped_list(report->skipped, MAX_REASONS);

    if (n == 0 && !entries)
        return;
    g_string_append(page, "<h2>What was left out</h2>\n");
    if (entries) {
        g_autofree gchar *escaped = g_markup_escape_text(entries, -1);

        g_string_append_printf(page, "<p>%s</p>\n", escaped);
    }
    if (n == 0)
        return;
    g_string_append_printf(page, "<p>%u pictures%s</p>\n<ul>\n", n, n > MAX_REASONS ? ", the first of them:" : ":");
    for (gchar **reason = reasons; *reason; reason++)
        add_item(page, *reason);
    g_string_append(page, "</ul>\n");
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
    g_string_append(page, "</table>\n");
}

gboolean
train_report_write(const TrainReport *report, const gchar *path, GError **error)
{
    g_autoptr(GString) page = g_string_new(head);
    g_autoptr(TextOutput) output = NULL;

    g_string_append_printf(page, "%s</style></head><body>\n<h1>Training report</h1>\n", curves_style);
    if (!add_evaluations(page, report, error) || !add_updates(page, report, error))
        return FALSE;
    add_skipped(page, report);
    add_options(page, report->config);
    g_string_append(page, "</body></html>\n");
    output = text_output_new(path, error);
    return output && text_output_write(output, page->str, page->len, error) && text_output_commit(output, error);
}
