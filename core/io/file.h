/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A regular, non-empty file mapped read-only. Returns: NULL with IO. */
guint8 *dinor1_file_map(const gchar *path, gsize *size, GError **error);
void dinor1_file_unmap(guint8 *data, gsize size);

/* The content of a regular file of at most @max_size bytes, with a NUL after it. Returns: (transfer full): NULL with IO
 * (cannot be read) or FORMAT (too large). */
gchar *dinor1_file_read(const gchar *path, gsize max_size, gsize *size, GError **error);

typedef struct {
    gconstpointer data;
    gsize size;
} DinoR1FilePart;

/* Writes the parts, one after the other, to a temporary file beside @path, syncs it, renames it to @path and syncs the
 * directory. On failure @path is what it was and the temporary file is gone. Returns: FALSE with IO. */
gboolean dinor1_file_replace(const gchar *path, const DinoR1FilePart *parts, guint n_parts, GError **error);

G_END_DECLS
