/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "io/json.h"

#include <dinor1/dataset.h>

G_BEGIN_DECLS

struct _DinoR1Coco {
    gatomicrefcount refs;
    GStringChunk *strings;
    GArray *categories;  /* DinoR1CocoCategory */
    GArray *images;      /* DinoR1CocoImage */
    GArray *annotations; /* DinoR1CocoAnnotation, those of an image together, in the order of the images */
    GArray *first;       /* guint per image: its first annotation */
    guint *lists;        /* where the images' federated lists point to */

    GHashTable *image_ids, *category_ids; /* gint64 * → position */
    GHashTable *category_names;           /* name → position of the first */
    GHashTable *file_names, *base_names;  /* file_name, its last part → position, or AMBIGUOUS */
    guint n_bad[DINOR1_COCO_N_BAD];
    GPtrArray *reasons; /* gchar *: what the first of them are */
};

#define DINOR1_COCO_GOOD DINOR1_COCO_N_BAD

/* Append what the reader found, with its id; FALSE if the id is already there. */
gboolean dinor1_coco_append_category(DinoR1Coco *coco, const DinoR1CocoCategory *category);
gboolean dinor1_coco_append_image(DinoR1Coco *coco, const DinoR1CocoImage *image);

/* What is wrong with an annotation's box in @image, or GOOD. */
DinoR1CocoBad dinor1_coco_check_box(const DinoR1CocoImage *image, const DinoR1CocoBox *box);

/* Reads a whole file in memory; @name stands for the path in messages. */
DinoR1Coco *dinor1_coco_load_memory(
    const gchar *name, const gchar *text, gsize size, const DinoR1CocoOptions *options, GError **error);
DinoR1CocoResults *dinor1_coco_results_load_memory(DinoR1Coco *coco, const gchar *name, const gchar *text, gsize size,
    const DinoR1CocoOptions *options, GError **error);

/* (transfer full): the whole file. */
GString *dinor1_coco_format_annotations(const DinoR1Coco *coco);
GString *dinor1_coco_format_results(const DinoR1CocoResults *results);

/* Sets FORMAT: the file, the line and column, and the problem at which @json stopped. */
void dinor1_coco_set_json_error(const DinoR1Json *json, const gchar *name, GError **error);

G_END_DECLS
