/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

G_DEFINE_QUARK(dinor1 - usage - error - quark, usage_error)

/* Levenshtein distance, one row of the table at a time. */
static guint
edit_distance(const gchar *a, const gchar *b)
{
    const gsize n = strlen(b);
    g_autofree guint *row = g_new(guint, n + 1);

    for (gsize j = 0; j <= n; j++)
        row[j] = (guint)j;
    for (gsize i = 1; a[i - 1]; i++) {
        guint diagonal = row[0];

        row[0] = (guint)i;
        for (gsize j = 1; j <= n; j++) {
            const guint replaced = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const gchar *
command_nearest(const gchar *word, const gchar *const *candidates)
{
    const guint limit = MAX(2, (guint)strlen(word) / 3);
    const gchar *nearest = NULL;
    guint best = limit + 1;

    for (; *candidates; candidates++) {
        const guint distance = edit_distance(word, *candidates);

        if (distance < best) {
            best = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}

/* GOption does not say which option it did not know, except inside a translated sentence. */
static const GOptionEntry *
find_option(const GOptionEntry *entries, const gchar *name, gsize length)
{
    for (; entries->long_name; entries++)
        if (strlen(entries->long_name) == length && !strncmp(entries->long_name, name, length))
            return entries;
    return NULL;
}

static gchar *
propose_option(const GOptionEntry *entries, const gchar *name, gsize length)
{
    g_autofree gchar *word = g_strndup(name, length);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const gchar *nearest;

    for (; entries->long_name; entries++)
        if (*entries->long_name)
            g_ptr_array_add(names, (gpointer)entries->long_name);
    g_ptr_array_add(names, NULL);
    nearest = command_nearest(word, (const gchar *const *)names->pdata);
    return nearest ? g_strdup_printf("; did you mean --%s?", nearest) : g_strdup("");
}

static void
explain_unknown_option(const CommandHelp *help, const GOptionEntry *entries, gchar **argv, GError **error)
{
    for (gchar **arg = argv + 1; *arg && strcmp(*arg, "--"); arg++) {
        const gchar *name = *arg + 2;
        const gsize length = strcspn(*arg, "=") - 2;

        if (g_str_has_prefix(*arg, "--") && !find_option(entries, name, length)) {
            g_autofree gchar *proposal = propose_option(entries, name, length);

            g_clear_error(error);
            g_set_error(error, USAGE_ERROR, 0, "unknown option --%.*s%s (see '%s --help')", (int)length, name, proposal,
                help->name);
            return;
        }
    }
}

gboolean
command_parse(const CommandHelp *help, const GOptionEntry *entries, gint *argc, gchar ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(help->arguments);
    g_auto(GStrv) typed = g_strdupv(*argv);
    g_autoptr(GError) local = NULL;

    g_set_prgname(help->name);
    g_option_context_set_summary(context, help->summary);
    g_option_context_set_description(context, help->description);
    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, argc, argv, &local)) {
        if (*argc > 1 && !strcmp((*argv)[1], "--"))
            memmove(*argv + 1, *argv + 2, (gsize)(--*argc) * sizeof **argv);
        return TRUE;
    }
    if (g_error_matches(local, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION))
        explain_unknown_option(help, entries, typed, &local);
    g_set_error_literal(error, USAGE_ERROR, 0, local->message);
    return FALSE;
}

int
command_fail(GError *error)
{
    const int status = error->domain == USAGE_ERROR ? EXIT_USAGE : EXIT_FAILED;

    g_printerr("dinor1: %s\n", error->message);
    g_error_free(error);
    return status;
}

gboolean
command_require(const gchar *name, const gchar *value, GError **error)
{
    if (!value)
        g_set_error(error, USAGE_ERROR, 0, "%s is required", name);
    return value != NULL;
}

gboolean
command_check_range(const gchar *name, gdouble value, gdouble low, gdouble high, GError **error)
{
    const gboolean inside = value >= low && value <= high;

    if (!inside)
        g_set_error(error, USAGE_ERROR, 0, "%s is %.10g, but must be between %.10g and %.10g", name, value, low, high);
    return inside;
}

gboolean
command_parse_size(const gchar *text, gint *width, gint *height, GError **error)
{
    char rest;

    if (sscanf(text, "%5dx%5d%c", width, height, &rest) == 2 && *width > 0 && *height > 0)
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0, "--size is '%s', but must be WIDTHxHEIGHT in pixels, such as 1280x720", text);
    return FALSE;
}

static int
unknown_command(const Command *commands, guint n_commands, const gchar *program, const gchar *word)
{
    g_autofree const gchar **names = g_new0(const gchar *, n_commands + 1);
    const gchar *nearest;

    for (guint i = 0; i < n_commands; i++)
        names[i] = commands[i].name;
    nearest = command_nearest(word, names);
    if (nearest)
        g_printerr("dinor1: unknown command '%s'; did you mean '%s %s'?\n", word, program, nearest);
    else
        g_printerr("dinor1: unknown command '%s' (see '%s --help')\n", word, program);
    return EXIT_USAGE;
}

int
command_run_subcommand(const Command *commands, guint n_commands, const gchar *program, gint argc, gchar **argv)
{
    if (argc < 2) {
        g_printerr("dinor1: a command is missing (see '%s --help')\n", program);
        return EXIT_USAGE;
    }
    for (guint i = 0; i < n_commands; i++)
        if (!strcmp(commands[i].name, argv[1]))
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(commands, n_commands, program, argv[1]);
}

void
command_list(const Command *commands, guint n_commands, const gchar *program, const gchar *trailer)
{
    g_print("Usage:\n  %s COMMAND [OPTION…]\n\nCommands:\n", program);
    for (guint i = 0; i < n_commands; i++)
        g_print("  %-10s %s\n", commands[i].name, commands[i].summary);
    g_print("\n%s", trailer);
}
