/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/optimizer.h"

#include "backend/vector.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

/* What the optimiser knows of one parameter. */
typedef struct {
    const DinoR1Parameter *parameter;
    gsize n;
    gsize first;       /* in each of the two runs of moments */
    gsize sum, n_sums; /* in the sums of squares */
    gfloat multiplier; /* of the learning rate */
    gboolean decays, trained;
} Slot;

struct _DinoR1Optimizer {
    DinoR1OptimizerOptions options;
    DinoR1Backend *backend;
    Slot *slots; /* by parameter index */
    guint n_slots;
    gfloat *m, *v; /* [n_moments] in the backend's memory */
    gsize n_moments;
    gfloat *stored_m, *stored_v; /* the host's copies of the last store; NULL where the memory is the host's */
    gdouble *sums;               /* [n_sums] in the backend's memory */
    gdouble *read_sums;          /* the host's copy */
    gsize n_sums;
    guint64 n_steps;
};

void
dinor1_optimizer_options_init(DinoR1OptimizerOptions *options)
{
    *options = (DinoR1OptimizerOptions){.learning_rate = 4e-4f,
        .weight_decay = 1e-4f,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .max_norm = 0.1f,
        .backbone_multiplier = 0.1f};
}

static gboolean
matches(const gchar *name, const gchar *const *patterns)
{
    if (!patterns)
        return TRUE;
    for (guint i = 0; patterns[i]; i++)
        if (g_pattern_match_simple(patterns[i], name))
            return TRUE;
    return FALSE;
}

/* Norms, biases, embeddings and position tables do not decay. */
static gboolean
decays(const DinoR1OptimizerOptions *options, const DinoR1Parameter *parameter)
{
    const gchar *tables[] = {"embedding.weight", "embeddings.weight", "level_embed", "relative_position_bias_table"};

    if (options->decay_all)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
        if (g_str_has_suffix(parameter->name, tables[i]))
            return FALSE;
    return parameter->shape.ndim > 1;
}

static void
make_slot(DinoR1Optimizer *optimizer, const DinoR1Parameter *parameter, const gchar *const *patterns, Slot *slot)
{
    const gboolean is_backbone = g_str_has_prefix(parameter->name, "model.backbone.") ||
                                 g_str_has_prefix(parameter->name, "model.text_backbone.");

    slot->parameter = parameter;
    slot->n = (gsize)dinor1_shape_size(&parameter->shape);
    slot->multiplier = is_backbone ? optimizer->options.backbone_multiplier : 1;
    slot->decays = decays(&optimizer->options, parameter);
    slot->trained = matches(parameter->name, patterns);
    if (!slot->trained)
        return;
    slot->first = optimizer->n_moments;
    slot->sum = optimizer->n_sums;
    slot->n_sums = (slot->n + DINOR1_SUM_BLOCK - 1) / DINOR1_SUM_BLOCK;
    optimizer->n_moments += dinor1_vector_span(slot->n, sizeof(gfloat));
    optimizer->n_sums += dinor1_vector_span(slot->n_sums, sizeof(gdouble));
}

static gboolean
make_memory(DinoR1Optimizer *optimizer, const gchar *const *patterns, GError **error)
{
    DinoR1Backend *backend = optimizer->backend;

    if (optimizer->n_moments == 0) {
        g_autofree gchar *list = patterns ? g_strjoinv(", ", (gchar **)patterns) : g_strdup("*");

        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "no parameter matches %s: nothing to train", list);
        return FALSE;
    }
    optimizer->m = dinor1_vector_new(backend, optimizer->n_moments, error);
    optimizer->v = optimizer->m ? dinor1_vector_new(backend, optimizer->n_moments, error) : NULL;
    if (!optimizer->v)
        return FALSE;
    optimizer->sums = backend->klass->alloc(backend, optimizer->n_sums * sizeof(gdouble), error);
    optimizer->read_sums = g_new(gdouble, optimizer->n_sums);
    return optimizer->sums != NULL;
}

