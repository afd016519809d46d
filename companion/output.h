/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * OutputFile:
 *
 * A file in the making: it is written under a temporary name beside the final one and gets its name when it is
 * complete, so that nobody ever sees half a file. A device or a pipe is written directly.
 */
typedef struct _OutputFile OutputFile;

/* Returns: (transfer full): the file, made empty under its temporary name; NULL if that cannot be done. */
OutputFile *output_file_new(const gchar *path, GError **error);

const gchar *output_file_get_path(const OutputFile *file);       /* where to write */
const gchar *output_file_get_final_path(const OutputFile *file); /* for messages */

/* Syncs what was written and gives it its name. */
gboolean output_file_commit(OutputFile *file, GError **error);

/* Removes the temporary file unless it was committed. */
void output_file_free(OutputFile *file);

/* Refuses, as USAGE_ERROR, an output that is one of the sources' files. @path may be NULL. */
gboolean output_check_not_source(const gchar *path, const GPtrArray *sources, GError **error);

/* Makes the folder and those above it unless they exist. */
gboolean output_make_directory(const gchar *path, GError **error);

/* A text in the making: an OutputFile, or standard output for "-". */
typedef struct _TextOutput TextOutput;

TextOutput *text_output_new(const gchar *path, GError **error);
gboolean text_output_write(TextOutput *output, const gchar *text, gsize length, GError **error);
gboolean text_output_commit(TextOutput *output, GError **error);
void text_output_free(TextOutput *output);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutputFile, output_file_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TextOutput, text_output_free)

G_END_DECLS
