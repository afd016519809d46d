/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One axis of PIL's BILINEAR resize: output i = sum over k < n_taps of weights[i * pitch + k] * input[starts[i] + k].
 * starts never fall, every window lies inside the input, and its weights sum to 1. */

/* No resize from @n_inputs to @n_outputs has more taps. */
gint dinor1_resample_max_taps(gint n_inputs, gint n_outputs);

/* Fills starts [n_outputs] and weights [n_outputs, pitch], @pitch >= the result of max_taps. Allocates nothing.
 * Returns: n_taps. */
gint dinor1_resample_fill(gint n_inputs, gint n_outputs, gsize pitch, gint32 *starts, gfloat *weights);

G_END_DECLS
