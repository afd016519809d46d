/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/tokens.h"

#include <math.h>

/* Powers of 2, from 64 on multiples of it. */
guint
dinor1_token_bucket(guint n)
{
    guint bucket = 1;

    if (n == 0)
        return 0;
    while (bucket < n && bucket < 64)
        bucket *= 2;
    return (n + bucket - 1) / bucket * bucket;
}

void
dinor1_token_mask_own(gfloat *mask, gsize n)
{
    for (gsize i = 0; i < n * n; i++)
        mask[i] = i / n == i % n ? 0 : -INFINITY;
}

DinoR1TokenSet *
dinor1_token_set_new(guint n_tokens, guint n_slots, guint n_classes, gint embedding_size)
{
    DinoR1TokenSet *set = g_new0(DinoR1TokenSet, 1);

    set->n_tokens = n_slots;
    set->n_classes = n_classes;
    set->embedding_size = embedding_size;
    set->embeddings = g_new0(gfloat, (gsize)n_slots * (gsize)embedding_size);
    set->mask = g_new(gfloat, (gsize)n_slots * n_slots);
    set->positions = g_new0(gfloat, n_slots);
    set->padding = g_new0(gfloat, n_slots);
    set->spans = g_new0(DinoR1TokenSpan, n_classes);
    dinor1_token_mask_own(set->mask, n_slots);
    for (gsize i = n_tokens; i < n_slots; i++)
        set->padding[i] = -INFINITY;
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
    g_free(set->padding);
    g_free(set->spans);
    g_free(set);
}
