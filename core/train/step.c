/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/step.h"

#include "graph/lower.h"
#include "train/ranks.h"

#include <math.h>
#include <string.h>

struct _DinoR1TrainStep {
    DinoR1TrainSpec spec; /* without the sizes, which only building needs */
    DinoR1Program *program;
    DinoR1Program *reference; /* NULL without GRQO */
    gsize n_images, n_boxes, n_tokens, n_queries, n_positions;
    const gfloat **gradients; /* by parameter, in the backend's memory */
    guint n_parameters;
    gsize n_prompts;    /* C + Cn */
    GPtrArray *buffers; /* owned gfloat arrays */
    gfloat *boxes, *labels, *padding_cost, *objectness;
    gfloat *costs;               /* [sets, B, Q, M] */
    gfloat *select;              /* [C + Cn, B*M] */
    gfloat *prompts, *exchanged; /* [C + Cn, D] of all processes: the model's; whatever else is exchanged */
    DinoR1SetTargets targets;
};

/* Everything a training graph can ask for, then what only a checkpoint must hold. */
gboolean
dinor1_train_complete_parameters(DinoR1Parameters *parameters, const DinoR1Config *config, GError **error)
{
    DinoR1TrainSpec spec = {.graph = {.config = config, .height = 64, .width = 64, .batch = 1, .n_tokens = 1},
        .n_boxes = 1,
        .n_classes = 1,
        .n_denoising = 2,
        .n_named = config->has_text ? 1 : 0,
        .share = 1};
    g_autoptr(DinoR1Graph) training = NULL;

    dinor1_loss_weights_init(&spec.weights);
    training = dinor1_build_training(&spec, dinor1_parameters_find, parameters);
    if (!dinor1_graph_check(training, error))
        return FALSE;
    if (config->has_text) {
        g_autoptr(DinoR1Graph) text = dinor1_build_text_encoder(&spec.graph, dinor1_parameters_find, parameters);

        if (!dinor1_graph_check(text, error))
            return FALSE;
    }
    dinor1_parameters_freeze(parameters);
    return TRUE;
}

static gfloat *
new_buffer(DinoR1TrainStep *step, gsize n)
{
    gfloat *buffer = g_new0(gfloat, MAX(n, 1));

    g_ptr_array_add(step->buffers, buffer);
    return buffer;
}

/* The proposals and the decoder's layers. */
static guint
count_sets(const DinoR1TrainStep *step)
{
    return (guint)step->spec.graph.config->decoder_layers + 1;
}

static void
make_buffers(DinoR1TrainStep *step, const DinoR1Parameters *parameters)
{
    const DinoR1Tensor *objectness = dinor1_graph_find(dinor1_program_get_graph(step->program), "objectness");
    const gsize n_queries = step->n_images * step->n_queries, n_boxes = step->n_images * step->n_boxes;

    step->boxes = new_buffer(step, n_boxes * 4);
    step->labels = new_buffer(step, n_boxes * step->n_tokens);
    step->padding_cost = new_buffer(step, n_boxes);
    step->costs = new_buffer(step, count_sets(step) * n_queries * step->n_boxes);
    step->targets.classes = new_buffer(step, n_queries * step->n_tokens);
    step->targets.boxes = new_buffer(step, n_queries * 4);
    step->targets.positive = new_buffer(step, n_queries);
    step->n_positions = (gsize)(dinor1_shape_size(&objectness->shape) / objectness->shape.dims[0]);
    step->objectness = new_buffer(step, step->n_images * step->n_positions);
    step->select = new_buffer(step, step->n_prompts * n_boxes);
    step->prompts = new_buffer(step, step->n_prompts * (gsize)step->spec.graph.config->d_model);
    step->exchanged = new_buffer(step, step->n_prompts * (gsize)step->spec.graph.config->d_model);
    step->n_parameters = dinor1_parameters_get_n(parameters);
    step->gradients = g_new0(const gfloat *, step->n_parameters);
    for (guint i = 0; i < step->n_parameters; i++) {
        g_autofree gchar *name = g_strconcat("gradient:", dinor1_parameters_get(parameters, i)->name, NULL);

        step->gradients[i] = dinor1_program_locate(step->program, name);
    }
}

