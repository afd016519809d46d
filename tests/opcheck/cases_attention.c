/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

/* A score of size s is known to s * 2^-24 or so, and the exponential turns that into a relative error of a weight. */
static gdouble
attention_tolerance(gdouble largest_score)
{
    return 3e-6 + largest_score * 0x1p-22;
}

typedef struct {
    gint64 bq, bk, bv, nq, nk;
    gint heads;
    gint64 d, e;
    gint64 mask_b, mask_q; /* 0: no mask */
    OpFill mask;
    gfloat magnitude; /* of q and k */
    const gchar *what;
} Row;

static void
add_attention(GPtrArray *cases, const Row *row)
{
    gdouble scale = 1 / sqrt((gdouble)row->d);
    OpCase *c = opcheck_add(cases, DINOR1_OP_ATTENTION,
        attention_tolerance((gdouble)row->magnitude * row->magnitude * (gdouble)row->d * scale),
        "%s: %dx%d, %d heads of %d", row->what, (gint)row->nq, (gint)row->nk, row->heads, (gint)row->d);

    c->params.attention.heads = row->heads;
    c->params.attention.scale = (gfloat)scale;
    opcheck_input(c, DINOR1_SHAPE(row->bq, row->nq, row->heads * row->d), UNIFORM(-row->magnitude, row->magnitude));
    opcheck_input(c, DINOR1_SHAPE(row->bk, row->nk, row->heads * row->d), UNIFORM(-row->magnitude, row->magnitude));
    opcheck_input(c, DINOR1_SHAPE(row->bv, row->nk, row->heads * row->e), UNIT);
    opcheck_optional(c, row->mask_b > 0, DINOR1_SHAPE(row->mask_b, row->mask_q, row->nk), row->mask);
}

static void
add_attention_grad(GPtrArray *cases, const Row *row)
{
    gdouble scale = 1 / sqrt((gdouble)row->d);
    gdouble largest = (gdouble)row->magnitude * row->magnitude * (gdouble)row->d * scale;
    OpCase *c = opcheck_add(cases, DINOR1_OP_ATTENTION_GRAD,
        2 * attention_tolerance(largest) + opcheck_sum_tolerance(MAX(row->nq, row->nk)), "%s: %dx%d, %d heads of %d",
        row->what, (gint)row->nq, (gint)row->nk, row->heads, (gint)row->d);

    c->params.attention.heads = row->heads;
    c->params.attention.scale = (gfloat)scale;
    opcheck_input(c, DINOR1_SHAPE(row->bq, row->nq, row->heads * row->d), UNIFORM(-row->magnitude, row->magnitude));
    opcheck_input(c, DINOR1_SHAPE(row->bk, row->nk, row->heads * row->d), UNIFORM(-row->magnitude, row->magnitude));
    opcheck_input(c, DINOR1_SHAPE(row->bv, row->nk, row->heads * row->e), UNIT);
    opcheck_input(c, DINOR1_SHAPE(MAX(row->bq, MAX(row->bk, row->bv)), row->nq, row->heads * row->e), UNIT);
    opcheck_optional(c, row->mask_b > 0, DINOR1_SHAPE(row->mask_b, row->mask_q, row->nk), row->mask);
    if (row->nk == 1 || row->mask.kind == FILL_IDENTITY)
        c->scale = 1; /* a choice of one: q and k have gradients of 0 */
}

