/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The three graphs of the model, from its parts (build.h).
 */
#include "model/build.h"

const gchar *
dinor1_frame_input_name(gchar name[DINOR1_FRAME_NAME_SIZE], const gchar *input, guint index)
{
    if (index == 0)
        g_strlcpy(name, input, DINOR1_FRAME_NAME_SIZE);
    else
        g_snprintf(name, DINOR1_FRAME_NAME_SIZE, "%s.%u", input, index);
    return name;
}

static DinoR1Tensor *
frame_input(DinoR1Graph *graph, const gchar *input, guint index, DinoR1DType dtype, DinoR1Shape shape)
{
    gchar name[DINOR1_FRAME_NAME_SIZE];

    return dinor1_graph_input(graph, dinor1_frame_input_name(name, input, index), dtype, shape);
}

/* Picture @i of the batch: [1, H, W, 3]. */
static DinoR1Tensor *
build_picture(DinoR1Graph *graph, const DinoR1GraphSpec *spec, guint i)
{
    const DinoR1FrameRoom *room = &spec->frame;
    const gint64 w = spec->width, h = spec->height;
    const DinoR1FrameTensors frame = {
        .bytes = frame_input(graph, DINOR1_FRAME_BYTES, i, DINOR1_U8, DINOR1_SHAPE(room->bytes)),
        .geometry = frame_input(graph, DINOR1_FRAME_GEOMETRY_INPUT, i, DINOR1_I32, DINOR1_SHAPE(DINOR1_FRAME_GEOMETRY)),
        .colour = frame_input(graph, DINOR1_FRAME_COLOUR, i, DINOR1_F32, DINOR1_SHAPE(5, 4)),
        .columns = frame_input(graph, DINOR1_FRAME_COLUMNS, i, DINOR1_I32, DINOR1_SHAPE(w)),
        .column_weights =
            frame_input(graph, DINOR1_FRAME_COLUMN_WEIGHTS, i, DINOR1_F32, DINOR1_SHAPE(w, room->column_taps)),
        .rows = frame_input(graph, DINOR1_FRAME_ROWS, i, DINOR1_I32, DINOR1_SHAPE(h)),
        .row_weights = frame_input(graph, DINOR1_FRAME_ROW_WEIGHTS, i, DINOR1_F32, DINOR1_SHAPE(h, room->row_taps)),
    };

    return dinor1_preprocess(graph, &frame);
}

static DinoR1Tensor *
build_pictures(DinoR1Graph *graph, const DinoR1GraphSpec *spec)
{
    DinoR1Tensor *pictures[DINOR1_FRAME_MAX_BATCH];
    const guint n = (guint)MIN(spec->batch, DINOR1_FRAME_MAX_BATCH);

    dinor1_graph_set_module(graph, "picture");
    for (guint i = 0; i < n; i++)
        pictures[i] = build_picture(graph, spec, i);
    return n == 1 ? pictures[0] : dinor1_concat(graph, pictures, n, 0);
}

static DinoR1Tensor *
pixel_input(DinoR1Graph *graph, const DinoR1GraphSpec *spec)
{
    if (spec->frame.bytes > 0)
        return build_pictures(graph, spec);
    return dinor1_graph_input(
        graph, "pixel_values", DINOR1_F32, DINOR1_SHAPE(spec->batch, spec->height, spec->width, 3));
}

DinoR1Tensor *
dinor1_build_image_features(DinoR1Graph *graph, const DinoR1GraphSpec *spec)
{
    DinoR1Tensor *maps[DINOR1_SWIN_MAX_STAGES] = {NULL};

    dinor1_build_swin(graph, spec, pixel_input(graph, spec), maps);
    return dinor1_build_neck(graph, spec, maps);
}

DinoR1Geometry *
dinor1_build_geometry(const DinoR1GraphSpec *spec)
{
    return dinor1_geometry_new(spec->config, spec->height, spec->width, spec->sizes, spec->batch);
}

