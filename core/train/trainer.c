/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/device.h"
#include "model/model_internal.h"
#include "train/trainer_internal.h"

#include <dinor1/error.h>
#include <math.h>

#define SPEC_BATCH 64 /* images per update that the specification's learning rate is for */

void
dinor1_train_options_init(DinoR1TrainOptions *options)
{
    DinoR1OptimizerOptions optimizer;
    DinoR1LossWeights weights;

    dinor1_optimizer_options_init(&optimizer);
    dinor1_loss_weights_init(&weights);
    *options = (DinoR1TrainOptions){
        .seed = 1,
        .n_workers = 1,
        .epochs = 12,
        .batch_size = 4,
        .group = 1,
        .accumulate = 1,
        .learning_rate = optimizer.learning_rate * 4 / SPEC_BATCH,
        .backbone_multiplier = optimizer.backbone_multiplier,
        .weight_decay = optimizer.weight_decay,
        .max_norm = optimizer.max_norm,
        .warmup_steps = 1000,
        .schedule = DINOR1_TRAIN_MULTI_STEP,
        .milestones = {8, 11},
        .n_milestones = 2,
        .denoising = TRUE,
        .augment = TRUE,
        .n_negatives = 4,
        .memory_size = 256,
        .grqo_start = 1,
        .grqo_alpha = weights.grqo_alpha,
        .grqo_beta = weights.grqo_beta,
        .grqo_mute = 1.0f / 3,
        .contrastive = 100,
        .device = "auto",
        .precision = "auto",
    };
}

static gboolean refuse(GError **error, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(GError **error, const gchar *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, format, args);
    va_end(args);
    return FALSE;
}

static void
take_ranks(DinoR1Trainer *trainer)
{
    const DinoR1TrainRanks *ranks = trainer->options.ranks;

    trainer->is_shared = ranks && ranks->n_ranks > 1;
    if (trainer->is_shared)
        trainer->ranks = *ranks;
    trainer->options.ranks = NULL;
}

static gboolean
check_options(const DinoR1TrainOptions *options, GError **error)
{
    if (options->batch_size < 1 || options->batch_size > 1024)
        return refuse(error, "batch_size must be 1 … 1024, not %u", options->batch_size);
    if (options->group < 1 || options->batch_size % options->group != 0)
        return refuse(error, "group must divide batch_size, %u, not be %u", options->batch_size, options->group);
    if (options->accumulate < 1 || options->accumulate > 1024)
        return refuse(error, "accumulate must be 1 … 1024, not %u", options->accumulate);
    if (options->epochs < 1 || options->epochs > 100000)
        return refuse(error, "epochs must be 1 … 100000, not %u", options->epochs);
    if (!(options->learning_rate > 0 && options->learning_rate < 1))
        return refuse(error, "learning_rate must lie between 0 and 1, not be %g", options->learning_rate);
    if (!(options->max_norm >= 0) || !(options->weight_decay >= 0) || !(options->backbone_multiplier >= 0))
        return refuse(error, "max_norm, weight_decay and backbone_multiplier must not be negative");
    if (!(options->average_decay >= 0 && options->average_decay < 1))
        return refuse(error, "average_decay must be 0 … 1 (exclusive), not %g", options->average_decay);
    if (!(options->grqo_mute >= 0 && options->grqo_mute <= 1))
        return refuse(error, "grqo_mute must be 0 … 1, not %g", options->grqo_mute);
    if (!(options->contrastive >= 0 && options->contrastive <= 1e6f))
        return refuse(error, "contrastive must be 0 … 1000000, not %g", (gdouble)options->contrastive);
    if (options->precision && g_str_equal(options->precision, "fp16"))
        return refuse(error, "precision must be fp32, tf32 or bf16: gradients are too small for fp16");
    if (options->n_milestones > G_N_ELEMENTS(options->milestones))
        return refuse(error, "at most %u milestones", (guint)G_N_ELEMENTS(options->milestones));
    return TRUE;
}

