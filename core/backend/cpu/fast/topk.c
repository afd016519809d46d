/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

#include <math.h>
#include <string.h>

/* A value and its index in one number that is greater for what comes first: by falling value, then by rising index.
 * NaN counts as -inf, and -0 as 0. */
static guint64
make_key(gfloat value, gint64 index)
{
    guint32 bits;

    value = isnan(value) ? -INFINITY : value + 0.f;
    memcpy(&bits, &value, sizeof bits);
    bits ^= bits & 0x80000000u ? 0xffffffffu : 0x80000000u;
    return (guint64)bits << 32 | (0xffffffffu - (guint32)index);
}

/* Puts @key into the heap [n] whose entry @at is free and may be too high up. The smallest is on top. */
static void
sift(guint64 *heap, gint64 n, gint64 at, guint64 key)
{
    for (;;) {
        gint64 child = 2 * at + 1;
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (child >= n || heap[child] >= key)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
}

/* The k largest of x [n] in order: a heap of the best so far, then taken apart from the smallest on. */
static void
select_row(const gfloat *x, gint64 n, gint64 k, guint64 *heap, gint32 *out)
{
    for (gint64 i = 0; i < k; i++)
        heap[i] = make_key(x[i], i);
    for (gint64 i = k / 2 - 1; i >= 0; i--)
        sift(heap, k, i, heap[i]);
    for (gint64 i = k; i < n; i++) {
        const guint64 key = make_key(x[i], i);
        if (key > heap[0])
            sift(heap, k, 0, key);
    }
    for (gint64 i = k - 1; i >= 0; i--) {
        out[i] = (gint32)(0xffffffffu - (guint32)heap[0]);
        sift(heap, i, 0, heap[i]);
    }
}

gsize
dinor1_fast_topk_workspace(const DinoR1KernelArgs *args)
{
    return (gsize)args->params->topk.k * sizeof(guint64);
}

void
dinor1_fast_topk(const DinoR1KernelArgs *args)
{
    const gint64 batches = args->inputs[0].shape.dims[0], n = args->inputs[0].shape.dims[1];
    const gint64 k = args->params->topk.k;

    for (gint64 b = 0; b < batches; b++)
        select_row((const gfloat *)args->inputs[0].data + b * n, n, k, args->workspace,
            (gint32 *)args->outputs[0].data + b * k);
}
