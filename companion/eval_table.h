/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>

G_BEGIN_DECLS

/* Prints the figures, and the classes that have boxes with the best AP first, to standard output. */
void eval_print(const DinoR1Eval *eval, const DinoR1Coco *coco);

/* Writes the same as JSON: {"figures": {"AP": …}, "classes": [{"name": …, "AP": …}, …]}. "-": standard output. */
gboolean eval_write_json(const DinoR1Eval *eval, const DinoR1Coco *coco, const gchar *path, GError **error);

G_END_DECLS
