/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/optimizer.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

/* Elements per task: the sum of squares is added up in blocks of this size, whatever the number of threads. */
#define BLOCK 16384

/* What the optimiser knows of one parameter. */
typedef struct {
    const DinoR1Parameter *parameter;
    gsize n;
    gfloat *m, *v;     /* moments; NULL = not trained */
    gfloat multiplier; /* of the learning rate */
    gboolean decays;
} Slot;

/* One block of one trained parameter. */
typedef struct {
    guint slot;
    gsize first, n;
} Block;

struct _DinoR1Optimizer {
    DinoR1OptimizerOptions options;
    Slot *slots; /* by parameter index */
    guint n_slots;
    Block *blocks;
    guint n_blocks;
    gdouble *squares; /* by block */
    guint64 n_steps;
    /* Of the step at work. */
    const gfloat *const *gradients;
    gdouble rate, scale, correction1, correction2;
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
    if (!matches(parameter->name, patterns))
        return;
    slot->m = g_new0(gfloat, slot->n);
    slot->v = g_new0(gfloat, slot->n);
}

static void
make_blocks(DinoR1Optimizer *optimizer)
{
    g_autoptr(GArray) blocks = g_array_new(FALSE, FALSE, sizeof(Block));

    for (guint i = 0; i < optimizer->n_slots; i++) {
        for (gsize first = 0; optimizer->slots[i].m && first < optimizer->slots[i].n; first += BLOCK) {
            const Block block = {i, first, MIN(BLOCK, optimizer->slots[i].n - first)};

            g_array_append_val(blocks, block);
        }
    }
    optimizer->n_blocks = blocks->len;
    optimizer->blocks = (Block *)(gpointer)g_array_free(g_steal_pointer(&blocks), FALSE);
    optimizer->squares = g_new0(gdouble, MAX(optimizer->n_blocks, 1));
}

DinoR1Optimizer *
dinor1_optimizer_new(
    DinoR1Parameters *parameters, const DinoR1OptimizerOptions *options, const gchar *const *patterns, GError **error)
{
    DinoR1Optimizer *optimizer = g_new0(DinoR1Optimizer, 1);

    optimizer->options = *options;
    optimizer->n_slots = dinor1_parameters_get_n(parameters);
    optimizer->slots = g_new0(Slot, MAX(optimizer->n_slots, 1));
    for (guint i = 0; i < optimizer->n_slots; i++)
        make_slot(optimizer, dinor1_parameters_get(parameters, i), patterns, &optimizer->slots[i]);
    make_blocks(optimizer);
    if (optimizer->n_blocks == 0) {
        g_autofree gchar *list = patterns ? g_strjoinv(", ", (gchar **)patterns) : g_strdup("*");

        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "no parameter matches %s: nothing to train", list);
        g_clear_pointer(&optimizer, dinor1_optimizer_free);
    }
    return optimizer;
}

void
dinor1_optimizer_free(DinoR1Optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (guint i = 0; i < optimizer->n_slots; i++) {
        g_free(optimizer->slots[i].m);
        g_free(optimizer->slots[i].v);
    }
    g_free(optimizer->slots);
    g_free(optimizer->blocks);
    g_free(optimizer->squares);
    g_free(optimizer);
}

gboolean
dinor1_optimizer_trains(const DinoR1Optimizer *optimizer, guint parameter)
{
    return parameter < optimizer->n_slots && optimizer->slots[parameter].m;
}

static void
sum_squares(gpointer data, gsize task, guint thread)
{
    DinoR1Optimizer *optimizer = data;
    const Block *block = &optimizer->blocks[task];
    const gfloat *g = optimizer->gradients[block->slot];
    gdouble sum = 0;

    for (gsize i = 0; g && i < block->n; i++)
        sum += (gdouble)g[block->first + i] * (gdouble)g[block->first + i];
    optimizer->squares[task] = sum;
}

