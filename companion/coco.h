/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "frames.h"

#include <dinor1/detector.h>

G_BEGIN_DECLS

/* The ids of an annotation file in COCO's format: images by file_name, categories by name. */
typedef struct _CocoIds CocoIds;

/* Returns: (transfer full): the ids, or NULL: the file cannot be read or is not of that format. */
CocoIds *coco_ids_load(const gchar *path, GError **error);
void coco_ids_free(CocoIds *ids);

/* The category's id; FALSE with an error that lists the names there are. */
gboolean coco_ids_find_category(const CocoIds *ids, const gchar *name, gint64 *id, GError **error);

/**
 * coco_ids_find_image:
 *
 * An image is found by its path or its last part; a frame of a clip by "CLIP#frame=N", with the clip's path or its last
 * part.
 *
 * Returns: FALSE if no file_name is like that.
 */
gboolean coco_ids_find_image(const CocoIds *ids, const Source *source, gint64 frame, gint64 *id);

/**
 * coco_append_result:
 *
 * Appends one object of a COCO results list: image_id, category_id, bbox, score.
 */
void coco_append_result(GString *text, gint64 image_id, gint64 category_id, const DinoR1Detection *detection);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoIds, coco_ids_free)

G_END_DECLS
