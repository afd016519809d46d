/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"
#include "model/model_internal.h"
#include "train/trainer_internal.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

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

static gboolean
check_options(const DinoR1TrainOptions *options, GError **error)
{
    if (options->batch_size < 1 || options->batch_size > 1024)
        return refuse(error, "batch_size must be 1 … 1024, not %u", options->batch_size);
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
    if (options->n_milestones > G_N_ELEMENTS(options->milestones))
        return refuse(error, "at most %u milestones", (guint)G_N_ELEMENTS(options->milestones));
    return TRUE;
}

static gboolean
check_data(DinoR1Coco *data, GError **error)
{
    guint n_boxes = 0;

    for (guint i = 0; i < dinor1_coco_get_n_images(data); i++) {
        guint n;
        const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(data, i, &n);

        for (guint k = 0; k < n; k++)
            n_boxes += !annotations[k].crowd && !annotations[k].ignore;
    }
    return n_boxes > 0 || refuse(error, "the data set has no boxes to learn from");
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
        .n_ranks = 1,
        .seed = trainer->options.seed,
        .shuffle = TRUE,
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
    guint n;

    trainer->parameters = dinor1_parameters_new(&trainer->config, trainer->model, options->seed);
    if (!dinor1_train_complete_parameters(trainer->parameters, &trainer->config, error))
        return FALSE;
    dinor1_optimizer_options_init(&optimizer);
    optimizer.learning_rate = options->learning_rate;
    optimizer.weight_decay = options->weight_decay;
    optimizer.max_norm = options->max_norm;
    optimizer.backbone_multiplier = options->backbone_multiplier;
    trainer->optimizer = dinor1_optimizer_new(trainer->parameters, &optimizer, options->train, error);
    if (!trainer->optimizer)
        return FALSE;
    n = dinor1_parameters_get_n(trainer->parameters);
    trainer->gradients = g_new0(gfloat *, n);
    for (guint i = 0; i < n; i++)
        if (dinor1_optimizer_trains(trainer->optimizer, i))
            trainer->gradients[i] =
                g_new0(gfloat, (gsize)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, i)->shape));
    if (options->average_decay > 0)
        trainer->average = dinor1_parameters_copy(trainer->parameters);
    return TRUE;
}

DinoR1Trainer *
dinor1_trainer_new(DinoR1Model *model, DinoR1Coco *data, const DinoR1FrameSource *frames,
    const DinoR1TrainOptions *options, GError **error)
{
    g_autoptr(DinoR1Trainer) trainer = g_new0(DinoR1Trainer, 1);

    trainer->model = dinor1_model_ref(model);
    trainer->config = *dinor1_model_get_config(model);
    /* A grounding-dino model's logits have no scale and no bias: it stays what it is in every respect but prompts. */
    if (trainer->config.type == DINOR1_MODEL_MM_GROUNDING_DINO)
        trainer->config.type = DINOR1_MODEL_DINO_R1;
    trainer->data = dinor1_coco_ref(data);
    dinor1_train_options_init(&trainer->options);
    if (options)
        trainer->options = *options;
    if (!check_options(&trainer->options, error) || !check_data(data, error))
        return NULL;
    if (trainer->config.type != DINOR1_MODEL_DINO_R1) {
        refuse(error, "%s: a %s model cannot be trained with visual prompts: start from dino-r1 or mm-grounding-dino",
            dinor1_model_get_path(model), dinor1_model_get_type(model));
        return NULL;
    }
    trainer->backend = dinor1_cpu_backend_new(trainer->options.n_threads, dinor1_cpu_detect());
    trainer->memory = dinor1_prompt_memory_new(trainer->config.d_model, trainer->options.memory_size);
    make_loader(trainer, frames);
    make_schedule(trainer);
    if (!make_parameters(trainer, error))
        return NULL;
    trainer->options.train = NULL; /* the caller's strings */
    return g_steal_pointer(&trainer);
}

