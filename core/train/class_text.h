/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"
#include <dinor1/dataset.h>
#include <dinor1/model.h>

G_BEGIN_DECLS

/* What the names of a data set's classes mean to a model with a text encoder: the mean of each name's tokens. Training
 * does not change them. */
typedef struct _DinoR1ClassText DinoR1ClassText;

/* Encodes the names; one that cannot be a text prompt (no words in it, too long) has no text. @model: with text
 * prompts. Returns: NULL with an error. */
DinoR1ClassText *dinor1_class_text_new(
    DinoR1Model *model, const DinoR1Coco *data, DinoR1Backend *backend, GError **error);
void dinor1_class_text_free(DinoR1ClassText *text);

/* [D], of length 1; NULL if the class has no text. */
const gfloat *dinor1_class_text_get(const DinoR1ClassText *text, guint class_index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1ClassText, dinor1_class_text_free)

G_END_DECLS
