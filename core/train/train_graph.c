/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/train_graph.h"

#include "graph/backward.h"
#include "train/losses.h"

#include <math.h>

typedef struct {
    DinoR1Graph *graph;
    const DinoR1TrainSpec *spec;
    DinoR1Tables tables;
    DinoR1Tensor *boxes; /* [B, M, 4] */
    DinoR1Tensor *means; /* [Cn, D] of each named class's embeddings; NULL without */
    DinoR1Tokens tokens;
    DinoR1Selection selection;
    gint64 n_queries; /* Q */
    gint n_sets;      /* the proposals and the decoder's layers */
    DinoR1Predictions sets[DINOR1_MAX_SETS];
    DinoR1Predictions denoising[DINOR1_MAX_SETS];
    DinoR1Tensor *costs[DINOR1_MAX_SETS];
} Step;

gint64
dinor1_train_spec_n_queries(const DinoR1TrainSpec *spec)
{
    DinoR1Levels levels;
    gint64 n = 0;

    dinor1_geometry_levels(spec->graph.config, spec->graph.height, spec->graph.width, &levels);
    for (gint i = 0; i < levels.n_levels; i++)
        n += (gint64)levels.heights[i] * levels.widths[i];
    return MIN(n, spec->graph.config->num_queries);
}

static DinoR1Tensor *input(Step *step, DinoR1Shape shape, const gchar *format, ...) G_GNUC_PRINTF(3, 4);

static DinoR1Tensor *
input(Step *step, DinoR1Shape shape, const gchar *format, ...)
{
    g_autofree gchar *name = NULL;
    va_list args;

    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    return dinor1_graph_input(step->graph, name, DINOR1_F32, shape);
}

/* Every prompt sees itself only. */
static DinoR1Tensor *
identity_mask(DinoR1Graph *graph, gint64 n)
{
    g_autofree gfloat *mask = g_new(gfloat, (gsize)(n * n));

    for (gint64 i = 0; i < n * n; i++)
        mask[i] = i / n == i % n ? 0 : -INFINITY;
    return dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(1, n, n), mask);
}

/* Each class's prompt and each named class's mean embedding, over the boxes of all processes, [C + Cn, D]. */
static DinoR1Tensor *
exchange_prompts(Step *step, DinoR1Tensor *embeddings)
{
    const DinoR1TrainSpec *spec = step->spec;
    const gint64 n_boxes = (gint64)spec->graph.batch * spec->n_boxes;
    DinoR1Tensor *select = input(step, DINOR1_SHAPE(spec->n_classes + spec->n_named, n_boxes), "select"), *prompts;

    embeddings = dinor1_reshape(step->graph, embeddings, DINOR1_SHAPE(n_boxes, spec->graph.config->d_model));
    dinor1_graph_begin_exact(step->graph);
    prompts = dinor1_matmul(step->graph, select, FALSE, embeddings, FALSE, 1, NULL, NULL);
    dinor1_graph_end_exact(step->graph);
    return dinor1_graph_exchange(step->graph, "prompts", prompts);
}

/* The prompt tokens [1, U, D]: one embedding per class, then the remembered ones. Ends stage 0. */
static DinoR1Tensor *
pick_prompts(Step *step, DinoR1Tensor *embeddings)
{
    const DinoR1TrainSpec *spec = step->spec;
    const gint64 d = spec->graph.config->d_model;
    DinoR1Tensor *parts[2], *all;
    guint n_parts = 0;

    if (spec->n_classes > 0) {
        all = exchange_prompts(step, embeddings);
        parts[n_parts++] = dinor1_slice(step->graph, all, 0, 0, spec->n_classes);
        if (spec->n_named > 0)
            step->means = dinor1_slice(step->graph, all, 0, spec->n_classes, spec->n_named);
    } else {
        dinor1_graph_next_stage(step->graph);
    }
    if (spec->n_negatives > 0)
        parts[n_parts++] = input(step, DINOR1_SHAPE(spec->n_negatives, d), "negatives");
    if (n_parts == 0)
        return dinor1_graph_fail(step->graph, "a batch needs a prompt");
    return dinor1_reshape(
        step->graph, dinor1_concat(step->graph, parts, n_parts, 0), DINOR1_SHAPE(1, spec->graph.n_tokens, d));
}

