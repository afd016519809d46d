/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>

G_BEGIN_DECLS

/* FALSE with USAGE_ERROR unless @path ends in .svg or .png. @path may be NULL. */
gboolean eval_curve_check(const gchar *path, GError **error);

/**
 * eval_curve_write:
 * @path: ends in .svg or .png
 *
 * Draws precision over recall at IoU 0.50 and 0.75: a line for each class that has boxes and a bold one for their mean.
 * Of many classes those with the most boxes have colours and names.
 */
gboolean eval_curve_write(const DinoR1Eval *eval, const DinoR1Coco *coco, const gchar *path, GError **error);

G_END_DECLS
