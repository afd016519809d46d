/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detect_outputs.h"

#include "annotate.h"
#include "command.h"
#include "output.h"
#include "writer.h"

#include <dinor1/dataset.h>
#include <dinor1/report.h>
#include <gio/gio.h>
#include <string.h>

#define MAX_NAMES 200 /* bytes in a message, about */

struct _DetectOutputs {
    const DinoR1PromptBank *bank;
    const Source *source; /* the one being read */
    guint64 n_frames;     /* over all sources */
    GString *text;        /* scratch */

    TextOutput *json;
    TextOutput *coco;
    DinoR1Coco *annotations; /* gives the ids; NULL = count */
    gchar *annotations_path;
    gboolean coco_has_results;
    guint64 n_unknown_images;

    Annotator *annotator;
    gchar *output;
    gboolean output_is_directory;
    Writer *writer; /* annotated video or image of the source */
    Writer *png;
    guint64 png_frame;
};

void
detect_output_options_clear(DetectOutputOptions *options)
{
    g_free(options->json);
    g_free(options->coco);
    g_free(options->coco_annotations);
    g_free(options->output);
    g_free(options->frame_png);
}

/* Splits "FILE@N". */
static gchar *
parse_frame_png(const gchar *text, guint64 *frame)
{
    const gchar *at = strrchr(text, '@');

    *frame = 0;
    if (at && g_ascii_string_to_unsigned(at + 1, 10, 0, G_MAXINT64, frame, NULL))
        return g_strndup(text, (gsize)(at - text));
    return g_strdup(text);
}

static gboolean
open_png(DetectOutputs *outputs, const gchar *text, const GPtrArray *sources, GError **error)
{
    g_autofree gchar *path = parse_frame_png(text, &outputs->png_frame);

    if (!writer_makes_image(path)) {
        g_set_error(error, USAGE_ERROR, 0, "--frame-png '%s': expected a name that ends in .png or .jpg", path);
        return FALSE;
    }
    if (!output_check_not_source(path, sources, error))
        return FALSE;
    outputs->png = writer_new(path, error);
    return outputs->png != NULL;
}

static TextOutput *
open_text(const gchar *path, const GPtrArray *sources, GError **error)
{
    return output_check_not_source(path, sources, error) ? text_output_new(path, error) : NULL;
}

static gboolean
open_coco(DetectOutputs *outputs, const DetectOutputOptions *options, const GPtrArray *sources, GError **error)
{
    const DinoR1CocoOptions ids_only = {.annotations_optional = TRUE, .skip_bad = TRUE};

    outputs->annotations_path = g_strdup(options->coco_annotations);
    if (outputs->annotations_path &&
        !(outputs->annotations = dinor1_coco_load(outputs->annotations_path, &ids_only, error)))
        return FALSE;
    outputs->coco = open_text(options->coco, sources, error);
    return outputs->coco && text_output_write(outputs->coco, "[", 1, error);
}

/* An image keeps its name in the directory; a clip becomes .mp4. */
static gchar *
make_output_path(const DetectOutputs *outputs, const Source *source)
{
    g_autofree gchar *base = g_path_get_basename(source->name);
    const gchar *dot = strrchr(base, '.');
    const gboolean one_frame = source_is_image(source->name) || source->frame >= 0 || source->time >= 0;
    g_autofree gchar *stem = g_strndup(base, dot && dot > base ? (gsize)(dot - base) : strlen(base));
    g_autofree gchar *name =
        one_frame && writer_makes_image(base) ? g_strdup(base) : g_strconcat(stem, one_frame ? ".png" : ".mp4", NULL);

    return g_build_filename(outputs->output, name, NULL);
}

/* No output may be an input or another input's output. */
static gboolean
check_directory(const DetectOutputs *outputs, const GPtrArray *sources, GError **error)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < sources->len; i++) {
        gchar *path = make_output_path(outputs, sources->pdata[i]);
        const gboolean is_new = g_hash_table_add(paths, path);

        if (!is_new)
            g_set_error(error, USAGE_ERROR, 0, "--output: two inputs would be written to the same file for '%s'",
                ((const Source *)sources->pdata[i])->text);
        if (!is_new || !output_check_not_source(path, sources, error))
            return FALSE;
    }
    return TRUE;
}

/* A file for one source, else a directory. */
static gboolean
open_output(DetectOutputs *outputs, gchar **inputs, const GPtrArray *sources, GError **error)
{
    const gchar *path = outputs->output;
    const gboolean is_file = writer_makes_image(path) || writer_makes_video(path);
    const gboolean several = inputs[1] || source_is_directory(inputs[0]);

    outputs->output_is_directory = source_is_directory(path) || g_str_has_suffix(path, "/") || (several && !is_file);
    if (outputs->output_is_directory)
        return output_make_directory(path, error) && check_directory(outputs, sources, error);
    if (several) {
        g_set_error(error, USAGE_ERROR, 0, "--output '%s': with several inputs it must be a directory", path);
        return FALSE;
    }
    if (!output_check_not_source(path, sources, error))
        return FALSE;
    outputs->writer = writer_new(path, error);
    return outputs->writer != NULL;
}

