/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/vocabulary.h"
#include "model/wordpiece.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <string.h>

static gchar *
golden_path(const gchar *name)
{
    return g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "tokenizer", name, NULL);
}

static DinoR1WordPiece *
load_golden(gboolean lower_case)
{
    g_autofree gchar *path = golden_path("vocab.txt");
    g_autoptr(GError) error = NULL;
    DinoR1WordPiece *tokenizer = dinor1_wordpiece_load(path, lower_case, &error);

    g_assert_no_error(error);
    return tokenizer;
}

static void
append_ids(GString *to, const gint32 *ids, guint n)
{
    for (guint i = 0; i < n; i++)
        g_string_append_printf(to, " %d", ids[i]);
}

static gchar *
encode(const DinoR1WordPiece *tokenizer, const gchar *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = dinor1_wordpiece_encode(tokenizer, text, &error);
    GString *out = g_string_new(NULL);

    g_assert_no_error(error);
    append_ids(out, (const gint32 *)(gpointer)ids->data, ids->len);
    return g_string_free(out, FALSE);
}

static gchar *
expected(JsonArray *ids)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < json_array_get_length(ids); i++) {
        gint32 id = (gint32)json_array_get_int_element(ids, i);

        append_ids(out, &id, 1);
    }
    return g_string_free(out, FALSE);
}

/* Every text, with and without lower case; all differences are told before the test fails. */
static void
check_golden(void)
{
    g_autoptr(DinoR1WordPiece) lower = load_golden(TRUE);
    g_autoptr(DinoR1WordPiece) cased = load_golden(FALSE);
    g_autofree gchar *path = golden_path("cases.json");
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    guint n_failed = 0;

    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    JsonArray *cases = json_node_get_array(json_parser_get_root(parser));

    g_assert_cmpuint(json_array_get_length(cases), >=, 200);
    for (guint i = 0; i < 2 * json_array_get_length(cases); i++) {
        JsonArray *row = json_array_get_array_element(cases, i / 2);
        const gchar *text = json_array_get_string_element(row, 0);
        g_autofree gchar *want = expected(json_array_get_array_element(row, 1 + i % 2));
        g_autofree gchar *got = encode(i % 2 ? cased : lower, text);

        if (g_str_equal(want, got))
            continue;
        g_autofree gchar *escaped = g_strescape(text, NULL);
        g_test_message("\"%s\" (%s): expected%s, got%s", escaped, i % 2 ? "cased" : "lower case", want, got);
        n_failed++;
    }
    g_assert_cmpuint(n_failed, ==, 0);
}

static void
test_golden(void)
{
    check_golden();
}

/* Lower case knows no locale. */
static void
test_locale(void)
{
    if (!setlocale(LC_ALL, "tr_TR.UTF-8")) {
        g_test_skip("no Turkish locale");
        return;
    }
    check_golden();
    setlocale(LC_ALL, "C");
}

