/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Something with frames in it: an image, a clip or a stream, or one frame of one of these. */
typedef struct {
    gchar *text;       /* what the user typed, or the file that was found in a directory */
    gchar *name;       /* the same without "#frame=N" or "#t=SECONDS" */
    gchar *uri;        /* of the whole */
    gboolean is_local; /* a file, not a URI */
    gint64 frame;      /* the one frame asked for, -1 = all or by time */
    gint64 time;       /* nanoseconds: the frame shown at this moment, -1 = not asked for */
} Source;

/**
 * source_parse:
 * @text: a file name or URI, optionally followed by "#frame=N" or "#t=SECONDS"; a file of just that name comes first
 *
 * Returns: (transfer full): the source, or NULL: the file does not exist or is unreadable, or the text after '#' is
 * neither (USAGE_ERROR).
 */
Source *source_parse(const gchar *text, GError **error);

/**
 * source_expand:
 * @texts: (array zero-terminated=1): as for source_parse(), and directories
 *
 * Returns: (transfer full) (element-type Source): all sources; a directory stands for its images in natural order.
 * NULL if one of them is missing or a directory has no images.
 */
GPtrArray *source_expand(gchar **texts, GError **error);

gboolean source_is_directory(const gchar *text);

/* Whether the name's ending is that of an image file. */
gboolean source_is_image(const gchar *name);

void source_free(Source *source);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Source, source_free)

G_END_DECLS
