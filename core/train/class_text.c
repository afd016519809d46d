/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/class_text.h"

#include "detector/prompt_tokens.h"

#include <dinor1/error.h>
#include <dinor1/prompts.h>
#include <math.h>

struct _DinoR1ClassText {
    guint n_classes;
    gfloat **rows; /* [n_classes] of [D]; NULL = no text */
};

void
dinor1_class_text_free(DinoR1ClassText *text)
{
    if (!text)
        return;
    for (guint i = 0; i < text->n_classes; i++)
        g_free(text->rows[i]);
    g_free(text->rows);
    g_free(text);
}

/* The mean over a span of tokens, divided by its length. */
static gfloat *
mean_of_span(const DinoR1TokenSet *set, const DinoR1TokenSpan *span)
{
    const gsize d = (gsize)set->embedding_size;
    g_autofree gdouble *sum = g_new0(gdouble, d);
    gfloat *mean = g_new(gfloat, d);
    gdouble square = 0;

    for (gsize i = 0; i < span->n * d; i++)
        sum[i % d] += (gdouble)set->embeddings[span->first * d + i];
    for (gsize k = 0; k < d; k++)
        square += sum[k] * sum[k];
    for (gsize k = 0; k < d; k++)
        mean[k] = (gfloat)(sum[k] / MAX(sqrt(square), 1e-12));
    return mean;
}

/* FALSE with an error; a name that is no text prompt leaves @row NULL. */
static gboolean
encode(DinoR1Model *model, DinoR1Programs *programs, const gchar *name, gfloat **row, GError **error)
{
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(model);
    g_autoptr(DinoR1TokenSet) set = NULL;
    g_autoptr(GError) cause = NULL;

    if (dinor1_prompt_bank_add_text(bank, name, name, &cause) &&
        (set = dinor1_prompt_tokens_new(model, programs, bank, &cause))) {
        *row = mean_of_span(set, &set->spans[0]);
        return TRUE;
    }
    if (g_error_matches(cause, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "class '%s': ", name);
    return FALSE;
}

DinoR1ClassText *
dinor1_class_text_new(DinoR1Model *model, const DinoR1Coco *data, DinoR1Backend *backend, GError **error)
{
    g_autoptr(DinoR1ClassText) text = g_new0(DinoR1ClassText, 1);
    g_autoptr(DinoR1Programs) programs = dinor1_programs_new(model, backend, DINOR1_F32);

    text->n_classes = dinor1_coco_get_n_categories(data);
    text->rows = g_new0(gfloat *, MAX(text->n_classes, 1));
    for (guint i = 0; i < text->n_classes; i++)
        if (!encode(model, programs, dinor1_coco_get_category(data, i)->name, &text->rows[i], error))
            return NULL;
    return g_steal_pointer(&text);
}

const gfloat *
dinor1_class_text_get(const DinoR1ClassText *text, guint class_index)
{
    return class_index < text->n_classes ? text->rows[class_index] : NULL;
}
