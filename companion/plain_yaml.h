/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <yaml.h>

G_BEGIN_DECLS

/* A file of plain YAML being read, event by event: keys, values and lists. A configuration says everything where it is
 * used; what would make it mean more than it shows (anchors, aliases, tags) is refused, and so are tabs. Every error is
 * DINOR1_ERROR_CONFIG and names file and line. */
typedef struct {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    gchar *path;
} PlainYaml;

/* (transfer full): the text of a file of at most 1 MiB. */
gchar *plain_yaml_load(const gchar *path, gsize *length, GError **error);

/* Begins with @text, which must live as long as @yaml, and goes to the document's first event, which must be a mapping.
 * plain_yaml_clear() is needed in any case. @path: for messages */
gboolean plain_yaml_begin(PlainYaml *yaml, const gchar *path, const gchar *text, gsize length, GError **error);
gboolean plain_yaml_end(PlainYaml *yaml, GError **error); /* after the mapping: there must be nothing more */
void plain_yaml_clear(PlainYaml *yaml);

gboolean plain_yaml_next(PlainYaml *yaml, GError **error);

/* The next event must be of @type, or "'@name' @reason" is the error. */
gboolean plain_yaml_expect(
    PlainYaml *yaml, yaml_event_type_t type, const gchar *name, const gchar *reason, GError **error);

guint plain_yaml_get_line(const PlainYaml *yaml);        /* of the current event, from 1 */
const gchar *plain_yaml_get_text(const PlainYaml *yaml); /* of the current event; NULL: no scalar, or has a NUL in it */

/* Sets "PATH:LINE: '@name' @reason" and returns FALSE. */
gboolean plain_yaml_refuse(const PlainYaml *yaml, const gchar *reason, const gchar *name, GError **error);

/* The bytes of as much of @text as a message shows, for "%.*s". */
int plain_yaml_shown(const gchar *text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlainYaml, plain_yaml_clear)

G_END_DECLS
