/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

#include <math.h>
#include <string.h>

/* NaN has no place in an order; it counts as -inf. */
static real
key(real x)
{
    return isnan(x) ? -INFINITY : x;
}

/* Element @i comes before element @j: greater, or as great and earlier. */
static gboolean
before(const real *x, gint64 i, gint64 j)
{
    return key(x[i]) > key(x[j]) || (key(x[i]) == key(x[j]) && i < j);
}

/* The first element in order that comes after element @previous; the very first one for -1. */
static gint64
next(const real *x, gint64 n, gint64 previous)
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
            index = next((const real *)args->inputs[0].data + b * n, n, index);
            out[b * k + i] = (gint32)index;
        }
    }
}

/* The row of a table [N, D] or [B, N, D] that index @i names. */
static gint64
row_of(const DinoR1Shape *table, const DinoR1View *indices, gint64 i)
{
    gint64 n = dinor1_shape_dim(table, -2), k = dinor1_shape_dim(&indices->shape, -1);
    gint64 row = CLAMP(((const gint32 *)indices->data)[i], 0, n - 1);

    return table->ndim == 3 ? i / k * n + row : row;
}

void
dinor1_ref_gather(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *table = &args->inputs[0].shape;
    gint64 d = dinor1_shape_dim(table, -1);

    for (gint64 i = 0; i < dinor1_shape_size(&args->inputs[1].shape); i++)
        memcpy((real *)args->outputs[0].data + i * d,
            (const real *)args->inputs[0].data + row_of(table, &args->inputs[1], i) * d, (gsize)d * sizeof(real));
}

gsize
dinor1_ref_gather_grad_workspace(const DinoR1KernelArgs *args)
{
    return dinor1_ref_sums_size(args, 1);
}

void
dinor1_ref_gather_grad(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *table = &args->outputs[0].shape;
    gint64 d = dinor1_shape_dim(table, -1);
    const real *dy = args->inputs[0].data; /* [..., k, D] */
    gdouble *sum;

    dinor1_ref_sums_begin(args, 1, &sum);
    for (gint64 i = 0; i < dinor1_shape_size(&args->inputs[1].shape); i++)
        for (gint64 c = 0; c < d; c++)
            sum[row_of(table, &args->inputs[1], i) * d + c] += dy[i * d + c];
    dinor1_ref_sums_end(args, 1, &sum);
}
