/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/json.h"

#include <dinor1/report.h>
#include <math.h>

static void
append_string(GString *line, const gchar *s)
{
    g_autofree gchar *valid = s ? g_utf8_make_valid(s, -1) : NULL;

    if (valid)
        dinor1_json_append_string(line, valid);
    else
        g_string_append(line, "null");
}

static void
append_integer(GString *line, gint64 value)
{
    if (value >= 0)
        g_string_append_printf(line, "%" G_GINT64_FORMAT, value);
    else
        g_string_append(line, "null");
}

/* JSON has no NaN and no infinity. */
static void
append_number(GString *line, gfloat value, const gchar *format)
{
    gchar text[64];

    if (isfinite(value))
        g_string_append(line, g_ascii_formatd(text, sizeof text, format, value));
    else
        g_string_append(line, "null");
}

static void
append_item(GString *line, const DinoR1ReportItem *item)
{
    const gfloat box[] = {item->box.x, item->box.y, item->box.width, item->box.height};

    g_string_append(line, "{\"label\":");
    append_string(line, item->label);
    g_string_append(line, ",\"score\":");
    append_number(line, item->score, "%.4f");
    g_string_append(line, ",\"box\":[");
    for (guint i = 0; i < G_N_ELEMENTS(box); i++) {
        if (i > 0)
            g_string_append_c(line, ',');
        append_number(line, box[i], "%.2f");
    }
    g_string_append(line, "]}");
}

void
dinor1_report_append_json(GString *line, const DinoR1FrameInfo *frame, const DinoR1ReportItem *items, guint n_items)
{
    g_string_append(line, "{\"schema\":\"dinor1.detections/1\",\"source\":");
    append_string(line, frame->source);
    g_string_append(line, ",\"frame\":");
    append_integer(line, frame->frame);
    g_string_append(line, ",\"pts\":");
    append_integer(line, frame->pts);
    g_string_append_printf(line, ",\"width\":%d,\"height\":%d,\"detections\":[", frame->width, frame->height);
    for (guint i = 0; i < n_items; i++) {
        if (i > 0)
            g_string_append_c(line, ',');
        append_item(line, &items[i]);
    }
    g_string_append(line, "]}\n");
}
