/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"

gsize
dinor1_ref_sums_size(const DinoR1KernelArgs *args, guint n_outputs)
{
    gsize n = 0;

    for (guint i = 0; i < n_outputs; i++)
        n += (gsize)dinor1_shape_size(&args->outputs[i].shape);
    return n * sizeof(gdouble);
}

gdouble *
dinor1_ref_sums_begin(const DinoR1KernelArgs *args, guint n_outputs, gdouble **sums)
{
    gdouble *next = args->workspace;

    for (guint i = 0; i < n_outputs; i++) {
        sums[i] = next;
        next += dinor1_shape_size(&args->outputs[i].shape);
    }
    for (gdouble *sum = args->workspace; sum < next; sum++)
        *sum = 0;
    return next;
}

void
dinor1_ref_sums_end(const DinoR1KernelArgs *args, guint n_outputs, gdouble *const *sums)
{
    for (guint i = 0; i < n_outputs; i++)
        for (gint64 k = 0; k < dinor1_shape_size(&args->outputs[i].shape); k++)
            ((real *)args->outputs[i].data)[k] = (real)sums[i][k];
}
