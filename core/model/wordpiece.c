/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/wordpiece.h"

#include "model/vocabulary.h"

#include <dinor1/error.h>
#include <string.h>

/* BertTokenizer's max_input_chars_per_word */
#define MAX_WORD_CHARS 100

/* A text may hold these as they are written here, in any place. */
enum { UNK, CLS, SEP, PAD, MASK, N_SPECIALS };
static const gchar *const special_names[N_SPECIALS] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

/* Character classes and mappings are those of GLib's Unicode version; transformers uses Python's. A character that only
 * the newer of the two knows is unassigned, and so dropped, in the other (GLib 2.74 has Unicode 15, Python 3.11 has
 * 14); all others agree. */
struct _DinoR1WordPiece {
    DinoR1Vocabulary *vocabulary;
    gboolean lower_case;
    gint specials[N_SPECIALS]; /* ids; [MASK] may be -1 and is an ordinary text then */
};

/* @vocabulary: (transfer full) (nullable): NULL passes the error on */
static DinoR1WordPiece *
wordpiece_new(const gchar *name, DinoR1Vocabulary *vocabulary, gboolean lower_case, GError **error)
{
    if (!vocabulary)
        return NULL;
    g_autoptr(DinoR1WordPiece) tokenizer = g_new0(DinoR1WordPiece, 1);

    tokenizer->vocabulary = vocabulary;
    tokenizer->lower_case = lower_case;
    for (guint i = 0; i < N_SPECIALS; i++) {
        tokenizer->specials[i] = dinor1_vocabulary_find(vocabulary, special_names[i]);
        if (tokenizer->specials[i] < 0 && i != MASK) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: the token %s is missing from its %u tokens",
                name, special_names[i], dinor1_vocabulary_get_n_tokens(vocabulary));
            return NULL;
        }
    }
    return g_steal_pointer(&tokenizer);
}

DinoR1WordPiece *
dinor1_wordpiece_load(const gchar *path, gboolean lower_case, GError **error)
{
    return wordpiece_new(path, dinor1_vocabulary_load(path, error), lower_case, error);
}

DinoR1WordPiece *
dinor1_wordpiece_parse(const gchar *name, const gchar *vocabulary, gsize length, gboolean lower_case, GError **error)
{
    return wordpiece_new(name, dinor1_vocabulary_parse(name, vocabulary, length, error), lower_case, error);
}

void
dinor1_wordpiece_free(DinoR1WordPiece *tokenizer)
{
    if (!tokenizer)
        return;

    dinor1_vocabulary_free(tokenizer->vocabulary);
    g_free(tokenizer);
}

/* The special token that @text begins with, or -1. */
static gint
special_at(const DinoR1WordPiece *tokenizer, const gchar *text)
{
    for (gint i = 0; i < N_SPECIALS; i++) {
        if (tokenizer->specials[i] >= 0 && g_str_has_prefix(text, special_names[i]))
            return i;
    }
    return -1;
}

static gboolean
is_cjk(gunichar c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static gboolean
is_whitespace(gunichar c)
{
    return c == '\t' || c == '\n' || c == '\r' || g_unichar_type(c) == G_UNICODE_SPACE_SEPARATOR;
}

static gboolean
is_dropped(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
        return TRUE;
    default:
        return c == 0xfffd;
    }
}

/* Every ASCII character that is no letter, digit, space or control, and Unicode's categories P*. */
static gboolean
is_punctuation(gunichar c)
{
    if (c < 128)
        return g_ascii_ispunct((gchar)c);
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
        return TRUE;
    default:
        return FALSE;
    }
}

/* As BertTokenizer does it: one character at a time, so without final sigma. g_unichar_tolower() knows letters only,
 * not Roman numerals and circled letters. (The dot that 'İ' leaves over is a combining mark, stripped later anyway.) */
static gunichar
lower(gunichar c)
{
    if (c >= 0x2160 && c <= 0x216f)
        return c + 16;
    if (c >= 0x24b6 && c <= 0x24cf)
        return c + 26;
    return g_unichar_tolower(c);
}

/* Drops control characters, makes every whitespace a space and every CJK ideograph a word of its own. */
static gchar *
clean(const DinoR1WordPiece *tokenizer, const gchar *text, const gchar *end)
{
    GString *out = g_string_sized_new((gsize)(end - text));

    for (; text < end; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);

        if (tokenizer->lower_case)
            c = lower(c);
        if (is_whitespace(c)) {
            g_string_append_c(out, ' ');
        } else if (!is_dropped(c)) {
            if (is_cjk(c))
                g_string_append_c(out, ' ');
            g_string_append_unichar(out, c);
            if (is_cjk(c))
                g_string_append_c(out, ' ');
        }
    }
    return g_string_free(out, FALSE);
}

