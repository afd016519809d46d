/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_set.h"
#include "command.h"
#include "eval_curve.h"
#include "eval_table.h"
#include "interrupt.h"
#include "model_options.h"
#include "set_list.h"

#include <dinor1/dinor1.h>
#include <string.h>

typedef struct {
    ModelOptions model;
    EvalSet set; /* from the command line */
    gchar *list, *rule;
    gchar *results, *json, *curve;
    gint64 seed;
    gint per_class, limit;
    gboolean same_image, skip_missing, skip_bad, quiet;
} Options;

static const CommandHelp help = {
    .name = "dinor1 eval",
    .summary =
        "Measures a model on a set of pictures with annotations in COCO's format, by COCO's rule or LVIS's. What to\n"
        "look for comes from a bank (--prompts), from boxes drawn at random out of another set (--from, such as the\n"
        "training split), or, for each image, from one of its own boxes of each of its classes (--same-image).\n"
        "With --list, the sets of a file, as of ODinW, are measured one after the other, and their average.",
    .description =
        "Examples:\n"
        "  dinor1 eval --model DIR --annotations val.json --images val/ --from train.json --train-images train/ \\\n"
        "    --per-class 16 --seed 1\n"
        "  dinor1 eval --model DIR --annotations val.json --images val/ --same-image --json figures.json\n"
        "  dinor1 eval --model DIR --annotations val.json --images val/ --prompts coco.bank --curve curve.svg\n"
        "  dinor1 eval --model DIR --list odinw.yaml --per-class 16 --json odinw.json\n"
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
    const EvalSet *set = &options->set;

    if ((set->prompts != NULL) + (set->train != NULL) + options->same_image != 1) {
        g_set_error(error, USAGE_ERROR, 0, "give one of --prompts BANK, --from TRAIN.json and --same-image");
        return FALSE;
    }
    return !set->train || command_require("--train-images", set->train_images, error);
}

/* A list says of each set what the options say of one. */
static gboolean
check_list(const Options *options, GError **error)
{
    const EvalSet *set = &options->set;

    if (!set->annotations && !set->images && !set->prompts && !set->train && !set->train_images && !options->results &&
        !options->curve)
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0,
        "--list goes with none of --annotations, --images, --prompts, --from, --train-images, --results and --curve");
    return FALSE;
}

static gboolean
check_options(const Options *options, GError **error)
{
    if (options->rule && !is_lvis(options) && strcmp(options->rule, "coco")) {
        g_set_error(error, USAGE_ERROR, 0, "--rule is '%s', but must be coco or lvis", options->rule);
        return FALSE;
    }
    if (!model_options_check(&options->model, error) || !eval_curve_check(options->curve, error) ||
        !command_check_range("--per-class", options->per_class, 1, 1000, error) ||
        !command_check_range("--limit", options->limit, 0, G_MAXINT, error))
        return FALSE;
    if (options->list)
        return check_list(options, error);
    return command_require("--annotations", options->set.annotations, error) &&
           command_require("--images", options->set.images, error) && check_protocol(options, error);
}

static DinoR1Detector *
make_detector(const Options *options, GError **error)
{
    DinoR1DetectorOptions detector;

    dinor1_detector_options_init(&detector);
    detector.threshold = 0;
    detector.max_detections = is_lvis(options) ? 300 : 100;
    return model_options_open(&options->model, &detector, error);
}

/* The bank that was named, or one of exemplars of the training set. */
static DinoR1PromptBank *
make_bank(const Options *options, const EvalSet *set, DinoR1Detector *detector, GError **error)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);
    g_autoptr(DinoR1PromptBank) bank = NULL;
    g_autoptr(Skipped) skipped = options->skip_bad ? skipped_new() : NULL;
    g_auto(EvaluationSet) train = {NULL};

    if (set->prompts)
        return dinor1_prompt_bank_load(set->prompts, model, error);
    if (!coco_set_open(&train, set->train, set->train_images, 0, skipped, error))
        return NULL;
    bank = dinor1_prompt_bank_new(model);
    if (!evaluation_add_exemplars(&train, detector, bank, (guint)options->per_class, (guint64)options->seed, error)) {
        g_prefix_error(error, "%s: ", set->train);
        return NULL;
    }
    if (skipped)
        skipped_report(skipped);
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

