/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "data/coco.h"

G_BEGIN_DECLS

/* The members of an annotation or a result, as bits of DinoR1CocoRecord.seen. */
enum {
    DINOR1_RECORD_ID = 1 << 0,
    DINOR1_RECORD_IMAGE = 1 << 1,
    DINOR1_RECORD_CATEGORY = 1 << 2,
    DINOR1_RECORD_BOX = 1 << 3,
    DINOR1_RECORD_AREA = 1 << 4,
    DINOR1_RECORD_CROWD = 1 << 5,
    DINOR1_RECORD_IGNORE = 1 << 6,
    DINOR1_RECORD_SCORE = 1 << 7,
};

typedef struct {
    guint number; /* in the list, from 0 */
    guint seen;
    DinoR1CocoBad bad;  /* GOOD, FIELD or NOT_FINITE */
    const gchar *field; /* the one that is bad */
    const gchar *reason;
    gint64 id, image_id, category_id;
    DinoR1CocoBox box;
    gdouble area, score;
    gboolean crowd, ignore;
} DinoR1CocoRecord;

/* Reads any JSON value as a record of the @required and @optional members. What is wrong with it goes to @record; FALSE
 * if it is not JSON. @key: a buffer. */
gboolean dinor1_coco_record_read(
    DinoR1Json *json, guint required, guint optional, GString *key, DinoR1CocoRecord *record);

/* A value read or skipped: FALSE if it is not an integer from 0 to 2^63-1. */
gboolean dinor1_coco_read_id(DinoR1Json *json, gint64 *id);

/* Sets FORMAT: "FILE: LIST[number], id 7: REASON". @format: what is wrong. */
void dinor1_coco_set_entry_error(GError **error, const gchar *name, const gchar *list, guint number, const gint64 *id,
    const gchar *format, ...) G_GNUC_PRINTF(6, 7);

/* As above, for a record that is bad for @bad. */
void dinor1_coco_set_record_error(
    GError **error, const gchar *name, const gchar *list, const DinoR1CocoRecord *record, DinoR1CocoBad bad);

G_END_DECLS
