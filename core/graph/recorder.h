/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* The runs of a program, by the stages that they have: the first of each goes op by op, which lets the backend settle
 * what it chooses at first use; the second is recorded where the backend can, and the recording replayed from then on.
 * Where recording fails the program goes on op by op. */
typedef struct _DinoR1Recorder DinoR1Recorder;

/* Runs the ops of the stages @first … @last one by one. */
typedef gboolean (*DinoR1RunFunc)(gpointer user_data, guint first, guint last, GError **error);

DinoR1Recorder *dinor1_recorder_new(DinoR1Backend *backend, DinoR1RunFunc run, gpointer user_data);
void dinor1_recorder_free(DinoR1Recorder *recorder);

gboolean dinor1_recorder_run(DinoR1Recorder *recorder, guint first, guint last, GError **error);

G_END_DECLS