/* Pixels and boxes to the selection of the queries; @memory [B, N, D]. */
static void
build_forward(Step *step, const DinoR1Geometry *geometry, DinoR1Tensor **memory)
{
    const DinoR1GraphSpec *spec = &step->spec->graph;
    DinoR1GraphSpec prompts = *spec;
    const gfloat zero = 0;
    DinoR1Tensor *feat = dinor1_build_image_features(step->graph, spec), *embeddings;

    dinor1_build_tables(step->graph, spec, geometry, &step->tables);
    step->boxes = input(step, DINOR1_SHAPE(spec->batch, step->spec->n_boxes, 4), "boxes");
    prompts.n_tokens = step->spec->n_boxes;
    embeddings = dinor1_build_visual_prompts(step->graph, &prompts, &step->tables, feat, step->boxes);
    step->tokens.tokens = pick_prompts(step, embeddings);
    step->tokens.mask = identity_mask(step->graph, spec->n_tokens);
    step->tokens.position =
        dinor1_sine_embed(step->graph, dinor1_graph_constant(step->graph, DINOR1_F32, DINOR1_SHAPE(1, 1, 1), &zero),
            spec->config->d_model, 10000, (gfloat)(2 * G_PI));
    *memory = feat;
    dinor1_build_encoder(step->graph, spec, &step->tables, memory, &step->tokens);
    dinor1_build_query_selection(step->graph, spec, &step->tables, *memory, &step->tokens, &step->selection);
    dinor1_graph_output(step->graph, "objectness", step->selection.objectness);
}

/* Queries, boxes and mask of the decoder: the denoising ones first. */
static void
decoder_input(Step *step, DinoR1Tensor *memory, DinoR1DecoderInput *in)
{
    const DinoR1GraphSpec *spec = &step->spec->graph;
    const gint64 batch = spec->batch, n_dn = step->spec->n_denoising, n_all = n_dn + step->n_queries;
    DinoR1Tensor *index, *labels, *boxes;

    in->memory = memory;
    in->tokens = &step->tokens;
    in->queries = dinor1_build_content_queries(step->graph, spec, step->n_queries);
    in->boxes = dinor1_detach(step->graph, step->selection.boxes);
    if (n_dn == 0)
        return;
    index = dinor1_graph_input(step->graph, "dn.index", DINOR1_I32, DINOR1_SHAPE(batch, n_dn));
    labels = dinor1_nn_weight(step->graph, DINOR1_SHAPE(spec->config->max_text_len, spec->config->d_model),
        "denoising_label_embedding.weight");
    boxes = input(step, DINOR1_SHAPE(batch, n_dn, 4), "dn.boxes");
    in->queries =
        dinor1_concat(step->graph, (DinoR1Tensor *[]){dinor1_gather(step->graph, labels, index), in->queries}, 2, 1);
    in->boxes = dinor1_concat(step->graph, (DinoR1Tensor *[]){boxes, in->boxes}, 2, 1);
    in->mask = input(step, DINOR1_SHAPE(1, n_all, n_all), "dn.mask");
}

/* The denoising and the matching part of a layer's predictions. */
static void
split_set(Step *step, gint set, DinoR1Tensor *logits, DinoR1Tensor *boxes)
{
    const gint64 n_dn = step->spec->n_denoising;

    step->sets[set].logits = logits;
    step->sets[set].boxes = boxes;
    if (n_dn == 0)
        return;
    step->denoising[set].logits = dinor1_slice(step->graph, logits, 1, 0, n_dn);
    step->denoising[set].boxes = dinor1_slice(step->graph, boxes, 1, 0, n_dn);
    step->sets[set].logits = dinor1_slice(step->graph, logits, 1, n_dn, step->n_queries);
    step->sets[set].boxes = dinor1_slice(step->graph, boxes, 1, n_dn, step->n_queries);
}

static void
build_predictions(Step *step, DinoR1Tensor *memory)
{
    const DinoR1GraphSpec *spec = &step->spec->graph;
    DinoR1DecoderLayer layers[DINOR1_MAX_LAYERS] = {{NULL, NULL}};
    DinoR1DecoderInput in = {NULL};

    step->sets[0] = (DinoR1Predictions){step->selection.logits, step->selection.boxes};
    decoder_input(step, memory, &in);
    dinor1_build_decoder(step->graph, spec, &step->tables, &in, layers);
    dinor1_graph_set_module(step->graph, "heads");
    for (gint i = 0; i < spec->config->decoder_layers; i++) {
        g_autofree gchar *name = g_strdup_printf("class_embed.%d", i);
        DinoR1Tensor *hidden = layers[i].hidden;

        split_set(step, i + 1, dinor1_build_class_logits(step->graph, spec, name, hidden, in.tokens),
            dinor1_build_refined_boxes(step->graph, spec, i, hidden, layers[i].start));
    }
}

