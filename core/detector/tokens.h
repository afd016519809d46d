/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The number of tokens that a plan for @n of them has where new plans are dear: a prompt more seldom asks for another.
 */
guint dinor1_token_bucket(guint n);

/* Every token sees itself only. @mask: [n, n] */
void dinor1_token_mask_own(gfloat *mask, gsize n);

/* The prompt tokens of a detector: what one class is looked for with is a run of columns of the logits. */
typedef struct {
    guint first, n;
} DinoR1TokenSpan;

typedef struct {
    guint n_tokens; /* U, the last ones may be padding */
    guint n_classes;
    gint embedding_size;    /* D */
    gfloat *embeddings;     /* [U, D] */
    gfloat *mask;           /* [U, U], 0 or -inf */
    gfloat *positions;      /* [U] */
    gfloat *padding;        /* [U], 0, or -inf for padding */
    DinoR1TokenSpan *spans; /* [n_classes] */
} DinoR1TokenSet;

/* @n_tokens of @n_slots; every token sees itself only. */
DinoR1TokenSet *dinor1_token_set_new(guint n_tokens, guint n_slots, guint n_classes, gint embedding_size);
void dinor1_token_set_free(DinoR1TokenSet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1TokenSet, dinor1_token_set_free)

G_END_DECLS
