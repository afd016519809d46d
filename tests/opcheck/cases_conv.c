/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

void
opcheck_conv_cases(GPtrArray *cases)
{
    const struct {
        gint64 b, h, w, ci, co, kh, kw;
        gint stride, top, left, bottom, right;
        const gchar *what;
    } rows[] = {
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
        for (guint bias = 0; bias < 2; bias++) {
            OpCase *c =
                opcheck_add(cases, DINOR1_OP_CONV2D, opcheck_sum_tolerance(rows[i].ci * rows[i].kh * rows[i].kw),
                    "%s%s", rows[i].what, bias ? ", bias" : "");
            c->params.conv.stride = rows[i].stride;
            c->params.conv.pad_top = rows[i].top;
            c->params.conv.pad_left = rows[i].left;
            c->params.conv.pad_bottom = rows[i].bottom;
            c->params.conv.pad_right = rows[i].right;
            opcheck_input(c, DINOR1_SHAPE(rows[i].b, rows[i].h, rows[i].w, rows[i].ci), UNIT);
            opcheck_input(c, DINOR1_SHAPE(rows[i].co, rows[i].ci, rows[i].kh, rows[i].kw), UNIT);
            opcheck_optional(c, bias, DINOR1_SHAPE(rows[i].co), UNIT);
        }
    }
}
