/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_log.h"

#include "output.h"

#include <dinor1/error.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

static gboolean
read_file(const gchar *path, gchar **text, gsize *length, GError **error)
{
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return g_file_get_contents(path, text, length, error);
    *text = g_strdup("");
    *length = 0;
    return TRUE;
}

/* The end of the whole lines up to update @last. */
static gsize
find_end(const gchar *text, guint last)
{
    const gchar *line = text;

    for (const gchar *end = strchr(line, '\n'); end; end = strchr(line, '\n')) {
        guint update;

        if (sscanf(line, "{\"update\":%u,", &update) != 1 || update > last)
            break;
        line = end + 1;
    }
    return (gsize)(line - text);
}

gboolean
train_log_trim(const gchar *path, guint last, GError **error)
{
    g_autofree gchar *text = NULL;
    g_autoptr(TextOutput) output = NULL;
    gsize length, end;

    if (!read_file(path, &text, &length, error))
        return FALSE;
    end = find_end(text, last);
    if (end == length)
        return TRUE;
    output = text_output_new(path, error);
    return output && text_output_write(output, text, end, error) && text_output_commit(output, error);
}

static gboolean
append(const gchar *path, const GString *line, GError **error)
{
    FILE *file = g_fopen(path, "ae");
    gboolean written = file && fwrite(line->str, 1, line->len, file) == line->len;
    int code = errno;

    if (file && fclose(file)) {
        code = errno;
        written = FALSE;
    }
    if (!written)
        g_set_error(
            error, G_FILE_ERROR, g_file_error_from_errno(code), "cannot write '%s': %s", path, g_strerror(code));
    return written;
}

static void
add_number(GString *line, const gchar *name, gdouble value)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(line, ",\"%s\":%s", name, g_ascii_dtostr(buffer, sizeof buffer, value));
}

gboolean
train_log_add_update(const gchar *path, guint update, const DinoR1TrainReport *report, GError **error)
{
    const struct {
        const gchar *name;
        gdouble value;
    } numbers[] = {
        {"loss", report->loss},
        {"loss_class", report->loss_class},
        {"loss_l1", report->loss_l1},
        {"loss_giou", report->loss_giou},
        {"loss_denoising", report->loss_denoising},
        {"loss_advantage", report->loss_advantage},
        {"loss_kl", report->loss_kl},
        {"reward_mean", report->reward_mean},
        {"reward_std", report->reward_std},
        {"gradient_norm", report->gradient_norm},
        {"learning_rate", report->learning_rate},
        {"images", report->n_images},
        {"boxes", report->n_boxes},
        {"prompts", report->n_prompts},
        {"seconds", report->seconds},
    };
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_append_printf(line, "{\"update\":%u,\"epoch\":%u,\"step\":%u", update, report->epoch, report->step);
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        add_number(line, numbers[i].name, numbers[i].value);
    g_string_append(line, "}\n");
    return append(path, line, error);
}

gboolean
train_log_add_evaluation(const gchar *path, guint update, guint epoch, const DinoR1Eval *evaluation, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    guint n;
    const DinoR1EvalFigure *figures = dinor1_eval_get_figures(evaluation, &n);

    g_string_append_printf(line, "{\"update\":%u,\"epoch\":%u", update, epoch);
    for (guint i = 0; i < n; i++)
        add_number(line, figures[i].name, figures[i].value);
    g_string_append(line, "}\n");
    return append(path, line, error);
}

static gboolean
read_line(JsonParser *parser, const gchar *line, const gchar *member, GArray *values, GError **error)
{
    JsonNode *root, *node;
    gdouble value;

    if (!json_parser_load_from_data(parser, line, -1, error))
        return FALSE;
    root = json_parser_get_root(parser);
    node = root && JSON_NODE_HOLDS_OBJECT(root) ? json_object_get_member(json_node_get_object(root), member) : NULL;
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "a line has no number '%s'", member);
        return FALSE;
    }
    value = json_node_get_double(node);
    g_array_append_val(values, value);
    return TRUE;
}

GArray *
train_log_read(const gchar *path, const gchar *member, GError **error)
{
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(gdouble));
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree gchar *text = NULL;
    g_auto(GStrv) lines = NULL;
    gsize length;

    if (!read_file(path, &text, &length, error))
        return NULL;
    lines = g_strsplit(text, "\n", 0);
    for (gchar **line = lines; *line; line++)
        if (**line && !read_line(parser, *line, member, values, error)) {
            g_prefix_error(error, "%s: ", path);
            return NULL;
        }
    return g_steal_pointer(&values);
}