/* Sine of the position ids, all D features on one coordinate (get_sine_pos_embed with exchange_xy=False). */
static void
token_inputs(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tokens *tokens)
{
    const gint64 n = spec->n_tokens, d = spec->config->d_model;
    DinoR1Tensor *positions = dinor1_graph_input(graph, "token_positions", DINOR1_F32, DINOR1_SHAPE(1, n, 1));

    tokens->tokens = dinor1_graph_input(graph, "tokens", DINOR1_F32, DINOR1_SHAPE(1, n, d));
    if (spec->padded_tokens)
        tokens->padding = dinor1_graph_input(graph, "token_padding", DINOR1_F32, DINOR1_SHAPE(1, 1, n));
    tokens->mask = dinor1_graph_input(graph, "token_mask", DINOR1_F32, DINOR1_SHAPE(1, n, n));
    tokens->position = dinor1_sine_embed(graph, positions, (gint)d, 10000, (gfloat)(2 * G_PI));
}

/* The last layer's heads. */
static void
build_heads(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1DecoderLayer *layers, const DinoR1Tokens *tokens)
{
    const gint last = spec->config->decoder_layers - 1;
    g_autofree gchar *name = g_strdup_printf("class_embed.%d", last);
    DinoR1Tensor *hidden = layers[last].hidden;

    dinor1_graph_set_module(graph, "heads");
    /* The layers before have a bias each that only training reads; a checkpoint must hold them all the same. */
    for (gint i = 0; i < last && spec->config->type != DINOR1_MODEL_GROUNDING_DINO; i++)
        dinor1_nn_weight(graph, (DinoR1Shape){0}, "class_embed.%d.bias", i);
    dinor1_graph_output(graph, "logits", dinor1_build_class_logits(graph, spec, name, hidden, tokens));
    dinor1_graph_output(graph, "pred_boxes", dinor1_build_refined_boxes(graph, spec, last, hidden, layers[last].start));
}

DinoR1Graph *
dinor1_build_detector(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data)
{
    DinoR1Graph *graph = dinor1_graph_new(weights, user_data);
    g_autoptr(DinoR1Geometry) geometry = dinor1_build_geometry(spec);
    DinoR1DecoderLayer layers[DINOR1_MAX_LAYERS] = {{NULL, NULL}};
    DinoR1Selection selection = {NULL};
    DinoR1DecoderInput input = {NULL};
    DinoR1Tensor *vision;
    DinoR1Tables tables;
    DinoR1Tokens tokens = {NULL};

    vision = dinor1_build_image_features(graph, spec);
    dinor1_build_tables(graph, spec, geometry, &tables);
    token_inputs(graph, spec, &tokens);
    dinor1_build_encoder(graph, spec, &tables, &vision, &tokens);
    dinor1_build_query_selection(graph, spec, &tables, vision, &tokens, &selection);
    if (selection.boxes)
        input.queries = dinor1_build_content_queries(graph, spec, selection.boxes->shape.dims[1]);
    input.memory = vision;
    input.tokens = &tokens;
    input.boxes = selection.boxes;
    dinor1_build_decoder(graph, spec, &tables, &input, layers);
    build_heads(graph, spec, layers, &tokens);
    return graph;
}

DinoR1Graph *
dinor1_build_prompt_encoder(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data)
{
    DinoR1Graph *graph = dinor1_graph_new(weights, user_data);
    g_autoptr(DinoR1Geometry) geometry = dinor1_build_geometry(spec);
    DinoR1Tensor *feat = dinor1_build_image_features(graph, spec), *boxes;
    DinoR1Tables tables;

    dinor1_build_tables(graph, spec, geometry, &tables);
    boxes = dinor1_graph_input(graph, "boxes", DINOR1_F32, DINOR1_SHAPE(spec->batch, spec->n_tokens, 4));
    dinor1_graph_output(graph, "embeddings", dinor1_build_visual_prompts(graph, spec, &tables, feat, boxes));
    return graph;
}

DinoR1Graph *
dinor1_build_text_encoder(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data)
{
    DinoR1Graph *graph = dinor1_graph_new(weights, user_data);
    const gint64 n = spec->n_tokens;
    DinoR1Tensor *ids = dinor1_graph_input(graph, "input_ids", DINOR1_I32, DINOR1_SHAPE(1, n));
    DinoR1Tensor *positions = dinor1_graph_input(graph, "position_ids", DINOR1_I32, DINOR1_SHAPE(1, n));
    DinoR1Tensor *mask = dinor1_graph_input(graph, "token_mask", DINOR1_F32, DINOR1_SHAPE(1, n, n));

    dinor1_graph_output(graph, "tokens", dinor1_build_bert(graph, spec, ids, positions, mask));
    return graph;
}
