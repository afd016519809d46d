/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "annotate.h"
#include "command.h"
#include "interrupt.h"
#include "model_options.h"
#include "output.h"
#include "picture_names.h"
#include "progress.h"
#include "writer.h"

#include <dinor1/dinor1.h>

typedef struct {
    ModelOptions model;
    gchar *prompts, *output, *pictures;
    gchar **arguments;
    gdouble threshold;
    gint every;
    gboolean quiet;
} Options;

static const CommandHelp help = {
    .name = "dinor1 annotate",
    .arguments = "INPUT",
    .summary =
        "Searches an image or every N-th frame of a clip and writes what it finds as draft annotations in COCO's\n"
        "format, to be corrected in a labelling tool and trained on.",
    .description =
        "A frame's file_name is 'clip.mp4#frame=N', counted from 0; 'dinor1 finetune' and 'dinor1 eval' read\n"
        "such names in the folder that the clip is in. Labelling tools want pictures: --pictures writes the frames\n"
        "as 'clip-N.png', which are the file_names then. docs/evaluation.md tells how to go to CVAT and Label Studio\n"
        "and back.\n"
        "\n"
        "Examples:\n"
        "  dinor1 annotate clip.mp4 --model DIR --prompts cups.bank --every 25 --output draft.json\n"
        "  dinor1 annotate clip.mp4 --model DIR --prompts cups.bank --every 25 --output draft.json \\\n"
        "    --pictures to-label/\n",
};

static gboolean
check_options(const Options *options, GError **error)
{
    if (!options->arguments || g_strv_length(options->arguments) != 1) {
        g_set_error(error, USAGE_ERROR, 0, "usage: %s %s", help.name, help.arguments);
        return FALSE;
    }
    return model_options_check(&options->model, error) && command_require("--prompts", options->prompts, error) &&
           command_require("--output", options->output, error) &&
           command_check_range("--threshold", options->threshold, 0, 1, error) &&
           command_check_range("--every", options->every, 1, G_MAXINT, error);
}

static DinoR1Detector *
make_detector(const Options *options, GError **error)
{
    DinoR1DetectorOptions detector;

    dinor1_detector_options_init(&detector);
    detector.threshold = (gfloat)options->threshold;
    return model_options_open(&options->model, &detector, error);
}

/* One run over a source. */
typedef struct {
    const Options *options;
    const Source *source;
    DinoR1Detector *detector;
    DinoR1Coco *coco;
    Annotator *copier; /* draws nothing */
    GPtrArray *inputs; /* the source alone */
} Run;

static gchar *
name_frame(const Run *run, gint64 number)
{
    const Source *source = run->source;
    g_autofree gchar *name = g_path_get_basename(source->is_local ? source->name : source->uri);
    const gboolean is_image = source_is_image(name);

    if (run->options->pictures)
        return picture_make_name(name, is_image ? -1 : number);
    return is_image ? g_steal_pointer(&name) : g_strdup_printf("%s#frame=%" G_GINT64_FORMAT, name, number);
}

static gboolean
write_picture(const Run *run, const gchar *name, const Frame *frame, GError **error)
{
    g_autofree gchar *path = g_build_filename(run->options->pictures, name, NULL);
    g_autoptr(Writer) writer = NULL;
    GstVideoInfo info;
    GstBuffer *picture;

    if (!output_check_not_source(path, run->inputs, error) || !(writer = writer_new(path, error)))
        return FALSE;
    picture = annotator_draw(run->copier, frame, NULL, 0, &info);
    return writer_push(writer, &info, picture, error) && writer_finish(writer, error);
}

