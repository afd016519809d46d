/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What training would take and touch, without training.
 */
#include "train/trainer_internal.h"

#define N_EPOCHS 8 /* that are searched for the largest batch */

/* By the beginnings of parameter names; what has none of them is of the last. */
static const struct {
    const gchar *prefix, *name;
} parts[] = {
    {"model.backbone.", "backbone"},
    {"model.text_", "text encoder"},
    {"model.visual_prompt_encoder.", "prompt encoder"},
    {"model.encoder.", "encoder"},
    {"model.decoder.", "decoder"},
    {"", "heads and the rest"},
};

static guint
find_part(const gchar *parameter)
{
    guint i = 0;

    while (!g_str_has_prefix(parameter, parts[i].prefix))
        i++;
    return i;
}

static void
add_parameter(const DinoR1Trainer *trainer, guint index, DinoR1TrainPart *part)
{
    const guint64 n = (guint64)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, index)->shape);

    part->n_parameters += n;
    if (!dinor1_optimizer_trains(trainer->optimizer, index))
        return;
    part->n_trained += n;
    part->learning_rate =
        (gdouble)trainer->options.learning_rate * (gdouble)dinor1_optimizer_get_multiplier(trainer->optimizer, index);
}

const DinoR1TrainPart *
dinor1_trainer_get_parts(DinoR1Trainer *trainer, guint *n)
{
    DinoR1TrainPart all[G_N_ELEMENTS(parts)] = {{NULL}};

    for (guint i = 0; i < dinor1_parameters_get_n(trainer->parameters); i++)
        add_parameter(trainer, i, &all[find_part(dinor1_parameters_get(trainer->parameters, i)->name)]);
    g_clear_pointer(&trainer->parts, g_array_unref);
    trainer->parts = g_array_new(FALSE, FALSE, sizeof(DinoR1TrainPart));
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        all[i].name = parts[i].name;
        if (all[i].n_parameters > 0)
            g_array_append_val(trainer->parts, all[i]);
    }
    *n = trainer->parts->len;
    return (const DinoR1TrainPart *)(gconstpointer)trainer->parts->data;
}

/* Weights, their copies, gradients and the optimizer's two moments. */
static guint64
count_kept(DinoR1Trainer *trainer)
{
    const guint n_copies = 1 + (trainer->average != NULL) + (trainer->reference != NULL);
    guint64 n_trained, n_parameters;
    guint n_steps;

    dinor1_trainer_describe(trainer, &n_trained, &n_parameters, &n_steps);
    return (n_parameters * n_copies + n_trained * 3) * sizeof(gfloat);
}

/* The step of the last pass, enlarged to the largest batch. */
static gboolean
plan_largest(DinoR1Trainer *trainer, DinoR1TrainCost *cost, GError **error)
{
    const DinoR1TrainOptions *options = &trainer->options;
    DinoR1TrainSpec spec = trainer->step_spec;
    g_autofree DinoR1ImageSize *sizes = NULL;
    g_autoptr(DinoR1TrainStep) step = NULL;
    DinoR1BatchExtent extent;

    dinor1_loader_find_extent(trainer->loader, MIN(options->epochs, N_EPOCHS), &extent);
    sizes = g_new(DinoR1ImageSize, extent.n_images);
    for (guint i = 0; i < extent.n_images; i++)
        sizes[i] = (DinoR1ImageSize){extent.height, extent.width};
    spec.graph.batch = (gint)extent.n_images;
    spec.graph.height = extent.height;
    spec.graph.width = extent.width;
    spec.graph.sizes = sizes;
    spec.n_boxes = (gint)MAX(extent.n_boxes, 1);
    spec.n_classes = (gint)extent.n_classes;
    spec.n_negatives = (gint)MIN(options->n_negatives, options->memory_size);
    spec.graph.n_tokens = spec.n_classes + spec.n_negatives;
    spec.n_named = MIN(spec.n_named, spec.n_classes);
    spec.n_denoising = options->denoising ? (gint)dinor1_count_denoising(extent.n_boxes) : 0;
    step = dinor1_train_step_new(&spec, trainer->parameters, trainer->reference, trainer->backend, error);
    if (!step)
        return FALSE;
    *cost = (DinoR1TrainCost){.memory = count_kept(trainer) + dinor1_train_step_get_memory(step),
        .n_images = extent.n_images,
        .width = extent.width,
        .height = extent.height,
        .n_boxes = extent.n_boxes,
        .n_tokens = (guint)spec.graph.n_tokens,
        .seconds = cost->seconds};
    return TRUE;
}

/* The passes of the epoch's first update. */
static gboolean
run_update(DinoR1Trainer *trainer, DinoR1TrainCost *cost, GError **error)
{
    const guint n = MIN(dinor1_loader_get_n_batches(trainer->loader), trainer->options.accumulate);
    const gint64 start = g_get_monotonic_time();
    DinoR1TrainReport report = {0};

    dinor1_gradients_begin(trainer->gradients);
    for (guint i = 0; i < n; i++)
        if (!dinor1_trainer_run_pass(trainer, i, &report, error))
            return FALSE;
    cost->seconds = (gdouble)(g_get_monotonic_time() - start) * 1e-6;
    return TRUE;
}

/* As before the first step. */
static void
forget(DinoR1Trainer *trainer)
{
    g_clear_pointer(&trainer->memory, dinor1_prompt_memory_free);
    trainer->memory = dinor1_prompt_memory_new(trainer->config.d_model, trainer->options.memory_size);
    g_clear_pointer(&trainer->step, dinor1_train_step_free);
    g_clear_pointer(&trainer->reference, dinor1_parameters_free);
    trainer->epoch = 0;
}

gboolean
dinor1_trainer_measure(DinoR1Trainer *trainer, DinoR1TrainCost *cost, GError **error)
{
    gboolean done;

    g_return_val_if_fail(trainer->epoch == 0 && trainer->update == 0, FALSE);
    *cost = (DinoR1TrainCost){0};
    if (trainer->options.grqo_start < trainer->options.epochs)
        trainer->epoch = trainer->options.grqo_start;
    done = dinor1_trainer_renew_reference(trainer, error) && run_update(trainer, cost, error);
    if (done && trainer->step)
        done = plan_largest(trainer, cost, error);
    forget(trainer);
    return done;
}
