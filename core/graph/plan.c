/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/plan.h"

#define ALIGNMENT 64

static gsize
align(gsize size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static gint
larger_first(gconstpointer a, gconstpointer b)
{
    const DinoR1PlanBuffer *x = *(DinoR1PlanBuffer *const *)a, *y = *(DinoR1PlanBuffer *const *)b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x < y ? -1 : x > y; /* array order: the same plan on every run */
}

static gboolean
overlap_in_time(const DinoR1PlanBuffer *a, const DinoR1PlanBuffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The first gap below, between or above the @placed buffers (sorted by offset) that are alive with @buffer. */
static gsize
find_gap(const GPtrArray *placed, const DinoR1PlanBuffer *buffer)
{
    gsize offset = 0;

    for (guint i = 0; i < placed->len; i++) {
        const DinoR1PlanBuffer *other = placed->pdata[i];

        if (!overlap_in_time(other, buffer))
            continue;
        if (other->offset >= offset + align(buffer->size))
            break;
        offset = MAX(offset, other->offset + align(other->size));
    }
    return offset;
}

static void
insert_by_offset(GPtrArray *placed, DinoR1PlanBuffer *buffer)
{
    guint at = placed->len;

    while (at > 0 && ((DinoR1PlanBuffer *)placed->pdata[at - 1])->offset > buffer->offset)
        at--;
    g_ptr_array_insert(placed, (gint)at, buffer);
}

gsize
dinor1_plan_arena(DinoR1PlanBuffer *buffers, guint n_buffers)
{
    g_autoptr(GPtrArray) order = g_ptr_array_sized_new(n_buffers);
    g_autoptr(GPtrArray) placed = g_ptr_array_sized_new(n_buffers);
    gsize arena = 0;

    for (guint i = 0; i < n_buffers; i++)
        g_ptr_array_add(order, &buffers[i]);
    g_ptr_array_sort(order, larger_first);
    for (guint i = 0; i < n_buffers; i++) {
        DinoR1PlanBuffer *buffer = order->pdata[i];

        buffer->offset = find_gap(placed, buffer);
        insert_by_offset(placed, buffer);
        arena = MAX(arena, buffer->offset + align(buffer->size));
    }
    return arena;
}
