/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command.h"
#include "detect_outputs.h"
#include "exemplars.h"
#include "interrupt.h"
#include "model_options.h"
#include "progress.h"

#include <dinor1/dinor1.h>

typedef struct {
    DetectOutputOptions outputs;
    ModelOptions model;
    gchar *prompts;
    gchar **exemplars, **texts, **inputs;
    gdouble threshold, nms;
    gint max_detections, every;
    gboolean quiet;
} Options;

/* One run over all sources. */
typedef struct {
    DinoR1Detector *detector;
    DetectOutputs *outputs;
    Progress *progress;
    guint n_sources, source_index; /* for the progress */
    gint every;
    guint64 n_frames, n_detected, n_detections;
    GArray *found; /* DinoR1Detection: of the last frame that was searched */
} Run;

static const CommandHelp help = {
    .name = "dinor1 detect",
    .arguments = "INPUT…",
    .summary = "Finds objects that look like the examples. An INPUT is an image, a directory of images, a clip, a URI\n"
               "(file, http, rtsp, …), or one frame of a clip: 'clip.mp4#frame=25' or 'clip.mp4#t=1.5'.",
    .description =
        "A prompt's box is in pixels: left, top, width, height. Without @SOURCE it is in the first frame of the first\n"
        "INPUT, or in its frame N with #frame=N after the box. Several --prompt of one LABEL are several examples of "
        "it.\n"
        "\n"
        "Without --json, --coco, --output and --frame-png, JSON lines go to standard output: one for each frame.\n"
        "COCO ids are the running number of the frame and the number of the class, both from 1, unless\n"
        "--coco-annotations names a file whose images (by file_name; 'clip.mp4#frame=25' for a frame) and categories\n"
        "(by name) give them.\n"
        "\n"
        "Examples:\n"
        "  dinor1 detect clip.mp4 --model DIR --prompt 'person=120,80,40,110' --output boxes.mp4\n"
        "  dinor1 detect photos/ --model DIR --prompts cups.bank --threshold 0.4 --json cups.jsonl --output marked/\n"
        "  dinor1 detect rtsp://camera/stream --model DIR --text 'car=a yellow car' --every 5 | head -n 100\n"
        "  dinor1 detect val/ --model DIR --prompts coco.bank --threshold 0 --coco results.json \\\n"
        "    --coco-annotations instances_val.json\n",
};

static gboolean
check_options(const Options *options, GError **error)
{
    if (!options->inputs) {
        g_set_error(error, USAGE_ERROR, 0, "an INPUT is missing: an image, a directory, a clip or a URI");
        return FALSE;
    }
    if (!options->prompts && !options->exemplars && !options->texts) {
        g_set_error(error, USAGE_ERROR, 0,
            "nothing to look for: give --prompt 'LABEL=X,Y,WIDTH,HEIGHT', --prompts BANK or --text PHRASE");
        return FALSE;
    }
    return model_options_check(&options->model, error) &&
           command_check_range("--threshold", options->threshold, 0, 1, error) &&
           command_check_range("--nms", options->nms, 0, 1, error) &&
           command_check_range("--max-detections", options->max_detections, 1, 10000, error) &&
           command_check_range("--every", options->every, 1, G_MAXINT, error);
}

static DinoR1Detector *
make_detector(const Options *options, GError **error)
{
    DinoR1DetectorOptions detector;

    dinor1_detector_options_init(&detector);
    detector.threshold = (gfloat)options->threshold;
    detector.nms = (gfloat)options->nms;
    detector.max_detections = (guint)options->max_detections;
    return model_options_open(&options->model, &detector, error);
}

/* The classes of the bank, then those pointed at, then those in words. */
static DinoR1PromptBank *
make_bank(const Options *options, const GPtrArray *exemplars, DinoR1Detector *detector, GError **error)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);
    g_autoptr(DinoR1PromptBank) bank = NULL;

    bank = options->prompts ? dinor1_prompt_bank_load(options->prompts, model, error) : dinor1_prompt_bank_new(model);
    if (!bank || !exemplars_add(exemplars, detector, bank, error) || !text_prompts_add(bank, options->texts, error) ||
        !dinor1_detector_set_prompts(detector, bank, error))
        return NULL;
    if (dinor1_prompt_bank_get_n_classes(bank) == 0)
        g_printerr("dinor1: warning: '%s' has no classes, so nothing will be found\n", options->prompts);
    return g_steal_pointer(&bank);
}

static void
show_progress(Run *run, FrameReader *reader, const Frame *frame)
{
    const gint64 duration = frame_reader_get_duration(reader);
    const gdouble within = duration > 0 && frame->pts >= 0 ? (gdouble)frame->pts / (gdouble)duration : 0;
    const gboolean known = duration > 0 || run->n_sources > 1;

    progress_update(run->progress, run->n_frames, run->n_detections,
        known ? (run->source_index + MIN(within, 1)) / run->n_sources : -1);
}

static gboolean
search(Run *run, const Frame *frame, GError **error)
{
    DinoR1DetectionList list;

    if (!dinor1_detector_detect(run->detector, &frame->image, &list, error))
        return FALSE;
    g_array_set_size(run->found, 0);
    if (list.n_items > 0)
        g_array_append_vals(run->found, list.items, list.n_items);
    run->n_detected++;
    run->n_detections += list.n_items;
    return TRUE;
}

