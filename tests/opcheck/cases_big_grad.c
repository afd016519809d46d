/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

/* The adjoints and losses of training Swin-T on an image of 800 x 1333: what the benchmark times. */

#define POSITIONS 22223 /* of the four levels below */
#define QUERIES   1100  /* with those of denoising */
#define BOXES     50

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
add_conv(GPtrArray *cases, const gchar *what, DinoR1Shape x, DinoR1Shape weight, DinoR1Shape dy, gint stride, gint pad)
{
    OpCase *c = add_big(cases, DINOR1_OP_CONV2D_GRAD, opcheck_sum_tolerance(dinor1_shape_span(&dy, 0, 3)), what);

    c->params.conv.stride = stride;
    c->params.conv.pad_top = c->params.conv.pad_left = c->params.conv.pad_bottom = c->params.conv.pad_right = pad;
    opcheck_input(c, x, UNIT);
    opcheck_input(c, weight, UNIT);
    opcheck_input(c, dy, UNIT);
}

static void
backbone_cases(GPtrArray *cases)
{
    for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
        const gint64 positions = stages[i].height * stages[i].width, k = stages[i].channels;
        const DinoR1Shape map = DINOR1_SHAPE(1, stages[i].height, stages[i].width, k);
        g_autofree gchar *what = g_strdup_printf("stage %u", i + 1);
        OpCase *c = add_big(cases, DINOR1_OP_WINDOW_ATTENTION_GRAD, opcheck_sum_tolerance(positions), what);

        c->params.window.heads = stages[i].heads;
        c->params.window.window = 7;
        c->params.window.shift = 3;
        for (guint n = 0; n < 3; n++)
            opcheck_input(c, map, UNIT);
        opcheck_input(c, DINOR1_SHAPE(169, stages[i].heads), UNIT);
        opcheck_input(c, map, UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);

        c = add_big(cases, DINOR1_OP_LAYER_NORM_GRAD, opcheck_sum_tolerance(positions), what);
        c->params.norm.epsilon = 1e-5f;
        opcheck_input(c, map, UNIT);
        opcheck_input(c, DINOR1_SHAPE(k), UNIT);
        opcheck_input(c, map, UNIT);
    }
    OpCase *c = add_big(cases, DINOR1_OP_PATCH_SPLIT, 0, "stage 1");
    c->params.patch.height = 200;
    c->params.patch.width = 334;
    opcheck_input(c, DINOR1_SHAPE(1, 100, 167, 384), UNIT);

    add_conv(cases, "neck 1x1", DINOR1_SHAPE(1, 100, 167, 192), DINOR1_SHAPE(256, 192, 1, 1),
        DINOR1_SHAPE(1, 100, 167, 256), 1, 0);
    add_conv(cases, "neck 3x3", DINOR1_SHAPE(1, 25, 42, 768), DINOR1_SHAPE(256, 768, 3, 3),
        DINOR1_SHAPE(1, 13, 21, 256), 2, 1);

    c = add_big(cases, DINOR1_OP_GROUP_NORM_GRAD, opcheck_sum_tolerance(16700), "neck");
    c->params.norm.epsilon = 1e-5f;
    c->params.norm.groups = 32;
    opcheck_input(c, DINOR1_SHAPE(1, 16700, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, 16700, 256), UNIT);
}

static void
add_deformable(GPtrArray *cases, const gchar *what, gint64 q, gint64 coordinates)
{
    OpCase *c = add_big(cases, DINOR1_OP_DEFORMABLE_ATTENTION_GRAD,
        opcheck_position_tolerance(2 * level_widths[0]) + opcheck_sum_tolerance(q), what);

    c->params.deformable.heads = 8;
    c->params.deformable.n_levels = 4;
    c->params.deformable.n_points = 4;
    for (guint i = 0; i < 4; i++) {
        c->params.deformable.heights[i] = level_heights[i];
        c->params.deformable.widths[i] = level_widths[i];
    }
    /* Off the pixel centres, where slopes jump. */
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, q, 4, coordinates), (OpFill){FILL_EVEN, 1 / 32.f, 1});
    opcheck_input(c, DINOR1_SHAPE(1, q, 256), (OpFill){FILL_ODD, -4, 4});
    opcheck_input(c, DINOR1_SHAPE(1, q, 128), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, q, 256), UNIT);
}

/* dy^T . x: the gradient of a weight [N, K] of a layer on @m rows */
static void
add_weight(GPtrArray *cases, const gchar *what, gint64 m, gint64 k, gint64 n)
{
    OpCase *c = add_big(cases, DINOR1_OP_MATMUL, opcheck_sum_tolerance(m), what);

    c->params.matmul.trans_a = TRUE;
    c->params.matmul.alpha = 1;
    opcheck_input(c, DINOR1_SHAPE(m, n), UNIT);
    opcheck_input(c, DINOR1_SHAPE(m, k), UNIT);
}

