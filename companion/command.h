/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Exit statuses of the program. A run that a signal ended gives 128 + the signal's number. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

/* Errors in what the user typed; the program then exits with EXIT_USAGE. */
#define USAGE_ERROR (usage_error_quark())
GQuark usage_error_quark(void);

/* One subcommand. @run gets argv with the command's name in argv[0] and returns the exit status. */
typedef struct {
    const gchar *name;
    const gchar *summary;
    int (*run)(gint argc, gchar **argv);
} Command;

int cmd_detect(gint argc, gchar **argv);
int cmd_prompt(gint argc, gchar **argv);
int cmd_inspect(gint argc, gchar **argv);
int cmd_bench(gint argc, gchar **argv);
int cmd_finetune(gint argc, gchar **argv);
int cmd_eval(gint argc, gchar **argv);
int cmd_annotate(gint argc, gchar **argv);

/* What --help shows around the list of options. */
typedef struct {
    const gchar *name;        /* "dinor1 detect" */
    const gchar *arguments;   /* "INPUT…", may be NULL */
    const gchar *summary;     /* before the options */
    const gchar *description; /* after them: examples */
} CommandHelp;

/**
 * command_parse:
 * @entries: as for g_option_context_add_main_entries()
 *
 * Parses the options, which leaves the arguments in argv[1 … argc-1]. Does not return from `--help`.
 *
 * Returns: TRUE; FALSE with USAGE_ERROR, which proposes the nearest option for an unknown one.
 */
gboolean command_parse(const CommandHelp *help, const GOptionEntry *entries, gint *argc, gchar ***argv, GError **error);

/* Prints "dinor1: MESSAGE" and gives the exit status that belongs to the error, which is freed. */
int command_fail(GError *error);

/* "--name is required" as a USAGE_ERROR if @value is NULL. */
gboolean command_require(const gchar *name, const gchar *value, GError **error);

/* Checks low <= value <= high (so not NaN), else a USAGE_ERROR that names the option. */
gboolean command_check_range(const gchar *name, gdouble value, gdouble low, gdouble high, GError **error);

/* Parses "WxH" into @width and @height, else a USAGE_ERROR. */
gboolean command_parse_size(const gchar *text, gint *width, gint *height, GError **error);

/**
 * command_run_subcommand:
 * @commands: @n_commands commands
 * @program: the words before the subcommand, for messages: "dinor1"
 *
 * Runs the one that argv[1] names; an unknown name is a usage error that proposes the nearest.
 */
int command_run_subcommand(const Command *commands, guint n_commands, const gchar *program, gint argc, gchar **argv);

/* Prints "usage", the commands and their summaries to standard output. */
void command_list(const Command *commands, guint n_commands, const gchar *program, const gchar *trailer);

/* The candidate nearest to @word by edit distance, or NULL if none is near. */
const gchar *command_nearest(const gchar *word, const gchar *const *candidates);

G_END_DECLS