static gboolean
has_group(const DinoR1TrainStep *step)
{
    return step->spec.weights.grqo_alpha != 0 || step->spec.weights.grqo_beta != 0;
}

static DinoR1Graph *
lowered(const DinoR1TrainSpec *spec, DinoR1Graph *graph)
{
    if (dinor1_dtype_is_half(spec->dtype))
        dinor1_graph_lower(graph, spec->dtype);
    return graph;
}

DinoR1TrainStep *
dinor1_train_step_new(const DinoR1TrainSpec *spec, DinoR1Parameters *parameters, DinoR1Parameters *reference,
    DinoR1Backend *backend, GError **error)
{
    g_autoptr(DinoR1TrainStep) step = g_new0(DinoR1TrainStep, 1);

    step->spec = *spec;
    step->spec.graph.sizes = NULL;
    step->n_images = (gsize)spec->graph.batch;
    step->n_boxes = (gsize)spec->n_boxes;
    step->n_tokens = (gsize)spec->graph.n_tokens;
    step->n_prompts = (gsize)(spec->n_classes + spec->n_named);
    step->n_queries = (gsize)dinor1_train_spec_n_queries(spec);
    step->buffers = g_ptr_array_new_with_free_func(g_free);
    g_return_val_if_fail(reference || !has_group(step), NULL);

    step->program = dinor1_program_new(
        lowered(spec, dinor1_build_training(spec, dinor1_parameters_find, parameters)), backend, error);
    if (!step->program)
        return NULL;
    if (has_group(step)) {
        step->reference = dinor1_program_new(
            lowered(spec, dinor1_build_reference(spec, dinor1_parameters_find, reference)), backend, error);
        if (!step->reference)
            return NULL;
    }
    make_buffers(step, parameters);
    return g_steal_pointer(&step);
}

void
dinor1_train_step_free(DinoR1TrainStep *step)
{
    if (!step)
        return;
    dinor1_program_free(step->program);
    dinor1_program_free(step->reference);
    g_free(step->gradients);
    g_ptr_array_unref(step->buffers);
    g_free(step);
}

/* Boxes, labels and padding of the batch, from its images' lists. */
static void
gather_labels(DinoR1TrainStep *step, const DinoR1TrainBatch *batch)
{
    const gfloat middle[4] = {0.5f, 0.5f, 0.5f, 0.5f};

    memset(step->labels, 0, step->n_images * step->n_boxes * step->n_tokens * sizeof(gfloat));
    for (gsize at = 0; at < step->n_images * step->n_boxes; at++) {
        const DinoR1ImageLabels *image = &batch->images[at / step->n_boxes];
        const gsize box = at % step->n_boxes;
        const gboolean is_box = box < image->n_boxes;

        memcpy(step->boxes + at * 4, is_box ? image->boxes + box * 4 : middle, sizeof middle);
        step->padding_cost[at] = is_box ? 0 : DINOR1_PADDING_COST;
        if (is_box)
            step->labels[at * step->n_tokens + dinor1_prompt_choice_find(batch->choice, image->classes[box])] = 1;
    }
}

static guint
count_boxes(const DinoR1TrainBatch *batch, guint n_images, guint class_index)
{
    const DinoR1ImageLabels *images = batch->all_images ? batch->all_images : batch->images;
    guint n = 0;

    for (guint i = 0; i < n_images; i++)
        for (guint j = 0; j < images[i].n_boxes; j++)
            n += images[i].classes[j] == class_index;
    return n;
}

/* 1 for the box that is a class's prompt, if it is one of this process's. */
static void
select_prompts(DinoR1TrainStep *step, const DinoR1TrainBatch *batch)
{
    const gsize rank = batch->ranks ? batch->ranks->rank : 0, n_ranks = batch->ranks ? batch->ranks->n_ranks : 1;

    for (gint i = 0; i < step->spec.n_classes; i++) {
        const gsize at = (gsize)batch->choice->prompt_index[i], image = at / step->n_boxes;

        if (image % n_ranks == rank)
            step->select[((gsize)i * step->n_images + image / n_ranks) * step->n_boxes + at % step->n_boxes] = 1;
    }
}