DetectOutputs *
detect_outputs_new(const DetectOutputOptions *options, gchar **inputs, const GPtrArray *sources, GError **error)
{
    const gboolean any = options->json || options->coco || options->output || options->frame_png;
    const gchar *json = any ? options->json : "-";
    g_autoptr(DetectOutputs) outputs = g_new0(DetectOutputs, 1);

    outputs->text = g_string_new(NULL);
    outputs->annotator = annotator_new();
    outputs->output = g_strdup(options->output);
    if ((json && !(outputs->json = open_text(json, sources, error))) ||
        (options->coco && !open_coco(outputs, options, sources, error)) ||
        (options->frame_png && !open_png(outputs, options->frame_png, sources, error)) ||
        (options->output && !open_output(outputs, inputs, sources, error)))
        return NULL;
    return g_steal_pointer(&outputs);
}

void
detect_outputs_free(DetectOutputs *outputs)
{
    g_clear_pointer(&outputs->json, text_output_free);
    g_clear_pointer(&outputs->coco, text_output_free);
    g_clear_pointer(&outputs->annotations, dinor1_coco_unref);
    g_free(outputs->annotations_path);
    g_clear_pointer(&outputs->writer, writer_free);
    g_clear_pointer(&outputs->png, writer_free);
    annotator_free(outputs->annotator);
    g_string_free(outputs->text, TRUE);
    g_free(outputs->output);
    g_free(outputs);
}

static gboolean
find_category(const DetectOutputs *outputs, const gchar *name, gint64 *id, GError **error)
{
    const DinoR1Coco *coco = outputs->annotations;
    const guint n = dinor1_coco_get_n_categories(coco);
    g_autoptr(GString) names = g_string_new(NULL);
    guint category;

    if (dinor1_coco_find_category_name(coco, name, &category)) {
        *id = dinor1_coco_get_category(coco, category)->id;
        return TRUE;
    }
    for (guint i = 0; i < n && names->len < MAX_NAMES; i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", dinor1_coco_get_category(coco, i)->name);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "'%s' has no category '%s' (it has: %s)",
        outputs->annotations_path, name, names->str);
    return FALSE;
}

static gboolean
find_image(const DetectOutputs *outputs, gint64 frame, gint64 *id)
{
    const gchar *name = outputs->source->name;
    guint image;

    if (!dinor1_coco_find_file(outputs->annotations, name, source_is_image(name) ? -1 : frame, &image))
        return FALSE;
    *id = dinor1_coco_get_image(outputs->annotations, image)->id;
    return TRUE;
}

gboolean
detect_outputs_set_bank(DetectOutputs *outputs, const DinoR1PromptBank *bank, GError **error)
{
    gint64 id;

    outputs->bank = bank;
    for (guint i = 0; outputs->annotations && i < dinor1_prompt_bank_get_n_classes(bank); i++)
        if (!find_category(outputs, dinor1_prompt_bank_get_label(bank, i), &id, error))
            return FALSE;
    return TRUE;
}

static gboolean
open_in_directory(DetectOutputs *outputs, const Source *source, GError **error)
{
    g_autofree gchar *path = make_output_path(outputs, source);

    outputs->writer = writer_new(path, error);
    return outputs->writer != NULL;
}

gboolean
detect_outputs_begin(DetectOutputs *outputs, const Source *source, GError **error)
{
    outputs->source = source;
    return !outputs->output_is_directory || open_in_directory(outputs, source, error);
}

gboolean
detect_outputs_end(DetectOutputs *outputs, GError **error)
{
    const gboolean done = !outputs->writer || writer_finish(outputs->writer, error);

    g_clear_pointer(&outputs->writer, writer_free);
    return done;
}

static gboolean
add_json(DetectOutputs *outputs, const Frame *frame, const DinoR1Detection *items, guint n_items, GError **error)
{
    const DinoR1FrameInfo info = {
        outputs->source->name, frame->number, frame->pts, frame->image.width, frame->image.height};
    g_autofree DinoR1ReportItem *report = g_new(DinoR1ReportItem, n_items);

    for (guint i = 0; i < n_items; i++)
        report[i] = (DinoR1ReportItem){
            dinor1_prompt_bank_get_label(outputs->bank, items[i].class_index), items[i].score, items[i].box};
    g_string_truncate(outputs->text, 0);
    dinor1_report_append_json(outputs->text, &info, report, n_items);
    return text_output_write(outputs->json, outputs->text->str, outputs->text->len, error);
}

