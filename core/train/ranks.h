/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What processes that train together tell each other. @ranks is NULL for one that is alone: then nothing happens.
 */
#pragma once

#include "data/loader.h"

G_BEGIN_DECLS

/* Replaces @values by their sums over all ranks. */
gboolean dinor1_ranks_sum(const DinoR1TrainRanks *ranks, gfloat *values, gsize n, GError **error);

/* Whether all ranks are well. @mine: (transfer full) (nullable): this one's error. */
gboolean dinor1_ranks_agree(const DinoR1TrainRanks *ranks, GError *mine, GError **error);

/* Makes of this rank's images what all ranks know of the whole batch: sizes, boxes and positions in the data set, in
 * the order of one process, without pixels. A batch with fewer images than ranks is filled up with blanks (no boxes).
 * @n_images: of the batch without blanks. Gives @own the canvas of the whole batch, and a blank image if it has none.
 * Returns: (transfer full): NULL with an error. */
DinoR1Batch *dinor1_ranks_exchange_batch(
    const DinoR1TrainRanks *ranks, DinoR1Batch *own, guint n_images, GError **error);

G_END_DECLS
