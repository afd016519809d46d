/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_keys.h"

#include "command.h"
#include "plain_yaml.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define COUNT(field)  TRAIN_KEY_COUNT, G_STRUCT_OFFSET(TrainConfig, field), FALSE
#define NUMBER(field) TRAIN_KEY_NUMBER, G_STRUCT_OFFSET(TrainConfig, field), FALSE
#define SWITCH(field) TRAIN_KEY_SWITCH, G_STRUCT_OFFSET(TrainConfig, field), FALSE

static const TrainKey keys[] = {
    {"model", TRAIN_KEY_FOLDER, G_STRUCT_OFFSET(TrainConfig, model), TRUE},
    {"output", TRAIN_KEY_OUTPUT, G_STRUCT_OFFSET(TrainConfig, output), TRUE},
    {"data.train.annotations", TRAIN_KEY_FILE, G_STRUCT_OFFSET(TrainConfig, train.annotations), TRUE},
    {"data.train.images", TRAIN_KEY_FOLDER, G_STRUCT_OFFSET(TrainConfig, train.images), TRUE},
    {"data.validation.annotations", TRAIN_KEY_FILE, G_STRUCT_OFFSET(TrainConfig, validation.annotations), FALSE},
    {"data.validation.images", TRAIN_KEY_FOLDER, G_STRUCT_OFFSET(TrainConfig, validation.images), FALSE},
    {"data.heldout.annotations", TRAIN_KEY_FILE, G_STRUCT_OFFSET(TrainConfig, heldout.annotations), FALSE},
    {"data.heldout.images", TRAIN_KEY_FOLDER, G_STRUCT_OFFSET(TrainConfig, heldout.images), FALSE},
    {"skip_bad", SWITCH(options.skip_bad)},
    {"max_boxes", COUNT(max_boxes), 1, DINOR1_TRAIN_MAX_BOXES},
    {"seed", TRAIN_KEY_SEED, G_STRUCT_OFFSET(TrainConfig, options.seed), FALSE},
    {"device", TRAIN_KEY_TEXT, G_STRUCT_OFFSET(TrainConfig, device), FALSE},
    {"precision", TRAIN_KEY_TEXT, G_STRUCT_OFFSET(TrainConfig, precision), FALSE},
    {"threads", COUNT(options.n_threads), 0, 1024},
    {"workers", COUNT(options.n_workers), 0, 256},
    {"epochs", COUNT(options.epochs), 1, 100000},
    {"batch_size", COUNT(options.batch_size), 1, 1024},
    {"group", COUNT(options.group), 1, 1024},
    {"accumulate", COUNT(options.accumulate), 1, 1024},
    {"learning_rate", NUMBER(options.learning_rate), 1e-12, 1},
    {"backbone_multiplier", NUMBER(options.backbone_multiplier), 0, 100},
    {"weight_decay", NUMBER(options.weight_decay), 0, 1},
    {"max_norm", NUMBER(options.max_norm), 0, 1e6},
    {"warmup_steps", COUNT(options.warmup_steps), 0, 10000000},
    {"schedule", TRAIN_KEY_SCHEDULE, G_STRUCT_OFFSET(TrainConfig, options.schedule), FALSE},
    {"milestones", TRAIN_KEY_EPOCHS, G_STRUCT_OFFSET(TrainConfig, options.milestones), FALSE, 1, 100000},
    {"average_decay", NUMBER(options.average_decay), 0, 0.999999},
    {"train", TRAIN_KEY_WORDS, G_STRUCT_OFFSET(TrainConfig, patterns), FALSE},
    {"from_scratch", SWITCH(from_scratch)},
    {"recompute", SWITCH(options.recompute)},
    {"denoising", SWITCH(options.denoising)},
    {"augment", SWITCH(options.augment)},
    {"negatives", COUNT(options.n_negatives), 0, 1024},
    {"memory", COUNT(options.memory_size), 0, 65536},
    {"grqo.start", COUNT(options.grqo_start), 0, 1000000},
    {"grqo.alpha", NUMBER(options.grqo_alpha), 0, 1e6},
    {"grqo.beta", NUMBER(options.grqo_beta), 0, 1e6},
    {"grqo.mute", NUMBER(options.grqo_mute), 0, 1},
    {"contrastive", NUMBER(options.contrastive), 0, 1e6},
    {"save_every", COUNT(save_every), 1, 10000000},
    {"keep", COUNT(keep), 1, 10000},
    {"evaluate_first", SWITCH(evaluate_first)},
    {"evaluate_every", COUNT(evaluate_every), 1, 100000},
    {"evaluate_prompts", COUNT(evaluate_prompts), 1, 1000},
};