static void
append_number(GString *text, const gchar *format, gdouble value)
{
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(text, g_ascii_formatd(buffer, sizeof buffer, format, value));
}

/* One object of a COCO results list. A stream may be endless, so that they are written as they come. */
static void
append_result(GString *text, gint64 image_id, gint64 category_id, const DinoR1Detection *detection)
{
    const gfloat box[] = {detection->box.x, detection->box.y, detection->box.width, detection->box.height};

    g_string_append_printf(text, "{\"image_id\":%" G_GINT64_FORMAT ",\"category_id\":%" G_GINT64_FORMAT ",\"bbox\":[",
        image_id, category_id);
    for (guint i = 0; i < G_N_ELEMENTS(box); i++) {
        append_number(text, "%.2f", box[i]);
        g_string_append(text, i < 3 ? "," : "],\"score\":");
    }
    append_number(text, "%.6f", detection->score);
    g_string_append_c(text, '}');
}

static gboolean
add_coco(DetectOutputs *outputs, const Frame *frame, const DinoR1Detection *items, guint n_items, GError **error)
{
    gint64 image = (gint64)outputs->n_frames + 1;

    if (outputs->annotations && !find_image(outputs, frame->number, &image)) {
        outputs->n_unknown_images++;
        return TRUE;
    }
    g_string_truncate(outputs->text, 0);
    for (guint i = 0; i < n_items; i++) {
        gint64 category = (gint64)items[i].class_index + 1;

        if (outputs->annotations &&
            !find_category(
                outputs, dinor1_prompt_bank_get_label(outputs->bank, items[i].class_index), &category, error))
            return FALSE;
        g_string_append(outputs->text, outputs->coco_has_results ? ",\n" : "\n");
        outputs->coco_has_results = TRUE;
        append_result(outputs->text, image, category, &items[i]);
    }
    return text_output_write(outputs->coco, outputs->text->str, outputs->text->len, error);
}

static gboolean
add_picture(DetectOutputs *outputs, const Frame *frame, const DinoR1Detection *items, guint n_items, gboolean searched,
    gboolean to_png, GError **error)
{
    g_autofree DinoR1DrawItem *draw = g_new(DinoR1DrawItem, n_items);
    g_autoptr(GstBuffer) picture = NULL;
    GstVideoInfo info;

    for (guint i = 0; i < n_items; i++)
        draw[i] = (DinoR1DrawItem){
            dinor1_prompt_bank_get_label(outputs->bank, items[i].class_index), items[i].score, items[i].box, !searched};
    picture = annotator_draw(outputs->annotator, frame, draw, n_items, &info);
    return (!to_png || writer_push(outputs->png, &info, gst_buffer_ref(picture), error)) &&
           (!outputs->writer || writer_push(outputs->writer, &info, gst_buffer_copy(picture), error));
}

gboolean
detect_outputs_add(DetectOutputs *outputs, const Frame *frame, const DinoR1Detection *items, guint n_items,
    gboolean searched, GError **error)
{
    const gboolean to_png = outputs->png && outputs->n_frames == outputs->png_frame;

    if ((searched && outputs->json && !add_json(outputs, frame, items, n_items, error)) ||
        (searched && outputs->coco && !add_coco(outputs, frame, items, n_items, error)) ||
        ((outputs->writer || to_png) && !add_picture(outputs, frame, items, n_items, searched, to_png, error)))
        return FALSE;
    outputs->n_frames++;
    return TRUE;
}

static gboolean
commit_png(DetectOutputs *outputs, GError **error)
{
    if (outputs->n_frames <= outputs->png_frame)
        g_printerr("dinor1: warning: --frame-png: there is no frame %" G_GUINT64_FORMAT ", only %" G_GUINT64_FORMAT
                   " frames\n",
            outputs->png_frame, outputs->n_frames);
    return writer_finish(outputs->png, error);
}

static gboolean
commit_coco(DetectOutputs *outputs, GError **error)
{
    if (outputs->n_unknown_images)
        g_printerr("dinor1: warning: %" G_GUINT64_FORMAT
                   " frames are not among the images of --coco-annotations and were left out\n",
            outputs->n_unknown_images);
    return text_output_write(outputs->coco, "\n]\n", 3, error) && text_output_commit(outputs->coco, error);
}

gboolean
detect_outputs_commit(DetectOutputs *outputs, GError **error)
{
    return (!outputs->json || text_output_commit(outputs->json, error)) &&
           (!outputs->coco || commit_coco(outputs, error)) && (!outputs->png || commit_png(outputs, error));
}
