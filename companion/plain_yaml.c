/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plain_yaml.h"

#include <dinor1/error.h>
#include <string.h>

#define MAX_FILE  (1 << 20) /* bytes */
#define MAX_SHOWN 100       /* characters */

int
plain_yaml_shown(const gchar *text)
{
    const gchar *end = text;

    for (guint i = 0; i < MAX_SHOWN && *end; i++)
        end = g_utf8_find_next_char(end, NULL);
    return (int)(end - text);
}

gchar *
plain_yaml_load(const gchar *path, gsize *length, GError **error)
{
    g_autofree gchar *text = NULL;

    if (!g_file_get_contents(path, &text, length, error))
        return NULL;
    if (*length > MAX_FILE) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG,
            "%s: %" G_GSIZE_FORMAT " bytes are too many for a "
            "configuration",
            path, *length);
        return NULL;
    }
    return g_steal_pointer(&text);
}

void
plain_yaml_clear(PlainYaml *yaml)
{
    yaml_event_delete(&yaml->event);
    yaml_parser_delete(&yaml->parser);
    g_free(yaml->path);
}

guint
plain_yaml_get_line(const PlainYaml *yaml)
{
    return (guint)yaml->event.start_mark.line + 1;
}

const gchar *
plain_yaml_get_text(const PlainYaml *yaml)
{
    const gchar *text = yaml->event.type == YAML_SCALAR_EVENT ? (const gchar *)yaml->event.data.scalar.value : NULL;

    return text && strlen(text) == yaml->event.data.scalar.length ? text : NULL;
}

gboolean
plain_yaml_refuse(const PlainYaml *yaml, const gchar *reason, const gchar *name, GError **error)
{
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s:%u: '%.*s' %s", yaml->path, plain_yaml_get_line(yaml),
        plain_yaml_shown(name), name, reason);
    return FALSE;
}

static gboolean
refuse_syntax(const PlainYaml *yaml, GError **error)
{
    const yaml_parser_t *parser = &yaml->parser;
    const gsize line = parser->error == YAML_READER_ERROR ? parser->mark.line : parser->problem_mark.line;

    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s:%u: %s", yaml->path, (guint)line + 1,
        parser->problem ? parser->problem : "not YAML");
    return FALSE;
}

static gboolean
check_plain(const PlainYaml *yaml, GError **error)
{
    const yaml_event_t *event = &yaml->event;
    const gboolean is_scalar = event->type == YAML_SCALAR_EVENT;
    const gboolean is_mapping = event->type == YAML_MAPPING_START_EVENT;
    const gboolean is_sequence = event->type == YAML_SEQUENCE_START_EVENT;

    if (event->type == YAML_ALIAS_EVENT)
        return plain_yaml_refuse(
            yaml, "is an alias; aliases are not possible here", (const gchar *)event->data.alias.anchor, error);
    if ((is_scalar && event->data.scalar.anchor) || (is_mapping && event->data.mapping_start.anchor) ||
        (is_sequence && event->data.sequence_start.anchor))
        return plain_yaml_refuse(yaml, "marks an anchor; anchors are not possible here", "&", error);
    if ((is_scalar && event->data.scalar.tag) || (is_mapping && event->data.mapping_start.tag) ||
        (is_sequence && event->data.sequence_start.tag))
        return plain_yaml_refuse(yaml, "marks a tag; tags are not possible here", "!", error);
    return TRUE;
}

gboolean
plain_yaml_next(PlainYaml *yaml, GError **error)
{
    yaml_event_delete(&yaml->event);
    memset(&yaml->event, 0, sizeof yaml->event);
    return yaml_parser_parse(&yaml->parser, &yaml->event) ? check_plain(yaml, error) : refuse_syntax(yaml, error);
}

gboolean
plain_yaml_expect(PlainYaml *yaml, yaml_event_type_t type, const gchar *name, const gchar *reason, GError **error)
{
    return plain_yaml_next(yaml, error) && (yaml->event.type == type || plain_yaml_refuse(yaml, reason, name, error));
}

/* libyaml's own message about a tab does not say so. */
static gboolean
check_tabs(const gchar *path, const gchar *text, gsize length, GError **error)
{
    guint line = 1;
    gboolean indenting = TRUE;

    for (gsize i = 0; i < length; i++) {
        if (indenting && text[i] == '\t') {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG,
                "%s:%u: the line is indented with a tab; YAML wants spaces", path, line);
            return FALSE;
        }
        line += text[i] == '\n';
        indenting = text[i] == '\n' || (indenting && text[i] == ' ');
    }
    return TRUE;
}

gboolean
plain_yaml_begin(PlainYaml *yaml, const gchar *path, const gchar *text, gsize length, GError **error)
{
    *yaml = (PlainYaml){.path = g_strdup(path)};
    yaml_parser_initialize(&yaml->parser);
    yaml_parser_set_encoding(&yaml->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&yaml->parser, (const guchar *)text, length);
    return check_tabs(path, text, length, error) && plain_yaml_next(yaml, error) && /* the stream's start */
           plain_yaml_expect(yaml, YAML_DOCUMENT_START_EVENT, "the file", "is empty", error) &&
           plain_yaml_expect(yaml, YAML_MAPPING_START_EVENT, "the file", "must be a list of 'key: value'", error);
}

gboolean
plain_yaml_end(PlainYaml *yaml, GError **error)
{
    return plain_yaml_next(yaml, error) && /* the document's end */
           plain_yaml_expect(yaml, YAML_STREAM_END_EVENT, "the file", "has a second document", error);
}
