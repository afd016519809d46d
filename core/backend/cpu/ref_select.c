/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>
#include <string.h>

/* NaN has no place in an order; it counts as -inf. */
static gfloat
key(gfloat x)
{
    return isnan(x) ? -INFINITY : x;
}

/* Element @i comes before element @j: greater, or as great and earlier. */
static gboolean
before(const gfloat *x, gint64 i, gint64 j)
{
    return key(x[i]) > key(x[j]) || (key(x[i]) == key(x[j]) && i < j);
}

/* The first element in order that comes after element @previous; the very first one for -1. */
static gint64
next(const gfloat *x, gint64 n, gint64 previous)
{
    gint64 best = -1;
    for (gint64 i = 0; i < n; i++)
        if ((previous < 0 || before(x, previous, i)) && (best < 0 || before(x, i, best)))
            best = i;
    return best;
}

void
dinor1_ref_topk(const DinoR1KernelArgs *args)
{
    gint64 n = args->inputs[0].shape.dims[1], k = args->params->topk.k;
    gint32 *out = args->outputs[0].data; /* [B, k] */

    for (gint64 b = 0; b < args->inputs[0].shape.dims[0]; b++) {
        gint64 index = -1;
        for (gint64 i = 0; i < k; i++) {
            index = next((const gfloat *)args->inputs[0].data + b * n, n, index);
            out[b * k + i] = (gint32)index;
        }
    }
}

void
dinor1_ref_gather(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *table = &args->inputs[0].shape, *index_shape = &args->inputs[1].shape;
    gint64 n = dinor1_shape_dim(table, -2), d = dinor1_shape_dim(table, -1);
    gint64 k = dinor1_shape_dim(index_shape, -1);
    const gint32 *indices = args->inputs[1].data;

    for (gint64 i = 0; i < dinor1_shape_size(index_shape); i++) {
        gint64 row = CLAMP(indices[i], 0, n - 1);
        if (table->ndim == 3)
            row += i / k * n;
        memcpy((gfloat *)args->outputs[0].data + i * d, (const gfloat *)args->inputs[0].data + row * d,
            (gsize)d * sizeof(gfloat));
    }
}
