/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/config_reader.h"

#include "io/file.h"
#include "io/json.h"

#include <dinor1/error.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>

#define MAX_CONFIG_SIZE (4 << 20)
#define MAX_VALUE_SHOWN 60

JsonNode *
dinor1_config_parse_json(const gchar *name, const gchar *json, gsize length, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) cause = NULL;
    DinoR1Json scan;

    if (length > MAX_CONFIG_SIZE) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
            "%s: is %" G_GSIZE_FORMAT " bytes long, at most %d are read", name, length, MAX_CONFIG_SIZE);
        return NULL;
    }
    dinor1_json_init(&scan, json, length);
    dinor1_json_skip(&scan);
    if (!dinor1_json_end(&scan)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": %s", name,
            (gsize)(scan.at - scan.text), scan.problem);
        return NULL;
    }
    if (!json_parser_load_from_data(parser, json, length, &cause)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %s", name, cause->message);
        return NULL;
    }
    if (!JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: is not a JSON object", name);
        return NULL;
    }
    return json_parser_steal_root(parser);
}

gboolean
dinor1_config_read_json(const gchar *path, JsonNode **root, GError **error)
{
    g_autofree gchar *json = NULL;
    gsize length = 0;
    GStatBuf info;

    *root = NULL;
    if (g_lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return TRUE;
    json = dinor1_file_read(path, MAX_CONFIG_SIZE, &length, error);
    if (!json)
        return FALSE;
    *root = dinor1_config_parse_json(path, json, length, error);
    return *root != NULL;
}

JsonNode *
dinor1_config_find(const DinoR1ConfigReader *reader, const gchar *key)
{
    JsonNode *node = reader->object ? json_object_get_member(reader->object, key) : NULL;

    return node && !JSON_NODE_HOLDS_NULL(node) ? node : NULL;
}

static gchar *
show_value(JsonNode *node)
{
    g_autofree gchar *text = json_to_string(node, FALSE);
    g_autofree gchar *start = NULL;

    if (g_utf8_strlen(text, -1) <= MAX_VALUE_SHOWN)
        return g_steal_pointer(&text);
    start = g_utf8_substring(text, 0, MAX_VALUE_SHOWN);
    return g_strconcat(start, "…", NULL);
}

gboolean
dinor1_config_fail(const DinoR1ConfigReader *reader, const gchar *key, const gchar *format, ...)
{
    JsonNode *node = reader->object ? json_object_get_member(reader->object, key) : NULL;
    g_autofree gchar *value = node ? show_value(node) : NULL;
    g_autofree gchar *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(reader->error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s: %s%s%s%s%s%s", reader->file, reader->prefix, key,
        value ? " is " : "", value ? value : "", value ? ", but " : ": ", reason);
    return FALSE;
}

static gboolean
holds(JsonNode *node, GType type)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

/* A key that must not be null: Python's classes would take None and fail later. */
static gboolean
find_value(const DinoR1ConfigReader *reader, const gchar *key, JsonNode **node)
{
    *node = reader->object ? json_object_get_member(reader->object, key) : NULL;
    return *node != NULL;
}

gboolean
dinor1_config_int(const DinoR1ConfigReader *reader, const gchar *key, gint min, gint max, gint *value)
{
    JsonNode *node;
    gint64 number;

    if (!find_value(reader, key, &node))
        return TRUE;
    if (!holds(node, G_TYPE_INT64))
        return dinor1_config_fail(reader, key, "must be an integer");
    number = json_node_get_int(node);
    if (number < min || number > max)
        return dinor1_config_fail(reader, key, "must be from %d to %d", min, max);
    *value = number;
    return TRUE;
}

gboolean
dinor1_config_double(const DinoR1ConfigReader *reader, const gchar *key, gdouble min, gdouble max, gdouble *value)
{
    JsonNode *node;
    gdouble number;

    if (!find_value(reader, key, &node))
        return TRUE;
    if (!holds(node, G_TYPE_INT64) && !holds(node, G_TYPE_DOUBLE))
        return dinor1_config_fail(reader, key, "must be a number");
    number = json_node_get_double(node);
    if (!isfinite(number) || number < min || number > max)
        return dinor1_config_fail(reader, key, "must be from %g to %g", min, max);
    *value = number;
    return TRUE;
}

gboolean
dinor1_config_float(const DinoR1ConfigReader *reader, const gchar *key, gfloat min, gfloat max, gfloat *value)
{
    gdouble number = *value;

    if (!dinor1_config_double(reader, key, min, max, &number))
        return FALSE;
    *value = (gfloat)number;
    return TRUE;
}

gboolean
dinor1_config_bool(const DinoR1ConfigReader *reader, const gchar *key, gboolean *value)
{
    JsonNode *node;

    if (!find_value(reader, key, &node))
        return TRUE;
    if (!holds(node, G_TYPE_BOOLEAN))
        return dinor1_config_fail(reader, key, "must be true or false");
    *value = json_node_get_boolean(node);
    return TRUE;
}

gboolean
dinor1_config_string(const DinoR1ConfigReader *reader, const gchar *key, const gchar **value)
{
    JsonNode *node;

    if (!find_value(reader, key, &node))
        return TRUE;
    if (!holds(node, G_TYPE_STRING))
        return dinor1_config_fail(reader, key, "must be a string");
    *value = json_node_get_string(node);
    return TRUE;
}

gboolean
dinor1_config_ints(
    const DinoR1ConfigReader *reader, const gchar *key, gint min, gint max, guint max_n, gint *n, gint *values)
{
    JsonNode *node = dinor1_config_find(reader, key);
    JsonArray *array;

    if (!node)
        return TRUE;
    if (!JSON_NODE_HOLDS_ARRAY(node))
        return dinor1_config_fail(reader, key, "must be a list of integers");
    array = json_node_get_array(node);
    if (json_array_get_length(array) < 1 || json_array_get_length(array) > max_n)
        return dinor1_config_fail(reader, key, "must have 1 to %u entries", max_n);
    *n = json_array_get_length(array);
    for (gint i = 0; i < *n; i++) {
        JsonNode *item = json_array_get_element(array, i);

        if (!holds(item, G_TYPE_INT64) || json_node_get_int(item) < min || json_node_get_int(item) > max)
            return dinor1_config_fail(reader, key, "its entries must be integers from %d to %d", min, max);
        values[i] = json_node_get_int(item);
    }
    return TRUE;
}

gboolean
dinor1_config_object(const DinoR1ConfigReader *reader, const gchar *key, JsonObject **value)
{
    JsonNode *node = dinor1_config_find(reader, key);

    *value = NULL;
    if (!node)
        return TRUE;
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return dinor1_config_fail(reader, key, "must be an object");
    *value = json_node_get_object(node);
    return TRUE;
}

gboolean
dinor1_config_need_bool(const DinoR1ConfigReader *reader, const gchar *key, gboolean needed)
{
    gboolean value = needed;

    if (!dinor1_config_bool(reader, key, &value))
        return FALSE;
    return value == needed || dinor1_config_fail(reader, key, "only %s is supported", needed ? "true" : "false");
}

gboolean
dinor1_config_need_string(const DinoR1ConfigReader *reader, const gchar *key, const gchar *needed)
{
    const gchar *value = needed;

    if (!dinor1_config_string(reader, key, &value))
        return FALSE;
    return g_str_equal(value, needed) || dinor1_config_fail(reader, key, "only \"%s\" is supported", needed);
}

gboolean
dinor1_config_need_int(const DinoR1ConfigReader *reader, const gchar *key, gint needed)
{
    JsonNode *node = dinor1_config_find(reader, key);

    return !node || (holds(node, G_TYPE_INT64) && json_node_get_int(node) == needed) ||
           dinor1_config_fail(reader, key, "only %d is supported", needed);
}
