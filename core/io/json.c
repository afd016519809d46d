/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/json.h"

#include <string.h>

void
dinor1_json_init(DinoR1Json *json, const gchar *text, gsize length)
{
    const gchar *valid_end;

    *json = (DinoR1Json){.text = text, .at = text, .end = text + length};
    if (!g_utf8_validate_len(text, length, &valid_end)) {
        json->at = valid_end;
        json->problem = "invalid UTF-8";
    }
}

gboolean
dinor1_json_fail(DinoR1Json *json, const gchar *problem)
{
    if (!json->problem)
        json->problem = problem;
    return FALSE;
}

gchar
dinor1_json_peek(DinoR1Json *json)
{
    if (json->problem)
        return 0;
    while (json->at < json->end && strchr(" \t\r\n", *json->at))
        json->at++;
    return json->at < json->end ? *json->at : 0;
}

static gboolean
take(DinoR1Json *json, gchar c, const gchar *problem)
{
    if (dinor1_json_peek(json) != c)
        return dinor1_json_fail(json, json->at < json->end ? problem : "the text ends too early");
    json->at++;
    return TRUE;
}

gboolean
dinor1_json_enter(DinoR1Json *json, gchar open)
{
    if (json->depth == DINOR1_JSON_MAX_DEPTH)
        return dinor1_json_fail(json, "nested too deeply");
    if (!take(json, open, open == '{' ? "an object was expected" : "an array was expected"))
        return FALSE;
    json->depth++;
    json->fresh = TRUE;
    return TRUE;
}

gboolean
dinor1_json_next(DinoR1Json *json, gchar close)
{
    gboolean fresh = json->fresh;

    json->fresh = FALSE;
    if (dinor1_json_peek(json) == close) {
        json->at++;
        json->depth--;
        return FALSE;
    }
    return fresh ? !json->problem
                 : take(json, ',', close == '}' ? "',' or '}' was expected" : "',' or ']' was expected");
}

gboolean
dinor1_json_key(DinoR1Json *json, GString *key)
{
    return dinor1_json_string(json, key) && take(json, ':', "':' was expected");
}

/* Four hex digits of \uXXXX, or -1. */
static gint32
take_hex4(DinoR1Json *json)
{
    gint32 value = 0;

    if (json->end - json->at < 4)
        return -1;
    for (gint i = 0; i < 4; i++) {
        gint digit = g_ascii_xdigit_value(*json->at);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
        json->at++;
    }
    return value;
}

