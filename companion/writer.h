/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Encodes pictures into a video file (.mp4, .mov, .mkv, .avi, .webm) or one picture into an image file (.png, .jpg),
 * with the first encoder of the format's list that is installed. */
typedef struct _Writer Writer;

/* Returns: (transfer full): the writer; NULL with USAGE_ERROR for an unknown ending, or with an error when no encoder
 * is installed or the file cannot be made. */
Writer *writer_new(const gchar *path, GError **error);

/* Drops the file unless it was finished. */
void writer_free(Writer *writer);

/**
 * writer_push:
 * @info: the format of @buffer: the same in every call
 * @buffer: (transfer full): one picture, with its time
 *
 * Waits while the encoder is busy.
 */
gboolean writer_push(Writer *writer, const GstVideoInfo *info, GstBuffer *buffer, GError **error);

/* Ends the file and gives it its name. A writer without any picture leaves no file. */
gboolean writer_finish(Writer *writer, GError **error);

/* Whether @path ends like a file of this kind that a writer makes. */
gboolean writer_makes_image(const gchar *path);
gboolean writer_makes_video(const gchar *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Writer, writer_free)

G_END_DECLS