static void
test_tokenize(void)
{
    g_autoptr(DinoR1WordPiece) tokenizer = load_golden(TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = dinor1_wordpiece_tokenize(tokenizer, "a Cat.", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(ids->len, ==, 3);
    g_assert_cmpint(g_array_index(ids, gint32, 0), ==, dinor1_wordpiece_find(tokenizer, "a"));
    g_assert_cmpint(g_array_index(ids, gint32, 1), ==, dinor1_wordpiece_find(tokenizer, "cat"));
    g_assert_cmpint(g_array_index(ids, gint32, 2), ==, dinor1_wordpiece_find(tokenizer, "."));
    g_assert_cmpint(dinor1_wordpiece_find(tokenizer, "no such token"), ==, -1);
    g_assert_cmpint(dinor1_wordpiece_find(tokenizer, "[PAD]"), ==, 0);
    g_assert_cmpuint(dinor1_wordpiece_get_n_tokens(tokenizer), >, 300);
}

static void
test_invalid_text(void)
{
    static const gchar *const texts[] = {"\xff", "cat \xc3", "\xed\xa0\x80", "\xc0\x80"};
    g_autoptr(DinoR1WordPiece) tokenizer = load_golden(TRUE);

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(dinor1_wordpiece_encode(tokenizer, texts[i], &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    }
}

static void
test_vocabulary(void)
{
    static const struct {
        const gchar *text, *pattern;
    } cases[] = {
        {"", "v: 0 bytes*"},
        {"\n", "v: line 1 is empty"},
        {"a\n\nb\n", "v: line 2 is empty"},
        {"a\nb\n\n", "v: line 3 is empty"},
        {"a\r\nb\r\n", "v: line 1 holds a carriage return*"},
        {"a\nb\rc\n", "v: line 2 holds a carriage return*"},
        {"a\nb\n\xff\n", "v: line 3 is not valid UTF-8"},
        {"a\nb\nc\nb\n", "v: line 4 repeats the token 'b' of line 2"},
        {"a\nb\nb", "v: line 3 repeats the token 'b' of line 2"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(dinor1_vocabulary_parse("v", cases[i].text, strlen(cases[i].text), &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
        if (!g_pattern_match_simple(cases[i].pattern, error->message))
            g_error("'%s' is not like '%s'", error->message, cases[i].pattern);
    }
    g_autoptr(GError) error = NULL;

    g_assert_null(dinor1_vocabulary_parse("v", "a\nb\0c\n", 6, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_clear_error(&error);
    g_autofree gchar *overlong = g_strnfill(DINOR1_VOCABULARY_MAX_TOKEN + 1, 'a');

    g_assert_null(dinor1_vocabulary_parse("v", overlong, strlen(overlong), &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "line 1 has 513 bytes"));
    g_clear_error(&error);
    /* Refused before it is read. */
    g_assert_null(dinor1_vocabulary_parse("v", "a", (gsize)DINOR1_VOCABULARY_MAX_BYTES + 1, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_clear_error(&error);
    /* The last line needs no line feed. */
    g_autoptr(DinoR1Vocabulary) vocabulary = dinor1_vocabulary_parse("v", "b\n a\nc", 6, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(dinor1_vocabulary_get_n_tokens(vocabulary), ==, 3);
    g_assert_cmpint(dinor1_vocabulary_find(vocabulary, " a"), ==, 1);
    g_assert_cmpint(dinor1_vocabulary_find(vocabulary, "c"), ==, 2);
}

/* A lone "##" or "#" is no piece of a word, and without [MASK] its name is ordinary text. */
static void
test_pieces(void)
{
    static const gchar vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n##\n#\na\nm\n##b\n[\n]\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1WordPiece) tokenizer = dinor1_wordpiece_parse("v", vocabulary, sizeof vocabulary - 1, TRUE, &error);

    g_assert_no_error(error);
    g_autofree gchar *got = encode(tokenizer, "ab abc a## [MASK]");

    g_assert_cmpstr(got, ==, " 2 6 8 1 6 5 5 9 1 10 3");
}

/* From a file: errors name it. */
static void
test_load(void)
{
    g_autofree gchar *path = NULL;
    g_autoptr(GError) error = NULL;
    gint file = g_file_open_tmp("vocab-XXXXXX", &path, &error);

    g_assert_no_error(error);
    g_close(file, NULL);
    g_assert_true(g_file_set_contents(path, "[PAD]\n[UNK]\n[CLS]\n", -1, NULL));
    g_assert_null(dinor1_wordpiece_load(path, TRUE, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, "[SEP] is missing"));
    g_clear_error(&error);

    g_unlink(path);
    g_assert_null(dinor1_wordpiece_load(path, TRUE, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_IO);
    g_assert_nonnull(strstr(error->message, path));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wordpiece/golden", test_golden);
    g_test_add_func("/wordpiece/locale", test_locale);
    g_test_add_func("/wordpiece/tokenize", test_tokenize);
    g_test_add_func("/wordpiece/invalid-text", test_invalid_text);
    g_test_add_func("/wordpiece/vocabulary", test_vocabulary);
    g_test_add_func("/wordpiece/pieces", test_pieces);
    g_test_add_func("/wordpiece/load", test_load);
    return g_test_run();
}
