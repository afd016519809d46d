/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* BERT's ids that end a phrase: [CLS], [SEP], "." and "?" (SPECIAL_TOKENS of the published code). */
gboolean dinor1_token_is_special(gint32 id);

/* The sub-sentence mask and the positions of @n tokens (generate_masks_with_special_tokens_and_transfer_map).
 * @mask: [n, n], 0 where a token may look, -inf elsewhere; @stride floats from one row to the next
 * @positions: [n], counted from 0 in each phrase */
void dinor1_token_groups(const gint32 *ids, guint n, gfloat *mask, guint stride, gint32 *positions);

G_END_DECLS
