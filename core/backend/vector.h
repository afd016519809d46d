/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ops on runs of @n floats in a backend's memory, each 64-byte aligned, without a graph: what training does with
 * weights, moments and gradients. None of them waits for a device.
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* Elements of @size bytes that a run of @n takes up where another one follows it. */
static inline gsize
dinor1_vector_span(gsize n, gsize size)
{
    const gsize per_line = 64 / size;

    return (n + per_line - 1) / per_line * per_line;
}

/* to = from */
gboolean dinor1_vector_copy(DinoR1Backend *backend, gfloat *to, const gfloat *from, gsize n, GError **error);
/* to = factor * from */
gboolean dinor1_vector_scale(
    DinoR1Backend *backend, gfloat *to, const gfloat *from, gsize n, gfloat factor, GError **error);
/* x = a * x + b * y */
gboolean dinor1_vector_blend(
    DinoR1Backend *backend, gfloat *x, gfloat a, const gfloat *y, gfloat b, gsize n, GError **error);
/* sums[i] of each DINOR1_SUM_BLOCK elements, in the backend's memory */
gboolean dinor1_vector_sum_squares(DinoR1Backend *backend, const gfloat *x, gsize n, gdouble *sums, GError **error);
/* ADAMW in place; @params: the op's */
gboolean dinor1_vector_adamw(DinoR1Backend *backend, gfloat *p, gfloat *m, gfloat *v, const gfloat *g, gsize n,
    const DinoR1OpParams *params, GError **error);

/* @n zeros. (transfer full): for klass->release; NULL with MEMORY when there is not enough. */
gfloat *dinor1_vector_new(DinoR1Backend *backend, gsize n, GError **error);

G_END_DECLS
