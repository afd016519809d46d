/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/pool.h"

G_BEGIN_DECLS

/* PREPROCESS (graph/frame.h) on a picture whose components may lie anywhere. */

typedef struct {
    const guint8 *bytes; /* of pixel (0, 0) */
    gsize stride, step;
    guint shift;
} DinoR1PictureComponent;

/* One axis: output i = sum over k < n_taps of weights[i * pitch + k] * input[starts[i] + k]. */
typedef struct {
    gint n_outputs, n_taps;
    gsize pitch;
    const gint32 *starts;
    const gfloat *weights;
} DinoR1Resampling;

typedef struct {
    gint width, height;
    DinoR1PictureComponent components[3];
    const gfloat *colour; /* [5, 4] */
    DinoR1Resampling columns, rows;
    gfloat *out; /* [rows, columns, 3] */
} DinoR1Picture;

/* Bytes of scratch memory, 64-byte aligned, for pictures up to @width and outputs up to @out_width. */
gsize dinor1_fast_picture_scratch(gint64 width, gint64 out_width, guint n_threads);

/* @pool: (nullable): NULL = this thread alone. The result is the same bits with any number of threads. */
void dinor1_fast_picture(const DinoR1Picture *picture, DinoR1Pool *pool, gpointer scratch);

G_END_DECLS