/* torch.optim.AdamW: p -= lr * wd * p; p -= lr * (m / c1) / (sqrt(v / c2) + eps) */
static void
update_block(gpointer data, gsize task, guint thread)
{
    DinoR1Optimizer *optimizer = data;
    const DinoR1OptimizerOptions *options = &optimizer->options;
    const Block *block = &optimizer->blocks[task];
    const Slot *slot = &optimizer->slots[block->slot];
    const gfloat *g = optimizer->gradients[block->slot];
    const gdouble rate = optimizer->rate * (gdouble)options->learning_rate * (gdouble)slot->multiplier;
    const gfloat keep = (gfloat)(1 - (slot->decays ? rate * (gdouble)options->weight_decay : 0));
    const gfloat step = (gfloat)(rate / optimizer->correction1);
    const gfloat root = (gfloat)(1 / sqrt(optimizer->correction2)), scale = (gfloat)optimizer->scale;

    for (gsize i = block->first; g && i < block->first + block->n; i++) {
        const gfloat gradient = g[i] * scale;
        gfloat *p = &slot->parameter->data[i];

        slot->m[i] += (1 - options->beta1) * (gradient - slot->m[i]);
        slot->v[i] += (1 - options->beta2) * (gradient * gradient - slot->v[i]);
        *p = *p * keep - step * slot->m[i] / (sqrtf(slot->v[i]) * root + options->epsilon);
    }
}

gfloat
dinor1_optimizer_get_multiplier(const DinoR1Optimizer *optimizer, guint parameter)
{
    return optimizer->slots[parameter].multiplier;
}

gdouble
dinor1_optimizer_step(DinoR1Optimizer *optimizer, const gfloat *const *gradients, gdouble rate, DinoR1Pool *pool)
{
    const DinoR1OptimizerOptions *options = &optimizer->options;
    gdouble norm = 0;

    optimizer->gradients = gradients;
    dinor1_pool_run(pool, optimizer->n_blocks, sum_squares, optimizer);
    for (guint i = 0; i < optimizer->n_blocks; i++)
        norm += optimizer->squares[i];
    norm = sqrt(norm);
    if (!isfinite(norm))
        return norm;
    optimizer->n_steps++;
    optimizer->rate = rate;
    /* torch.nn.utils.clip_grad_norm_ */
    optimizer->scale = options->max_norm > 0 ? MIN(1.0, (gdouble)options->max_norm / (norm + 1e-6)) : 1;
    optimizer->correction1 = 1 - pow((gdouble)options->beta1, (gdouble)optimizer->n_steps);
    optimizer->correction2 = 1 - pow((gdouble)options->beta2, (gdouble)optimizer->n_steps);
    dinor1_pool_run(pool, optimizer->n_blocks, update_block, optimizer);
    return norm;
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

void
dinor1_optimizer_store(const DinoR1Optimizer *optimizer, GArray *tensors, GStringChunk *names, GHashTable *metadata)
{
    g_hash_table_insert(
        metadata, g_strdup("optimizer.steps"), g_strdup_printf("%" G_GUINT64_FORMAT, optimizer->n_steps));
    for (guint i = 0; i < optimizer->n_slots; i++) {
        if (!optimizer->slots[i].m)
            continue;
        append_moment(&optimizer->slots[i], "m", optimizer->slots[i].m, tensors, names);
        append_moment(&optimizer->slots[i], "v", optimizer->slots[i].v, tensors, names);
    }
}

static gboolean
read_moment(const Slot *slot, const gchar *kind, gfloat *data, const DinoR1Safetensors *file, GError **error)
{
    g_autofree gchar *name = g_strdup_printf("optimizer.%s.%s", kind, slot->parameter->name);
    const DinoR1StoredTensor *stored = dinor1_safetensors_find(file, name);

    if (stored && stored->dtype == DINOR1_STORED_F32 && stored->size == slot->n * sizeof(gfloat)) {
        memcpy(data, stored->data, stored->size);
        return TRUE;
    }
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

        if (slot->m && (!read_moment(slot, "m", slot->m, file, error) || !read_moment(slot, "v", slot->v, file, error)))
            return FALSE;
    }
    return TRUE;
}