/* COCO's rule, which follows pycocotools here, takes a match with such a box for none. Label Studio counts from 0. */
static void
warn_of_id_zero(const DinoR1Coco *coco)
{
    for (guint i = 0; i < dinor1_coco_get_n_images(coco); i++) {
        guint n;
        const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(coco, i, &n);

        for (guint k = 0; k < n; k++)
            if (annotations[k].id == 0)
                g_printerr("dinor1: warning: the annotation with id 0 counts as missed, as in pycocotools; count from "
                           "1 for exact figures\n");
    }
}

/* What was found in which images. */
typedef struct {
    DinoR1CocoResults *results;
    gboolean *use; /* one per image: whether it takes part */
} Found;

static void
found_clear(Found *found)
{
    g_clear_pointer(&found->results, dinor1_coco_results_free);
    g_clear_pointer(&found->use, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

/* The first --limit images that can be read take part. */
static gboolean *
choose_images(const Options *options, const EvaluationSet *set)
{
    const guint n = dinor1_coco_get_n_images(set->coco);
    gboolean *use = g_new(gboolean, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        use[i] = (options->limit == 0 || i < (guint)options->limit) &&
                 !coco_pictures_is_skipped(set->pictures, set->coco, i);
    return use;
}

static gboolean
detect(const Options *options, const EvalSet *set, DinoR1Detector *detector, Found *found, GError **error)
{
    g_autoptr(Skipped) skipped = options->skip_bad ? skipped_new() : NULL;
    g_auto(EvaluationSet) pictured = {NULL};
    g_autoptr(DinoR1PromptBank) bank = NULL;
    g_autoptr(Progress) progress = NULL;

    if (!coco_set_open(&pictured, set->annotations, set->images, 0, skipped, error) ||
        (!options->same_image && !(bank = make_bank(options, set, detector, error))) ||
        (bank && !check_classes(bank, pictured.coco, error)))
        return FALSE;
    warn_of_id_zero(pictured.coco);
    progress = progress_new(options->quiet);
    found->results =
        evaluation_detect(&pictured, detector, bank, (guint64)options->seed, (guint)options->limit, progress, error);
    found->use = choose_images(options, &pictured);
    g_clear_pointer(&progress, progress_free);
    if (skipped)
        skipped_report(skipped);
    return found->results != NULL;
}

static DinoR1Eval *
measure(const Options *options, const Found *found, GError **error)
{
    return dinor1_eval_new(found->results, is_lvis(options) ? DINOR1_EVAL_LVIS : DINOR1_EVAL_COCO, found->use, error);
}

static gboolean
report(const Options *options, const Found *found, GError **error)
{
    const DinoR1Coco *coco = dinor1_coco_results_get_coco(found->results);
    g_autoptr(DinoR1Eval) eval = NULL;

    if (options->results && !dinor1_coco_write_results(found->results, options->results, error))
        return FALSE;
    eval = measure(options, found, error);
    if (!eval || (options->curve && !eval_curve_write(eval, coco, options->curve, error)))
        return FALSE;
    if (!options->json || strcmp(options->json, "-"))
        eval_print(eval, coco);
    return !options->json || eval_write_json(eval, coco, options->json, error);
}

static gboolean
evaluate_one(const Options *options, DinoR1Detector *detector, GError **error)
{
    g_auto(Found) found = {.results = NULL};

    return detect(options, &options->set, detector, &found, error) &&
           (interrupt_get_signal() || report(options, &found, error));
}

/* Adds a row to @table; not after a signal. */
static gboolean
evaluate_listed(
    const Options *options, const EvalSet *set, DinoR1Detector *detector, EvalListTable *table, GError **error)
{
    g_auto(Found) found = {.results = NULL};
    g_autoptr(DinoR1Eval) eval = NULL;

    if (set->missing) {
        eval_list_table_add_missing(table, set->name);
        return TRUE;
    }
    if (detect(options, set, detector, &found, error)) {
        if (interrupt_get_signal())
            return TRUE;
        eval = measure(options, &found, error);
    }
    if (eval)
        eval_list_table_add(table, set->name, eval, dinor1_coco_results_get_coco(found.results));
    else
        g_prefix_error(error, "set '%s': ", set->name);
    return eval != NULL;
}

static gboolean
evaluate_sets(const Options *options, const GArray *sets, DinoR1Detector *detector, GError **error)
{
    const gboolean prints = !options->json || strcmp(options->json, "-");
    g_autoptr(EvalListTable) table = eval_list_table_new(prints);

    for (guint i = 0; i < sets->len && !interrupt_get_signal(); i++)
        if (!evaluate_listed(options, &g_array_index(sets, EvalSet, i), detector, table, error))
            return FALSE;
    return interrupt_get_signal() || eval_list_table_end(table, options->json, error);
}

static gboolean
evaluate(const Options *options, GError **error)
{
    const SetListFlags flags =
        (options->same_image ? SET_LIST_SAME_IMAGE : 0) | (options->skip_missing ? SET_LIST_SKIP_MISSING : 0);
    g_autoptr(GArray) sets = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;

    if (!check_options(options, error) || (options->list && !(sets = set_list_load(options->list, flags, error))) ||
        !(detector = make_detector(options, error)))
        return FALSE;
    if (!options->quiet)
        g_printerr("dinor1: the model runs on %s\n", dinor1_detector_get_device(detector));
    interrupt_catch();
    return sets ? evaluate_sets(options, sets, detector, error) : evaluate_one(options, detector, error);
}

static void
options_clear(Options *options)
{
    model_options_clear(&options->model);
    eval_set_clear(&options->set);
    g_free(options->list);
    g_free(options->rule);
    g_free(options->results);
    g_free(options->json);
    g_free(options->curve);
}

static gboolean
parse_and_evaluate(gint argc, gchar **argv, Options *options, GError **error)
{
    EvalSet *set = &options->set;
    const GOptionEntry entries[] = {
        {"annotations", 'a', 0, G_OPTION_ARG_FILENAME, &set->annotations, "what is in the pictures (required)", "FILE"},
        {"images", 'i', 0, G_OPTION_ARG_FILENAME, &set->images, "folder of the pictures (required)", "DIR"},
        {"prompts", 'P', 0, G_OPTION_ARG_FILENAME, &set->prompts, "look for the classes of a bank", "BANK"},
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &set->train, "draw exemplars from these annotations", "FILE"},
        {"train-images", 0, 0, G_OPTION_ARG_FILENAME, &set->train_images, "folder of their pictures", "DIR"},
        {"per-class", 0, 0, G_OPTION_ARG_INT, &options->per_class, "exemplars of each class (16)", "K"},
        {"same-image", 0, 0, G_OPTION_ARG_NONE, &options->same_image, "prompt with boxes of the image itself", NULL},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &options->seed, "for what is drawn at random (1)", "S"},
        {"list", 0, 0, G_OPTION_ARG_FILENAME, &options->list, "measure all sets of this list and their average",
            "YAML"},
        {"skip-missing", 0, 0, G_OPTION_ARG_NONE, &options->skip_missing, "leave out sets whose files are missing",
            NULL},
        {"skip-bad", 0, 0, G_OPTION_ARG_NONE, &options->skip_bad,
            "leave out and count what is bad in annotations and pictures", NULL},
        {"rule", 0, 0, G_OPTION_ARG_STRING, &options->rule, "coco or lvis (coco)", "RULE"},
        {"results", 0, 0, G_OPTION_ARG_FILENAME, &options->results, "write the detections as COCO results", "FILE"},
        {"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json, "write the figures ('-': standard output)", "FILE"},
        {"curve", 0, 0, G_OPTION_ARG_FILENAME, &options->curve, "draw precision over recall (.svg or .png)", "FILE"},
        {"limit", 0, 0, G_OPTION_ARG_INT, &options->limit, "only the first N images (0 = all)", "N"},
        MODEL_OPTION_ENTRIES(options->model),
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress, and not what the model runs on", NULL},
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
