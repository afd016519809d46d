/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "evaluation.h"

G_BEGIN_DECLS

/* The states of the sample pictures, as parts of their file names. */
#define SAMPLES_TRUTH  "annotated"
#define SAMPLES_BEFORE "before"
#define SAMPLES_AFTER  "after"

/**
 * samples_write:
 * @results: (nullable): what was found in @set; NULL: the annotations themselves
 * @folder: made if needed
 *
 * Draws a few pictures of the set, always the same ones, small, into "@folder/@state-N.jpg". Of each picture's results
 * as many are drawn as it has boxes, the best ones. A picture that is left out has none.
 */
gboolean samples_write(const EvaluationSet *set, const DinoR1CocoResults *results, const gchar *folder,
    const gchar *state, GError **error);

/* Appends the pictures that there are to a page, one row each, as data. */
gboolean samples_append_html(const gchar *folder, GString *page, GError **error);

G_END_DECLS