/* The weights of a mean over a class's boxes of all processes. */
static void
select_means(DinoR1TrainStep *step, const DinoR1TrainBatch *batch)
{
    const guint n_all = batch->all_images ? batch->n_all_images : (guint)step->n_images;

    for (gint k = 0; k < step->spec.n_named; k++) {
        const guint class_index = batch->choice->classes[batch->named[k]];
        const gfloat weight = 1 / (gfloat)MAX(count_boxes(batch, n_all, class_index), 1);
        gfloat *row = step->select + (gsize)(step->spec.n_classes + k) * step->n_images * step->n_boxes;

        for (gsize i = 0; i < step->n_images; i++)
            for (guint j = 0; j < batch->images[i].n_boxes; j++)
                if (batch->images[i].classes[j] == class_index)
                    row[i * step->n_boxes + j] = weight;
    }
}

static void
fill_select(DinoR1TrainStep *step, const DinoR1TrainBatch *batch)
{
    memset(step->select, 0, step->n_prompts * step->n_images * step->n_boxes * sizeof(gfloat));
    select_prompts(step, batch);
    select_means(step, batch);
}

static gboolean
set(DinoR1Program *program, const gchar *name, gconstpointer data, gsize n, GError **error)
{
    return dinor1_program_set(program, name, data, n * 4, error);
}

/* This process's part of the prompts. */
static gboolean
run_prompts(const DinoR1TrainStep *step, DinoR1Program *program, const DinoR1TrainBatch *batch, GError **error)
{
    const DinoR1GraphSpec *spec = &step->spec.graph;
    const gsize n_boxes = step->n_images * step->n_boxes;
    const gsize n_pixels = step->n_images * (gsize)spec->height * (gsize)spec->width * 3;

    return set(program, "pixel_values", batch->pixels, n_pixels, error) &&
           set(program, "boxes", step->boxes, n_boxes * 4, error) &&
           (!step->n_prompts || set(program, "select", step->select, step->n_prompts * n_boxes, error)) &&
           dinor1_program_run_stage(program, 0, error);
}

/* Replaces the result @name by its sum over all processes, which the next stage reads; @sum (out) keeps it, too. A
 * graph without that result adds nothing. */
static gboolean
exchange(DinoR1TrainStep *step, DinoR1Program *program, const gchar *name, const DinoR1TrainBatch *batch, gfloat *sum,
    GError **error)
{
    const gsize n = step->n_prompts * (gsize)step->spec.graph.config->d_model;
    g_autofree gchar *all = g_strconcat(name, ".all", NULL);

    if (n == 0)
        return TRUE;
    if (!dinor1_graph_find(dinor1_program_get_graph(program), name))
        memset(sum, 0, n * sizeof *sum);
    else if (!dinor1_program_get(program, name, sum, n * sizeof *sum, error))
        return FALSE;
    return dinor1_ranks_sum(batch->ranks, sum, n, error) && set(program, all, sum, n, error);
}

static gboolean
set_negatives(const DinoR1TrainStep *step, DinoR1Program *program, const DinoR1TrainBatch *batch, GError **error)
{
    const gsize n = (gsize)step->spec.n_negatives * (gsize)step->spec.graph.config->d_model;

    return n == 0 || set(program, "negatives", batch->negatives, n, error);
}

static gboolean
set_denoising(DinoR1TrainStep *step, const DinoR1Denoising *dn, GError **error)
{
    const gsize n = dn->n_queries, n_all = n + step->n_queries;
    const gfloat per_positive = step->spec.share > 0 ? 1 / (gfloat)MAX(dn->n_positive, 1) : 0;
    DinoR1Program *program = step->program;

    return set(program, "dn.index", dn->index, step->n_images * n, error) &&
           set(program, "dn.boxes", dn->boxes, step->n_images * n * 4, error) &&
           set(program, "dn.mask", dn->mask, n_all * n_all, error) &&
           set(program, "target.dn.class", dn->classes, step->n_images * n * step->n_tokens, error) &&
           set(program, "target.dn.boxes", dn->target_boxes, step->n_images * n * 4, error) &&
           set(program, "target.dn.positive", dn->positive, step->n_images * n, error) &&
           set(program, "dn.per_positive", &per_positive, 1, error);
}

