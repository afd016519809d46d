/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A set to evaluate on. */
typedef struct {
    gchar *name;
    gchar *annotations, *images;
    gchar *prompts;              /* a bank, or NULL */
    gchar *train, *train_images; /* annotations to draw exemplars from, or NULL */
    guint line;                  /* of the list where the set begins */
    gboolean missing;            /* one of the files or folders is not there */
} EvalSet;

void eval_set_clear(EvalSet *set);

typedef enum {
    SET_LIST_SAME_IMAGE = 1 << 0,   /* prompts come from the pictures themselves: a set names none */
    SET_LIST_SKIP_MISSING = 1 << 1, /* a set of which something is missing is marked, not an error */
} SetListFlags;

/**
 * set_list_load:
 *
 * Reads the sets of a file, which docs/evaluation.md describes, and looks whether everything that they name exists.
 * Relative paths are relative to the file's folder.
 *
 * Returns: (transfer full) (element-type EvalSet): at least one set; NULL with an error that names file and line.
 */
GArray *set_list_load(const gchar *path, SetListFlags flags, GError **error);

/* The part of that without files: @text is the content of a file that would be named @path. */
GArray *set_list_parse(const gchar *path, const gchar *text, gsize length, SetListFlags flags, GError **error);

G_END_DECLS
