/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "train/optimizer.h"
#include "train/ranks.h"

G_BEGIN_DECLS

/* The gradients of an update, summed over its forward passes and then over all ranks, in the backend's memory. */
typedef struct _DinoR1Gradients DinoR1Gradients;

/* Of those of @parameters that @optimizer trains. Borrows @parameters, which are placed. NULL with MEMORY. */
DinoR1Gradients *dinor1_gradients_new(
    const DinoR1Parameters *parameters, const DinoR1Optimizer *optimizer, GError **error);
void dinor1_gradients_free(DinoR1Gradients *gradients);

/* Nothing is summed yet. */
void dinor1_gradients_begin(DinoR1Gradients *gradients);
/* Adds @share of those of one pass: @pass in the backend's memory by parameter index, NULL = none. */
gboolean dinor1_gradients_add(DinoR1Gradients *gradients, const gfloat *const *pass, gfloat share, GError **error);
/* Over all ranks: through the host's memory, if there are several. */
gboolean dinor1_gradients_sum(DinoR1Gradients *gradients, const DinoR1TrainRanks *ranks, GError **error);
/* The sums by parameter index, in the backend's memory; NULL = no pass of any rank had a gradient for it. */
const gfloat *const *dinor1_gradients_get(DinoR1Gradients *gradients);

/* The name of the first parameter with a gradient that is not finite; NULL if none, or the backend does not tell. */
const gchar *dinor1_gradients_find_not_finite(DinoR1Gradients *gradients);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Gradients, dinor1_gradients_free)

G_END_DECLS