static void
build_costs(Step *step)
{
    const gint64 batch = step->spec->graph.batch, n_boxes = step->spec->n_boxes;
    DinoR1Tensor *labels = input(step, DINOR1_SHAPE(batch, n_boxes, step->spec->graph.n_tokens), "labels");
    DinoR1Tensor *padding = input(step, DINOR1_SHAPE(batch, 1, n_boxes), "padding_cost");

    dinor1_graph_set_module(step->graph, "costs");
    for (gint i = 0; i < step->n_sets; i++) {
        g_autofree gchar *name = g_strdup_printf("cost.%d", i);
        DinoR1Tensor *cost = dinor1_build_cost(step->graph, &step->spec->weights, &step->sets[i], labels, step->boxes);

        step->costs[i] = dinor1_add(step->graph, cost, padding);
        dinor1_graph_output(step->graph, name, step->costs[i]);
    }
}

static DinoR1Targets
target_inputs(Step *step, const gchar *set, gint64 n_queries)
{
    const gint64 batch = step->spec->graph.batch;

    return (DinoR1Targets){
        .classes = input(step, DINOR1_SHAPE(batch, n_queries, step->spec->graph.n_tokens), "target.%s.class", set),
        .boxes = input(step, DINOR1_SHAPE(batch, n_queries, 4), "target.%s.boxes", set),
        .positive = input(step, DINOR1_SHAPE(batch, n_queries, 1), "target.%s.positive", set),
    };
}

static DinoR1Tensor *
plus(DinoR1Graph *graph, DinoR1Tensor *sum, DinoR1Tensor *term)
{
    return sum ? dinor1_add(graph, sum, term) : term;
}

/* A term of the loss under its own name. */
static void
add_named(Step *step, const gchar *name, DinoR1Tensor *term, DinoR1Tensor **loss)
{
    dinor1_graph_output(step->graph, name, term);
    *loss = plus(step->graph, *loss, term);
}

static void
supervised_loss(Step *step, DinoR1Tensor **loss)
{
    DinoR1Tensor *per_positive = input(step, DINOR1_SHAPE(1), "per_positive");
    DinoR1LossSums sums = {NULL};

    for (gint i = 0; i < step->n_sets; i++) {
        g_autofree gchar *name = g_strdup_printf("%d", i);
        const DinoR1Targets targets = target_inputs(step, name, step->n_queries);

        dinor1_build_supervised(step->graph, &step->spec->weights, &step->sets[i], &targets, per_positive, &sums);
    }
    add_named(step, "loss.class", sums.classes, loss);
    add_named(step, "loss.l1", sums.l1, loss);
    add_named(step, "loss.giou", sums.giou, loss);
}

static void
denoising_loss(Step *step, DinoR1Tensor **loss)
{
    const DinoR1Targets targets = target_inputs(step, "dn", step->spec->n_denoising);
    DinoR1Tensor *per_positive = input(step, DINOR1_SHAPE(1), "dn.per_positive"), *sum;
    DinoR1LossSums sums = {NULL};

    for (gint i = 1; i < step->n_sets; i++)
        dinor1_build_supervised(step->graph, &step->spec->weights, &step->denoising[i], &targets, per_positive, &sums);
    sum = dinor1_add(step->graph, dinor1_add(step->graph, sums.classes, sums.l1), sums.giou);
    add_named(step, "loss.dn", sum, loss);
}

