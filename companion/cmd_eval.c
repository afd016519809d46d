/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_pictures.h"
#include "command.h"
#include "eval_table.h"
#include "evaluation.h"
#include "interrupt.h"
#include "output.h"

#include <dinor1/dinor1.h>
#include <string.h>

typedef struct {
    gchar *model, *device, *annotations, *images;
    gchar *prompts, *train, *train_images, *rule;
    gchar *results, *json;
    gint64 seed;
    gint per_class, limit, threads, size;
    gboolean same_image, quiet;
} Options;

static const CommandHelp help = {
    .name = "dinor1 eval",
    .summary =
        "Measures a model on a set of pictures with annotations in COCO's format, by COCO's rule or LVIS's. What to\n"
        "look for comes from a bank (--prompts), from boxes drawn at random out of another set (--from, such as the\n"
        "training split), or, for each image, from one of its own boxes of each of its classes (--same-image).",
    .description =
        "Examples:\n"
        "  dinor1 eval --model DIR --annotations val.json --images val/ --from train.json --train-images train/ \\\n"
        "    --per-class 16 --seed 1\n"
        "  dinor1 eval --model DIR --annotations val.json --images val/ --same-image --json figures.json\n"
        "  dinor1 eval --model DIR --annotations lvis_val.json --images val/ --prompts lvis.bank --rule lvis\n",
};

static gboolean
is_lvis(const Options *options)
{
    return options->rule && !strcmp(options->rule, "lvis");
}

/* Exactly one way to say what to look for. */
static gboolean
check_protocol(const Options *options, GError **error)
{
    if ((options->prompts != NULL) + (options->train != NULL) + options->same_image != 1) {
        g_set_error(error, USAGE_ERROR, 0, "give one of --prompts BANK, --from TRAIN.json and --same-image");
        return FALSE;
    }
    return !options->train || command_require("--train-images", options->train_images, error);
}

static gboolean
check_options(const Options *options, GError **error)
{
    if (options->rule && !is_lvis(options) && strcmp(options->rule, "coco")) {
        g_set_error(error, USAGE_ERROR, 0, "--rule is '%s', but must be coco or lvis", options->rule);
        return FALSE;
    }
    return command_require("--model", options->model, error) &&
           command_require("--annotations", options->annotations, error) &&
           command_require("--images", options->images, error) && check_protocol(options, error) &&
           command_check_range("--per-class", options->per_class, 1, 1000, error) &&
           command_check_range("--limit", options->limit, 0, G_MAXINT, error) &&
           command_check_range("--threads", options->threads, 0, 1024, error) &&
           command_check_range("--size", options->size, 0, DINOR1_IMAGE_MAX_SIDE, error);
}

static DinoR1Detector *
make_detector(const Options *options, DinoR1Model *model, GError **error)
{
    DinoR1DetectorOptions detector;

    dinor1_detector_options_init(&detector);
    detector.device = options->device ? options->device : detector.device;
    detector.n_threads = (guint)options->threads;
    detector.shortest_edge = options->size;
    detector.threshold = 0;
    detector.max_detections = is_lvis(options) ? 300 : 100;
    return dinor1_detector_new(model, &detector, error);
}

/* The bank that was named, or one of exemplars of the training set. */
static DinoR1PromptBank *
make_bank(const Options *options, DinoR1Detector *detector, GError **error)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);
    g_autoptr(DinoR1Coco) coco = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;
    g_autoptr(CocoPictures) pictures = NULL;
    EvaluationSet train;

    if (options->prompts)
        return dinor1_prompt_bank_load(options->prompts, model, error);
    coco = dinor1_coco_load(options->train, NULL, error);
    if (!coco)
        return NULL;
    pictures = coco_pictures_new(options->train_images);
    train = (EvaluationSet){coco, pictures};
    bank = dinor1_prompt_bank_new(model);
    if (!evaluation_add_exemplars(&train, detector, bank, (guint)options->per_class, (guint64)options->seed, error)) {
        g_prefix_error(error, "%s: ", options->train);
        return NULL;
    }
    return g_steal_pointer(&bank);
}

static gboolean
check_classes(const DinoR1PromptBank *bank, const DinoR1Coco *coco, GError **error)
{
    const guint n = dinor1_prompt_bank_get_n_classes(bank);
    guint n_known = 0, category;

    for (guint i = 0; i < n; i++)
        n_known += (guint)dinor1_coco_find_category_name(coco, dinor1_prompt_bank_get_label(bank, i), &category);
    if (n_known == 0) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "none of the %u classes to look for is a category of the annotations", n);
        return FALSE;
    }
    if (n_known < n)
        g_printerr("dinor1: warning: %u of %u classes are no categories of the annotations\n", n - n_known, n);
    return TRUE;
}

