/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/export.h"

#include "io/file.h"

#include <dinor1/error.h>
#include <errno.h>
#include <json-glib/json-glib.h>

static gboolean
export_config(const gchar *from, const DinoR1Config *config, gboolean trained, const gchar *directory, GError **error)
{
    g_autofree gchar *source = g_build_filename(from, "config.json", NULL);
    g_autofree gchar *target = g_build_filename(directory, "config.json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree gchar *text = NULL;
    JsonObject *object;
    gsize length;

    if (!json_parser_load_from_file(parser, source, error))
        return FALSE;
    object = json_node_get_object(json_parser_get_root(parser));
    if (config->has_text && !json_object_has_member(object, "text_config"))
        json_object_set_object_member(object, "text_config", json_object_new());
    json_object_set_string_member(object, "model_type", "dino-r1");
    json_object_set_double_member(object, "logit_eps", (gdouble)config->logit_eps);
    if (trained)
        json_object_remove_member(object, "trained");
    else
        json_object_set_boolean_member(object, "trained", FALSE);
    json_generator_set_root(generator, json_parser_get_root(parser));
    json_generator_set_pretty(generator, TRUE);
    text = json_generator_to_data(generator, &length);
    return dinor1_file_replace(target, &(DinoR1FilePart){text, length}, 1, error);
}

static gboolean
export_file(const gchar *from, const gchar *directory, const gchar *name, GError **error)
{
    g_autofree gchar *source = g_build_filename(from, name, NULL), *target = g_build_filename(directory, name, NULL);
    g_autofree gchar *text = NULL;
    gsize length;

    if (!g_file_test(source, G_FILE_TEST_EXISTS))
        return TRUE;
    return g_file_get_contents(source, &text, &length, error) &&
           dinor1_file_replace(target, &(DinoR1FilePart){text, length}, 1, error);
}

gboolean
dinor1_export_model(const gchar *from, const DinoR1Config *config, gboolean trained, const DinoR1Parameters *parameters,
    const gchar *directory, gboolean half, GError **error)
{
    const gchar *others[] = {"preprocessor_config.json", "tokenizer_config.json", "vocab.txt"};

    if (g_mkdir_with_parents(directory, 0777) != 0) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: cannot make the directory: %s", directory, g_strerror(errno));
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        if (!export_file(from, directory, others[i], error))
            return FALSE;
    return export_config(from, config, trained, directory, error) &&
           dinor1_parameters_save(parameters, directory, half, error);
}
