/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command.h"
#include "config.h"

#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static const Command commands[] = {
    {"detect", "find objects in images, directories of images, clips or streams", cmd_detect},
    {"prompt", "make and manage prompt banks: what to look for", cmd_prompt},
    {"inspect", "show a model: tensors, parameters, multiply-accumulates, memory", cmd_inspect},
    {"bench", "measure a model's speed on this machine", cmd_bench},
    {"finetune", "train a model on your own pictures", cmd_finetune},
    {"eval", "measure a model on annotated pictures", cmd_eval},
    {"annotate", "write draft annotations of a clip", cmd_annotate},
};

static const gchar examples[] =
    "Examples:\n"
    "  Point at a person in the first frame of a clip and see every person in it:\n"
    "    dinor1 detect clip.mp4 --model models/dinor1-nano \\\n"
    "      --prompt 'person=120,80,40,110' --output boxes.mp4\n"
    "  Keep what was pointed at, and use it on other pictures:\n"
    "    dinor1 prompt make cups.bank --model models/dinor1-nano 'cup=10,20,80,90@desk.jpg'\n"
    "    dinor1 detect photos/ --model models/dinor1-nano --prompts cups.bank --json cups.jsonl\n\n"
    "'dinor1 help COMMAND' or 'dinor1 COMMAND --help' tells more about one command; 'dinor1 --version' says which\n"
    "version this is. The exit status is 0 if all went well, 1 after a failure, 2 for a mistake on the command line,\n"
    "and 130 after Ctrl-C.\n";

/* The library's warnings in the form of this program's own messages. */
static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    if ((level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_WARNING)
        return g_log_writer_default(level, fields, n_fields, data);
    for (gsize i = 0; i < n_fields; i++)
        if (!strcmp(fields[i].key, "MESSAGE"))
            g_printerr("dinor1: warning: %s\n", (const gchar *)fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static int
help(gint argc, gchar **argv)
{
    if (argc > 0) {
        gchar *arguments[] = {"dinor1", argv[0], argc > 1 ? argv[1] : "--help", "--help", NULL};

        return command_run_subcommand(commands, G_N_ELEMENTS(commands), "dinor1", 4, arguments);
    }
    command_list(commands, G_N_ELEMENTS(commands), "dinor1", examples);
    return EXIT_OK;
}

int
main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    g_log_set_writer_func(write_log, NULL, NULL);
    /* A reader of our output that goes away is an error to report after cleaning up, and so is a file that may not
     * become any larger. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
        g_print("dinor1 %s\n", DINOR1_VERSION);
        return EXIT_OK;
    }
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return help(0, NULL);
    if (argc > 1 && !strcmp(argv[1], "help"))
        return help(argc - 2, argv + 2);
    gst_init(NULL, NULL);
    return command_run_subcommand(commands, G_N_ELEMENTS(commands), "dinor1", argc, argv);
}
