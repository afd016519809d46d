/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz.h"
#include "model/wordpiece.h"

#include <string.h>

/* Every id is one of the vocabulary's, and encode only adds [CLS] and [SEP] to tokenize. */
static void
check(const DinoR1WordPiece *tokenizer, const gchar *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) encoded = dinor1_wordpiece_encode(tokenizer, text, &error);
    g_autoptr(GArray) pieces = dinor1_wordpiece_tokenize(tokenizer, text, NULL);

    g_assert(!encoded == !!error && !encoded == !pieces);
    if (!encoded)
        return;
    g_assert(encoded->len == pieces->len + 2);
    for (guint i = 0; i < pieces->len; i++) {
        gint32 id = g_array_index(pieces, gint32, i);

        g_assert(id >= 0 && (guint)id < dinor1_wordpiece_get_n_tokens(tokenizer));
        g_assert(id == g_array_index(encoded, gint32, i + 1));
    }
}

/* A vocabulary, and after the first NUL the text to encode with it. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    const guint8 *nul = size ? memchr(data, 0, size) : NULL;
    gsize length = nul ? (gsize)(nul - data) : size;
    g_autofree gchar *text = nul ? g_strndup((const gchar *)nul + 1, size - length - 1) : g_strdup("");

    for (gint lower_case = 0; lower_case < 2; lower_case++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DinoR1WordPiece) tokenizer =
            dinor1_wordpiece_parse("fuzz", (const gchar *)data, length, lower_case, &error);

        g_assert(!tokenizer == !!error);
        g_assert(!error || g_utf8_validate(error->message, -1, NULL));
        if (tokenizer)
            check(tokenizer, text);
    }
    return 0;
}
