/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_set.h"
#include "command.h"
#include "exemplars.h"
#include "model_options.h"

#include <dinor1/dinor1.h>
#include <string.h>

/* What the subcommands take. */
typedef struct {
    ModelOptions model;
    gchar *coco, *images; /* to draw exemplars from */
    gint64 seed;
    gint per_class;
    gboolean append, skip_bad;
    gchar **arguments;
} Options;

static void
options_clear(Options *options)
{
    model_options_clear(&options->model);
    g_free(options->coco);
    g_free(options->images);
    g_strfreev(options->arguments);
}

static gboolean
check_arguments(const CommandHelp *help, const Options *options, guint least, guint most, GError **error)
{
    const guint n = options->arguments ? g_strv_length(options->arguments) : 0;

    if (n >= least && n <= most)
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0, "usage: %s %s", help->name, help->arguments);
    return FALSE;
}

typedef gboolean (*Action)(const CommandHelp *help, const Options *options, GError **error);

/* Options that only some subcommands have. */
typedef enum {
    HAS_MODEL = 1 << 0,
    HAS_DETECTOR = 1 << 1,
} Extras;

static gboolean
parse_and_act(
    const CommandHelp *help, Extras extras, Action action, gint argc, gchar **argv, Options *options, GError **error)
{
    const GOptionEntry all[] = {
        {"from-coco", 0, 0, G_OPTION_ARG_FILENAME, &options->coco, "draw exemplars from annotations in COCO's format",
            "FILE"},
        {"images", 'i', 0, G_OPTION_ARG_FILENAME, &options->images, "folder of their pictures", "DIR"},
        {"per-class", 0, 0, G_OPTION_ARG_INT, &options->per_class, "exemplars of each class then (16)", "K"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &options->seed, "for the choice (1)", "S"},
        {"skip-bad", 0, 0, G_OPTION_ARG_NONE, &options->skip_bad, "leave out what is bad in annotations and pictures",
            NULL},
        {"append", 'a', 0, G_OPTION_ARG_NONE, &options->append, "add to what BANK holds already", NULL},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options->model.device, DEVICE_HELP, "DEVICE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options->model.precision, PRECISION_HELP, "PRECISION"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->model.threads, "CPU threads (0 = all)", "N"},
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model.model, "model directory (required)", "DIR"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->arguments, NULL, NULL},
        {NULL},
    };
    const guint first = extras & HAS_DETECTOR ? 0 : extras & HAS_MODEL ? 8 : 9;

    if (!command_parse(help, all + first, &argc, &argv, error) ||
        (extras && !model_options_check(&options->model, error)) ||
        !command_check_range("--per-class", options->per_class, 1, 1000, error) ||
        (options->coco && !command_require("--images", options->images, error)))
        return FALSE;
    return action(help, options, error);
}

static int
run(const CommandHelp *help, Extras extras, Action action, gint argc, gchar **argv)
{
    Options options = {.per_class = 16, .seed = 1};
    GError *error = NULL;
    const gboolean done = parse_and_act(help, extras, action, argc, argv, &options, &error);

    options_clear(&options);
    return done ? EXIT_OK : command_fail(error);
}

/* The bank of that file, or an empty one if there is no such file. */
static DinoR1PromptBank *
open_bank(const gchar *path, DinoR1Model *model, GError **error)
{
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return dinor1_prompt_bank_load(path, model, error);
    return dinor1_prompt_bank_new(model);
}

static void
print_saved(const gchar *path, const DinoR1PromptBank *bank)
{
    const guint n_classes = dinor1_prompt_bank_get_n_classes(bank);
    guint n_exemplars = 0;

    for (guint i = 0; i < n_classes; i++)
        n_exemplars += dinor1_prompt_bank_get_n_exemplars(bank, i);
    g_printerr("dinor1: %s: %u classes, %u exemplars\n", path, n_classes, n_exemplars);
}

static gboolean
save(const gchar *path, const DinoR1PromptBank *bank, GError **error)
{
    if (!dinor1_prompt_bank_save(bank, path, error))
        return FALSE;
    print_saved(path, bank);
    return TRUE;
}

/* What --from-coco asks for. */
static gboolean
add_drawn(const Options *options, DinoR1Detector *detector, DinoR1PromptBank *bank, GError **error)
{
    g_autoptr(Skipped) skipped = options->skip_bad ? skipped_new() : NULL;
    g_auto(EvaluationSet) set = {NULL};

    if (!options->coco)
        return TRUE;
    if (!coco_set_open(&set, options->coco, options->images, 0, skipped, error) ||
        !evaluation_add_exemplars(&set, detector, bank, (guint)options->per_class, (guint64)options->seed, error))
        return FALSE;
    if (skipped)
        skipped_report(skipped);
    return TRUE;
}

