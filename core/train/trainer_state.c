/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checkpoints of a training run, and the model directory that it leaves.
 */
#include "io/file.h"
#include "model/model_internal.h"
#include "train/export.h"
#include "train/run_facts.h"
#include "train/trainer_internal.h"

#include <dinor1/error.h>
#include <string.h>

#define FORMAT      "dinor1-training/2"
#define FACT_PREFIX "run."

/* A file while it is put together. */
typedef struct {
    GArray *tensors; /* DinoR1StoredTensor */
    GStringChunk *names;
    GHashTable *metadata;
} Contents;

static void
contents_clear(Contents *contents)
{
    g_array_unref(contents->tensors);
    g_string_chunk_free(contents->names);
    g_hash_table_unref(contents->metadata);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Contents, contents_clear)

static void put(Contents *contents, const gchar *key, const gchar *format, ...) G_GNUC_PRINTF(3, 4);

static void
put(Contents *contents, const gchar *key, const gchar *format, ...)
{
    va_list args;

    va_start(args, format);
    g_hash_table_insert(contents->metadata, g_strdup(key), g_strdup_vprintf(format, args));
    va_end(args);
}

static void
append_parameters(Contents *contents, const gchar *prefix, const DinoR1Parameters *parameters)
{
    for (guint i = 0; parameters && i < dinor1_parameters_get_n(parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(parameters, i);
        g_autofree gchar *name = g_strconcat(prefix, parameter->name, NULL);
        DinoR1StoredTensor stored = {.name = g_string_chunk_insert(contents->names, name),
            .dtype = DINOR1_STORED_F32,
            .n_dims = (guint)parameter->shape.ndim,
            .data = (const guint8 *)parameter->data,
            .size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat)};

        memcpy(stored.dims, parameter->shape.dims, sizeof stored.dims);
        g_array_append_val(contents->tensors, stored);
    }
}

static void
append_memory(Contents *contents, const DinoR1Trainer *trainer)
{
    const guint *classes;
    const gfloat *embeddings;
    const guint n = dinor1_prompt_memory_get(trainer->memory, &classes, &embeddings);
    const gint64 d = trainer->config.d_model;
    const DinoR1StoredTensor stored[2] = {
        {"memory.classes", DINOR1_STORED_I32, 1, {n}, (const guint8 *)classes, n * sizeof *classes},
        {"memory.embeddings", DINOR1_STORED_F32, 2, {n, d}, (const guint8 *)embeddings,
            n * (gsize)d * sizeof *embeddings},
    };

    g_array_append_vals(contents->tensors, stored, 2);
}

static void
put_facts(Contents *contents, const DinoR1Trainer *trainer)
{
    g_autoptr(GArray) facts = dinor1_run_facts(trainer);

    for (guint i = 0; i < facts->len; i++) {
        const DinoR1RunFact *fact = &g_array_index(facts, DinoR1RunFact, i);
        g_autofree gchar *key = g_strconcat(FACT_PREFIX, fact->name, NULL);

        put(contents, key, "%s", fact->value);
    }
}

static gboolean
fetch_all(const DinoR1Trainer *trainer, GError **error)
{
    return dinor1_parameters_fetch(trainer->parameters, error) &&
           (!trainer->average || dinor1_parameters_fetch(trainer->average, error)) &&
           (!trainer->reference || dinor1_parameters_fetch(trainer->reference, error));
}

gboolean
dinor1_trainer_save(const DinoR1Trainer *trainer, const gchar *path, GError **error)
{
    g_auto(Contents) contents = {g_array_new(FALSE, FALSE, sizeof(DinoR1StoredTensor)), g_string_chunk_new(4096),
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};

    if (!fetch_all(trainer, error))
        return FALSE;
    put(&contents, "format", FORMAT);
    put_facts(&contents, trainer);
    put(&contents, "epoch", "%u", trainer->epoch);
    put(&contents, "update", "%u", trainer->update);
    append_parameters(&contents, "parameter.", trainer->parameters);
    append_parameters(&contents, "average.", trainer->average);
    append_parameters(&contents, "reference.", trainer->reference);
    append_memory(&contents, trainer);
    return dinor1_optimizer_store(trainer->optimizer, contents.tensors, contents.names, contents.metadata, error) &&
           dinor1_safetensors_write(path, (const DinoR1StoredTensor *)(gconstpointer)contents.tensors->data,
               contents.tensors->len, contents.metadata, error);
}

static gboolean
read_parameters(const DinoR1Safetensors *file, const gchar *prefix, DinoR1Parameters *parameters, GError **error)
{
    for (guint i = 0; parameters && i < dinor1_parameters_get_n(parameters); i++) {
        const DinoR1Parameter *parameter = dinor1_parameters_get(parameters, i);
        g_autofree gchar *name = g_strconcat(prefix, parameter->name, NULL);
        const DinoR1StoredTensor *stored = dinor1_safetensors_find(file, name);
        const gsize size = (gsize)dinor1_shape_size(&parameter->shape) * sizeof(gfloat);

        if (!stored || stored->dtype != DINOR1_STORED_F32 || stored->size != size) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
                "%s: '%s' is missing or of another size: the checkpoint is of another model",
                dinor1_safetensors_get_path(file), name);
            return FALSE;
        }
        memcpy(parameter->data, stored->data, size);
    }
    return !parameters || dinor1_parameters_send(parameters, error);
}

