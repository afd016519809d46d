/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

/* The ops of one frame of Swin-T at 800 x 1333 with four prompts: what the benchmark times. */

#define POSITIONS 22223 /* of the four levels below */
#define QUERIES   900
#define PROMPTS   4

static const gint level_heights[] = {100, 50, 25, 13}, level_widths[] = {167, 84, 42, 21};

static const struct {
    gint64 height, width, channels;
    gint heads;
} stages[] = {{200, 334, 96, 3}, {100, 167, 192, 6}, {50, 84, 384, 12}, {25, 42, 768, 24}};

static OpCase *
add_big(GPtrArray *cases, DinoR1OpType op, gdouble tolerance, const gchar *what)
{
    OpCase *c = opcheck_add(cases, op, tolerance, "%s", what);
    c->big = TRUE;
    return c;
}

static void
add_linear(GPtrArray *cases, const gchar *what, gint64 m, gint64 k, gint64 n)
{
    OpCase *c = add_big(cases, DINOR1_OP_LINEAR, opcheck_sum_tolerance(k), what);

    opcheck_input(c, DINOR1_SHAPE(1, m, k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(n, k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(n), UNIT);
}

static void
add_mlp(GPtrArray *cases, const gchar *what, gint64 m, gint64 k, gint64 f, DinoR1Activation activation)
{
    OpCase *c = add_big(cases, DINOR1_OP_MLP, opcheck_sum_tolerance(k) + opcheck_sum_tolerance(f), what);

    c->params.linear.activation = activation;
    opcheck_input(c, DINOR1_SHAPE(1, m, k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(f, k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(f), UNIT);
    opcheck_input(c, DINOR1_SHAPE(k, f), UNIT);
    opcheck_input(c, DINOR1_SHAPE(k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, m, k), UNIT);
}

static void
add_conv(GPtrArray *cases, const gchar *what, DinoR1Shape x, DinoR1Shape weight, gint stride, gint pad, gint pad_right)
{
    OpCase *c = add_big(cases, DINOR1_OP_CONV2D, opcheck_sum_tolerance(dinor1_shape_span(&weight, 1, 4)), what);

    c->params.conv.stride = stride;
    c->params.conv.pad_top = c->params.conv.pad_left = c->params.conv.pad_bottom = pad;
    c->params.conv.pad_right = pad_right;
    opcheck_input(c, x, UNIT);
    opcheck_input(c, weight, UNIT);
    opcheck_input(c, DINOR1_SHAPE(weight.dims[0]), UNIT);
}

static void
backbone_cases(GPtrArray *cases)
{
    add_conv(cases, "patches", DINOR1_SHAPE(1, 800, 1333, 3), DINOR1_SHAPE(96, 3, 4, 4), 4, 0, 3);
    for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
        gint64 m = stages[i].height * stages[i].width, k = stages[i].channels;
        DinoR1Shape map = DINOR1_SHAPE(1, stages[i].height, stages[i].width, k);
        g_autofree gchar *what = g_strdup_printf("stage %u", i + 1);
        OpCase *c;

        add_linear(cases, what, m, k, k);
        add_mlp(cases, what, m, k, 4 * k, DINOR1_ACT_GELU);

        c = add_big(cases, DINOR1_OP_WINDOW_ATTENTION, 5e-6, what);
        c->params.window.heads = stages[i].heads;
        c->params.window.window = 7;
        c->params.window.shift = 3;
        for (guint n = 0; n < 3; n++)
            opcheck_input(c, map, UNIT);
        opcheck_input(c, DINOR1_SHAPE(169, stages[i].heads), UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);

        c = add_big(cases, DINOR1_OP_LAYER_NORM, 2e-6, what);
        c->params.norm.epsilon = 1e-5f;
        opcheck_input(c, map, UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);
    }
    opcheck_input(add_big(cases, DINOR1_OP_PATCH_MERGE, 0, "stage 1"), DINOR1_SHAPE(1, 200, 334, 96), UNIT);
    add_conv(cases, "neck 1x1", DINOR1_SHAPE(1, 100, 167, 192), DINOR1_SHAPE(256, 192, 1, 1), 1, 0, 0);
    add_conv(cases, "neck 3x3", DINOR1_SHAPE(1, 25, 42, 768), DINOR1_SHAPE(256, 768, 3, 3), 2, 1, 1);

    OpCase *c = add_big(cases, DINOR1_OP_GROUP_NORM, 2e-6, "neck");
    c->params.norm.epsilon = 1e-5f;
    c->params.norm.groups = 32;
    opcheck_input(c, DINOR1_SHAPE(1, 16700, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(256), UNIT);
}

static void
add_deformable(GPtrArray *cases, const gchar *what, gint64 q, gint64 coordinates)
{
    /* Twice the width: the worst of six million outputs lies in the tail. PyTorch's own is off by 4.8e-6. */
    OpCase *c = add_big(cases, DINOR1_OP_DEFORMABLE_ATTENTION, opcheck_position_tolerance(2 * level_widths[0]), what);

    c->params.deformable.heads = 8;
    c->params.deformable.n_levels = 4;
    c->params.deformable.n_points = 4;
    c->scale = 0.5 / sqrt(16); /* the mean of so many values */
    for (guint i = 0; i < 4; i++) {
        c->params.deformable.heights[i] = level_heights[i];
        c->params.deformable.widths[i] = level_widths[i];
    }
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, q, 4, coordinates), UNIFORM(0, 1));
    opcheck_input(c, DINOR1_SHAPE(1, q, 256), UNIFORM(-4, 4));
    opcheck_input(c, DINOR1_SHAPE(1, q, 128), UNIT);
}

static void
add_attention(GPtrArray *cases, const gchar *what, gint64 nq, gint64 nk)
{
    OpCase *c = add_big(cases, DINOR1_OP_ATTENTION, 5e-6, what);

    c->params.attention.heads = 8;
    c->params.attention.scale = 1 / sqrtf(32);
    opcheck_input(c, DINOR1_SHAPE(1, nq, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, nk, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, nk, 256), UNIT);
}

/* a . b or a . b^T */
static void
add_matmul(GPtrArray *cases, const gchar *what, DinoR1Shape a, DinoR1Shape b, gboolean trans_b, gint64 bias)
{
    OpCase *c = add_big(cases, DINOR1_OP_MATMUL, opcheck_sum_tolerance(a.dims[2]), what);

    c->params.matmul.trans_b = trans_b;
    c->params.matmul.alpha = 1;
    opcheck_input(c, a, UNIT);
    opcheck_input(c, b, UNIT);
    opcheck_optional(c, bias > 0, DINOR1_SHAPE(bias), UNIT);
}

static void
add_softmax(GPtrArray *cases, const gchar *what, DinoR1Shape shape)
{
    OpCase *c = add_big(cases, DINOR1_OP_SOFTMAX, 5e-6, what);

    c->params.softmax.axis = -1;
    opcheck_input(c, shape, UNIT);
}

/* The fusion with four heads, its prompts projected into image space. */
static void
fusion_cases(GPtrArray *cases)
{
    const DinoR1Shape vision = DINOR1_SHAPE(1, POSITIONS, 256), keys = DINOR1_SHAPE(1, 4 * PROMPTS, 256);
    const DinoR1Shape by_token = DINOR1_SHAPE(1, 4 * PROMPTS, POSITIONS);
    const DinoR1Shape by_position = DINOR1_SHAPE(1, POSITIONS, 4 * PROMPTS);

    add_matmul(cases, "fusion, scores by token", keys, vision, TRUE, 0);
    add_matmul(cases, "fusion, scores by position", vision, keys, TRUE, 0);
    add_softmax(cases, "fusion, by token", by_token);
    add_softmax(cases, "fusion, by position", DINOR1_SHAPE(1, POSITIONS, 4, PROMPTS));
    add_matmul(cases, "fusion, tokens' means", by_token, vision, FALSE, 0);
    add_matmul(cases, "fusion, positions' deltas", by_position, keys, FALSE, 256);
}

static void
transformer_cases(GPtrArray *cases)
{
    add_linear(cases, "encoder value", POSITIONS, 256, 256);
    add_linear(cases, "encoder weights", POSITIONS, 256, 128);
    add_mlp(cases, "encoder", POSITIONS, 256, 2048, DINOR1_ACT_RELU);
    add_deformable(cases, "encoder", POSITIONS, 2);
    fusion_cases(cases);

    add_linear(cases, "decoder", QUERIES, 256, 256);
    add_mlp(cases, "decoder", QUERIES, 256, 2048, DINOR1_ACT_RELU);
    add_deformable(cases, "decoder", QUERIES, 4);
    add_attention(cases, "decoder, queries", QUERIES, QUERIES);
    add_attention(cases, "decoder, prompts", QUERIES, PROMPTS);

    OpCase *c = add_big(cases, DINOR1_OP_SINE_EMBED, 1e-6, "decoder");
    c->params.sine.features = 128;
    c->params.sine.temperature = 10000;
    c->params.sine.scale = 2 * (gfloat)G_PI;
    opcheck_input(c, DINOR1_SHAPE(1, QUERIES, 4), UNIFORM(0, 1));
}

static void
selection_cases(GPtrArray *cases)
{
    OpCase *c = add_big(cases, DINOR1_OP_REDUCE, 0, "objectness");
    c->params.reduce.func = DINOR1_REDUCE_MAX;
    c->params.reduce.axis = -1;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, PROMPTS), UNIT);

    c = add_big(cases, DINOR1_OP_TOPK, 0, "queries");
    c->params.topk.k = QUERIES;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS), UNIT);

    c = add_big(cases, DINOR1_OP_GATHER, 0, "queries");
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, QUERIES), (OpFill){FILL_INDEX, 0, POSITIONS - 1});
}

