/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "skipped.h"

#include <dinor1/train.h>

G_BEGIN_DECLS

/* The pictures of a COCO file: images, and frames of clips, in one folder. */
typedef struct _CocoPictures CocoPictures;

/* Keeps the clips that were read last open. */
CocoPictures *coco_pictures_new(const gchar *directory);
void coco_pictures_free(CocoPictures *pictures);

/* Decodes them, for any number of threads, as long as @pictures lives. */
DinoR1FrameSource coco_pictures_get_source(CocoPictures *pictures);

/* From here on what cannot be decoded is noted in @skipped, and not tried again. */
void coco_pictures_skip_bad(CocoPictures *pictures, Skipped *skipped);

/* Whether image @index was found to be one of those. */
gboolean coco_pictures_is_skipped(const CocoPictures *pictures, const DinoR1Coco *coco, guint index);

/* Whether there is a file for every image; else an error that names the first that has none. Where bad ones are to be
 * skipped, an error only if all are. */
gboolean coco_pictures_check(const CocoPictures *pictures, const DinoR1Coco *coco, GError **error);

/* One decoded picture, as its annotations see it. */
typedef struct {
    DinoR1Image image;
    gpointer memory;
    gdouble scale_x, scale_y; /* pixels of the picture for one of the annotations */
} CocoPicture;

/* Decodes image @index; coco_picture_clear() frees it. */
gboolean coco_picture_load(
    CocoPictures *pictures, const DinoR1Coco *coco, guint index, CocoPicture *picture, GError **error);
void coco_picture_clear(CocoPicture *picture);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoPictures, coco_pictures_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoPicture, coco_picture_clear)

G_END_DECLS