static gboolean
read_memory(const DinoR1Safetensors *file, DinoR1Trainer *trainer, GError **error)
{
    const DinoR1StoredTensor *classes = dinor1_safetensors_find(file, "memory.classes");
    const DinoR1StoredTensor *embeddings = dinor1_safetensors_find(file, "memory.embeddings");
    const gsize row = (gsize)trainer->config.d_model * sizeof(gfloat);
    g_autofree gfloat *embedding = g_malloc(row);

    if (!classes || !embeddings || classes->dtype != DINOR1_STORED_I32 || embeddings->dtype != DINOR1_STORED_F32 ||
        classes->size / sizeof(guint) * row != embeddings->size) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: the prompt memory is missing or broken",
            dinor1_safetensors_get_path(file));
        return FALSE;
    }
    for (gsize i = 0; i < classes->size / sizeof(guint); i++) {
        guint class_index;

        memcpy(&class_index, classes->data + i * sizeof class_index, sizeof class_index);
        memcpy(embedding, embeddings->data + i * row, row);
        dinor1_prompt_memory_add(trainer->memory, class_index, embedding);
    }
    return TRUE;
}

static gboolean
read_number(const DinoR1Safetensors *file, const gchar *key, guint64 max, guint *number, GError **error)
{
    const gchar *text = dinor1_safetensors_get_metadata(file, key);
    guint64 value;

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, max, &value, NULL)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
            "%s: metadata '%s' is missing or no number up to "
            "%" G_GUINT64_FORMAT,
            dinor1_safetensors_get_path(file), key, max);
        return FALSE;
    }
    *number = (guint)value;
    return TRUE;
}

/* That the run is the same in all that its numbers depend on. */
static gboolean
check_run(const DinoR1Safetensors *file, const DinoR1Trainer *trainer, GError **error)
{
    const gchar *format = dinor1_safetensors_get_metadata(file, "format");
    g_autoptr(GArray) facts = dinor1_run_facts(trainer);

    if (!format || !g_str_equal(format, FORMAT)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: not a training checkpoint of this version",
            dinor1_safetensors_get_path(file));
        return FALSE;
    }
    for (guint i = 0; i < facts->len; i++) {
        const DinoR1RunFact *fact = &g_array_index(facts, DinoR1RunFact, i);
        g_autofree gchar *key = g_strconcat(FACT_PREFIX, fact->name, NULL);
        const gchar *value = dinor1_safetensors_get_metadata(file, key);

        if (value && g_str_equal(value, fact->value))
            continue;
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
            "%s: the checkpoint is of another run: '%s' was %s and is %s", dinor1_safetensors_get_path(file),
            fact->name, value ? value : "not used", fact->value);
        return FALSE;
    }
    return TRUE;
}

/* More epochs than before are fine, fewer than are done are not. */
static gboolean
read_position(const DinoR1Safetensors *file, const DinoR1Trainer *trainer, guint *epoch, guint *update, GError **error)
{
    if (!read_number(file, "epoch", G_MAXUINT, epoch, error) ||
        !read_number(file, "update", dinor1_trainer_count_updates(trainer), update, error))
        return FALSE;
    if (*epoch < trainer->options.epochs || (*epoch == trainer->options.epochs && *update == 0))
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
        "%s: the checkpoint is in epoch %u (counted from 0), but this run has 'epochs' %u",
        dinor1_safetensors_get_path(file), *epoch, trainer->options.epochs);
    return FALSE;
}

gboolean
dinor1_trainer_resume(DinoR1Trainer *trainer, const gchar *path, GError **error)
{
    g_autoptr(DinoR1Safetensors) file = dinor1_safetensors_open(path, error);
    guint epoch, update;

    if (!file || !check_run(file, trainer, error) || !read_position(file, trainer, &epoch, &update, error) ||
        !read_parameters(file, "parameter.", trainer->parameters, error) ||
        !read_parameters(file, "average.", trainer->average, error) ||
        !dinor1_optimizer_restore(trainer->optimizer, file, error) || !read_memory(file, trainer, error))
        return FALSE;
    if (!trainer->reference && epoch >= trainer->options.grqo_start && update > 0 &&
        !(trainer->reference = dinor1_parameters_copy(trainer->parameters, error)))
        return FALSE;
    if (update > 0 && !read_parameters(file, "reference.", trainer->reference, error))
        return FALSE;
    trainer->epoch = epoch;
    trainer->update = update;
    return TRUE;
}

gboolean
dinor1_trainer_export(const DinoR1Trainer *trainer, const gchar *directory, gboolean half, GError **error)
{
    const DinoR1Parameters *best = trainer->average ? trainer->average : trainer->parameters;

    return dinor1_parameters_fetch(best, error) && dinor1_export_model(dinor1_model_get_path(trainer->model),
                                                       &trainer->config, TRUE, best, directory, half, error);
}
