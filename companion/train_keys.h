/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train_config.h"

G_BEGIN_DECLS

#define TRAIN_MAX_VALUES 256 /* of one list */

typedef enum {
    TRAIN_KEY_FILE,     /* gchar *: an existing file */
    TRAIN_KEY_FOLDER,   /* gchar *: an existing folder */
    TRAIN_KEY_OUTPUT,   /* gchar *: a folder that may not exist yet */
    TRAIN_KEY_COUNT,    /* guint */
    TRAIN_KEY_SEED,     /* guint64 */
    TRAIN_KEY_NUMBER,   /* gfloat */
    TRAIN_KEY_SWITCH,   /* gboolean */
    TRAIN_KEY_SCHEDULE, /* DinoR1TrainSchedule */
    TRAIN_KEY_EPOCHS,   /* the milestones of the options */
    TRAIN_KEY_WORDS,    /* gchar ** */
    TRAIN_KEY_TEXT,     /* gchar * */
} TrainKeyType;

typedef struct {
    const gchar *name; /* with its sections: "data.train.images" */
    TrainKeyType type;
    gsize offset; /* in TrainConfig */
    gboolean required;
    gdouble low, high;
} TrainKey;

/* NULL after the last. */
const TrainKey *train_key_get(guint index);

/* NULL with an error that proposes the nearest name. */
const TrainKey *train_key_find(const gchar *name, GError **error);

/* Whether keys begin with "@name.". */
gboolean train_key_is_section(const gchar *name);

/* @values: @n_values texts; a key that is no list takes exactly one. @folder: what a relative path is relative to;
 * NULL = the working directory. */
gboolean train_key_set(const TrainKey *key, TrainConfig *config, const gchar *const *values, guint n_values,
    const gchar *folder, GError **error);

/* (transfer full): the value as text; "" if it is not set. */
gchar *train_key_get_text(const TrainKey *key, const TrainConfig *config);

G_END_DECLS
