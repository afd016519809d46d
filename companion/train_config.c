/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_config.h"

#include "command.h"
#include "plain_yaml.h"
#include "train_keys.h"

#include <dinor1/error.h>
#include <string.h>

/* What a word in the list `train` stands for, if it is no pattern of its own. */
static const struct {
    const gchar *word;
    const gchar *globs[9];
} shorthands[] = {
    {"all", {"*"}},
    {"prompt-encoder", {"model.visual_prompt_encoder.*"}},
    {"no-backbone", {"class_embed.*", "bbox_embed.*", "model.decoder.*", "model.enc*", "model.input_proj_vision.*",
                        "model.level_embed", "model.query_position_embeddings.*", "model.visual_prompt_encoder.*"}},
};

/* A file at work. */
typedef struct {
    PlainYaml yaml;
    TrainConfig *config;
    gchar *folder; /* of the file */
} Reader;

static void
reader_clear(Reader *reader)
{
    plain_yaml_clear(&reader->yaml);
    g_free(reader->folder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

void
train_config_free(TrainConfig *config)
{
    g_free(config->model);
    g_free(config->output);
    g_free(config->train.annotations);
    g_free(config->train.images);
    g_free(config->validation.annotations);
    g_free(config->validation.images);
    g_free(config->heldout.annotations);
    g_free(config->heldout.images);
    g_strfreev(config->patterns);
    g_free(config->device);
    g_free(config->precision);
    g_free(config->globs);
    g_free(config->path);
    g_hash_table_unref(config->lines);
    g_free(config);
}

static gboolean
add_value(const Reader *reader, const gchar *name, GPtrArray *values, GError **error)
{
    const gchar *text = plain_yaml_get_text(&reader->yaml);

    if (!text)
        return plain_yaml_refuse(&reader->yaml, "must be a value or a list of values", name, error);
    if (!*text)
        return plain_yaml_refuse(&reader->yaml, "has no value", name, error);
    if (values->len == TRAIN_MAX_VALUES)
        return plain_yaml_refuse(&reader->yaml, "has too many values", name, error);
    g_ptr_array_add(values, g_strdup(text));
    return TRUE;
}

static gboolean
read_values(Reader *reader, const gchar *name, GPtrArray *values, GError **error)
{
    if (!plain_yaml_next(&reader->yaml, error))
        return FALSE;
    if (reader->yaml.event.type != YAML_SEQUENCE_START_EVENT)
        return add_value(reader, name, values, error);
    while (plain_yaml_next(&reader->yaml, error)) {
        if (reader->yaml.event.type == YAML_SEQUENCE_END_EVENT)
            return TRUE;
        if (!add_value(reader, name, values, error))
            return FALSE;
    }
    return FALSE;
}

static gboolean
read_key(Reader *reader, const gchar *name, GError **error)
{
    const guint line = plain_yaml_get_line(&reader->yaml);
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    const TrainKey *key = train_key_find(name, error);

    if (key && !read_values(reader, name, values, error))
        return FALSE;
    if (key &&
        train_key_set(key, reader->config, (const gchar *const *)values->pdata, values->len, reader->folder, error))
        return TRUE;
    g_prefix_error(error, "%s:%u: ", reader->config->path, line);
    return FALSE;
}

/* Reads up to the end of a mapping whose keys begin with @section. */
static gboolean
read_mapping(Reader *reader, const gchar *section, GError **error)
{
    while (plain_yaml_next(&reader->yaml, error)) {
        g_autofree gchar *name = NULL;
        gboolean done;

        if (reader->yaml.event.type == YAML_MAPPING_END_EVENT)
            return TRUE;
        if (!plain_yaml_get_text(&reader->yaml))
            return plain_yaml_refuse(
                &reader->yaml, "has something that is no key", *section ? section : "the file", error);
        name = g_strconcat(section, *section ? "." : "", plain_yaml_get_text(&reader->yaml), NULL);
        if (g_hash_table_contains(reader->config->lines, name))
            return plain_yaml_refuse(&reader->yaml, "is there twice", name, error);
        g_hash_table_insert(
            reader->config->lines, g_strdup(name), GUINT_TO_POINTER(plain_yaml_get_line(&reader->yaml)));
        if (train_key_is_section(name))
            done = plain_yaml_expect(&reader->yaml, YAML_MAPPING_START_EVENT, name,
                       "must be a section with keys of its own", error) &&
                   read_mapping(reader, name, error);
        else
            done = read_key(reader, name, error);
        if (!done)
            return FALSE;
    }
    return FALSE;
}

TrainConfig *
train_config_parse(const gchar *path, const gchar *text, gsize length, GError **error)
{
    g_autoptr(TrainConfig) config = g_new0(TrainConfig, 1);
    g_auto(Reader) reader = {.config = config, .folder = g_path_get_dirname(path)};

    *config = (TrainConfig){.max_boxes = 1000,
        .save_every = 100,
        .keep = 3,
        .evaluate_every = 1,
        .evaluate_prompts = 4,
        .evaluate_first = TRUE};
    dinor1_train_options_init(&config->options);
    config->device = g_strdup(config->options.device);
    config->precision = g_strdup(config->options.precision);
    config->path = g_strdup(path);
    config->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!plain_yaml_begin(&reader.yaml, path, text, length, error) || !read_mapping(&reader, "", error) ||
        !plain_yaml_end(&reader.yaml, error))
        return NULL;
    return g_steal_pointer(&config);
}

static gboolean
set_override(TrainConfig *config, const gchar *name, const gchar *value, GError **error)
{
    const TrainKey *key = train_key_find(name, error);
    const gboolean is_list = key && (key->type == TRAIN_KEY_EPOCHS || key->type == TRAIN_KEY_WORDS);
    g_auto(GStrv) values = is_list ? g_strsplit(value, ",", TRAIN_MAX_VALUES) : NULL;

    if (!key || !train_key_set(key, config, is_list ? (const gchar *const *)values : &value,
                    is_list ? g_strv_length(values) : 1, NULL, error))
        return FALSE;
    g_hash_table_replace(config->lines, g_strdup(name), GUINT_TO_POINTER(0));
    return TRUE;
}

static gboolean
override(TrainConfig *config, const gchar *text, GError **error)
{
    const gchar *equals = strchr(text, '=');
    g_autofree gchar *name = equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
    g_autoptr(GError) reason = NULL;

    if (!equals)
        g_set_error(error, USAGE_ERROR, 0, "--set '%s': expected KEY=VALUE", text);
    else if (set_override(config, name, equals + 1, &reason))
        return TRUE;
    else
        g_set_error(error, USAGE_ERROR, 0, "--set '%s': %s", text, reason->message);
    return FALSE;
}

static gboolean
check_key(const TrainConfig *config, const TrainKey *key, GError **error)
{
    const gchar *kind = key->type == TRAIN_KEY_FOLDER ? "folder" : "file";
    const GFileTest test = key->type == TRAIN_KEY_FOLDER ? G_FILE_TEST_IS_DIR : G_FILE_TEST_IS_REGULAR;
    g_autofree gchar *value = train_key_get_text(key, config);
    const guint line = GPOINTER_TO_UINT(g_hash_table_lookup(config->lines, key->name));

    if (key->required && !*value) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s: '%s' is missing", config->path, key->name);
        return FALSE;
    }
    if ((key->type != TRAIN_KEY_FILE && key->type != TRAIN_KEY_FOLDER) || !*value || g_file_test(value, test))
        return TRUE;
    if (line > 0)
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s:%u: '%s': there is no %s '%s'", config->path, line,
            key->name, kind, value);
    else
        g_set_error(error, USAGE_ERROR, 0, "--set '%s': there is no %s '%s'", key->name, kind, value);
    return FALSE;
}