DinoR1Optimizer *
dinor1_optimizer_new(
    DinoR1Parameters *parameters, const DinoR1OptimizerOptions *options, const gchar *const *patterns, GError **error)
{
    g_autoptr(DinoR1Optimizer) optimizer = g_new0(DinoR1Optimizer, 1);

    optimizer->options = *options;
    optimizer->backend = dinor1_parameters_get_backend(parameters);
    g_return_val_if_fail(optimizer->backend, NULL);
    optimizer->n_slots = dinor1_parameters_get_n(parameters);
    optimizer->slots = g_new0(Slot, MAX(optimizer->n_slots, 1));
    for (guint i = 0; i < optimizer->n_slots; i++)
        make_slot(optimizer, dinor1_parameters_get(parameters, i), patterns, &optimizer->slots[i]);
    return make_memory(optimizer, patterns, error) ? g_steal_pointer(&optimizer) : NULL;
}

static void
release(DinoR1Backend *backend, gpointer memory)
{
    if (memory)
        backend->klass->release(backend, memory);
}

void
dinor1_optimizer_free(DinoR1Optimizer *optimizer)
{
    if (!optimizer)
        return;
    release(optimizer->backend, optimizer->m);
    release(optimizer->backend, optimizer->v);
    release(optimizer->backend, optimizer->sums);
    g_free(optimizer->stored_m);
    g_free(optimizer->stored_v);
    g_free(optimizer->read_sums);
    g_free(optimizer->slots);
    g_free(optimizer);
}

gboolean
dinor1_optimizer_trains(const DinoR1Optimizer *optimizer, guint parameter)
{
    return parameter < optimizer->n_slots && optimizer->slots[parameter].trained;
}

gfloat
dinor1_optimizer_get_multiplier(const DinoR1Optimizer *optimizer, guint parameter)
{
    return optimizer->slots[parameter].multiplier;
}

/* The one thing that comes back from a device: blocks are summed there, and here in their order. */
static gboolean
find_norm(DinoR1Optimizer *optimizer, const gfloat *const *gradients, gdouble *norm, GError **error)
{
    DinoR1Backend *backend = optimizer->backend;
    gdouble sum = 0;

    for (guint i = 0; i < optimizer->n_slots; i++) {
        const Slot *slot = &optimizer->slots[i];

        if (slot->trained && gradients[i] &&
            !dinor1_vector_sum_squares(backend, gradients[i], slot->n, optimizer->sums + slot->sum, error))
            return FALSE;
    }
    if (!backend->klass->download(
            backend, optimizer->read_sums, optimizer->sums, optimizer->n_sums * sizeof(gdouble), error))
        return FALSE;
    for (guint i = 0; i < optimizer->n_slots; i++)
        for (gsize k = 0; gradients[i] && k < optimizer->slots[i].n_sums; k++)
            sum += optimizer->read_sums[optimizer->slots[i].sum + k];
    *norm = sqrt(sum);
    return TRUE;
}

