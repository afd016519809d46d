/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco.h"
#include "fuzz.h"

#include <dinor1/eval.h>
#include <string.h>

static void
check_figures(const DinoR1CocoResults *results, DinoR1EvalRule rule)
{
    g_autoptr(DinoR1Eval) eval = dinor1_eval_new(results, rule, NULL, NULL);
    const DinoR1EvalFigure *figures;
    guint n;

    if (!eval)
        return;
    figures = dinor1_eval_get_figures(eval, &n);
    for (guint i = 0; i < n; i++)
        g_assert(figures[i].value == -1 || (figures[i].value >= 0 && figures[i].value <= 1));
}

/* What is written reads as the same, and is written as the same. */
static void
check_annotations(const DinoR1Coco *coco)
{
    g_autoptr(GString) text = dinor1_coco_format_annotations(coco), again = NULL;
    g_autoptr(DinoR1Coco) copy = dinor1_coco_load_memory("fuzz", text->str, text->len, NULL, NULL);

    g_assert(copy);
    again = dinor1_coco_format_annotations(copy);
    g_assert(g_string_equal(text, again));
}

static void
check_results(DinoR1Coco *coco, const gchar *text, gsize size, const DinoR1CocoOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_load_memory(coco, "fuzz", text, size, options, &error);
    g_autoptr(DinoR1CocoResults) copy = NULL;
    g_autoptr(GString) written = NULL;

    g_assert(!results == !!error);
    if (!results)
        return;
    written = dinor1_coco_format_results(results);
    copy = dinor1_coco_results_load_memory(coco, "fuzz", written->str, written->len, NULL, NULL);
    g_assert(copy);
    check_figures(results, DINOR1_EVAL_COCO);
    check_figures(results, DINOR1_EVAL_LVIS);
}

/* An annotation file, and after the first NUL a results file. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const DinoR1CocoOptions options[] = {{FALSE, FALSE, 0}, {TRUE, TRUE, 2}};
    const gchar *text = (const gchar *)data;
    const gchar *nul = size ? memchr(text, 0, size) : NULL;
    const gsize length = nul ? (gsize)(nul - text) : size;

    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DinoR1Coco) coco = dinor1_coco_load_memory("fuzz", text, length, &options[i], &error);

        g_assert(!coco == !!error);
        g_assert(!error || g_utf8_validate(error->message, -1, NULL));
        if (!coco)
            continue;
        check_annotations(coco);
        if (nul)
            check_results(coco, nul + 1, size - length - 1, &options[i]);
    }
    return 0;
}