/* The character of \uXXXX, with its second half if it is a surrogate pair. */
static gboolean
take_unicode(DinoR1Json *json, gunichar *c)
{
    gint32 high = take_hex4(json), low;

    if (high < 0)
        return dinor1_json_fail(json, "\\u needs four hex digits");
    if (high == 0)
        return dinor1_json_fail(json, "NUL in a string");
    *c = high;
    if (high < 0xd800 || high > 0xdfff)
        return TRUE;
    if (high > 0xdbff || json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
        return dinor1_json_fail(json, "half a surrogate pair");
    json->at += 2;
    low = take_hex4(json);
    if (low < 0xdc00 || low > 0xdfff)
        return dinor1_json_fail(json, "half a surrogate pair");
    *c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return TRUE;
}

static gboolean
take_escape(DinoR1Json *json, GString *s)
{
    static const gchar letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    gchar letter = json->at < json->end ? *json->at++ : 0;
    const gchar *found = letter ? strchr(letters, letter) : NULL;
    gunichar c;

    if (letter == 'u') {
        if (!take_unicode(json, &c))
            return FALSE;
    } else if (found) {
        c = values[found - letters];
    } else {
        return dinor1_json_fail(json, "unknown escape in a string");
    }
    if (s)
        g_string_append_unichar(s, c);
    return TRUE;
}

gboolean
dinor1_json_string(DinoR1Json *json, GString *s)
{
    if (s)
        g_string_truncate(s, 0);
    if (!take(json, '"', "a string was expected"))
        return FALSE;
    for (;;) {
        const gchar *run = json->at;

        while (json->at < json->end && *json->at != '"' && *json->at != '\\' && (guchar)*json->at >= 0x20)
            json->at++;
        if (s)
            g_string_append_len(s, run, json->at - run);
        if (json->at == json->end)
            return dinor1_json_fail(json, "a string without end");
        if ((guchar)*json->at < 0x20)
            return dinor1_json_fail(json, "control character in a string");
        if (*json->at++ == '"')
            return TRUE;
        if (!take_escape(json, s))
            return FALSE;
    }
}

static gsize
take_digits(DinoR1Json *json)
{
    const gchar *run = json->at;

    while (json->at < json->end && g_ascii_isdigit(*json->at))
        json->at++;
    return json->at - run;
}

static gboolean
take_char(DinoR1Json *json, const gchar *set)
{
    if (json->at == json->end || !strchr(set, *json->at))
        return FALSE;
    json->at++;
    return TRUE;
}

static gboolean
skip_number(DinoR1Json *json)
{
    take_char(json, "-");
    if (!take_char(json, "0") && take_digits(json) == 0)
        return dinor1_json_fail(json, "a value was expected");
    if (take_char(json, ".") && take_digits(json) == 0)
        return dinor1_json_fail(json, "a digit was expected after '.'");
    if (take_char(json, "eE")) {
        take_char(json, "+-");
        if (take_digits(json) == 0)
            return dinor1_json_fail(json, "a digit was expected in the exponent");
    }
    return TRUE;
}

gboolean
dinor1_json_size(DinoR1Json *json, gint64 *size)
{
    const gchar *run;
    guint64 value = 0;

    if (!g_ascii_isdigit(dinor1_json_peek(json)))
        return dinor1_json_fail(json, "a non-negative integer was expected");
    run = json->at;
    if (!skip_number(json))
        return FALSE;
    for (; run < json->at; run++) {
        if (!g_ascii_isdigit(*run))
            return dinor1_json_fail(json, "a non-negative integer was expected");
        if (!g_uint64_checked_mul(&value, value, 10) || !g_uint64_checked_add(&value, value, *run - '0') ||
            value > G_MAXINT64)
            return dinor1_json_fail(json, "an integer is too large");
    }
    *size = value;
    return TRUE;
}

static gboolean
skip_word(DinoR1Json *json, const gchar *word)
{
    gsize length = strlen(word);

    if ((gsize)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
        return dinor1_json_fail(json, "a value was expected");
    json->at += length;
    return TRUE;
}

gboolean
dinor1_json_skip(DinoR1Json *json)
{
    switch (dinor1_json_peek(json)) {
    case '{':
        dinor1_json_enter(json, '{');
        while (dinor1_json_next(json, '}') && dinor1_json_key(json, NULL) && dinor1_json_skip(json))
            ;
        break;
    case '[':
        dinor1_json_enter(json, '[');
        while (dinor1_json_next(json, ']') && dinor1_json_skip(json))
            ;
        break;
    case '"':
        return dinor1_json_string(json, NULL);
    case 't':
        return skip_word(json, "true");
    case 'f':
        return skip_word(json, "false");
    case 'n':
        return skip_word(json, "null");
    case 0:
        return dinor1_json_fail(json, "the text ends too early");
    default:
        return skip_number(json);
    }
    return !json->problem;
}

gboolean
dinor1_json_end(DinoR1Json *json)
{
    if (dinor1_json_peek(json) != 0)
        dinor1_json_fail(json, "more text than one value");
    return !json->problem;
}

void
dinor1_json_append_string(GString *out, const gchar *s)
{
    g_string_append_c(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            g_string_append_printf(out, "\\%c", *s);
        else if ((guchar)*s < 0x20 || *s == 0x7f)
            g_string_append_printf(out, "\\u%04x", *s);
        else
            g_string_append_c(out, *s);
    }
    g_string_append_c(out, '"');
}