static gboolean
make(const CommandHelp *help, const Options *options, GError **error)
{
    g_autoptr(GPtrArray) exemplars = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;
    DinoR1DetectorOptions defaults;
    DinoR1Model *model;
    const gchar *path;

    if (!check_arguments(help, options, options->coco ? 1 : 2, G_MAXUINT, error))
        return FALSE;
    path = options->arguments[0];
    dinor1_detector_options_init(&defaults);
    if (!(exemplars = exemplars_parse(options->arguments + 1, NULL, error)) ||
        !(detector = model_options_open(&options->model, &defaults, error)))
        return FALSE;
    model = dinor1_detector_get_model(detector);
    bank = options->append ? open_bank(path, model, error) : dinor1_prompt_bank_new(model);
    return bank && add_drawn(options, detector, bank, error) && exemplars_add(exemplars, detector, bank, error) &&
           save(path, bank, error);
}

static int
cmd_make(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt make",
        .arguments = "BANK 'LABEL=X,Y,WIDTH,HEIGHT@SOURCE[#frame=N|#t=SECONDS]'…",
        .summary =
            "Makes a prompt bank of objects pointed at: boxes in pixels (left, top, width, height) of images or of\n"
            "frames of clips. Several examples of one LABEL make it more general. An existing BANK is replaced\n"
            "unless --append is given. A bank only works with the model that made it. With --from-coco, exemplars of\n"
            "each class are drawn at random out of a file of annotations, whose categories' names are the labels.",
        .description =
            "Examples:\n"
            "  dinor1 prompt make cups.bank --model DIR 'cup=10,20,80,90@desk.jpg' 'cup=5,5,60,70@shelf.png'\n"
            "  dinor1 prompt make road.bank --append --model DIR 'car=300,200,90,60@road.mp4#frame=250'\n"
            "  dinor1 prompt make coco.bank --model DIR --from-coco train.json --images train/ --per-class 16\n",
    };

    return run(&help, HAS_MODEL | HAS_DETECTOR, make, argc, argv);
}

static gboolean
add_text(const CommandHelp *help, const Options *options, GError **error)
{
    gchar **arguments = options->arguments;
    g_autoptr(DinoR1Model) model = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;

    return check_arguments(help, options, 3, 3, error) && (model = dinor1_model_load(options->model.model, error)) &&
           (bank = open_bank(arguments[0], model, error)) &&
           dinor1_prompt_bank_add_text(bank, arguments[1], arguments[2], error) && save(arguments[0], bank, error);
}

static int
cmd_add_text(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt add-text",
        .arguments = "BANK LABEL PHRASE",
        .summary = "Adds a class that is described in words. BANK is made if it does not exist.",
        .description = "Example:\n  dinor1 prompt add-text road.bank taxi 'a yellow car' --model DIR\n",
    };

    return run(&help, HAS_MODEL, add_text, argc, argv);
}

static gboolean
list(const CommandHelp *help, const Options *options, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = NULL;

    if (!check_arguments(help, options, 1, 1, error) ||
        !(bank = dinor1_prompt_bank_load(options->arguments[0], NULL, error)))
        return FALSE;
    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++) {
        const gchar *phrase = dinor1_prompt_bank_get_phrase(bank, i);

        if (phrase)
            g_print("%s\ttext\t%s\n", dinor1_prompt_bank_get_label(bank, i), phrase);
        else
            g_print("%s\texemplars\t%u\n", dinor1_prompt_bank_get_label(bank, i),
                dinor1_prompt_bank_get_n_exemplars(bank, i));
    }
    return TRUE;
}

static int
cmd_list(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt list",
        .arguments = "BANK",
        .summary =
            "Prints one line for each class, separated by tabs: label, 'exemplars' and their number, or 'text' and "
            "the phrase.",
    };

    return run(&help, 0, list, argc, argv);
}

static void
print_exemplar(const DinoR1PromptBank *bank, guint class_index, guint exemplar)
{
    DinoR1ExemplarInfo info;

    dinor1_prompt_bank_get_exemplar(bank, class_index, exemplar, &info);
    g_print("    %g,%g,%g,%g", info.box.x, info.box.y, info.box.width, info.box.height);
    if (info.source)
        g_print("@%s", info.source);
    if (info.frame > 0)
        g_print("#frame=%" G_GINT64_FORMAT, info.frame);
    g_print("\n");
}

