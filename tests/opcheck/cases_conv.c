/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

typedef struct {
    gint64 b, h, w, ci, co, kh, kw;
    gint stride, top, left, bottom, right;
    const gchar *what;
} Row;

static void
add_operands(OpCase *c, const Row *row)
{
    c->params.conv.stride = row->stride;
    c->params.conv.pad_top = row->top;
    c->params.conv.pad_left = row->left;
    c->params.conv.pad_bottom = row->bottom;
    c->params.conv.pad_right = row->right;
    opcheck_input(c, DINOR1_SHAPE(row->b, row->h, row->w, row->ci), UNIT);
    opcheck_input(c, DINOR1_SHAPE(row->co, row->ci, row->kh, row->kw), UNIT);
}

static void
add_conv(GPtrArray *cases, const Row *row, gboolean bias)
{
    OpCase *c = opcheck_add(cases, DINOR1_OP_CONV2D, opcheck_sum_tolerance(row->ci * row->kh * row->kw), "%s%s",
        row->what, bias ? ", bias" : "");

    add_operands(c, row);
    opcheck_optional(c, bias, DINOR1_SHAPE(row->co), UNIT);
}

static void
add_conv_grad(GPtrArray *cases, const Row *row)
{
    gint64 height = (row->h + row->top + row->bottom - row->kh) / row->stride + 1;
    gint64 width = (row->w + row->left + row->right - row->kw) / row->stride + 1;
    gint64 longest = MAX(row->co * row->kh * row->kw, row->b * height * width);
    OpCase *c = opcheck_add(cases, DINOR1_OP_CONV2D_GRAD, opcheck_sum_tolerance(longest), "%s", row->what);

    add_operands(c, row);
    opcheck_input(c, DINOR1_SHAPE(row->b, height, width, row->co), UNIT);
}

void
opcheck_conv_cases(GPtrArray *cases)
{
    const Row rows[] = {
        {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, "smallest"},
        {1, 5, 7, 16, 8, 1, 1, 1, 0, 0, 0, 0, "1x1"},
        {2, 13, 9, 96, 33, 1, 1, 1, 0, 0, 0, 0, "1x1, batch 2"},
        {1, 1, 1, 8, 8, 3, 3, 2, 1, 1, 1, 1, "3x3 on one pixel"},
        {1, 7, 5, 3, 5, 3, 3, 1, 1, 1, 1, 1, "3x3, same size"},
        {2, 8, 6, 24, 32, 3, 3, 2, 1, 1, 1, 1, "3x3, stride 2, even"},
        {2, 7, 5, 24, 32, 3, 3, 2, 1, 1, 1, 1, "3x3, stride 2, odd"},
        {1, 16, 12, 3, 24, 4, 4, 4, 0, 0, 0, 0, "patches"},
        {2, 15, 13, 3, 96, 4, 4, 4, 0, 0, 1, 3, "patches, padded at the end"},
        {1, 3, 2, 3, 16, 4, 4, 4, 0, 0, 1, 2, "one patch, padded"},
        {1, 15, 17, 3, 8, 7, 7, 2, 3, 3, 3, 3, "7x7, stride 2"},
        {1, 6, 9, 5, 7, 2, 3, 1, 1, 0, 0, 2, "odd kernel and padding"},
        {1, 9, 4, 2, 3, 1, 4, 3, 0, 0, 0, 0, "stride past the kernel"},
        {1, 2, 2, 4, 4, 5, 5, 1, 4, 4, 4, 4, "windows of padding only"},
        {1, 3, 3, 130, 7, 3, 3, 1, 1, 1, 1, 1, "many channels"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        add_conv(cases, &rows[i], FALSE);
        add_conv(cases, &rows[i], TRUE);
        add_conv_grad(cases, &rows[i]);
    }
}
