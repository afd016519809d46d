/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Typed access to one JSON object of a configuration. Every failure is a CONFIG error "file: key is value, but reason".
 * A key that is absent leaves the default, which the caller has put into the place the value goes to. */
typedef struct {
    const gchar *file;
    const gchar *prefix; /* "" or "backbone_config." */
    JsonObject *object;  /* NULL reads as an empty object */
    GError **error;
} DinoR1ConfigReader;

/* Parses an object after checking size, depth and syntax. Returns: (transfer full): NULL with FORMAT. */
JsonNode *dinor1_config_parse_json(const gchar *name, const gchar *json, gsize length, GError **error);
/* The same from a file; (transfer full). Returns FALSE on failure; a missing file is no failure and gives NULL. */
gboolean dinor1_config_read_json(const gchar *path, JsonNode **root, GError **error);

JsonNode *dinor1_config_find(const DinoR1ConfigReader *reader, const gchar *key); /* NULL if absent or null */

/* FALSE. The message is "file: key is value, but @format", or "file: key: @format" without a value. */
gboolean dinor1_config_fail(const DinoR1ConfigReader *reader, const gchar *key, const gchar *format, ...)
    G_GNUC_PRINTF(3, 4);

gboolean dinor1_config_int(const DinoR1ConfigReader *reader, const gchar *key, gint min, gint max, gint *value);
gboolean dinor1_config_double(
    const DinoR1ConfigReader *reader, const gchar *key, gdouble min, gdouble max, gdouble *value);
gboolean dinor1_config_float(const DinoR1ConfigReader *reader, const gchar *key, gfloat min, gfloat max, gfloat *value);
gboolean dinor1_config_bool(const DinoR1ConfigReader *reader, const gchar *key, gboolean *value);
gboolean dinor1_config_string(const DinoR1ConfigReader *reader, const gchar *key, const gchar **value);
/* 1 … @max_n integers; *@n and @values are the default. */
gboolean dinor1_config_ints(
    const DinoR1ConfigReader *reader, const gchar *key, gint min, gint max, guint max_n, gint *n, gint *values);
/* A sub-object; NULL if absent or null. */
gboolean dinor1_config_object(const DinoR1ConfigReader *reader, const gchar *key, JsonObject **value);

/* Fails if the key is there with another value than the only one that is supported. */
gboolean dinor1_config_need_bool(const DinoR1ConfigReader *reader, const gchar *key, gboolean needed);
gboolean dinor1_config_need_string(const DinoR1ConfigReader *reader, const gchar *key, const gchar *needed);
gboolean dinor1_config_need_int(const DinoR1ConfigReader *reader, const gchar *key, gint needed);

G_END_DECLS
