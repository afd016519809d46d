/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One forward and backward pass of a trainer: a batch, what is drawn at random for it, a step, its gradients.
 */
#include "train/trainer_internal.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

/* One forward and backward pass at work. */
typedef struct {
    DinoR1Batch *batch;  /* this rank's images */
    DinoR1Batch *shared; /* of all ranks; NULL = alone */
    guint n_images;      /* of all ranks, without blanks */
    DinoR1PromptChoice *choice;
    DinoR1Denoising *denoising;
    gfloat *negatives;
    guint n_negatives, n_boxes;
    guint *named; /* [n_named] numbers of classes that have a text */
    gfloat *text; /* [n_named, D] */
    guint n_named;
} Pass;

static void
pass_clear(Pass *pass)
{
    dinor1_batch_free(pass->batch);
    dinor1_batch_free(pass->shared);
    g_clear_pointer(&pass->choice, dinor1_prompt_choice_free);
    g_clear_pointer(&pass->denoising, dinor1_denoising_free);
    g_free(pass->negatives);
    g_free(pass->named);
    g_free(pass->text);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pass, pass_clear)

/* The batch as one process would see it. */
static const DinoR1Batch *
whole(const Pass *pass)
{
    return pass->shared ? pass->shared : pass->batch;
}

/* The part of the images that are this rank's; a blank has none of the losses. */
static gfloat
share_of(const DinoR1Trainer *trainer, const Pass *pass)
{
    if (!pass->shared)
        return 1;
    return trainer->ranks.rank < pass->n_images ? (gfloat)pass->batch->n_images / (gfloat)pass->n_images : 0;
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
        .n_named = (gint)pass->n_named,
        .dtype = trainer->precision.dtype,
        .share = share_of(trainer, pass),
    };
    dinor1_loss_weights_init(&spec->weights);
    spec->weights.grqo_alpha = dinor1_trainer_uses_grqo(trainer) ? options->grqo_alpha : 0;
    spec->weights.grqo_beta = dinor1_trainer_uses_grqo(trainer) ? options->grqo_beta : 0;
    /* It is one number of all ranks' prompts: one of the ranks has it. */
    spec->weights.contrastive = pass->shared && trainer->ranks.rank > 0 ? 0 : options->contrastive;
    spec->weights.n_muted = (gint)lround((gdouble)options->grqo_mute * (gdouble)dinor1_train_spec_n_queries(spec));
}

/* The classes of the batch that have a text, and their texts. */
static void
find_texts(const DinoR1Trainer *trainer, Pass *pass)
{
    const gsize d = (gsize)trainer->config.d_model;

    if (!trainer->text)
        return;
    pass->named = g_new(guint, MAX(pass->choice->n_classes, 1));
    pass->text = g_new(gfloat, MAX(pass->choice->n_classes, 1) * d);
    for (guint i = 0; i < pass->choice->n_classes; i++) {
        const gfloat *row = dinor1_class_text_get(trainer->text, pass->choice->classes[i]);

        if (!row)
            continue;
        memcpy(pass->text + pass->n_named * d, row, d * sizeof *row);
        pass->named[pass->n_named++] = i;
    }
}

static void
draw_denoising(const DinoR1Trainer *trainer, DinoR1Rng *rng, Pass *pass)
{
    const DinoR1Batch *all = whole(pass);
    const guint n_tokens = pass->choice->n_classes + pass->n_negatives;
    DinoR1TrainSpec spec;

    if (!trainer->options.denoising || pass->n_boxes == 0)
        return;
    make_spec(trainer, pass, &spec);
    pass->denoising = dinor1_make_denoising(
        all->labels, all->n_images, pass->choice, n_tokens, dinor1_train_spec_n_queries(&spec), rng);
    if (pass->shared)
        dinor1_denoising_keep(pass->denoising, all->n_images, n_tokens, trainer->ranks.rank, trainer->ranks.n_ranks);
}

/* The random choices of a pass: prompts, negatives, denoising, each from a stream of its own; the same on all ranks. */
static void
draw(const DinoR1Trainer *trainer, guint number, Pass *pass)
{
    const guint64 at = (guint64)trainer->epoch << 32 | number;
    DinoR1Rng prompts = dinor1_rng_new(trainer->options.seed ^ 0x70726f6d70747300u, at);
    DinoR1Rng negatives = dinor1_rng_new(trainer->options.seed ^ 0x6e65676174697665u, at);
    DinoR1Rng noise = dinor1_rng_new(trainer->options.seed ^ 0x6e6f697365000000u, at);
    const guint n_wanted = MIN(trainer->options.n_negatives, trainer->options.memory_size);
    const DinoR1Batch *all = whole(pass);

    for (guint i = 0; i < all->n_images; i++)
        pass->n_boxes = MAX(pass->n_boxes, all->labels[i].n_boxes);
    pass->choice = dinor1_choose_prompts(all->labels, all->n_images, MAX(pass->n_boxes, 1), &prompts);
    pass->negatives = g_new(gfloat, MAX(n_wanted, 1) * (gsize)trainer->config.d_model);
    pass->n_negatives = dinor1_prompt_memory_draw(trainer->memory, pass->choice, n_wanted, &negatives, pass->negatives);
    find_texts(trainer, pass);
    draw_denoising(trainer, &noise, pass);
}