static gboolean
check_data(DinoR1Coco *data, GError **error)
{
    gboolean has_boxes = FALSE;

    for (guint i = 0; i < dinor1_coco_get_n_images(data); i++) {
        const guint n = dinor1_coco_count_objects(data, i);

        if (n > DINOR1_TRAIN_MAX_BOXES)
            return refuse(error, "image %" G_GINT64_FORMAT " has %u boxes; %u are the most to train on",
                dinor1_coco_get_image(data, i)->id, n, DINOR1_TRAIN_MAX_BOXES);
        has_boxes |= n > 0;
    }
    return has_boxes || refuse(error, "the data set has no boxes to learn from");
}

static void
make_schedule(DinoR1Trainer *trainer)
{
    const DinoR1TrainOptions *options = &trainer->options;
    const guint n_updates = dinor1_trainer_count_updates(trainer);

    trainer->schedule = (DinoR1Schedule){
        .kind = options->schedule == DINOR1_TRAIN_COSINE ? DINOR1_SCHEDULE_COSINE : DINOR1_SCHEDULE_MULTI_STEP,
        .n_steps = options->epochs * n_updates,
        .warmup_steps = options->warmup_steps,
        .warmup_start = 0.1,
        .n_milestones = options->n_milestones,
        .decay = 0.1,
    };
    for (guint i = 0; i < options->n_milestones; i++)
        trainer->schedule.milestones[i] = options->milestones[i] * n_updates;
}

static void
make_loader(DinoR1Trainer *trainer, const DinoR1FrameSource *frames)
{
    DinoR1LoaderOptions loader = {
        .batch_size = trainer->options.batch_size,
        .n_workers = trainer->options.n_workers,
        .rank = trainer->is_shared ? trainer->ranks.rank : 0,
        .n_ranks = trainer->is_shared ? trainer->ranks.n_ranks : 1,
        .seed = trainer->options.seed,
        .group = trainer->options.group,
        .shuffle = TRUE,
        .skip_bad = trainer->options.skip_bad,
    };

    dinor1_augment_options_init(&loader.augment, &trainer->config);
    loader.augment.enabled = trainer->options.augment;
    trainer->loader = dinor1_loader_new(trainer->data, &trainer->config, &loader, frames);
}

static gboolean
make_parameters(DinoR1Trainer *trainer, GError **error)
{
    const DinoR1TrainOptions *options = &trainer->options;
    DinoR1OptimizerOptions optimizer;

    trainer->parameters = dinor1_parameters_new(&trainer->config, trainer->model, options->seed);
    if (!dinor1_train_complete_parameters(trainer->parameters, &trainer->config, error) ||
        !dinor1_parameters_place(trainer->parameters, trainer->backend, error))
        return FALSE;
    dinor1_optimizer_options_init(&optimizer);
    optimizer.learning_rate = options->learning_rate;
    optimizer.weight_decay = options->weight_decay;
    optimizer.max_norm = options->max_norm;
    optimizer.backbone_multiplier = options->backbone_multiplier;
    trainer->optimizer = dinor1_optimizer_new(trainer->parameters, &optimizer, options->train, error);
    trainer->gradients =
        trainer->optimizer ? dinor1_gradients_new(trainer->parameters, trainer->optimizer, error) : NULL;
    if (!trainer->gradients)
        return FALSE;
    if (options->average_decay > 0)
        trainer->average = dinor1_parameters_copy(trainer->parameters, error);
    return options->average_decay == 0 || trainer->average;
}

static gboolean
make_text(DinoR1Trainer *trainer, GError **error)
{
    if (!dinor1_model_has_text_prompts(trainer->model) || trainer->options.contrastive == 0)
        return TRUE;
    trainer->text = dinor1_class_text_new(trainer->model, trainer->data, trainer->backend, error);
    return trainer->text != NULL;
}