/* One flag per image: the first --limit ones take part. */
static gboolean *
choose_images(const Options *options, const DinoR1Coco *coco)
{
    const guint n = dinor1_coco_get_n_images(coco);
    gboolean *use = g_new(gboolean, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        use[i] = options->limit == 0 || i < (guint)options->limit;
    return use;
}

static gboolean
report(const Options *options, const DinoR1CocoResults *results, GError **error)
{
    const DinoR1Coco *coco = dinor1_coco_results_get_coco(results);
    g_autofree gboolean *use = choose_images(options, coco);
    g_autoptr(DinoR1Eval) eval = NULL;

    if (options->results && !dinor1_coco_write_results(results, options->results, error))
        return FALSE;
    eval = dinor1_eval_new(results, is_lvis(options) ? DINOR1_EVAL_LVIS : DINOR1_EVAL_COCO, use, error);
    if (!eval)
        return FALSE;
    if (!options->json || strcmp(options->json, "-"))
        eval_print(eval, coco);
    return !options->json || eval_write_json(eval, coco, options->json, error);
}

static DinoR1CocoResults *
run(const Options *options, const EvaluationSet *set, DinoR1Detector *detector, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = options->same_image ? NULL : make_bank(options, detector, error);
    g_autoptr(Progress) progress = NULL;

    if (!options->same_image && (!bank || !check_classes(bank, set->coco, error)))
        return NULL;
    progress = progress_new(options->quiet);
    return evaluation_detect(set, detector, bank, (guint64)options->seed, (guint)options->limit, progress, error);
}

static gboolean
evaluate(const Options *options, GError **error)
{
    g_autoptr(DinoR1Coco) coco = NULL;
    g_autoptr(DinoR1Model) model = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1CocoResults) results = NULL;
    g_autoptr(CocoPictures) pictures = NULL;
    EvaluationSet set;

    if (!check_options(options, error) || !(coco = dinor1_coco_load(options->annotations, NULL, error)) ||
        !(model = dinor1_model_load(options->model, error)) || !(detector = make_detector(options, model, error)))
        return FALSE;
    pictures = coco_pictures_new(options->images);
    set = (EvaluationSet){coco, pictures};
    interrupt_catch();
    results = run(options, &set, detector, error);
    return results && (interrupt_get_signal() || report(options, results, error));
}

static void
options_clear(Options *options)
{
    g_free(options->model);
    g_free(options->device);
    g_free(options->annotations);
    g_free(options->images);
    g_free(options->prompts);
    g_free(options->train);
    g_free(options->train_images);
    g_free(options->rule);
    g_free(options->results);
    g_free(options->json);
}

static gboolean
parse_and_evaluate(gint argc, gchar **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model, "model directory (required)", "DIR"},
        {"annotations", 'a', 0, G_OPTION_ARG_FILENAME, &options->annotations, "what is in the pictures (required)",
            "FILE"},
        {"images", 'i', 0, G_OPTION_ARG_FILENAME, &options->images, "folder of the pictures (required)", "DIR"},
        {"prompts", 'P', 0, G_OPTION_ARG_FILENAME, &options->prompts, "look for the classes of a bank", "BANK"},
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->train, "draw exemplars from these annotations", "FILE"},
        {"train-images", 0, 0, G_OPTION_ARG_FILENAME, &options->train_images, "folder of their pictures", "DIR"},
        {"per-class", 0, 0, G_OPTION_ARG_INT, &options->per_class, "exemplars of each class (16)", "K"},
        {"same-image", 0, 0, G_OPTION_ARG_NONE, &options->same_image, "prompt with boxes of the image itself", NULL},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &options->seed, "for what is drawn at random (1)", "S"},
        {"rule", 0, 0, G_OPTION_ARG_STRING, &options->rule, "coco or lvis (coco)", "RULE"},
        {"results", 0, 0, G_OPTION_ARG_FILENAME, &options->results, "write the detections as COCO results", "FILE"},
        {"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json, "write the figures ('-': standard output)", "FILE"},
        {"limit", 0, 0, G_OPTION_ARG_INT, &options->limit, "only the first N images (0 = all)", "N"},
        {"size", 0, 0, G_OPTION_ARG_INT, &options->size, "scale the picture's shortest side to this (0 = the model's)",
            "PIXELS"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options->device, "auto, cpu, cuda or cuda:N (auto)", "DEVICE"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->threads, "CPU threads (0 = all)", "N"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress", NULL},
        {NULL},
    };

    if (!command_parse(&help, entries, &argc, &argv, error))
        return FALSE;
    if (argc > 1) {
        g_set_error(error, USAGE_ERROR, 0, "'%s': %s takes options only", argv[1], help.name);
        return FALSE;
    }
    return evaluate(options, error);
}

int
cmd_eval(gint argc, gchar **argv)
{
    Options options = {.per_class = 16, .seed = 1};
    GError *error = NULL;
    const gboolean done = parse_and_evaluate(argc, argv, &options, &error);
    const int status = done ? EXIT_OK : command_fail(error);

    options_clear(&options);
    return done && interrupt_get_signal() ? 128 + interrupt_get_signal() : status;
}
