/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_log.h"

#include "output.h"

#include <dinor1/error.h>
#include <errno.h>
#include <glib/gstdio.h>
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
append_member(GString *line, const gchar *before, const gchar *name, gdouble value)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(line, "%s\"%s\":%s", before, name, g_ascii_dtostr(buffer, sizeof buffer, value));
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
        {"loss_contrastive", report->loss_contrastive},
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
        append_member(line, ",", numbers[i].name, numbers[i].value);
    g_string_append(line, "}\n");
    return append(path, line, error);
}

static void
append_figures(GString *line, const DinoR1Eval *evaluation, const gchar *before)
{
    guint n;
    const DinoR1EvalFigure *figures = dinor1_eval_get_figures(evaluation, &n);

    for (guint i = 0; i < n; i++, before = ",")
        append_member(line, before, figures[i].name, figures[i].value);
}

static void
append_text(GString *line, const gchar *text)
{
    g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), text);
    g_autofree gchar *quoted = json_to_string(node, FALSE);

    g_string_append(line, quoted);
}

/* The classes that have boxes. */
static void
append_classes(GString *line, const DinoR1Eval *evaluation, const DinoR1Coco *coco)
{
    const gchar *before = "";

    g_string_append(line, ",\"classes\":[");
    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++) {
        const DinoR1EvalClass *figures = dinor1_eval_get_class(evaluation, i);

        if (figures->n_boxes == 0)
            continue;
        g_string_append_printf(line, "%s{\"name\":", before);
        append_text(line, dinor1_coco_get_category(coco, i)->name);
        append_member(line, ",", "boxes", figures->n_boxes);
        append_member(line, ",", "AP", figures->ap);
        append_member(line, ",", "AP50", figures->ap50);
        append_member(line, ",", "AP75", figures->ap75);
        append_member(line, ",", "AR", figures->ar);
        g_string_append_c(line, '}');
        before = ",";
    }
    g_string_append_c(line, ']');
}

gboolean
train_log_add_evaluation(const gchar *path, const TrainLogEvaluation *entry, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_append_printf(line, "{\"update\":%u,\"epoch\":%d", entry->update, entry->epoch);
    append_figures(line, entry->figures, ",");
    append_classes(line, entry->figures, entry->coco);
    if (entry->heldout) {
        g_string_append(line, ",\"heldout\":{");
        append_figures(line, entry->heldout, "");
        g_string_append_c(line, '}');
    }
    g_string_append(line, "}\n");
    return append(path, line, error);
}

static gboolean
read_line(const gchar *text, GPtrArray *lines, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root;

    if (!json_parser_load_from_data(parser, text, -1, error))
        return FALSE;
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "a line is no object");
        return FALSE;
    }
    g_ptr_array_add(lines, json_object_ref(json_node_get_object(root)));
    return TRUE;
}

GPtrArray *
train_log_parse_lines(const gchar *text, GError **error)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    for (gchar **line = lines; *line; line++)
        if (**line && !read_line(*line, objects, error))
            return NULL;
    return g_steal_pointer(&objects);
}

GPtrArray *
train_log_read_lines(const gchar *path, GError **error)
{
    g_autofree gchar *text = NULL;
    GPtrArray *objects;
    gsize length;

    if (!read_file(path, &text, &length, error))
        return NULL;
    objects = train_log_parse_lines(text, error);
    if (!objects)
        g_prefix_error(error, "%s: ", path);
    return objects;
}

gboolean
train_log_get_number(JsonObject *line, const gchar *member, gdouble *value)
{
    JsonNode *node = json_object_get_member(line, member);

    if (!node || !JSON_NODE_HOLDS_VALUE(node))
        return FALSE;
    *value = json_node_get_double(node);
    return TRUE;
}