static gboolean
check_set(const TrainConfig *config, const TrainSet *set, const gchar *name, GError **error)
{
    if (!set->annotations == !set->images)
        return TRUE;
    g_set_error(
        error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s: '%s' needs both annotations and images", config->path, name);
    return FALSE;
}

static gboolean
check(const TrainConfig *config, GError **error)
{
    const TrainKey *key;

    for (guint i = 0; (key = train_key_get(i)); i++)
        if (!check_key(config, key, error))
            return FALSE;
    if (!check_set(config, &config->validation, "data.validation", error) ||
        !check_set(config, &config->heldout, "data.heldout", error))
        return FALSE;
    if (!config->heldout.images || config->validation.images)
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s: 'data.heldout' needs 'data.validation'", config->path);
    return FALSE;
}

/* The globs of all words of `train`. */
static void
expand_patterns(TrainConfig *config)
{
    g_autoptr(GPtrArray) globs = g_ptr_array_new();

    for (gchar **word = config->patterns; word && *word; word++) {
        const guint before = globs->len;

        for (guint i = 0; i < G_N_ELEMENTS(shorthands); i++)
            for (guint k = 0; !strcmp(shorthands[i].word, *word) && shorthands[i].globs[k]; k++)
                g_ptr_array_add(globs, (gpointer)shorthands[i].globs[k]);
        if (globs->len == before)
            g_ptr_array_add(globs, *word);
    }
    if (globs->len == 0)
        return;
    g_ptr_array_add(globs, NULL);
    config->globs = (const gchar **)g_ptr_array_free(g_steal_pointer(&globs), FALSE);
    config->options.train = config->globs;
}

TrainConfig *
train_config_load(const gchar *path, gchar **overrides, GError **error)
{
    g_autoptr(TrainConfig) config = NULL;
    gsize length;
    g_autofree gchar *text = plain_yaml_load(path, &length, error);

    if (!text)
        return NULL;
    config = train_config_parse(path, text, length, error);
    for (gchar **item = overrides; config && item && *item; item++)
        if (!override(config, *item, error))
            return NULL;
    if (!config || !check(config, error))
        return NULL;
    expand_patterns(config);
    config->options.device = config->device;
    config->options.precision = config->precision;
    return g_steal_pointer(&config);
}

gchar *
train_config_describe(const TrainConfig *config, guint index, const gchar **name)
{
    const TrainKey *key = train_key_get(index);

    *name = key ? key->name : NULL;
    return key ? train_key_get_text(key, config) : NULL;
}