static gboolean
open_device(DinoR1Trainer *trainer, GError **error)
{
    const gchar *device = trainer->options.device ? trainer->options.device : "auto";
    const gchar *precision = trainer->options.precision;

    trainer->options.device = trainer->options.precision = NULL; /* the caller's strings */
    trainer->backend = dinor1_backend_open(device, trainer->options.n_threads, &trainer->device, error);
    return trainer->backend &&
           dinor1_precision_choose(trainer->backend, &trainer->device, precision, &trainer->precision, error);
}

DinoR1Trainer *
dinor1_trainer_new(DinoR1Model *model, DinoR1Coco *data, const DinoR1FrameSource *frames,
    const DinoR1TrainOptions *options, GError **error)
{
    g_autoptr(DinoR1Trainer) trainer = g_new0(DinoR1Trainer, 1);

    trainer->images = g_string_new(NULL);
    trainer->model = dinor1_model_ref(model);
    trainer->config = *dinor1_model_get_config(model);
    dinor1_config_become_dino_r1(&trainer->config);
    trainer->data = dinor1_coco_ref(data);
    dinor1_train_options_init(&trainer->options);
    if (options)
        trainer->options = *options;
    take_ranks(trainer);
    if (!check_options(&trainer->options, error) || !check_data(data, error))
        return NULL;
    if (!open_device(trainer, error))
        return NULL;
    trainer->memory = dinor1_prompt_memory_new(trainer->config.d_model, trainer->options.memory_size);
    make_loader(trainer, frames);
    make_schedule(trainer);
    if (!make_parameters(trainer, error) || !make_text(trainer, error))
        return NULL;
    trainer->patterns = trainer->options.train ? g_strjoinv(" ", (gchar **)trainer->options.train) : g_strdup("*");
    trainer->options.train = NULL; /* the caller's strings */
    return g_steal_pointer(&trainer);
}

void
dinor1_trainer_free(DinoR1Trainer *trainer)
{
    if (!trainer)
        return;
    g_clear_pointer(&trainer->step, dinor1_train_step_free);
    g_clear_pointer(&trainer->gradients, dinor1_gradients_free);
    g_free(trainer->patterns);
    g_string_free(trainer->images, TRUE);
    dinor1_class_text_free(trainer->text);
    g_free(trainer->step_sizes);
    g_clear_pointer(&trainer->parts, g_array_unref);
    dinor1_loader_free(trainer->loader);
    dinor1_optimizer_free(trainer->optimizer);
    g_clear_pointer(&trainer->memory, dinor1_prompt_memory_free);
    dinor1_parameters_free(trainer->average);
    dinor1_parameters_free(trainer->reference);
    dinor1_parameters_free(trainer->parameters);
    g_clear_pointer(&trainer->backend, dinor1_backend_free);
    g_free(trainer->device);
    dinor1_coco_unref(trainer->data);
    dinor1_model_unref(trainer->model);
    g_free(trainer);
}

guint
dinor1_trainer_count_updates(const DinoR1Trainer *trainer)
{
    const guint n_batches = dinor1_loader_get_n_batches(trainer->loader), per = trainer->options.accumulate;

    return (n_batches + per - 1) / per;
}

const DinoR1TrainRanks *
dinor1_trainer_get_ranks(const DinoR1Trainer *trainer)
{
    return trainer->is_shared ? &trainer->ranks : NULL;
}

gboolean
dinor1_trainer_uses_grqo(const DinoR1Trainer *trainer)
{
    return trainer->epoch >= trainer->options.grqo_start &&
           (trainer->options.grqo_alpha != 0 || trainer->options.grqo_beta != 0);
}

const gchar *
dinor1_trainer_get_device(const DinoR1Trainer *trainer)
{
    return trainer->device;
}

gboolean
dinor1_trainer_is_done(const DinoR1Trainer *trainer)
{
    return trainer->epoch >= trainer->options.epochs;
}

