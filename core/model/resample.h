/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/pixels.h"

G_BEGIN_DECLS

/* One axis of PIL's BILINEAR resize: output i = sum over k < n_taps of weights[i * n_taps + k] * input[starts[i] + k].
 * starts never fall, and every window lies inside the input. */
typedef struct {
    gint n_inputs, n_outputs;
    gint n_taps;
    gint *starts;
    gfloat *weights;
} DinoR1ResampleTable;

void dinor1_resample_table_clear(DinoR1ResampleTable *table);
/* Allocates only if a size differs from the last call's. */
void dinor1_resample_table_set(DinoR1ResampleTable *table, gint n_inputs, gint n_outputs);

/* out[x] = resampled row[x] * scale + offset, three floats a pixel. @out has room for 3 * n_outputs + 1 floats. */
void dinor1_resample_row(
    const DinoR1ResampleTable *table, const DinoR1Float4 *row, DinoR1Float4 scale, DinoR1Float4 offset, gfloat *out);

G_END_DECLS
