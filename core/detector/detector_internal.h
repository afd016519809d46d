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

/* What a program for pictures like @image is asked for by, but for its tokens. */
DinoR1ProgramKey dinor1_detector_make_key(
    const DinoR1Detector *detector, DinoR1ProgramKind kind, const DinoR1Image *image);

/* Puts one picture, or key->batch of them, into a program for it. */
gboolean dinor1_detector_load_pictures(DinoR1Detector *detector, DinoR1Program *program, const DinoR1ProgramKey *key,
    const DinoR1Image *images, GError **error);

G_END_DECLS