/* The reference model is the current one at the start of each epoch. */
gboolean
dinor1_trainer_renew_reference(DinoR1Trainer *trainer, GError **error)
{
    if (!dinor1_trainer_uses_grqo(trainer) || (trainer->update > 0 && trainer->reference))
        return TRUE;
    if (trainer->reference)
        return dinor1_parameters_assign(trainer->reference, trainer->parameters, error);
    trainer->reference = dinor1_parameters_copy(trainer->parameters, error);
    if (!trainer->reference)
        g_prefix_error(error, "the reference model: ");
    return trainer->reference != NULL;
}

/* With the gradients of all ranks. */
static gboolean
change_weights(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error)
{
    const guint64 step = (guint64)trainer->epoch * report->n_steps + trainer->update;
    const gdouble rate = dinor1_schedule_rate(&trainer->schedule, (guint)step);

    report->learning_rate = rate * (gdouble)trainer->options.learning_rate;
    if (!dinor1_optimizer_step(
            trainer->optimizer, dinor1_gradients_get(trainer->gradients), rate, &report->gradient_norm, error))
        return FALSE;
    if (!isfinite(report->gradient_norm)) {
        const gchar *name = dinor1_gradients_find_not_finite(trainer->gradients);

        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
            "epoch %u, update %u: the gradient of %s is not finite with images %s; the weights are as before this "
            "update",
            trainer->epoch, trainer->update, name ? name : "all parameters together", trainer->images->str);
        return FALSE;
    }
    return !trainer->average || dinor1_average_update(trainer->average, trainer->parameters,
                                    (gdouble)trainer->options.average_decay, step, error);
}

static gboolean
apply_gradients(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error)
{
    const DinoR1TrainRanks *ranks = dinor1_trainer_get_ranks(trainer);
    GError *mine = NULL;

    if (!dinor1_gradients_sum(trainer->gradients, ranks, error))
        return FALSE;
    change_weights(trainer, report, &mine);
    return dinor1_ranks_agree(ranks, mine, error);
}

gboolean
dinor1_trainer_step(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error)
{
    const gint64 start = g_get_monotonic_time();
    const guint n_batches = dinor1_loader_get_n_batches(trainer->loader);
    const guint first = trainer->update * trainer->options.accumulate;
    GError *mine = NULL;

    *report = (DinoR1TrainReport){
        .epoch = trainer->epoch, .step = trainer->update, .n_steps = dinor1_trainer_count_updates(trainer)};
    if (dinor1_trainer_is_done(trainer))
        return refuse(error, "all epochs are done");
    dinor1_trainer_renew_reference(trainer, &mine);
    if (!dinor1_ranks_agree(dinor1_trainer_get_ranks(trainer), mine, error))
        return FALSE;
    g_string_truncate(trainer->images, 0);
    dinor1_gradients_begin(trainer->gradients);
    for (guint i = first; i < MIN(n_batches, first + trainer->options.accumulate); i++)
        if (!dinor1_trainer_run_pass(trainer, i, report, error))
            return FALSE;
    if (!apply_gradients(trainer, report, error))
        return FALSE;
    if (++trainer->update == report->n_steps) {
        trainer->update = 0;
        trainer->epoch++;
    }
    report->seconds = (gdouble)(g_get_monotonic_time() - start) * 1e-6;
    return TRUE;
}

void
dinor1_trainer_describe(DinoR1Trainer *trainer, guint64 *n_trained, guint64 *n_parameters, guint *n_steps_per_epoch)
{
    *n_trained = *n_parameters = 0;
    for (guint i = 0; i < dinor1_parameters_get_n(trainer->parameters); i++) {
        const guint64 n = (guint64)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, i)->shape);

        *n_parameters += n;
        *n_trained += dinor1_optimizer_trains(trainer->optimizer, i) ? n : 0;
    }
    *n_steps_per_epoch = dinor1_trainer_count_updates(trainer);
}