static const gchar *const schedules[] = {
    [DINOR1_TRAIN_MULTI_STEP] = "multi-step", [DINOR1_TRAIN_COSINE] = "cosine", NULL};

const TrainKey *
train_key_get(guint index)
{
    return index < G_N_ELEMENTS(keys) ? &keys[index] : NULL;
}

gboolean
train_key_is_section(const gchar *name)
{
    const gsize length = strlen(name);

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!strncmp(keys[i].name, name, length) && keys[i].name[length] == '.')
            return TRUE;
    return FALSE;
}

const TrainKey *
train_key_find(const gchar *name, GError **error)
{
    const gchar *names[G_N_ELEMENTS(keys) + 1] = {NULL};
    const gchar *nearest;

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!strcmp(keys[i].name, name))
            return &keys[i];
        names[i] = keys[i].name;
    }
    nearest = strlen(name) < 100 ? command_nearest(name, names) : NULL;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "unknown key '%.*s'%s%s%s", plain_yaml_shown(name), name,
        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : " (docs/finetune.md lists all)");
    return NULL;
}

static gboolean
refuse(const TrainKey *key, const gchar *expected, const gchar *value, GError **error)
{
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "'%s' must be %s, not '%.*s'", key->name, expected,
        plain_yaml_shown(value), value);
    return FALSE;
}

static gboolean
set_path(const TrainKey *key, const gchar *value, const gchar *folder, gchar **path, GError **error)
{
    if (!*value)
        return refuse(key, "a path", value, error);
    g_free(*path);
    *path = folder && strcmp(folder, ".") && !g_path_is_absolute(value) ? g_build_filename(folder, value, NULL)
                                                                        : g_strdup(value);
    return TRUE;
}

static gboolean
set_count(const TrainKey *key, const gchar *value, guint *count, GError **error)
{
    g_autofree gchar *expected = NULL;
    guint64 number;

    if (g_ascii_string_to_unsigned(value, 10, (guint64)key->low, (guint64)key->high, &number, NULL)) {
        *count = (guint)number;
        return TRUE;
    }
    expected = g_strdup_printf("a whole number from %.0f to %.0f", key->low, key->high);
    return refuse(key, expected, value, error);
}

static gboolean
set_number(const TrainKey *key, const gchar *value, gfloat *number, GError **error)
{
    g_autofree gchar *expected = NULL;
    gchar *end;
    const gdouble parsed = g_ascii_strtod(value, &end);

    if (*value && !*end && !g_ascii_isspace(*value) && parsed >= key->low && parsed <= key->high) {
        *number = (gfloat)parsed;
        return TRUE;
    }
    expected = g_strdup_printf("a number from %g to %g", key->low, key->high);
    return refuse(key, expected, value, error);
}

static gboolean
set_switch(const TrainKey *key, const gchar *value, gboolean *on, GError **error)
{
    *on = !strcmp(value, "true");
    return *on || !strcmp(value, "false") || refuse(key, "true or false", value, error);
}

static gboolean
set_schedule(const TrainKey *key, const gchar *value, DinoR1TrainSchedule *schedule, GError **error)
{
    for (guint i = 0; schedules[i]; i++)
        if (!strcmp(schedules[i], value)) {
            *schedule = (DinoR1TrainSchedule)i;
            return TRUE;
        }
    return refuse(key, "multi-step or cosine", value, error);
}

