/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The pictures that a run leaves out, with the reasons. For any number of threads. */
typedef struct _Skipped Skipped;

Skipped *skipped_new(void);
void skipped_free(Skipped *skipped);

/* The first reason of a picture stays. */
void skipped_add(Skipped *skipped, const gchar *path, const gchar *reason);

/* (transfer full) (nullable): why @path is left out; NULL = it is not. */
gchar *skipped_find(Skipped *skipped, const gchar *path);

guint skipped_get_n(Skipped *skipped);

/* (transfer full) (array zero-terminated=1): the reasons, by path: @limit at most. */
gchar **skipped_list(Skipped *skipped, guint limit);

/* One JSON object a line, {"file":…,"reason":…}. No file is as good as an empty one. */
gboolean skipped_load(Skipped *skipped, const gchar *path, GError **error);
gboolean skipped_save(Skipped *skipped, const gchar *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Skipped, skipped_free)

G_END_DECLS
