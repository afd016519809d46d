/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/token_groups.h"

#include <math.h>

gboolean
dinor1_token_is_special(gint32 id)
{
    return id == 101 || id == 102 || id == 1012 || id == 1029;
}

static void
open_group(gfloat *mask, guint stride, gint32 *positions, guint first, guint last)
{
    for (guint i = first; i <= last; i++) {
        for (guint j = first; j <= last; j++)
            mask[(gsize)i * stride + j] = 0;
        positions[i] = (gint32)(i - first);
    }
}

void
dinor1_token_groups(const gint32 *ids, guint n, gfloat *mask, guint stride, gint32 *positions)
{
    guint previous = 0;

    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j < n; j++)
            mask[(gsize)i * stride + j] = i == j ? 0 : -INFINITY;
        positions[i] = 0;
    }
    for (guint i = 0; i < n; i++) {
        if (!dinor1_token_is_special(ids[i]))
            continue;
        /* The first and the last token stand alone. */
        if (i > 0 && i < n - 1)
            open_group(mask, stride, positions, previous + 1, i);
        previous = i;
    }
}