void
dinor1_trainer_free(DinoR1Trainer *trainer)
{
    if (!trainer)
        return;
    g_clear_pointer(&trainer->step, dinor1_train_step_free);
    for (guint i = 0; trainer->gradients && i < dinor1_parameters_get_n(trainer->parameters); i++)
        g_free(trainer->gradients[i]);
    g_free(trainer->gradients);
    g_free(trainer->step_sizes);
    dinor1_loader_free(trainer->loader);
    dinor1_optimizer_free(trainer->optimizer);
    g_clear_pointer(&trainer->memory, dinor1_prompt_memory_free);
    dinor1_parameters_free(trainer->average);
    dinor1_parameters_free(trainer->reference);
    dinor1_parameters_free(trainer->parameters);
    g_clear_pointer(&trainer->backend, dinor1_backend_free);
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

gboolean
dinor1_trainer_is_done(const DinoR1Trainer *trainer)
{
    return trainer->epoch >= trainer->options.epochs;
}

/* One forward and backward pass at work. */
typedef struct {
    DinoR1Batch *batch;
    DinoR1PromptChoice *choice;
    DinoR1Denoising *denoising;
    gfloat *negatives;
    guint n_negatives, n_boxes;
} Pass;

static void
pass_clear(Pass *pass)
{
    dinor1_batch_free(pass->batch);
    g_clear_pointer(&pass->choice, dinor1_prompt_choice_free);
    g_clear_pointer(&pass->denoising, dinor1_denoising_free);
    g_free(pass->negatives);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pass, pass_clear)

static gboolean
uses_grqo(const DinoR1Trainer *trainer)
{
    return trainer->epoch >= trainer->options.grqo_start &&
           (trainer->options.grqo_alpha != 0 || trainer->options.grqo_beta != 0);
}

static void
make_spec(const DinoR1Trainer *trainer, const Pass *pass, DinoR1TrainSpec *spec)
{
    const DinoR1TrainOptions *options = &trainer->options;

    *spec = (DinoR1TrainSpec){
        .graph = {.config = &trainer->config,
            .height = pass->batch->height,
            .width = pass->batch->width,
            .batch = (gint)pass->batch->n_images,
            .sizes = pass->batch->sizes,
            .n_tokens = (gint)(pass->choice->n_classes + pass->n_negatives),
            .recompute = options->recompute},
        .n_boxes = (gint)MAX(pass->n_boxes, 1),
        .n_classes = (gint)pass->choice->n_classes,
        .n_negatives = (gint)pass->n_negatives,
        .n_denoising = pass->denoising ? (gint)pass->denoising->n_queries : 0,
    };
    dinor1_loss_weights_init(&spec->weights);
    spec->weights.grqo_alpha = uses_grqo(trainer) ? options->grqo_alpha : 0;
    spec->weights.grqo_beta = uses_grqo(trainer) ? options->grqo_beta : 0;
    spec->weights.n_muted = (gint)lround((gdouble)options->grqo_mute * (gdouble)dinor1_train_spec_n_queries(spec));
}

/* The random choices of a pass: prompts, negatives, denoising, each from a stream of its own. */
static void
draw(const DinoR1Trainer *trainer, guint number, Pass *pass)
{
    const guint64 at = (guint64)trainer->epoch << 32 | number;
    DinoR1Rng prompts = dinor1_rng_new(trainer->options.seed ^ 0x70726f6d70747300u, at);
    DinoR1Rng negatives = dinor1_rng_new(trainer->options.seed ^ 0x6e65676174697665u, at);
    DinoR1Rng noise = dinor1_rng_new(trainer->options.seed ^ 0x6e6f697365000000u, at);
    const guint n_wanted = MIN(trainer->options.n_negatives, trainer->options.memory_size);
    DinoR1TrainSpec spec;

    for (guint i = 0; i < pass->batch->n_images; i++)
        pass->n_boxes = MAX(pass->n_boxes, pass->batch->labels[i].n_boxes);
    pass->choice = dinor1_choose_prompts(pass->batch->labels, pass->batch->n_images, MAX(pass->n_boxes, 1), &prompts);
    pass->negatives = g_new(gfloat, MAX(n_wanted, 1) * (gsize)trainer->config.d_model);
    pass->n_negatives = dinor1_prompt_memory_draw(trainer->memory, pass->choice, n_wanted, &negatives, pass->negatives);
    if (!trainer->options.denoising || pass->n_boxes == 0)
        return;
    make_spec(trainer, pass, &spec);
    pass->denoising = dinor1_make_denoising(pass->batch->labels, pass->batch->n_images, pass->choice,
        pass->choice->n_classes + pass->n_negatives, dinor1_train_spec_n_queries(&spec), &noise);
}

static gboolean
same_spec(const DinoR1Trainer *trainer, const DinoR1TrainSpec *spec)
{
    const DinoR1TrainSpec *old = &trainer->step_spec;

    return trainer->step && old->graph.height == spec->graph.height && old->graph.width == spec->graph.width &&
           old->graph.batch == spec->graph.batch && old->n_boxes == spec->n_boxes &&
           old->n_classes == spec->n_classes && old->n_negatives == spec->n_negatives &&
           old->n_denoising == spec->n_denoising && memcmp(&old->weights, &spec->weights, sizeof spec->weights) == 0 &&
           memcmp(trainer->step_sizes, spec->graph.sizes, (gsize)spec->graph.batch * sizeof *spec->graph.sizes) == 0;
}

static gboolean
plan(DinoR1Trainer *trainer, const DinoR1TrainSpec *spec, GError **error)
{
    if (same_spec(trainer, spec))
        return TRUE;
    g_clear_pointer(&trainer->step, dinor1_train_step_free);
    g_free(trainer->step_sizes);
    trainer->step_spec = *spec;
    trainer->step_sizes = g_memdup2(spec->graph.sizes, (gsize)spec->graph.batch * sizeof *spec->graph.sizes);
    trainer->step_spec.graph.sizes = trainer->step_sizes;
    trainer->step =
        dinor1_train_step_new(&trainer->step_spec, trainer->parameters, trainer->reference, trainer->backend, error);
    return trainer->step != NULL;
}

static void
add_gradients(DinoR1Trainer *trainer)
{
    const gfloat *const *gradients = dinor1_train_step_get_gradients(trainer->step);
    const gfloat share = 1 / (gfloat)trainer->options.accumulate;

    for (guint i = 0; i < dinor1_parameters_get_n(trainer->parameters); i++) {
        const gsize n = (gsize)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, i)->shape);

        for (gsize k = 0; trainer->gradients[i] && gradients[i] && k < n; k++)
            trainer->gradients[i][k] += share * gradients[i][k];
    }
}