static gchar *
strip_accents(const gchar *word, gsize length)
{
    g_autofree gchar *decomposed = g_utf8_normalize(word, (gssize)length, G_NORMALIZE_NFD);
    GString *out = g_string_sized_new(length);

    for (const gchar *p = decomposed; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (g_unichar_type(c) != G_UNICODE_NON_SPACING_MARK)
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

/* The id of the longest token that @piece [length] begins with and that is longer than @least bytes, or -1.
 * @piece[length] can be written. */
static gint
longest_match(const DinoR1Vocabulary *vocabulary, gchar *piece, gsize length, gsize least, gsize *match_length)
{
    for (gchar *end = piece + MIN(length, vocabulary->longest); end > piece + least; end--) {
        gchar next = *end;

        *end = '\0';
        gint id = dinor1_vocabulary_find(vocabulary, piece);
        *end = next;
        if (id >= 0) {
            *match_length = (gsize)(end - piece);
            return id;
        }
    }
    return -1;
}

/* Appends the ids of @word, or a single [UNK] if any part of it has no token. */
static void
add_pieces(const DinoR1WordPiece *tokenizer, const gchar *word, gsize length, GArray *ids)
{
    guint n_before = ids->len;
    gint32 unknown = tokenizer->specials[UNK];

    if (g_utf8_strlen(word, (gssize)length) > MAX_WORD_CHARS) {
        g_array_append_val(ids, unknown);
        return;
    }
    /* Two bytes before the word, and later its own bytes that are done with, take the "##" of a continuation. */
    g_autofree gchar *buffer = g_malloc(length + 3);
    gchar *piece = buffer + 2, *end = piece + length;
    gsize prefix = 0;

    memcpy(piece, word, length);
    *end = '\0';
    while (piece < end) {
        gsize match;
        gint32 id = longest_match(tokenizer->vocabulary, piece, (gsize)(end - piece), prefix, &match);

        if (id < 0) {
            g_array_set_size(ids, n_before);
            g_array_append_val(ids, unknown);
            return;
        }
        g_array_append_val(ids, id);
        if (piece + match == end)
            return;
        prefix = 2;
        piece = piece + match - prefix;
        memcpy(piece, "##", prefix);
    }
}

static void
add_split(const DinoR1WordPiece *tokenizer, const gchar *word, const gchar *end, GArray *ids)
{
    const gchar *begin = word;

    for (const gchar *p = word, *next; p < end; p = next) {
        next = g_utf8_next_char(p);
        if (!is_punctuation(g_utf8_get_char(p)))
            continue;
        if (begin < p)
            add_pieces(tokenizer, begin, (gsize)(p - begin), ids);
        add_pieces(tokenizer, p, (gsize)(next - p), ids);
        begin = next;
    }
    if (begin < end)
        add_pieces(tokenizer, begin, (gsize)(end - begin), ids);
}

static void
add_word(const DinoR1WordPiece *tokenizer, const gchar *word, gsize length, GArray *ids)
{
    gint special = special_at(tokenizer, word);

    /* Cleaning may have joined one together. */
    if (special >= 0 && strlen(special_names[special]) == length) {
        g_array_append_val(ids, tokenizer->specials[special]);
    } else if (tokenizer->lower_case) {
        g_autofree gchar *stripped = strip_accents(word, length);

        add_split(tokenizer, stripped, stripped + strlen(stripped), ids);
    } else {
        add_split(tokenizer, word, word + length, ids);
    }
}

/* Text between special tokens. */
static void
add_text(const DinoR1WordPiece *tokenizer, const gchar *text, const gchar *end, GArray *ids)
{
    g_autofree gchar *cleaned = clean(tokenizer, text, end);
    g_autofree gchar *composed = g_utf8_normalize(cleaned, -1, G_NORMALIZE_NFC);
    const gchar *word = composed;

    for (const gchar *p = composed;; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        /* Line and paragraph separators are no spaces to the cleaning, but they split. */
        if (c != '\0' && c != ' ' && c != 0x2028 && c != 0x2029)
            continue;
        if (word < p)
            add_word(tokenizer, word, (gsize)(p - word), ids);
        if (c == '\0')
            return;
        word = g_utf8_next_char(p);
    }
}

static gboolean
add_all(const DinoR1WordPiece *tokenizer, const gchar *text, GArray *ids, GError **error)
{
    const gchar *begin = text, *p = text;

    if (!g_utf8_validate(text, -1, &p)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "the text is not valid UTF-8 at byte %" G_GSIZE_FORMAT,
            (gsize)(p - text));
        return FALSE;
    }
    for (p = text; *p;) {
        gint special = special_at(tokenizer, p);

        if (special < 0) {
            p = g_utf8_next_char(p);
            continue;
        }
        add_text(tokenizer, begin, p, ids);
        g_array_append_val(ids, tokenizer->specials[special]);
        p += strlen(special_names[special]);
        begin = p;
    }
    add_text(tokenizer, begin, p, ids);
    return TRUE;
}

GArray *
dinor1_wordpiece_encode(const DinoR1WordPiece *tokenizer, const gchar *text, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));

    g_array_append_val(ids, tokenizer->specials[CLS]);
    if (!add_all(tokenizer, text, ids, error))
        return NULL;
    g_array_append_val(ids, tokenizer->specials[SEP]);
    return g_steal_pointer(&ids);
}

GArray *
dinor1_wordpiece_tokenize(const DinoR1WordPiece *tokenizer, const gchar *text, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));

    return add_all(tokenizer, text, ids, error) ? g_steal_pointer(&ids) : NULL;
}

guint
dinor1_wordpiece_get_n_tokens(const DinoR1WordPiece *tokenizer)
{
    return dinor1_vocabulary_get_n_tokens(tokenizer->vocabulary);
}

gint
dinor1_wordpiece_find(const DinoR1WordPiece *tokenizer, const gchar *token)
{
    return dinor1_vocabulary_find(tokenizer->vocabulary, token);
}