static void
memory_cases(GPtrArray *cases)
{
    OpCase *c = add_big(cases, DINOR1_OP_BINARY, 1.5e-7, "add position");
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);

    c = add_big(cases, DINOR1_OP_BINARY, 1.5e-7, "multiply by a vector");
    c->params.binary.func = DINOR1_BINARY_MUL;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(256), UNIT);

    c = add_big(cases, DINOR1_OP_BINARY, 1.5e-7, "add a column");
    opcheck_input(c, DINOR1_SHAPE(1, 4 * PROMPTS, POSITIONS), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, 4 * PROMPTS, 1), UNIT);

    c = add_big(cases, DINOR1_OP_UNARY, 5e-7, "gelu");
    c->params.unary.func = DINOR1_UNARY_GELU;
    c->scale = 1;
    opcheck_input(c, DINOR1_SHAPE(1, 66800, 96), UNIFORM(-4, 4));

    c = add_big(cases, DINOR1_OP_PERMUTE, 0, "heads first");
    c->params.permute.perm[1] = 2;
    c->params.permute.perm[2] = 1;
    c->params.permute.perm[3] = 3;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 8, 32), UNIT);

    c = add_big(cases, DINOR1_OP_PERMUTE, 0, "channels last");
    c->params.permute.perm[1] = 2;
    c->params.permute.perm[2] = 3;
    c->params.permute.perm[3] = 1;
    opcheck_input(c, DINOR1_SHAPE(1, 3, 800, 1333), UNIT);

    c = add_big(cases, DINOR1_OP_CONCAT, 0, "levels");
    c->params.concat.axis = 1;
    for (guint i = 0; i < 4; i++)
        opcheck_input(c, DINOR1_SHAPE(1, level_heights[i] * level_widths[i], 256), UNIT);

    c = add_big(cases, DINOR1_OP_SLICE, 0, "level");
    c->params.slice.axis = 1;
    c->params.slice.length = 16700;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);

    c = add_big(cases, DINOR1_OP_EXPAND, 0, "level embedding");
    c->params.expand.shape = DINOR1_SHAPE(1, POSITIONS, 256);
    opcheck_input(c, DINOR1_SHAPE(1, 1, 256), UNIT);
}

void
opcheck_big_cases(GPtrArray *cases)
{
    backbone_cases(cases);
    transformer_cases(cases);
    selection_cases(cases);
    memory_cases(cases);
}
