/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model as graphs. Letters: B images, N positions of all levels, D d_model, L levels, U prompt tokens, Q queries,
 * M boxes, T text tokens.
 *
 *   pixels -> swin -> neck = feat [B, N, D]
 *   feat, boxes -> prompt encoder -> embeddings [B, M, D]
 *   ids -> bert -> tokens [1, T, D]
 *   feat, tokens [1, U, D] -> encoder -> memory, tokens -> query selection -> decoder -> logits [B, Q, U], boxes
 */
#pragma once

#include "model/config.h"
#include "model/frame.h"
#include "model/geometry.h"

G_BEGIN_DECLS

typedef enum {
    DINOR1_FUSION_AUTO,      /* whichever needs fewer multiplications */
    DINOR1_FUSION_DIRECT,    /* as published: the image projected into the fusion space */
    DINOR1_FUSION_PROJECTED, /* the prompts projected into image space: the same numbers */
} DinoR1FusionMode;

/* The logarithm of the scale of the contrastive loss's similarities, [1]: only training reads it, and a checkpoint may
 * lack it. */
#define DINOR1_LOGIT_SCALE "model.visual_prompt_encoder.logit_scale"

/* One set of input shapes. */
typedef struct {
    const DinoR1Config *config;
    gint height, width;           /* of the canvas, pixels */
    gint batch;                   /* B */
    const DinoR1ImageSize *sizes; /* [B] the images inside the canvas; NULL = all fill it */
    DinoR1FrameRoom frame;        /* bytes > 0: the graph starts from the bytes of pictures, B <= 8 */
    gint n_tokens;                /* U of a detector, M boxes of a prompt encoder, T of the text encoder */
    DinoR1FusionMode fusion;
    gboolean padded_tokens; /* of a detector: some of the U tokens stand for none (input "token_padding") */
    gboolean recompute;     /* of backbone blocks and encoder layers only the inputs are kept for the backward pass */
    gboolean taps;          /* also name the intermediate results (tests/golden/README.md) as outputs */
} DinoR1GraphSpec;

/* The inputs of a graph that starts from pictures' bytes, instead of "pixel_values": PREPROCESS's (graph/frame.h) for
 * each of the B. */
#define DINOR1_FRAME_BYTES          "frame"                /* u8 [frame.bytes] */
#define DINOR1_FRAME_GEOMETRY_INPUT "frame_geometry"       /* i32 [16] */
#define DINOR1_FRAME_COLOUR         "frame_colour"         /* [5, 4] */
#define DINOR1_FRAME_COLUMNS        "frame_columns"        /* i32 [W] */
#define DINOR1_FRAME_COLUMN_WEIGHTS "frame_column_weights" /* [W, frame.column_taps] */
#define DINOR1_FRAME_ROWS           "frame_rows"           /* i32 [H] */
#define DINOR1_FRAME_ROW_WEIGHTS    "frame_row_weights"    /* [H, frame.row_taps] */

/* One of these names for picture @index of a batch: "frame_rows", "frame_rows.1", … Returns @name. */
#define DINOR1_FRAME_NAME_SIZE 40
const gchar *dinor1_frame_input_name(gchar name[DINOR1_FRAME_NAME_SIZE], const gchar *input, guint index);

/* As many frames as CONCAT joins. */
#define DINOR1_FRAME_MAX_BATCH 8

/* Inputs: "pixel_values" [B, H, W, 3], "tokens" [1, U, D], "token_mask" [1, U, U] (0 or -inf),
 * "token_positions" [1, U, 1] (f32), with padded_tokens "token_padding" [1, 1, U], 0 or -inf for a token that nothing
 * may see: its logits are -inf, all else is as without it. Outputs: "logits" [B, Q, U], "pred_boxes" [B, Q, 4] (cx, cy,
 * w, h), 0 … 1. Q is the smaller of num_queries and N. */