/* The batch's prompts become the negatives of later ones. */
static void
remember(DinoR1Trainer *trainer, const Pass *pass)
{
    const gfloat *embeddings = dinor1_train_step_get_embeddings(trainer->step);

    for (guint i = 0; i < pass->choice->n_classes; i++)
        dinor1_prompt_memory_add(trainer->memory, pass->choice->classes[i],
            embeddings + (gsize)pass->choice->prompt_index[i] * (gsize)trainer->config.d_model);
}

static void
report_losses(const DinoR1TrainLosses *losses, gdouble share, DinoR1TrainReport *report)
{
    report->loss += share * losses->total;
    report->loss_class += share * losses->classes;
    report->loss_l1 += share * losses->l1;
    report->loss_giou += share * losses->giou;
    report->loss_denoising += share * losses->denoising;
    report->loss_advantage += share * losses->advantage;
    report->loss_kl += share * losses->kl;
    report->reward_mean += share * losses->reward_mean;
    report->reward_std += share * losses->reward_std;
}

/* The ids of a batch's images. */
static gchar *
list_images(const DinoR1Trainer *trainer, const DinoR1Batch *batch)
{
    g_autoptr(GString) ids = g_string_new(NULL);

    for (guint i = 0; i < batch->n_images; i++)
        g_string_append_printf(
            ids, "%s%" G_GINT64_FORMAT, i ? ", " : "", dinor1_coco_get_image(trainer->data, batch->indices[i])->id);
    return g_string_free(g_steal_pointer(&ids), FALSE);
}

/* Which term is not finite, and in which images. */
static gboolean
check_losses(const DinoR1Trainer *trainer, const DinoR1TrainLosses *losses, const DinoR1Batch *batch, GError **error)
{
    const struct {
        const gchar *name;
        gfloat value;
    } terms[] = {{"class", losses->classes}, {"L1", losses->l1}, {"GIoU", losses->giou},
        {"denoising", losses->denoising}, {"advantage", losses->advantage}, {"KL", losses->kl}};

    for (guint i = 0; i < G_N_ELEMENTS(terms); i++) {
        g_autofree gchar *ids = NULL;

        if (isfinite(terms[i].value))
            continue;
        ids = list_images(trainer, batch);
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
            "epoch %u, update %u: the %s loss is %g with images %s; the weights are as before this update",
            trainer->epoch, trainer->update, terms[i].name, terms[i].value, ids);
        return FALSE;
    }
    return TRUE;
}