static gboolean
inspect(const CommandHelp *help, const Options *options, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = NULL;

    if (!check_arguments(help, options, 1, 1, error) ||
        !(bank = dinor1_prompt_bank_load(options->arguments[0], NULL, error)))
        return FALSE;
    g_print("bank     %s\nmodel    %s\nclasses  %u\n", options->arguments[0], dinor1_prompt_bank_get_model_hash(bank),
        dinor1_prompt_bank_get_n_classes(bank));
    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++) {
        const gchar *phrase = dinor1_prompt_bank_get_phrase(bank, i);

        g_print("  %s%s%s\n", dinor1_prompt_bank_get_label(bank, i), phrase ? " = " : "", phrase ? phrase : "");
        for (guint j = 0; j < dinor1_prompt_bank_get_n_exemplars(bank, i); j++)
            print_exemplar(bank, i, j);
    }
    return TRUE;
}

static int
cmd_bank_inspect(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt inspect",
        .arguments = "BANK",
        .summary = "Prints the hash of the model that made the bank, its classes, and where each exemplar came from.",
    };

    return run(&help, 0, inspect, argc, argv);
}

static gboolean
merge(const CommandHelp *help, const Options *options, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = NULL;

    if (!check_arguments(help, options, 3, G_MAXUINT, error) ||
        !(bank = dinor1_prompt_bank_load(options->arguments[1], NULL, error)))
        return FALSE;
    for (gchar **path = options->arguments + 2; *path; path++) {
        g_autoptr(DinoR1PromptBank) other = dinor1_prompt_bank_load(*path, NULL, error);

        if (!other)
            return FALSE;
        if (!dinor1_prompt_bank_merge(bank, other, error)) {
            g_prefix_error(error, "cannot merge '%s': ", *path);
            return FALSE;
        }
    }
    return save(options->arguments[0], bank, error);
}

static int
cmd_merge(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt merge",
        .arguments = "OUT BANK BANK…",
        .summary =
            "Writes the classes of several banks of the same model into one. Exemplars of a label that several have\n"
            "are put together.",
        .description = "Example:\n  dinor1 prompt merge kitchen.bank cups.bank plates.bank\n",
    };

    return run(&help, 0, merge, argc, argv);
}

static gboolean
remove_classes(const CommandHelp *help, const Options *options, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = NULL;

    if (!check_arguments(help, options, 2, G_MAXUINT, error) ||
        !(bank = dinor1_prompt_bank_load(options->arguments[0], NULL, error)))
        return FALSE;
    for (gchar **label = options->arguments + 1; *label; label++)
        if (!dinor1_prompt_bank_remove(bank, *label)) {
            g_set_error(
                error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "'%s' has no class '%s'", options->arguments[0], *label);
            return FALSE;
        }
    return save(options->arguments[0], bank, error);
}

static int
cmd_remove(gint argc, gchar **argv)
{
    static const CommandHelp help = {
        .name = "dinor1 prompt remove",
        .arguments = "BANK LABEL…",
        .summary = "Removes classes from a bank.",
    };

    return run(&help, 0, remove_classes, argc, argv);
}

int
cmd_prompt(gint argc, gchar **argv)
{
    static const Command commands[] = {
        {"make", "make a bank of objects pointed at in images or clips", cmd_make},
        {"add-text", "add a class described in words", cmd_add_text},
        {"list", "print the classes, one a line", cmd_list},
        {"inspect", "print the classes and where their exemplars came from", cmd_bank_inspect},
        {"merge", "put several banks together", cmd_merge},
        {"remove", "remove classes", cmd_remove},
    };
    static const gchar trailer[] = "A prompt bank holds what to look for: classes, each with examples or a phrase.\n\n"
                                   "Example:\n"
                                   "  dinor1 prompt make cups.bank --model DIR 'cup=10,20,80,90@desk.jpg'\n"
                                   "  dinor1 detect photos/ --model DIR --prompts cups.bank\n\n"
                                   "'dinor1 prompt COMMAND --help' tells more about one of them.\n";

    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        command_list(commands, G_N_ELEMENTS(commands), "dinor1 prompt", trailer);
        return EXIT_OK;
    }
    return command_run_subcommand(commands, G_N_ELEMENTS(commands), "dinor1 prompt", argc, argv);
}
