/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command.h"
#include "interrupt.h"
#include "parallel.h"
#include "training.h"

typedef struct {
    gchar *output;
    gchar **overrides, **arguments;
    gboolean resume, dry_run, skip_bad, quiet;
} Options;

static const CommandHelp help = {
    .name = "dinor1 finetune",
    .arguments = "CONFIG.yaml",
    .summary =
        "Trains a model on your own pictures, with the supervised losses and GRQO. CONFIG.yaml says what on what\n"
        "and how; docs/finetune.md lists its keys.",
    .description =
        "OUTPUT gets log.jsonl (one line an update), evaluations.jsonl, checkpoints/, model/ (the trained model),\n"
        "best/ (the one with the best AP on the validation set) and report.html (figures, curves, sample pictures).\n"
        "Ctrl-C finishes the update and saves; --resume goes on from the newest checkpoint with the same numbers as "
        "if\n"
        "nothing had happened.\n"
        "\n"
        "Examples:\n"
        "  dinor1 finetune cups.yaml --dry-run\n"
        "  dinor1 finetune cups.yaml --set epochs=24 --set train=prompt-encoder --output runs/cups\n"
        "  dinor1 finetune cups.yaml --output runs/cups --resume\n"
        "  mpirun -n 2 --bind-to none dinor1 finetune cups.yaml\n",
};

static TrainConfig *
load_config(const Options *options, GError **error)
{
    const guint n = options->overrides ? g_strv_length(options->overrides) : 0;
    g_autofree gchar *output = options->output ? g_strconcat("output=", options->output, NULL) : NULL;
    g_autofree gchar **overrides = g_new0(gchar *, n + 3);
    gchar skip_bad[] = "skip_bad=true";
    guint n_all = n;

    for (guint i = 0; i < n; i++)
        overrides[i] = options->overrides[i];
    if (output)
        overrides[n_all++] = output;
    if (options->skip_bad)
        overrides[n_all] = skip_bad;
    return train_config_load(options->arguments[0], overrides, error);
}

/* What process number @rank of a machine has of it. */
static void
share_machine(TrainConfig *config, guint rank, guint n_threads)
{
    config->options.ranks = parallel_get_ranks();
    if (!config->options.ranks)
        return;
    if (config->options.n_threads == 0)
        config->options.n_threads = n_threads;
    if (!g_str_equal(config->device, "cuda"))
        return;
    g_free(config->device);
    config->options.device = config->device = g_strdup_printf("cuda:%u", rank);
}

static gboolean
prepare(const Options *options, TrainConfig **config, Training **training, GError **error)
{
    /* All processes ask, also those that cannot read the file. */
    const guint rank = parallel_get_local_rank(), n_threads = parallel_get_n_threads();

    *config = load_config(options, error);
    if (!*config)
        return FALSE;
    share_machine(*config, rank, n_threads);
    *training = training_new(*config, options->dry_run, error);
    return *training != NULL;
}

static gboolean
finetune(const Options *options, GError **error)
{
    g_autoptr(TrainConfig) config = NULL;
    g_autoptr(Training) training = NULL;

    if (!options->arguments || g_strv_length(options->arguments) != 1) {
        g_set_error(error, USAGE_ERROR, 0, "usage: %s %s", help.name, help.arguments);
        return FALSE;
    }
    if (!parallel_agree(prepare(options, &config, &training, error), error))
        return FALSE;
    if (options->dry_run || !options->quiet)
        training_describe(training);
    if (options->dry_run)
        return training_measure(training, error);
    interrupt_catch();
    return training_run(training, options->resume, options->quiet, error);
}

static gboolean
parse_and_finetune(gint argc, gchar **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &options->overrides, "another value for a key", "KEY=VALUE"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output, "short for --set output=DIR", "DIR"},
        {"resume", 'r', 0, G_OPTION_ARG_NONE, &options->resume, "go on from the newest checkpoint", NULL},
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &options->dry_run, "check everything, say what would be trained", NULL},
        {"skip-bad", 0, 0, G_OPTION_ARG_NONE, &options->skip_bad,
            "leave out and count annotations and pictures that are bad", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->arguments, NULL, NULL},
        {NULL},
    };

    return command_parse(&help, entries, &argc, &argv, error) && finetune(options, error);
}

int
cmd_finetune(gint argc, gchar **argv)
{
    Options options = {NULL};
    GError *error = NULL;
    const gboolean done = parallel_begin(&error) && parse_and_finetune(argc, argv, &options, &error);
    const int status = done ? EXIT_OK : command_fail(error);

    g_free(options.output);
    g_strfreev(options.overrides);
    g_strfreev(options.arguments);
    parallel_end();
    return done && interrupt_get_signal() ? 128 + interrupt_get_signal() : status;
}
