/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "draw.h"
#include "frames.h"

G_BEGIN_DECLS

/* Makes copies of frames with boxes drawn into them. */
typedef struct _Annotator Annotator;

Annotator *annotator_new(void);
void annotator_free(Annotator *annotator);

/**
 * annotator_draw:
 * @info: (out): the format of the result
 *
 * Returns: (transfer full): a picture with the time of @frame.
 */
GstBuffer *annotator_draw(
    Annotator *annotator, const Frame *frame, const DinoR1DrawItem *items, guint n_items, GstVideoInfo *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Annotator, annotator_free)

G_END_DECLS
