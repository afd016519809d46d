/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>
#include <dinor1/train.h>

G_BEGIN_DECLS

/* The logs of a training run: JSON lines that each begin with {"update":N. An update's number counts from 1. */

/* Cuts off what was logged after update @last, and a line that was not finished. No file is fine. */
gboolean train_log_trim(const gchar *path, guint last, GError **error);

gboolean train_log_add_update(const gchar *path, guint update, const DinoR1TrainReport *report, GError **error);
gboolean train_log_add_evaluation(
    const gchar *path, guint update, guint epoch, const DinoR1Eval *evaluation, GError **error);

/* (transfer full) (element-type gdouble): the values of one member, one of each line; empty if there is no file. */
GArray *train_log_read(const gchar *path, const gchar *member, GError **error);

G_END_DECLS
