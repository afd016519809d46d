/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/fast.h"

/* What starting and joining the pool may cost. */
#define WAKE_NANOSECONDS 8000.0

DinoR1Blocks
dinor1_fast_blocks(gint64 total, gint64 target, gint64 multiple)
{
    const gint64 least = MAX((total + target - 1) / target, 1);
    /* Multiples of 4, so that 2 or 4 threads finish together. */
    const gint64 wanted = least > 2 ? (least + 3) / 4 * 4 : least;
    const gint64 equal = (total + wanted - 1) / wanted;
    const gint64 size = (equal + multiple - 1) / multiple * multiple;

    return (DinoR1Blocks){.count = (total + size - 1) / size, .size = size};
}

void
dinor1_fast_run(
    const DinoR1KernelArgs *args, gsize n_tasks, gdouble nanoseconds, DinoR1PoolFunc func, gpointer user_data)
{
    if (nanoseconds > WAKE_NANOSECONDS) {
        dinor1_pool_run(args->pool, n_tasks, func, user_data);
        return;
    }
    for (gsize task = 0; task < n_tasks; task++)
        func(user_data, task, 0);
}

gsize
dinor1_fast_slice_size(gsize size)
{
    return (size + 63) / 64 * 64;
}

gsize
dinor1_fast_slices_size(const DinoR1KernelArgs *args, gsize size)
{
    return dinor1_pool_get_n_threads(args->pool) * dinor1_fast_slice_size(size);
}