DinoR1Graph *dinor1_build_detector(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

/* Inputs: "pixel_values", "boxes" [B, M, 4] (cx, cy, w, h of the image inside the canvas). Output: "embeddings"
 * [B, M, D]. */
DinoR1Graph *dinor1_build_prompt_encoder(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

/* Inputs: "input_ids" [1, T] i32, "position_ids" [1, T] i32, "token_mask" [1, T, T]. Output: "tokens" [1, T, D]. */
DinoR1Graph *dinor1_build_text_encoder(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

/* The geometry of a spec's images. (transfer full) */
DinoR1Geometry *dinor1_build_geometry(const DinoR1GraphSpec *spec);

/* The parts. Each declares its weights by their checkpoint names and marks its taps. */

/* SwinBackbone with always_partition: outputs[i] [B, h, w, C] per configured stage. pixels [B, H, W, 3]. */
void dinor1_build_swin(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *pixels, DinoR1Tensor **outputs);

/* input_proj_vision: the backbone's maps to feat [B, N, D]. */
DinoR1Tensor *dinor1_build_neck(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *const *maps);

/* The picture, as the spec wants it, through backbone and neck: feat [B, N, D]. */
DinoR1Tensor *dinor1_build_image_features(DinoR1Graph *graph, const DinoR1GraphSpec *spec);

/* BertModel without pooler, then text_projection: [1, T, D]. */
DinoR1Tensor *dinor1_build_bert(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *ids, DinoR1Tensor *positions, DinoR1Tensor *mask);

/* The tables of a geometry as constants of a graph. */
typedef struct {
    const DinoR1Geometry *geometry;
    DinoR1Tensor *position;    /* [b, N, D] sine of the coordinates + level_embed; b = geometry's batch */
    DinoR1Tensor *reference;   /* [b, N, L or 1, 2] */
    DinoR1Tensor *proposals;   /* [b, N, 4] */
    DinoR1Tensor *proposal_ok; /* [b, N, 1] */
    DinoR1Tensor *valid;       /* [b, N, 1]; NULL if not padded */
    DinoR1Tensor *valid_mask;  /* [b, 1, N], 0 or -inf; NULL if not padded */
    DinoR1Tensor *ratios;      /* [b, 1, L, 2]; NULL if not padded */
    DinoR1Tensor *ratios4;     /* [b, 1, L, 4]: ratios twice; NULL if not padded */
} DinoR1Tables;

void dinor1_build_tables(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Geometry *geometry, DinoR1Tables *tables);

/* Boxes [B, Q, 4] as reference of deformable attention: [B, Q, 1, 4], or [B, Q, L, 4] scaled by the valid ratios. */
DinoR1Tensor *dinor1_build_box_reference(DinoR1Graph *graph, const DinoR1Tables *tables, DinoR1Tensor *boxes);

/* The prompt tokens on their way through the encoder. */
typedef struct {
    DinoR1Tensor *tokens;   /* [1|B, U, D] */
    DinoR1Tensor *position; /* [1, U, D] */
    DinoR1Tensor *mask;     /* [1, U, U] */
    DinoR1Tensor *padding;  /* [1, 1, U], 0 or -inf; NULL = none is padding */
} DinoR1Tokens;

/* Fusion (GroundingDinoFusionLayer): updates vision [B, N, D] and tokens->tokens. */
void dinor1_build_fusion(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables, const gchar *name,
    DinoR1Tensor **vision, DinoR1Tokens *tokens);

/* GroundingDinoEncoder: updates vision and tokens. */
void dinor1_build_encoder(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    DinoR1Tensor **vision, DinoR1Tokens *tokens);

/* The contrastive head @name: x [B, n, D] against the tokens: [B, n, U]. */
DinoR1Tensor *dinor1_build_class_logits(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, const gchar *name, DinoR1Tensor *x, const DinoR1Tokens *tokens);

/* Visual-guided query selection. */
typedef struct {
    DinoR1Tensor *objectness; /* [B, N] */
    DinoR1Tensor *indices;    /* [B, Q] i32, by falling objectness */
    DinoR1Tensor *logits;     /* [B, Q, U] of the selected locations */
    DinoR1Tensor *boxes;      /* [B, Q, 4], 0 … 1; the decoder starts from them detached */
} DinoR1Selection;

void dinor1_build_query_selection(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    DinoR1Tensor *memory, const DinoR1Tokens *tokens, DinoR1Selection *selection);

/* The first @n_queries learned content queries, [B, Q, D]. */
DinoR1Tensor *dinor1_build_content_queries(DinoR1Graph *graph, const DinoR1GraphSpec *spec, gint64 n_queries);

/* What the decoder works on. */
typedef struct {
    DinoR1Tensor *memory; /* [B, N, D] */
    const DinoR1Tokens *tokens;
    DinoR1Tensor *queries; /* [B, Q, D] */
    DinoR1Tensor *boxes;   /* [B, Q, 4] */
    DinoR1Tensor *mask;    /* [1, Q, Q] added to the scores of the self-attention, or NULL */
} DinoR1DecoderInput;

/* What a layer hands to the heads. */
typedef struct {
    DinoR1Tensor *hidden; /* [B, Q, D], layer-normed */
    DinoR1Tensor *start;  /* [B, Q, 4] the boxes it started from, not detached (look forward twice) */
} DinoR1DecoderLayer;

/* GroundingDinoDecoder: fills @layers [decoder_layers]. */
void dinor1_build_decoder(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    const DinoR1DecoderInput *input, DinoR1DecoderLayer *layers);

/* sigmoid(MLP(x) + logit(boxes)) with the box head of decoder layer @layer: x [B, Q, D], boxes [B, Q, 4]. */
DinoR1Tensor *dinor1_build_refined_boxes(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, gint layer, DinoR1Tensor *x, DinoR1Tensor *boxes);

/* One D-vector per box (spec section 2): feat [B, N, D], boxes [B, M, 4]: [B, M, D]. */
DinoR1Tensor *dinor1_build_visual_prompts(DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Tables *tables,
    DinoR1Tensor *feat, DinoR1Tensor *boxes);

/* Marks @x as the output @name (a format) if the spec asks for taps. */
void dinor1_build_tap(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *x, const gchar *format, ...)
    G_GNUC_PRINTF(4, 5);

G_END_DECLS