static void
transformer_cases(GPtrArray *cases)
{
    add_weight(cases, "weight, encoder value", POSITIONS, 256, 256);
    add_weight(cases, "weight, encoder mlp", POSITIONS, 256, 2048);
    add_weight(cases, "weight, decoder mlp", QUERIES, 256, 2048);
    add_deformable(cases, "encoder", POSITIONS, 2);
    add_deformable(cases, "decoder", QUERIES, 4);

    OpCase *c = add_big(cases, DINOR1_OP_ATTENTION_GRAD, opcheck_sum_tolerance(QUERIES), "decoder, queries");
    c->params.attention.heads = 8;
    c->params.attention.scale = 1 / sqrtf(32);
    for (guint i = 0; i < 4; i++)
        opcheck_input(c, DINOR1_SHAPE(1, QUERIES, 256), UNIT);

    c = add_big(cases, DINOR1_OP_SOFTMAX_GRAD, opcheck_sum_tolerance(POSITIONS), "fusion, by token");
    c->params.softmax.axis = -1;
    opcheck_input(c, DINOR1_SHAPE(1, 16, POSITIONS), UNIFORM(0, 1));
    opcheck_input(c, DINOR1_SHAPE(1, 16, POSITIONS), UNIT);
}

static void
memory_cases(GPtrArray *cases)
{
    OpCase *c = add_big(cases, DINOR1_OP_UNARY_GRAD, 5e-7, "gelu");
    c->params.unary.func = DINOR1_UNARY_GELU;
    c->scale = 1;
    opcheck_input(c, DINOR1_SHAPE(1, 66800, 96), UNIFORM(-4, 4));
    opcheck_input(c, DINOR1_SHAPE(1, 66800, 96), UNIT);

    c = add_big(cases, DINOR1_OP_SUM_TO, opcheck_sum_tolerance(POSITIONS), "bias");
    c->params.expand.shape = DINOR1_SHAPE(2048);
    opcheck_input(c, DINOR1_SHAPE(POSITIONS, 2048), UNIT);

    c = add_big(cases, DINOR1_OP_SLICE_GRAD, 0, "level");
    c->params.slice_grad.axis = 1;
    c->params.slice_grad.size = POSITIONS;
    opcheck_input(c, DINOR1_SHAPE(1, 16700, 256), UNIT);

    c = add_big(cases, DINOR1_OP_GATHER_GRAD, 1e-6, "queries");
    c->params.expand.shape = DINOR1_SHAPE(1, POSITIONS, 256);
    opcheck_input(c, DINOR1_SHAPE(1, QUERIES, 256), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, QUERIES), (OpFill){FILL_INDEX, 0, POSITIONS - 1});

    c = add_big(cases, DINOR1_OP_REDUCE_MAX_GRAD, 0, "objectness");
    c->params.reduce.func = DINOR1_REDUCE_MAX;
    c->params.reduce.axis = -1;
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 80), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1, POSITIONS, 1), UNIT);
}

static void
loss_cases(GPtrArray *cases)
{
    for (guint grad = 0; grad < 2; grad++) {
        OpCase *c = add_big(cases, grad ? DINOR1_OP_FOCAL_GRAD : DINOR1_OP_FOCAL, 2e-6, "80 classes");
        c->params.focal.alpha = 0.25;
        c->params.focal.gamma = 2;
        c->scale = 0.1;
        for (guint i = 0; i < 2 + grad; i++)
            opcheck_input(c, DINOR1_SHAPE(1, QUERIES, 80), i == 1 ? (OpFill){FILL_STEPS, 0, 1} : UNIFORM(-6, 6));

        c = add_big(cases, grad ? DINOR1_OP_GIOU_GRAD : DINOR1_OP_GIOU, 4e-6 + opcheck_sum_tolerance(BOXES), "costs");
        opcheck_input(c, DINOR1_SHAPE(QUERIES, 1, 4), UNIFORM(0.1f, 0.9f));
        opcheck_input(c, DINOR1_SHAPE(BOXES, 4), UNIFORM(0.1f, 0.9f));
        if (grad)
            opcheck_input(c, DINOR1_SHAPE(QUERIES, BOXES, 1), UNIT);
    }
}

void
opcheck_big_grad_cases(GPtrArray *cases)
{
    backbone_cases(cases);
    transformer_cases(cases);
    memory_cases(cases);
    loss_cases(cases);
}
