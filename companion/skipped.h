/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/dataset.h>

G_BEGIN_DECLS

/* What a run leaves out, with the reasons: pictures, and entries of annotation files. For any number of threads. */
typedef struct _Skipped Skipped;

Skipped *skipped_new(void);
void skipped_free(Skipped *skipped);

/* A picture. Its first reason stays. */
void skipped_add(Skipped *skipped, const gchar *path, const gchar *reason);

/* What the reader left out of the annotations in @path. */
void skipped_add_entries(Skipped *skipped, const gchar *path, const DinoR1Coco *coco);

/* (transfer full) (nullable): why the picture @path is left out; NULL = it is not. */
gchar *skipped_find(Skipped *skipped, const gchar *path);

guint skipped_get_n_pictures(Skipped *skipped);
guint skipped_get_n_entries(Skipped *skipped);

/* (transfer full) (array zero-terminated=1): the reasons of the pictures, by path: @limit at most. */
gchar **skipped_list(Skipped *skipped, guint limit);

/* (transfer full) (nullable): a sentence about the entries: how many of each file, why, and the first; NULL = none. */
gchar *skipped_describe_entries(Skipped *skipped);

/* Says on standard error what was left out: the entries' sentence and the first pictures. */
void skipped_report(Skipped *skipped);

/* One JSON object a line: {"annotations":…,"reason":…} of an entry, {"file":…,"reason":…} of a picture. */
gboolean skipped_save(Skipped *skipped, const gchar *path, GError **error);
/* Adds the pictures of a file that was saved. No file is as good as an empty one. */
gboolean skipped_load(Skipped *skipped, const gchar *path, GError **error);

/* (transfer full): the lines of the pictures that were added since this was called last, for other processes. */
gchar *skipped_take_news(Skipped *skipped);
/* Adds the pictures in such lines, which are no news then. */
gboolean skipped_add_news(Skipped *skipped, const gchar *lines, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Skipped, skipped_free)

G_END_DECLS