/* One forward and backward pass over batch @number of the epoch; adds to the gradients. */
static gboolean
run_pass(DinoR1Trainer *trainer, guint number, DinoR1TrainReport *report, GError **error)
{
    g_auto(Pass) pass = {NULL};
    DinoR1TrainLosses losses;
    DinoR1TrainBatch step_batch;
    DinoR1TrainSpec spec;

    pass.batch = dinor1_loader_get(trainer->loader, trainer->epoch, number, error);
    if (!pass.batch)
        return FALSE;
    draw(trainer, number, &pass);
    report->n_images += pass.batch->n_images;
    if (pass.choice->n_classes + pass.n_negatives == 0)
        return TRUE; /* pictures without boxes before anything was remembered: nothing to ask for */
    make_spec(trainer, &pass, &spec);
    if (!plan(trainer, &spec, error))
        return FALSE;
    step_batch =
        (DinoR1TrainBatch){pass.batch->pixels, pass.batch->labels, pass.choice, pass.negatives, pass.denoising};
    if (!dinor1_train_step_run(trainer->step, &step_batch, &losses, error)) {
        g_autofree gchar *ids = list_images(trainer, pass.batch);

        g_prefix_error(error, "epoch %u, update %u, images %s: ", trainer->epoch, trainer->update, ids);
        return FALSE;
    }
    if (!check_losses(trainer, &losses, pass.batch, error))
        return FALSE;
    add_gradients(trainer);
    remember(trainer, &pass);
    report_losses(&losses, 1.0 / trainer->options.accumulate, report);
    report->n_prompts += pass.choice->n_classes;
    for (guint i = 0; i < pass.batch->n_images; i++)
        report->n_boxes += pass.batch->labels[i].n_boxes;
    return TRUE;
}

/* The reference model is the current one at the start of each epoch. */
static gboolean
renew_reference(DinoR1Trainer *trainer, GError **error)
{
    if (!uses_grqo(trainer) || (trainer->update > 0 && trainer->reference))
        return TRUE;
    if (trainer->reference) {
        dinor1_parameters_assign(trainer->reference, trainer->parameters);
        return TRUE;
    }
    trainer->reference = dinor1_parameters_copy(trainer->parameters);
    if (!trainer->reference)
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE, "not enough memory for the reference model");
    return trainer->reference != NULL;
}

static gboolean
apply_gradients(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error)
{
    const guint64 step = (guint64)trainer->epoch * report->n_steps + trainer->update;
    const gdouble rate = dinor1_schedule_rate(&trainer->schedule, (guint)step);

    report->learning_rate = rate * (gdouble)trainer->options.learning_rate;
    report->gradient_norm = dinor1_optimizer_step(trainer->optimizer, (const gfloat *const *)trainer->gradients, rate,
        dinor1_cpu_backend_get_pool(trainer->backend));
    if (!isfinite(report->gradient_norm)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
            "epoch %u, update %u: the gradient is not finite; the weights are as before this update", trainer->epoch,
            trainer->update);
        return FALSE;
    }
    if (trainer->average)
        dinor1_average_update(trainer->average, trainer->parameters, (gdouble)trainer->options.average_decay, step);
    return TRUE;
}

static void
clear_gradients(DinoR1Trainer *trainer)
{
    for (guint i = 0; i < dinor1_parameters_get_n(trainer->parameters); i++)
        if (trainer->gradients[i])
            memset(trainer->gradients[i], 0,
                (gsize)dinor1_shape_size(&dinor1_parameters_get(trainer->parameters, i)->shape) * sizeof(gfloat));
}

gboolean
dinor1_trainer_step(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error)
{
    const gint64 start = g_get_monotonic_time();
    const guint n_batches = dinor1_loader_get_n_batches(trainer->loader);
    const guint first = trainer->update * trainer->options.accumulate;

    *report = (DinoR1TrainReport){
        .epoch = trainer->epoch, .step = trainer->update, .n_steps = dinor1_trainer_count_updates(trainer)};
    if (dinor1_trainer_is_done(trainer))
        return refuse(error, "all epochs are done");
    if (!renew_reference(trainer, error))
        return FALSE;
    clear_gradients(trainer);
    for (guint i = first; i < MIN(n_batches, first + trainer->options.accumulate); i++)
        if (!run_pass(trainer, i, report, error))
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
        *n_trained += trainer->gradients[i] ? n : 0;
    }
    *n_steps_per_epoch = dinor1_trainer_count_updates(trainer);
}
