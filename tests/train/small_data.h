/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A golden model with a small input and a few pictures that are made up, for tests of whole trainings.
 */
#pragma once

#include <dinor1/train.h>

G_BEGIN_DECLS

/* @kinds: one letter an image: 'b' with boxes, 'e' empty, 'x' cannot be decoded. */
DinoR1Coco *small_data(const gchar *kinds);

/* A DinoR1FrameSource's decode for that; user_data: a GString that gets the letter of each picture, or NULL. */
gboolean small_decode(gpointer user_data, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error);

/* (transfer full): a directory with the golden model @model, "training/model"; remove it with small_model_remove(). */
gchar *small_model(const gchar *model);
void small_model_remove(const gchar *directory);

G_END_DECLS
