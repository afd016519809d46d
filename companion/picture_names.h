/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * picture_find:
 * @file_name: of a COCO file: a picture, or a frame of a clip
 *
 * Labelling tools put folders of their own before the names, and Label Studio also eight hexadecimal digits and a '-'.
 * So a file is looked for in @directory by its whole name, by the last part of it and by that without such digits.
 *
 * Returns: (transfer full): its path, with "#frame=N" or "#t=SECONDS" if @file_name ends so; NULL with an error.
 */
gchar *picture_find(const gchar *directory, const gchar *file_name, GError **error);

/* (transfer full): a name for a picture of frame @number of @clip that no labelling tool changes: "road-000025.png".
 * @number: -1 = @clip is a picture */
gchar *picture_make_name(const gchar *clip, gint64 number);

G_END_DECLS
