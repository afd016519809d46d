/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/tokens.h"

#include <math.h>

DinoR1TokenSet *
dinor1_token_set_new(guint n_tokens, guint n_classes, gint embedding_size)
{
    DinoR1TokenSet *set = g_new0(DinoR1TokenSet, 1);

    set->n_tokens = n_tokens;
    set->n_classes = n_classes;
    set->embedding_size = embedding_size;
    set->embeddings = g_new0(gfloat, (gsize)n_tokens * (gsize)embedding_size);
    set->mask = g_new(gfloat, (gsize)n_tokens * n_tokens);
    set->positions = g_new0(gfloat, n_tokens);
    set->spans = g_new0(DinoR1TokenSpan, n_classes);
    for (gsize i = 0; i < n_tokens; i++)
        for (gsize j = 0; j < n_tokens; j++)
            set->mask[i * n_tokens + j] = i == j ? 0 : -INFINITY;
    return set;
}

void
dinor1_token_set_free(DinoR1TokenSet *set)
{
    if (!set)
        return;
    g_free(set->embeddings);
    g_free(set->mask);
    g_free(set->positions);
    g_free(set->spans);
    g_free(set);
}