void
opcheck_attention_cases(GPtrArray *cases)
{
    const OpFill none = {0}, identity = {FILL_IDENTITY, 0, 0}, bias = UNIFORM(-3, 3);
    const Row rows[] = {
        {1, 1, 1, 1, 1, 1, 4, 4, 0, 0, none, 1, "smallest"},
        {1, 1, 1, 5, 1, 2, 8, 8, 0, 0, none, 1, "one key"},
        {1, 1, 1, 1, 37, 2, 8, 8, 0, 0, none, 1, "one query"},
        {2, 2, 2, 7, 9, 4, 16, 16, 0, 0, none, 1, "batch 2"},
        {1, 2, 2, 7, 9, 4, 16, 16, 0, 0, none, 1, "q for all images"},
        {2, 1, 1, 7, 9, 4, 16, 16, 0, 0, none, 1, "k and v for all images"},
        {1, 1, 1, 33, 65, 8, 32, 32, 0, 0, none, 2, "odd lengths"},
        {1, 1, 1, 130, 257, 3, 24, 24, 0, 0, none, 2, "long"},
        {2, 2, 2, 19, 301, 4, 64, 64, 0, 0, none, 2, "wide heads"},
        {1, 1, 1, 6, 11, 2, 16, 5, 0, 0, none, 1, "v narrower"},
        {1, 1, 1, 6, 11, 2, 4, 24, 0, 0, none, 1, "v wider"},
        {1, 1, 1, 3, 5, 1, 3, 7, 0, 0, none, 1, "odd head sizes"},
        {1, 1, 1, 9, 40, 2, 256, 256, 0, 0, none, 1, "very wide heads"},
        {2, 2, 2, 7, 9, 4, 16, 16, 2, 7, MASK, 1, "mask per image"},
        {2, 2, 2, 7, 9, 4, 16, 16, 1, 7, MASK, 1, "mask for all images"},
        {2, 2, 2, 7, 9, 4, 16, 16, 2, 1, MASK, 1, "mask of keys"},
        {2, 2, 2, 7, 9, 4, 16, 16, 1, 1, MASK, 1, "everything masked"},
        {1, 2, 2, 34, 300, 2, 32, 32, 2, 34, MASK, 1, "long, masked"},
        {1, 1, 1, 40, 40, 4, 64, 64, 1, 40, identity, 1, "identity mask"},
        {1, 1, 1, 17, 23, 2, 32, 32, 1, 17, bias, 1, "mask of finite numbers"},
        {1, 1, 1, 17, 300, 2, 32, 32, 0, 0, none, 12, "large scores"},
        {1, 1, 1, 9, 65, 2, 8, 8, 1, 9, MASK, 30, "large scores, masked"},
        {1, 1, 2, 5, 9, 2, 16, 16, 0, 0, none, 1, "v per image"},
        {1, 2, 1, 5, 9, 2, 16, 16, 0, 0, none, 1, "k per image"},
        {2, 1, 1, 5, 9, 2, 16, 16, 2, 1, MASK, 1, "q and mask of keys per image"},
        {1, 1, 1, 3, 2500, 2, 32, 32, 0, 0, none, 2, "very long"},
        {1, 2, 2, 18, 600, 2, 32, 32, 2, 18, MASK, 2, "very long, masked"},
        {1, 1, 1, 3, 600, 1, 3, 7, 0, 0, none, 1, "very long, odd head sizes"},
        {1, 1, 1, 5, 530, 2, 256, 256, 1, 1, bias, 1, "very long, very wide heads"},
        {1, 1, 1, 70, 3, 2, 256, 256, 0, 0, none, 1, "few keys, very wide heads"},
        {1, 1, 1, 20, 70, 2, 40, 40, 0, 0, none, 2, "heads of five packs"},
        {1, 1, 1, 20, 70, 2, 32, 8, 0, 0, none, 2, "v of one pack"},
        {1, 1, 1, 20, 70, 2, 16, 104, 0, 0, none, 2, "v in two parts"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        add_attention(cases, &rows[i]);
        add_attention_grad(cases, &rows[i]);
    }
}

typedef struct {
    gint64 b, h, w;
    gint heads;
    gint64 d;
    gint window, shift;
    const gchar *what;
} WindowRow;

/* @pads: bit 0 for k_pad, bit 1 for v_pad. */
static void
add_window(GPtrArray *cases, const WindowRow *row, gboolean grad, guint pads)
{
    gint64 channels = row->heads * row->d, side = 2 * row->window - 1;
    DinoR1Shape shape = DINOR1_SHAPE(row->b, row->h, row->w, channels);
    OpCase *c = opcheck_add(cases, grad ? DINOR1_OP_WINDOW_ATTENTION_GRAD : DINOR1_OP_WINDOW_ATTENTION,
        grad ? 2 * attention_tolerance(8) + opcheck_sum_tolerance(row->b * row->h * row->w) : attention_tolerance(8),
        "%s%s%s", row->what, pads & 1 ? ", k_pad" : "", pads & 2 ? ", v_pad" : "");

    c->params.window.heads = row->heads;
    c->params.window.window = row->window;
    c->params.window.shift = row->shift;
    for (guint k = 0; k < 3; k++)
        opcheck_input(c, shape, UNIFORM(-2, 2));
    opcheck_input(c, DINOR1_SHAPE(side * side, row->heads), UNIT);
    if (grad)
        opcheck_input(c, shape, UNIT);
    opcheck_optional(c, pads & 1, DINOR1_SHAPE(channels), UNIT);
    opcheck_optional(c, pads & 2, DINOR1_SHAPE(channels), UNIT);
    if (grad && row->window == 1)
        c->scale = 1; /* a choice of one: q and k have gradients of 0 */
}

void
opcheck_window_cases(GPtrArray *cases)
{
    const WindowRow rows[] = {
        {1, 1, 1, 1, 4, 1, 0, "smallest"},
        {1, 1, 1, 1, 4, 7, 0, "one pixel"},
        {1, 1, 1, 1, 4, 7, 3, "one pixel, shifted"},
        {1, 3, 3, 1, 8, 1, 0, "windows of one pixel"},
        {1, 7, 7, 2, 8, 7, 0, "one window"},
        {1, 7, 7, 2, 8, 7, 3, "one window, shifted"},
        {1, 14, 21, 3, 32, 7, 0, "whole windows"},
        {1, 14, 21, 3, 32, 7, 3, "whole windows, shifted"},
        {2, 8, 9, 3, 32, 7, 0, "ragged"},
        {2, 8, 9, 3, 32, 7, 3, "ragged, shifted"},
        {1, 15, 13, 2, 16, 7, 3, "ragged the other way"},
        {1, 20, 15, 2, 16, 7, 6, "largest shift"},
        {1, 20, 15, 2, 16, 7, 1, "smallest shift"},
        {1, 5, 3, 2, 8, 12, 6, "smaller than a window"},
        {2, 25, 17, 3, 24, 12, 6, "window 12"},
        {1, 10, 24, 2, 32, 12, 6, "window 12, heads of 32"},
        {1, 6, 10, 1, 64, 4, 2, "wide head"},
        {1, 6, 10, 2, 48, 7, 3, "wide heads"},
        {1, 3, 50, 2, 24, 5, 2, "a strip"},
        {1, 50, 1, 2, 4, 5, 2, "a column"},
        {1, 5, 5, 1, 4, 2, 1, "window 2"},
        {1, 9, 9, 3, 5, 4, 2, "odd head size"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint pads = 0; pads < 4; pads++) {
            add_window(cases, &rows[i], FALSE, pads);
            add_window(cases, &rows[i], TRUE, pads);
        }
    }
}