static gboolean
add_frame(const Run *run, const Frame *frame, const DinoR1DetectionList *found, GError **error)
{
    g_autofree gchar *name = name_frame(run, frame->number);

    if (run->options->pictures && !write_picture(run, name, frame, error))
        return FALSE;
    dinor1_coco_add_image(run->coco, name, frame->image.width, frame->image.height);
    for (guint i = 0; i < found->n_items; i++) {
        const DinoR1Box *box = &found->items[i].box;
        const DinoR1CocoBox copy = {(gdouble)box->x, (gdouble)box->y, (gdouble)box->width, (gdouble)box->height};

        if (box->width > 0 && box->height > 0 &&
            !dinor1_coco_add_annotation(run->coco, found->items[i].class_index, &copy, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
annotate_frames(const Run *run, Progress *progress, GError **error)
{
    const guint64 every = (guint64)run->options->every;
    g_autoptr(FrameReader) reader = frame_reader_new(run->source, error);
    DinoR1DetectionList found;
    const Frame *frame;

    if (!reader)
        return FALSE;
    for (guint64 i = 0;; i++) {
        if (!frame_reader_next(reader, &frame, error))
            return FALSE;
        if (!frame)
            return TRUE;
        if (i % every == 0 && (!dinor1_detector_detect(run->detector, &frame->image, &found, error) ||
                                  !add_frame(run, frame, &found, error)))
            return FALSE;
        progress_update(progress, i + 1, dinor1_coco_get_n_annotations(run->coco), -1);
    }
}

static DinoR1Coco *
make_set(const DinoR1PromptBank *bank)
{
    DinoR1Coco *coco = dinor1_coco_new();

    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++)
        dinor1_coco_add_category(coco, dinor1_prompt_bank_get_label(bank, i));
    return coco;
}

static gboolean
annotate_source(const Options *options, const Source *source, DinoR1Detector *detector, const DinoR1PromptBank *bank,
    GError **error)
{
    g_autoptr(DinoR1Coco) coco = make_set(bank);
    g_autoptr(Annotator) copier = annotator_new();
    g_autoptr(GPtrArray) inputs = g_ptr_array_new();
    g_autoptr(Progress) progress = progress_new(options->quiet);
    const Run run = {options, source, detector, coco, copier, inputs};

    g_ptr_array_add(inputs, (gpointer)source);
    if ((options->pictures && !output_make_directory(options->pictures, error)) ||
        !annotate_frames(&run, progress, error) || !dinor1_coco_write_annotations(coco, options->output, error))
        return FALSE;
    g_clear_pointer(&progress, progress_free);
    if (!options->quiet)
        g_printerr("dinor1: %s: %u images, %u boxes, found on %s\n", options->output, dinor1_coco_get_n_images(coco),
            dinor1_coco_get_n_annotations(coco), dinor1_detector_get_device(detector));
    return TRUE;
}

static gboolean
annotate(const Options *options, GError **error)
{
    g_autoptr(Source) source = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;

    interrupt_catch();
    if (!check_options(options, error) || !(source = source_parse(options->arguments[0], error)))
        return FALSE;
    if (source->time >= 0) {
        g_set_error(error, USAGE_ERROR, 0, "'%s': name the frame by its number, '#frame=N'", source->text);
        return FALSE;
    }
    return (detector = make_detector(options, error)) &&
           (bank = dinor1_prompt_bank_load(options->prompts, dinor1_detector_get_model(detector), error)) &&
           dinor1_detector_set_prompts(detector, bank, error) &&
           annotate_source(options, source, detector, bank, error);
}

static void
options_clear(Options *options)
{
    model_options_clear(&options->model);
    g_free(options->prompts);
    g_free(options->output);
    g_free(options->pictures);
    g_strfreev(options->arguments);
}

static gboolean
parse_and_annotate(gint argc, gchar **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        MODEL_OPTION_ENTRIES(options->model),
        {"prompts", 'P', 0, G_OPTION_ARG_FILENAME, &options->prompts, "what to look for (required)", "BANK"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output, "the annotations (required)", "FILE"},
        {"pictures", 0, 0, G_OPTION_ARG_FILENAME, &options->pictures, "write the frames as pictures", "DIR"},
        {"every", 0, 0, G_OPTION_ARG_INT, &options->every, "take every N-th frame only (1)", "N"},
        {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &options->threshold, "least score, 0 to 1 (0.3)", "SCORE"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress and no summary", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->arguments, NULL, NULL},
        {NULL},
    };

    return command_parse(&help, entries, &argc, &argv, error) && annotate(options, error);
}

int
cmd_annotate(gint argc, gchar **argv)
{
    Options options = {.threshold = 0.3, .every = 1};
    GError *error = NULL;
    const gboolean done = parse_and_annotate(argc, argv, &options, &error);
    const int status = done ? EXIT_OK : command_fail(error);

    options_clear(&options);
    return done && interrupt_get_signal() ? 128 + interrupt_get_signal() : status;
}
