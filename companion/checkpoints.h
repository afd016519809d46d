/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/train.h>

G_BEGIN_DECLS

/* Files update-NNNNNNNN.safetensors in one folder, each the state of a run after so many updates. */

/* The number of the newest; FALSE if there is none. */
gboolean checkpoints_find(const gchar *folder, guint *update);

gboolean checkpoints_save(const gchar *folder, const DinoR1Trainer *trainer, guint update, guint keep, GError **error);
gboolean checkpoints_resume(const gchar *folder, DinoR1Trainer *trainer, guint update, GError **error);

G_END_DECLS
