/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1boxprompt.h"

#include <dinor1/error.h>
#include <math.h>

GstDinoR1BoxPrompt *
gst_dinor1_box_prompt_new(const gchar *label, const DinoR1Box *box)
{
    GstDinoR1BoxPrompt *prompt = g_new0(GstDinoR1BoxPrompt, 1);

    prompt->label = g_strdup(label);
    prompt->box = *box;
    return prompt;
}

void
gst_dinor1_box_prompt_free(GstDinoR1BoxPrompt *prompt)
{
    g_free(prompt->label);
    g_free(prompt);
}

gboolean
gst_dinor1_box_parse(const gchar *text, DinoR1Box *box, GError **error)
{
    gdouble values[4];
    const gchar *rest = text;

    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        gchar *end;

        values[i] = g_ascii_strtod(rest, &end);
        if (end == rest || !isfinite(values[i]) || *end != (i < 3 ? ',' : '\0'))
            goto fail;
        rest = end + 1;
    }
    if (values[2] <= 0 || values[3] <= 0)
        goto fail;
    *box = (DinoR1Box){(gfloat)values[0], (gfloat)values[1], (gfloat)values[2], (gfloat)values[3]};
    return TRUE;

fail:
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
        "prompt-box \"%s\" is not \"x,y,width,height\" in pixels with a size above zero", text);
    return FALSE;
}
