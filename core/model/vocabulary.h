/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A vocab.txt: one token a line, the id is the line number from 0. Immutable and thread-safe once made. */
typedef struct {
    gchar *text;     /* the file, its line ends overwritten with NUL */
    GHashTable *ids; /* token, inside text, to id */
    gsize longest;   /* bytes of the longest token */
} DinoR1Vocabulary;

#define DINOR1_VOCABULARY_MAX_BYTES (64 << 20)
#define DINOR1_VOCABULARY_MAX_TOKEN 512 /* bytes; WordPiece matches at most 100 characters */

/* Returns: NULL with IO or FORMAT: empty, too large, not UTF-8, an empty or overlong line, a carriage return, a
 * duplicate token; file and line are named. */
DinoR1Vocabulary *dinor1_vocabulary_load(const gchar *path, GError **error);
/* The same from memory; @name is used in errors. (tests, fuzzing) */
DinoR1Vocabulary *dinor1_vocabulary_parse(const gchar *name, const gchar *text, gsize length, GError **error);
void dinor1_vocabulary_free(DinoR1Vocabulary *vocabulary);

guint dinor1_vocabulary_get_n_tokens(const DinoR1Vocabulary *vocabulary);
gint dinor1_vocabulary_find(const DinoR1Vocabulary *vocabulary, const gchar *token); /* id or -1 */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Vocabulary, dinor1_vocabulary_free)

G_END_DECLS