/* torch.optim.AdamW: p -= lr * wd * p; p -= lr * (m / c1) / (sqrt(v / c2) + eps) */
static gboolean
update(DinoR1Optimizer *optimizer, const gfloat *const *gradients, gdouble rate, gdouble norm, GError **error)
{
    const DinoR1OptimizerOptions *options = &optimizer->options;
    const gdouble correction1 = 1 - pow((gdouble)options->beta1, (gdouble)optimizer->n_steps);
    const gdouble correction2 = 1 - pow((gdouble)options->beta2, (gdouble)optimizer->n_steps);
    /* torch.nn.utils.clip_grad_norm_ */
    const gdouble scale = options->max_norm > 0 ? MIN(1.0, (gdouble)options->max_norm / (norm + 1e-6)) : 1;

    for (guint i = 0; i < optimizer->n_slots; i++) {
        const Slot *slot = &optimizer->slots[i];
        const gdouble own = rate * (gdouble)options->learning_rate * (gdouble)slot->multiplier;
        const DinoR1OpParams params = {
            .adamw = {.scale = (gfloat)scale,
                .beta1 = options->beta1,
                .beta2 = options->beta2,
                .epsilon = options->epsilon,
                .keep = (gfloat)(1 - (slot->decays ? own * (gdouble)options->weight_decay : 0)),
                .step = (gfloat)(own / correction1),
                .root = (gfloat)(1 / sqrt(correction2))}};

        if (slot->trained && gradients[i] &&
            !dinor1_vector_adamw(optimizer->backend, slot->parameter->memory, optimizer->m + slot->first,
                optimizer->v + slot->first, gradients[i], slot->n, &params, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
dinor1_optimizer_step(
    DinoR1Optimizer *optimizer, const gfloat *const *gradients, gdouble rate, gdouble *norm, GError **error)
{
    if (!find_norm(optimizer, gradients, norm, error))
        return FALSE;
    if (!isfinite(*norm))
        return TRUE;
    optimizer->n_steps++;
    return update(optimizer, gradients, rate, *norm, error);
}

/* The host's copy of @moments, kept in @stored. */
static const gfloat *
fetch(const DinoR1Optimizer *optimizer, const gfloat *moments, gfloat **stored, GError **error)
{
    DinoR1Backend *backend = optimizer->backend;
    const gsize size = optimizer->n_moments * sizeof(gfloat);

    if (backend->host_memory)
        return moments;
    if (!*stored)
        *stored = g_new(gfloat, optimizer->n_moments);
    return backend->klass->download(backend, *stored, moments, size, error) ? *stored : NULL;
}

static void
append_moment(const Slot *slot, const gchar *kind, const gfloat *data, GArray *tensors, GStringChunk *names)
{
    g_autofree gchar *name = g_strdup_printf("optimizer.%s.%s", kind, slot->parameter->name);
    DinoR1StoredTensor stored = {.name = g_string_chunk_insert(names, name),
        .dtype = DINOR1_STORED_F32,
        .n_dims = (guint)slot->parameter->shape.ndim,
        .data = (const guint8 *)data,
        .size = slot->n * sizeof(gfloat)};

    memcpy(stored.dims, slot->parameter->shape.dims, sizeof stored.dims);
    g_array_append_val(tensors, stored);
}

gboolean
dinor1_optimizer_store(
    DinoR1Optimizer *optimizer, GArray *tensors, GStringChunk *names, GHashTable *metadata, GError **error)
{
    const gfloat *m = fetch(optimizer, optimizer->m, &optimizer->stored_m, error);
    const gfloat *v = m ? fetch(optimizer, optimizer->v, &optimizer->stored_v, error) : NULL;

    if (!v)
        return FALSE;
    g_hash_table_insert(
        metadata, g_strdup("optimizer.steps"), g_strdup_printf("%" G_GUINT64_FORMAT, optimizer->n_steps));
    for (guint i = 0; i < optimizer->n_slots; i++) {
        const Slot *slot = &optimizer->slots[i];

        if (!slot->trained)
            continue;
        append_moment(slot, "m", m + slot->first, tensors, names);
        append_moment(slot, "v", v + slot->first, tensors, names);
    }
    return TRUE;
}

static gboolean
read_moment(DinoR1Backend *backend, const Slot *slot, const gchar *kind, gfloat *moments, const DinoR1Safetensors *file,
    GError **error)
{
    g_autofree gchar *name = g_strdup_printf("optimizer.%s.%s", kind, slot->parameter->name);
    const DinoR1StoredTensor *stored = dinor1_safetensors_find(file, name);

    if (stored && stored->dtype == DINOR1_STORED_F32 && stored->size == slot->n * sizeof(gfloat))
        return backend->klass->upload(backend, moments + slot->first, stored->data, stored->size, error);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: '%s' is missing or of another size",
        dinor1_safetensors_get_path(file), name);
    return FALSE;
}

gboolean
dinor1_optimizer_restore(DinoR1Optimizer *optimizer, const DinoR1Safetensors *file, GError **error)
{
    const gchar *steps = dinor1_safetensors_get_metadata(file, "optimizer.steps");

    if (!steps || !g_ascii_string_to_unsigned(steps, 10, 0, G_MAXINT64, &optimizer->n_steps, NULL)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: metadata 'optimizer.steps' is missing or no number",
            dinor1_safetensors_get_path(file));
        return FALSE;
    }
    for (guint i = 0; i < optimizer->n_slots; i++) {
        const Slot *slot = &optimizer->slots[i];

        if (slot->trained && (!read_moment(optimizer->backend, slot, "m", optimizer->m, file, error) ||
                                 !read_moment(optimizer->backend, slot, "v", optimizer->v, file, error)))
            return FALSE;
    }
    return TRUE;
}
