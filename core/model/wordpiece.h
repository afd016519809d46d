/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* BERT's tokenizer (transformers' BertTokenizer): clean, split CJK, lower-case and strip accents, split punctuation,
 * greedy longest-match WordPiece. Immutable and thread-safe once made. */
typedef struct _DinoR1WordPiece DinoR1WordPiece;

/* @path: vocab.txt, one token a line. Needs [UNK], [CLS], [SEP] and [PAD].
 * Returns: NULL with IO or FORMAT. */
DinoR1WordPiece *dinor1_wordpiece_load(const gchar *path, gboolean lower_case, GError **error);
/* The same from the text of a vocab.txt; @name is used in errors. (tests, fuzzing) */
DinoR1WordPiece *dinor1_wordpiece_parse(
    const gchar *name, const gchar *vocabulary, gsize length, gboolean lower_case, GError **error);
void dinor1_wordpiece_free(DinoR1WordPiece *tokenizer);

/* [CLS] tokens of @text [SEP], as BertTokenizer(text)["input_ids"]. @text must be valid UTF-8 (ARGUMENT otherwise).
 * Returns: (transfer full) (element-type gint32): the ids. */
GArray *dinor1_wordpiece_encode(const DinoR1WordPiece *tokenizer, const gchar *text, GError **error);
/* Like encode, without [CLS] and [SEP]. */
GArray *dinor1_wordpiece_tokenize(const DinoR1WordPiece *tokenizer, const gchar *text, GError **error);

guint dinor1_wordpiece_get_n_tokens(const DinoR1WordPiece *tokenizer);
gint dinor1_wordpiece_find(const DinoR1WordPiece *tokenizer, const gchar *token); /* id or -1 */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1WordPiece, dinor1_wordpiece_free)

G_END_DECLS