/* The group's loss: the same KL for every layer, since all of them start from one selection. */
static void
group_loss(Step *step, DinoR1Tensor **loss)
{
    const DinoR1LossWeights *weights = &step->spec->weights;
    const gint64 batch = step->spec->graph.batch, n = step->tables.geometry->n_positions;
    const gint n_layers = step->n_sets - 1;
    const gfloat share = step->spec->share, per_image = share / (gfloat)batch;
    const DinoR1Group group = {
        input(step, DINOR1_SHAPE(batch, 1), "has_boxes"), input(step, DINOR1_SHAPE(1, step->n_queries), "mute")};
    DinoR1Tensor *reference = input(step, DINOR1_SHAPE(batch, n, 1), "reference_objectness"), *sum = NULL, *current;
    DinoR1Advantage advantage = {NULL};

    for (gint i = 1; i <= n_layers; i++) {
        dinor1_build_advantage(step->graph, step->costs[i], &group, &advantage);
        sum = plus(step->graph, sum, advantage.advantage);
    }
    dinor1_graph_output(step->graph, "reward.mean",
        dinor1_affine(step->graph, dinor1_build_total(step->graph, advantage.reward_mean), per_image, 0));
    dinor1_graph_output(step->graph, "reward.std",
        dinor1_affine(step->graph, dinor1_build_total(step->graph, advantage.reward_std), per_image, 0));
    add_named(step, "loss.advantage", dinor1_affine(step->graph, sum, -weights->grqo_alpha * share, 0), loss);

    current = dinor1_reshape(step->graph, step->selection.objectness, DINOR1_SHAPE(batch, n, 1));
    current = dinor1_gather(step->graph, current, step->selection.indices);
    reference = dinor1_gather(step->graph, reference, step->selection.indices);
    add_named(step, "loss.kl",
        dinor1_affine(step->graph, dinor1_build_kl(step->graph, current, reference),
            weights->grqo_beta * (gfloat)n_layers * share, 0),
        loss);
}

static void
contrastive_loss(Step *step, DinoR1Tensor **loss)
{
    const DinoR1TrainSpec *spec = step->spec;
    DinoR1Tensor *text = input(step, DINOR1_SHAPE(spec->n_named, spec->graph.config->d_model), "text");

    add_named(step, "loss.contrastive",
        dinor1_affine(
            step->graph, dinor1_build_contrastive(step->graph, step->means, text), spec->weights.contrastive, 0),
        loss);
}

/* The gradient of every weight that the loss depends on, under "gradient:NAME". */
static void
build_gradients(DinoR1Graph *graph, DinoR1Tensor *loss)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(graph);
    g_autoptr(GPtrArray) wanted = g_ptr_array_new();
    g_autofree DinoR1Tensor **gradients = NULL;

    for (guint i = 0; i < tensors->len; i++) {
        DinoR1Tensor *tensor = tensors->pdata[i];

        if (tensor->variable)
            g_ptr_array_add(wanted, tensor);
    }
    gradients = g_new0(DinoR1Tensor *, wanted->len);
    dinor1_graph_backward(graph, loss, (DinoR1Tensor **)wanted->pdata, wanted->len, gradients);
    for (guint i = 0; i < wanted->len; i++) {
        const DinoR1Tensor *weight = wanted->pdata[i];
        g_autofree gchar *name = g_strconcat("gradient:", weight->name, NULL);

        dinor1_graph_output(graph, name, gradients[i]);
    }
}

DinoR1Graph *
dinor1_build_training(const DinoR1TrainSpec *spec, DinoR1WeightFunc weights, gpointer user_data)
{
    Step step = {.graph = dinor1_graph_new(weights, user_data), .spec = spec};
    g_autoptr(DinoR1Geometry) geometry = dinor1_build_geometry(&spec->graph);
    DinoR1Tensor *memory, *loss = NULL;

    step.n_queries = dinor1_train_spec_n_queries(spec);
    step.n_sets = spec->graph.config->decoder_layers + 1;
    dinor1_graph_set_variable(step.graph);
    build_forward(&step, geometry, &memory);
    build_predictions(&step, memory);
    dinor1_graph_begin_exact(step.graph);
    build_costs(&step);

    dinor1_graph_next_stage(step.graph);
    dinor1_graph_set_module(step.graph, "losses");
    supervised_loss(&step, &loss);
    if (spec->n_denoising > 0)
        denoising_loss(&step, &loss);
    if (spec->weights.grqo_alpha != 0 || spec->weights.grqo_beta != 0)
        group_loss(&step, &loss);
    if (spec->n_named > 0 && spec->weights.contrastive > 0)
        contrastive_loss(&step, &loss);
    dinor1_graph_output(step.graph, "loss", loss);
    dinor1_graph_end_exact(step.graph);
    if (loss)
        build_gradients(step.graph, loss);
    return step.graph;
}

DinoR1Graph *
dinor1_build_reference(const DinoR1TrainSpec *spec, DinoR1WeightFunc weights, gpointer user_data)
{
    Step step = {.graph = dinor1_graph_new(weights, user_data), .spec = spec};
    g_autoptr(DinoR1Geometry) geometry = dinor1_build_geometry(&spec->graph);
    DinoR1Tensor *memory;

    dinor1_graph_set_variable(step.graph);
    build_forward(&step, geometry, &memory);
    return step.graph;
}