static gboolean
same_spec(const DinoR1Trainer *trainer, const DinoR1TrainSpec *spec)
{
    const DinoR1TrainSpec *old = &trainer->step_spec;

    return trainer->step && old->graph.height == spec->graph.height && old->graph.width == spec->graph.width &&
           old->graph.batch == spec->graph.batch && old->n_boxes == spec->n_boxes &&
           old->n_classes == spec->n_classes && old->n_negatives == spec->n_negatives &&
           old->n_denoising == spec->n_denoising && old->n_named == spec->n_named && old->share == spec->share &&
           memcmp(&old->weights, &spec->weights, sizeof spec->weights) == 0 &&
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

/* What only this rank can fail at. */
static gboolean
add_gradients(DinoR1Trainer *trainer, GError **error)
{
    GError *mine = NULL;

    dinor1_gradients_add(trainer->gradients, dinor1_train_step_get_gradients(trainer->step),
        1 / (gfloat)trainer->options.accumulate, &mine);
    return dinor1_ranks_agree(dinor1_trainer_get_ranks(trainer), mine, error);
}

/* The batch's prompts become the negatives of later ones. */
static void
remember(DinoR1Trainer *trainer, const Pass *pass)
{
    const gfloat *prompts = dinor1_train_step_get_prompts(trainer->step);

    for (guint i = 0; i < pass->choice->n_classes; i++)
        dinor1_prompt_memory_add(
            trainer->memory, pass->choice->classes[i], prompts + i * (gsize)trainer->config.d_model);
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
    report->loss_contrastive += share * losses->contrastive;
    report->reward_mean += share * losses->reward_mean;
    report->reward_std += share * losses->reward_std;
}

/* Adds the ids of a pass's images to the update's, for errors. Returns: those of the pass. */
static const gchar *
note_images(DinoR1Trainer *trainer, const Pass *pass)
{
    gsize first;

    if (trainer->images->len > 0)
        g_string_append(trainer->images, ", ");
    first = trainer->images->len;
    for (guint i = 0; i < pass->n_images; i++)
        g_string_append_printf(trainer->images, "%s%" G_GINT64_FORMAT, i ? ", " : "",
            dinor1_coco_get_image(trainer->data, whole(pass)->indices[i])->id);
    return trainer->images->str + first;
}

/* Which term is not finite, and in which images. */
static gboolean
check_losses(const DinoR1Trainer *trainer, const DinoR1TrainLosses *losses, const gchar *images, GError **error)
{
    const struct {
        const gchar *name;
        gfloat value;
    } terms[] = {{"class", losses->classes}, {"L1", losses->l1}, {"GIoU", losses->giou},
        {"denoising", losses->denoising}, {"advantage", losses->advantage}, {"KL", losses->kl},
        {"contrastive", losses->contrastive}};

    for (guint i = 0; i < G_N_ELEMENTS(terms); i++) {
        if (isfinite(terms[i].value))
            continue;
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
            "epoch %u, update %u: the %s loss is %g with images %s; the weights are as before this update",
            trainer->epoch, trainer->update, terms[i].name, (gdouble)terms[i].value, images);
        return FALSE;
    }
    return TRUE;
}

/* This rank's images, and what there is to know of the others'. */
static gboolean
load_batch(DinoR1Trainer *trainer, guint number, Pass *pass, GError **error)
{
    const DinoR1TrainRanks *ranks = dinor1_trainer_get_ranks(trainer);
    GError *mine = NULL;

    pass->n_images = dinor1_loader_get_batch_size(trainer->loader, number);
    pass->batch = dinor1_loader_get(trainer->loader, trainer->epoch, number, &mine);
    if (!dinor1_ranks_agree(ranks, mine, error))
        return FALSE;
    if (ranks)
        pass->shared = dinor1_ranks_exchange_batch(ranks, pass->batch, pass->n_images, error);
    return !ranks || pass->shared;
}

static gboolean
run_step(DinoR1Trainer *trainer, const Pass *pass, DinoR1TrainLosses *losses, GError **error)
{
    const DinoR1TrainBatch batch = {
        .pixels = pass->batch->pixels,
        .images = pass->batch->labels,
        .choice = pass->choice,
        .negatives = pass->negatives,
        .denoising = pass->denoising,
        .named = pass->named,
        .text = pass->text,
        .ranks = dinor1_trainer_get_ranks(trainer),
        .all_images = pass->shared ? pass->shared->labels : NULL,
        .n_all_images = pass->shared ? pass->shared->n_images : 0,
    };
    GError *mine = NULL;
    DinoR1TrainSpec spec;

    make_spec(trainer, pass, &spec);
    plan(trainer, &spec, &mine);
    return dinor1_ranks_agree(batch.ranks, mine, error) && dinor1_train_step_run(trainer->step, &batch, losses, error);
}

gboolean
dinor1_trainer_run_pass(DinoR1Trainer *trainer, guint number, DinoR1TrainReport *report, GError **error)
{
    g_auto(Pass) pass = {NULL};
    DinoR1TrainLosses losses;
    const gchar *images;

    if (!load_batch(trainer, number, &pass, error))
        return FALSE;
    images = note_images(trainer, &pass);
    draw(trainer, number, &pass);
    report->n_images += pass.n_images;
    if (pass.choice->n_classes + pass.n_negatives == 0)
        return TRUE; /* pictures without boxes before anything was remembered: nothing to ask for */
    if (!run_step(trainer, &pass, &losses, error)) {
        g_prefix_error(error, "epoch %u, update %u, images %s: ", trainer->epoch, trainer->update, images);
        return FALSE;
    }
    if (!check_losses(trainer, &losses, images, error))
        return FALSE;
    if (!add_gradients(trainer, error))
        return FALSE;
    remember(trainer, &pass);
    report_losses(&losses, 1.0 / trainer->options.accumulate, report);
    report->n_prompts += pass.choice->n_classes;
    for (guint i = 0; i < pass.n_images; i++)
        report->n_boxes += whole(&pass)->labels[i].n_boxes;
    return TRUE;
}
