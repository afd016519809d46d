/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "frames.h"

#include <dinor1/detector.h>

G_BEGIN_DECLS

/* Where detections go; NULL = not there. Owned strings. */
typedef struct {
    gchar *json;             /* JSON lines, "-" for standard output */
    gchar *coco;             /* COCO results */
    gchar *coco_annotations; /* gives the ids of the COCO results */
    gchar *output;           /* annotated video, image, or directory of these */
    gchar *frame_png;        /* "FILE" or "FILE@N": one annotated frame */
} DetectOutputOptions;

void detect_output_options_clear(DetectOutputOptions *options);

/* All files of one run of `dinor1 detect`. Files that are not committed disappear. */
typedef struct _DetectOutputs DetectOutputs;

/**
 * detect_outputs_new:
 * @inputs: (array zero-terminated=1): what the user typed
 * @sources: what that stands for; must outlive the outputs
 *
 * Checks and opens all outputs, so that mistakes show before any work is done.
 */
DetectOutputs *detect_outputs_new(
    const DetectOutputOptions *options, gchar **inputs, const GPtrArray *sources, GError **error);
void detect_outputs_free(DetectOutputs *outputs);

/* Tells the classes. Borrows @bank. Fails if the COCO annotations have no category of a class's name. */
gboolean detect_outputs_set_bank(DetectOutputs *outputs, const DinoR1PromptBank *bank, GError **error);

/* The frames of one source come between begin and end. */
gboolean detect_outputs_begin(DetectOutputs *outputs, const Source *source, GError **error);
gboolean detect_outputs_end(DetectOutputs *outputs, GError **error);

/* @searched: whether the detections are of this frame or left from an earlier one (these are drawn, but not listed) */
gboolean detect_outputs_add(DetectOutputs *outputs, const Frame *frame, const DinoR1Detection *items, guint n_items,
    gboolean searched, GError **error);

/* Completes the files. */
gboolean detect_outputs_commit(DetectOutputs *outputs, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DetectOutputs, detect_outputs_free)

G_END_DECLS
