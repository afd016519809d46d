/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DINOR1_JSON_MAX_DEPTH 32

/* A strict reader of JSON from files nobody vouches for: RFC 8259, valid UTF-8, no NUL in strings, bounded depth. It
 * walks the text without building a tree, so that the caller sees duplicate keys. The first problem sticks: every
 * later call fails.
 *
 *     dinor1_json_enter(json, '{');
 *     while (dinor1_json_next(json, '}') && dinor1_json_key(json, key))
 *         dinor1_json_skip(json);
 *     if (!dinor1_json_end(json)) … json->problem at json->at - json->text
 */
typedef struct {
    const gchar *text, *at, *end;
    guint depth;
    gboolean fresh;       /* just entered an object or array: the next item has no comma before it */
    const gchar *problem; /* static string, NULL while all is well */
} DinoR1Json;

void dinor1_json_init(DinoR1Json *json, const gchar *text, gsize length);

/* The first character of the next value, 0 at the end or after a problem. */
gchar dinor1_json_peek(DinoR1Json *json);

gboolean dinor1_json_enter(DinoR1Json *json, gchar open);  /* '{' or '[' */
gboolean dinor1_json_next(DinoR1Json *json, gchar close);  /* FALSE after the last item, which consumes @close */
gboolean dinor1_json_key(DinoR1Json *json, GString *key);  /* "key" : */
gboolean dinor1_json_string(DinoR1Json *json, GString *s); /* @s is replaced; nullable */
gboolean dinor1_json_size(DinoR1Json *json, gint64 *size); /* an integer from 0 to 2^63-1, without sign or fraction */
gboolean dinor1_json_skip(DinoR1Json *json);               /* any value */
gboolean dinor1_json_end(DinoR1Json *json);                /* TRUE if all was well and nothing follows */
gboolean dinor1_json_fail(DinoR1Json *json, const gchar *problem); /* FALSE */

/* Appends valid UTF-8 @s as a JSON string with its quotes. */
void dinor1_json_append_string(GString *out, const gchar *s);

G_END_DECLS