static gboolean
run_forward(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    const gsize n_boxes = step->n_images * step->n_boxes;

    return set_negatives(step, step->program, batch, error) &&
           set(step->program, "labels", step->labels, n_boxes * step->n_tokens, error) &&
           set(step->program, "padding_cost", step->padding_cost, n_boxes, error) &&
           (!step->spec.n_denoising || set_denoising(step, batch->denoising, error)) &&
           dinor1_program_run_stage(step->program, 1, error);
}

static gboolean
set_target(DinoR1TrainStep *step, guint index, const gchar *part, const gfloat *data, gsize width, GError **error)
{
    g_autofree gchar *name = g_strdup_printf("target.%u.%s", index, part);

    return set(step->program, name, data, step->n_images * step->n_queries * width, error);
}

/* The costs of all sets, with one wait. */
static gboolean
read_costs(DinoR1TrainStep *step, GError **error)
{
    const gsize n = step->n_images * step->n_queries * step->n_boxes;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    DinoR1ProgramRead reads[DINOR1_MAX_SETS];

    for (guint i = 0; i < count_sets(step); i++) {
        g_ptr_array_add(names, g_strdup_printf("cost.%u", i));
        reads[i] = (DinoR1ProgramRead){names->pdata[i], step->costs + i * n, n * sizeof(gfloat)};
    }
    return dinor1_program_get_many(step->program, reads, count_sets(step), error);
}

static gboolean
match_set(DinoR1TrainStep *step, guint index, const DinoR1TrainBatch *batch, GError **error)
{
    const gfloat *costs = step->costs + index * step->n_images * step->n_queries * step->n_boxes;

    return dinor1_match_targets(costs, batch->images, (guint)step->n_images, (guint)step->n_boxes,
               (guint)step->n_queries, batch->choice, (guint)step->n_tokens, &step->targets, error) &&
           set_target(step, index, "class", step->targets.classes, step->n_tokens, error) &&
           set_target(step, index, "boxes", step->targets.boxes, 4, error) &&
           set_target(step, index, "positive", step->targets.positive, 1, error);
}

static gboolean
match_all(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    const DinoR1ImageLabels *images = batch->all_images ? batch->all_images : batch->images;
    const gsize n_images = batch->all_images ? batch->n_all_images : step->n_images;
    gsize n_positive = 0;
    gfloat per_positive;

    if (!read_costs(step, error))
        return FALSE;
    for (guint i = 0; i < count_sets(step); i++)
        if (!match_set(step, i, batch, error))
            return FALSE;
    for (gsize i = 0; i < n_images; i++)
        n_positive += MIN(images[i].n_boxes, step->n_queries);
    per_positive = step->spec.share > 0 ? 1 / (gfloat)MAX(n_positive, 1) : 0;
    return set(step->program, "per_positive", &per_positive, 1, error);
}

/* The reference model's objectness of the same images with the same prompts. */
static gboolean
run_reference(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    const gsize n = step->n_images * step->n_positions;

    return set_negatives(step, step->reference, batch, error) && dinor1_program_run_stage(step->reference, 1, error) &&
           dinor1_program_get(step->reference, "objectness", step->objectness, n * sizeof(gfloat), error) &&
           set(step->program, "reference_objectness", step->objectness, n, error);
}

static gboolean
set_group(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    const gint n_muted = step->spec.weights.n_muted;
    const gsize muted = n_muted < 0 ? (gsize)lround((gdouble)step->n_queries / 3) : (gsize)n_muted;
    g_autofree gfloat *has_boxes = g_new(gfloat, step->n_images);
    g_autofree gfloat *mute = g_new(gfloat, step->n_queries);

    for (gsize i = 0; i < step->n_images; i++)
        has_boxes[i] = batch->images[i].n_boxes > 0;
    for (gsize i = 0; i < step->n_queries; i++)
        mute[i] = i + muted < step->n_queries;
    return set(step->program, "has_boxes", has_boxes, step->n_images, error) &&
           set(step->program, "mute", mute, step->n_queries, error);
}

