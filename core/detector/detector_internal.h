/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "detector/programs.h"
#include <dinor1/detector.h>

G_BEGIN_DECLS

/* Around everything that may use the device. begin: FALSE with the error that its device died of. end: returns @done;
 * after a failure it finds out whether the device lives. */
gboolean dinor1_detector_begin(DinoR1Detector *detector, GError **error);
gboolean dinor1_detector_end(DinoR1Detector *detector, gboolean done);

/* A program of the detector, whose inputs the caller may overwrite: the next detection loads them again. */
DinoR1Program *dinor1_detector_get_program(
    DinoR1Detector *detector, const DinoR1ProgramKey *key, gboolean *is_new, GError **error);

/* The size that the network sees of a picture, with the detector's options applied. */
void dinor1_detector_get_input_size(
    const DinoR1Detector *detector, gint width, gint height, gint *input_width, gint *input_height);

G_END_DECLS