static gboolean
process_source(Run *run, const Source *source, GError **error)
{
    g_autoptr(FrameReader) reader = frame_reader_new(source, error);
    const Frame *frame;

    if (!reader || !detect_outputs_begin(run->outputs, source, error))
        return FALSE;
    for (guint64 i = 0;; i++) {
        const gboolean searched = i % (guint64)run->every == 0;

        if (!frame_reader_next(reader, &frame, error))
            return FALSE;
        if (!frame)
            return detect_outputs_end(run->outputs, error);
        if ((searched && !search(run, frame, error)) ||
            !detect_outputs_add(
                run->outputs, frame, (const DinoR1Detection *)run->found->data, run->found->len, searched, error))
            return FALSE;
        run->n_frames++;
        show_progress(run, reader, frame);
    }
}

static gboolean
process_sources(Run *run, const GPtrArray *sources, GError **error)
{
    for (guint i = 0; i < sources->len && !interrupt_get_signal(); i++) {
        run->source_index = i;
        if (!process_source(run, sources->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

static void
print_summary(const Run *run, gdouble seconds)
{
    g_printerr("dinor1: %" G_GUINT64_FORMAT " frames", run->n_frames);
    if (run->n_detected < run->n_frames)
        g_printerr(" (%" G_GUINT64_FORMAT " searched)", run->n_detected);
    g_printerr(", %" G_GUINT64_FORMAT " detections in %.1f s: %.1f frames/s on %s\n", run->n_detections, seconds,
        (gdouble)run->n_frames / MAX(seconds, 1e-6), dinor1_detector_get_device(run->detector));
}

static gboolean
run_over_sources(
    const Options *options, const GPtrArray *sources, DinoR1Detector *detector, DetectOutputs *outputs, GError **error)
{
    const gint64 start = g_get_monotonic_time();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(DinoR1Detection));
    Run run = {
        .detector = detector,
        .outputs = outputs,
        .progress = progress_new(options->quiet),
        .n_sources = sources->len,
        .every = options->every,
        .found = found,
    };
    const gboolean done = process_sources(&run, sources, error) && detect_outputs_commit(outputs, error);

    progress_free(run.progress);
    if (done && !options->quiet)
        print_summary(&run, (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    return done;
}

static gboolean
detect(const Options *options, GError **error)
{
    g_autoptr(GPtrArray) sources = NULL;
    g_autoptr(GPtrArray) exemplars = NULL;
    g_autoptr(DetectOutputs) outputs = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;

    interrupt_catch();
    if (!check_options(options, error) || !(sources = source_expand(options->inputs, error)) ||
        !(exemplars = exemplars_parse(options->exemplars, sources->pdata[0], error)) ||
        !(outputs = detect_outputs_new(&options->outputs, options->inputs, sources, error)) ||
        !(detector = make_detector(options, error)) || !(bank = make_bank(options, exemplars, detector, error)) ||
        !detect_outputs_set_bank(outputs, bank, error))
        return FALSE;
    return run_over_sources(options, sources, detector, outputs, error);
}

static void
options_clear(Options *options)
{
    detect_output_options_clear(&options->outputs);
    model_options_clear(&options->model);
    g_free(options->prompts);
    g_strfreev(options->exemplars);
    g_strfreev(options->texts);
    g_strfreev(options->inputs);
}

static gboolean
parse_and_detect(gint argc, gchar **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        MODEL_OPTION_ENTRIES(options->model),
        {"prompt", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &options->exemplars, "an object to look for",
            "LABEL=X,Y,W,H[@SOURCE]"},
        {"prompts", 'P', 0, G_OPTION_ARG_FILENAME, &options->prompts, "bank made by 'dinor1 prompt make'", "BANK"},
        {"text", 't', 0, G_OPTION_ARG_STRING_ARRAY, &options->texts, "words to look for", "LABEL=PHRASE"},
        {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &options->threshold, "least score, 0 to 1 (0.3)", "SCORE"},
        {"max-detections", 0, 0, G_OPTION_ARG_INT, &options->max_detections, "at most so many in a frame (300)", "N"},
        {"nms", 0, 0, G_OPTION_ARG_DOUBLE, &options->nms,
            "drop boxes that overlap a better one of their class more "
            "(0 = off)",
            "IOU"},
        {"every", 0, 0, G_OPTION_ARG_INT, &options->every, "search every N-th frame only (1)", "N"},
        {"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->outputs.json, "write JSON lines ('-': standard output)",
            "FILE"},
        {"coco", 0, 0, G_OPTION_ARG_FILENAME, &options->outputs.coco, "write results in COCO's format", "FILE"},
        {"coco-annotations", 0, 0, G_OPTION_ARG_FILENAME, &options->outputs.coco_annotations,
            "take COCO's ids from this file", "FILE"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->outputs.output,
            "write the video or image with boxes; a directory for several inputs", "FILE|DIR"},
        {"frame-png", 0, 0, G_OPTION_ARG_FILENAME, &options->outputs.frame_png,
            "write one frame with boxes, the N-th from 0 (0)", "FILE[@N]"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress and no summary", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->inputs, NULL, NULL},
        {NULL},
    };

    return command_parse(&help, entries, &argc, &argv, error) && detect(options, error);
}

int
cmd_detect(gint argc, gchar **argv)
{
    Options options = {.threshold = 0.3, .max_detections = 300, .every = 1};
    GError *error = NULL;
    const gboolean done = parse_and_detect(argc, argv, &options, &error);

    options_clear(&options);
    const int status = done ? EXIT_OK : command_fail(error);

    return interrupt_get_signal() ? 128 + interrupt_get_signal() : status;
}