static gboolean
set_milestones(const TrainKey *key, const gchar *const *values, guint n, DinoR1TrainOptions *options, GError **error)
{
    if (n > G_N_ELEMENTS(options->milestones)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "'%s' has %u values; %u are possible", key->name, n,
            (guint)G_N_ELEMENTS(options->milestones));
        return FALSE;
    }
    for (guint i = 0; i < n; i++) {
        if (!set_count(key, values[i], &options->milestones[i], error))
            return FALSE;
        if (i && options->milestones[i] <= options->milestones[i - 1])
            return refuse(key, "rising epochs", values[i], error);
    }
    options->n_milestones = n;
    return TRUE;
}

static gboolean
set_words(const TrainKey *key, const gchar *const *values, guint n, gchar ***words, GError **error)
{
    if (n == 0)
        return refuse(key, "a list of patterns", "[]", error);
    g_strfreev(*words);
    *words = g_new0(gchar *, n + 1);
    for (guint i = 0; i < n; i++)
        (*words)[i] = g_strdup(values[i]);
    return TRUE;
}

gboolean
train_key_set(const TrainKey *key, TrainConfig *config, const gchar *const *values, guint n_values, const gchar *folder,
    GError **error)
{
    gpointer field = (guint8 *)config + key->offset;

    if (key->type == TRAIN_KEY_EPOCHS)
        return set_milestones(key, values, n_values, &config->options, error);
    if (key->type == TRAIN_KEY_WORDS)
        return set_words(key, values, n_values, field, error);
    if (n_values != 1)
        return refuse(key, "one value", "a list", error);
    switch (key->type) {
    case TRAIN_KEY_COUNT:
        return set_count(key, values[0], field, error);
    case TRAIN_KEY_NUMBER:
        return set_number(key, values[0], field, error);
    case TRAIN_KEY_SWITCH:
        return set_switch(key, values[0], field, error);
    case TRAIN_KEY_SCHEDULE:
        return set_schedule(key, values[0], field, error);
    case TRAIN_KEY_TEXT:
        g_free(*(gchar **)field);
        *(gchar **)field = g_strdup(values[0]);
        return TRUE;
    case TRAIN_KEY_SEED:
        return g_ascii_string_to_unsigned(values[0], 10, 0, G_MAXUINT64, field, NULL) ||
               refuse(key, "a whole number", values[0], error);
    default:
        return set_path(key, values[0], folder, field, error);
    }
}

static gchar *
join_milestones(const DinoR1TrainOptions *options)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < options->n_milestones; i++)
        g_string_append_printf(text, "%s%u", i ? ", " : "", options->milestones[i]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

gchar *
train_key_get_text(const TrainKey *key, const TrainConfig *config)
{
    gconstpointer field = (const guint8 *)config + key->offset;
    gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

    switch (key->type) {
    case TRAIN_KEY_COUNT:
        return g_strdup_printf("%u", *(const guint *)field);
    case TRAIN_KEY_SEED:
        return g_strdup_printf("%" G_GUINT64_FORMAT, *(const guint64 *)field);
    case TRAIN_KEY_NUMBER:
        return g_strdup(g_ascii_formatd(buffer, sizeof buffer, "%g", (gdouble) * (const gfloat *)field));
    case TRAIN_KEY_SWITCH:
        return g_strdup(*(const gboolean *)field ? "true" : "false");
    case TRAIN_KEY_SCHEDULE:
        return g_strdup(schedules[*(const DinoR1TrainSchedule *)field]);
    case TRAIN_KEY_EPOCHS:
        return join_milestones(&config->options);
    case TRAIN_KEY_WORDS:
        return *(gchar * *const *)field ? g_strjoinv(", ", *(gchar * *const *)field) : g_strdup("all");
    default:
        return g_strdup(*(gchar *const *)field ? *(gchar *const *)field : "");
    }
}