/* This process's shares. */
static gboolean
read_losses(const DinoR1TrainStep *step, DinoR1TrainLosses *losses, GError **error)
{
    const struct {
        const gchar *name;
        gfloat *to;
    } terms[] = {{"loss", &losses->total}, {"loss.class", &losses->classes}, {"loss.l1", &losses->l1},
        {"loss.giou", &losses->giou}, {"loss.dn", &losses->denoising}, {"loss.advantage", &losses->advantage},
        {"loss.kl", &losses->kl}, {"loss.contrastive", &losses->contrastive}, {"reward.mean", &losses->reward_mean},
        {"reward.std", &losses->reward_std}};
    const DinoR1Graph *graph = dinor1_program_get_graph(step->program);
    DinoR1ProgramRead reads[G_N_ELEMENTS(terms)];
    guint n = 0;

    memset(losses, 0, sizeof *losses);
    for (guint i = 0; i < G_N_ELEMENTS(terms); i++)
        if (dinor1_graph_find(graph, terms[i].name))
            reads[n++] = (DinoR1ProgramRead){terms[i].name, terms[i].to, sizeof(gfloat)};
    return dinor1_program_get_many(step->program, reads, n, error);
}

static gboolean
set_text(const DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    const gsize n = (gsize)step->spec.n_named * (gsize)step->spec.graph.config->d_model;

    return !dinor1_graph_find(dinor1_program_get_graph(step->program), "text") ||
           set(step->program, "text", batch->text, n, error);
}

/* Between the exchanges every process works for itself; each piece of work ends in their agreement that all went well,
 * so that none waits for one that has given up. */
static gboolean
work_to_prompts(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    gather_labels(step, batch);
    fill_select(step, batch);
    return run_prompts(step, step->program, batch, error) &&
           (!step->reference || run_prompts(step, step->reference, batch, error));
}

static gboolean
work_to_losses(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, GError **error)
{
    return run_forward(step, batch, error) && match_all(step, batch, error) &&
           (!step->reference || (run_reference(step, batch, error) && set_group(step, batch, error))) &&
           set_text(step, batch, error) && dinor1_program_run_stage(step->program, 2, error);
}

static gboolean
work_to_gradients(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, DinoR1TrainLosses *losses, GError **error)
{
    return dinor1_program_run_stage(step->program, 3, error) && read_losses(step, losses, error);
}

gboolean
dinor1_train_step_run(DinoR1TrainStep *step, const DinoR1TrainBatch *batch, DinoR1TrainLosses *losses, GError **error)
{
    GError *mine = NULL;

    work_to_prompts(step, batch, &mine);
    if (!dinor1_ranks_agree(batch->ranks, mine, error) ||
        !exchange(step, step->program, "prompts", batch, step->prompts, error) ||
        (step->reference && !exchange(step, step->reference, "prompts", batch, step->exchanged, error)))
        return FALSE;
    mine = NULL;
    work_to_losses(step, batch, &mine);
    if (!dinor1_ranks_agree(batch->ranks, mine, error) ||
        !exchange(step, step->program, "gradient:prompts", batch, step->exchanged, error))
        return FALSE;
    mine = NULL;
    work_to_gradients(step, batch, losses, &mine);
    return dinor1_ranks_agree(batch->ranks, mine, error) &&
           dinor1_ranks_sum(batch->ranks, (gfloat *)losses, sizeof *losses / sizeof(gfloat), error);
}

gsize
dinor1_train_step_get_memory(const DinoR1TrainStep *step)
{
    return dinor1_program_get_arena_size(step->program) +
           (step->reference ? dinor1_program_get_arena_size(step->reference) : 0);
}

const gfloat *const *
dinor1_train_step_get_gradients(const DinoR1TrainStep *step)
{
    return step->gradients;
}

const gfloat *
dinor1_train_step_get_prompts(const DinoR1TrainStep *step)
{
    return step->prompts;
}

DinoR1Program *
dinor1_train_step_get_program(DinoR1TrainStep *step)
{
    return step->program;
}
