/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading an annotation file: coco_read.c reads the file and its annotations, coco_entries.c its images and categories.
 */
#pragma once

#include "data/coco_record.h"

G_BEGIN_DECLS

typedef struct {
    guint begin, n; /* in list_ids of the reader */
} DinoR1CocoIdRange;

/* Category ids of an image until the categories are known. */
typedef struct {
    DinoR1CocoIdRange negative, not_exhaustive;
    guint number; /* of the image in the file's list */
} DinoR1CocoImageLists;

typedef struct {
    DinoR1Coco *coco;
    const DinoR1CocoOptions *options;
    const gchar *name; /* the file's */
    DinoR1Json json;
    GString *key, *string;
    GArray *records;                                 /* DinoR1CocoRecord without bad fields */
    GArray *list_ids;                                /* gint64 */
    GArray *lists;                                   /* DinoR1CocoImageLists, one per image */
    GHashTable *unclear_images, *unclear_categories; /* gint64 *: ids of entries that contradict each other */
    GError *error;
} DinoR1CocoReader;

/* Goes on without what is bad, counts and names it; or fails. @reader->error says what is wrong. */
gboolean dinor1_coco_leave_out(DinoR1CocoReader *reader, DinoR1CocoBad bad);

/* The position of a member's name in a NULL-terminated list, whose length it is if there is none. */
guint dinor1_coco_find_key(const gchar *const *keys, const gchar *key);

/* Read one entry of the lists. */
gboolean dinor1_coco_read_image(DinoR1CocoReader *reader, guint number);
gboolean dinor1_coco_read_category(DinoR1CocoReader *reader, guint number);

/* Once all entries are there: takes out what is unclear, then turns the ids in the images' lists into positions. */
gboolean dinor1_coco_settle_entries(DinoR1CocoReader *reader);

G_END_DECLS
