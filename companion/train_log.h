/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>
#include <dinor1/train.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The logs of a training run: JSON lines that each begin with {"update":N. An update's number counts from 1. */

/* Cuts off what was logged after update @last, and a line that was not finished. No file is fine. */
gboolean train_log_trim(const gchar *path, guint last, GError **error);

gboolean train_log_add_update(const gchar *path, guint update, const DinoR1TrainReport *report, GError **error);

/* What one evaluation found. */
typedef struct {
    guint update;
    gint epoch; /* the last that is over; -1 before training */
    const DinoR1Eval *figures;
    const DinoR1Coco *coco;    /* of the figures */
    const DinoR1Eval *heldout; /* (nullable): the figures of what is not to be forgotten */
} TrainLogEvaluation;

gboolean train_log_add_evaluation(const gchar *path, const TrainLogEvaluation *entry, GError **error);

/* (transfer full) (element-type JsonObject): all lines; none if there is no file. */
GPtrArray *train_log_read_lines(const gchar *path, GError **error);

/* The same of lines that are in memory. */
GPtrArray *train_log_parse_lines(const gchar *text, GError **error);

/* FALSE if the line has no number of that name. */
gboolean train_log_get_number(JsonObject *line, const gchar *member, gdouble *value);

G_END_DECLS
