/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train_evaluation.h"

#include "interrupt.h"
#include "samples.h"
#include "train_log.h"

static DinoR1Detector *
make_detector(const TrainEvaluation *evaluation, DinoR1Model *model, GError **error)
{
    DinoR1DetectorOptions options;

    dinor1_detector_options_init(&options);
    options.device = evaluation->config->device;
    options.n_threads = evaluation->config->options.n_threads;
    options.threshold = 0;
    options.max_detections = 100;
    return dinor1_detector_new(model, &options, error);
}

/* Runs the detector over @set with exemplars of @source. */
static DinoR1CocoResults *
detect(const TrainEvaluation *evaluation, const EvaluationSet *source, const EvaluationSet *set,
    DinoR1Detector *detector, GError **error)
{
    const TrainConfig *config = evaluation->config;
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(dinor1_detector_get_model(detector));

    if (!evaluation_add_exemplars(source, detector, bank, config->evaluate_prompts, config->options.seed, error))
        return NULL;
    return evaluation_detect(set, detector, bank, 0, 0, NULL, error);
}

/* Pictures that cannot be decoded do not count as missed. */
static DinoR1Eval *
compute(const EvaluationSet *set, const DinoR1CocoResults *results, GError **error)
{
    const guint n = dinor1_coco_get_n_images(set->coco);
    g_autofree gboolean *use = g_new(gboolean, MAX(n, 1));

    for (guint i = 0; i < n; i++)
        use[i] = !coco_pictures_is_skipped(set->pictures, set->coco, i);
    return dinor1_eval_new(results, DINOR1_EVAL_COCO, use, error);
}

static gboolean
draw(const TrainEvaluation *evaluation, const DinoR1CocoResults *results, guint update, GError **error)
{
    const EvaluationSet *set = evaluation->validation;
    const gchar *state = update == 0 ? SAMPLES_BEFORE : SAMPLES_AFTER;

    return samples_write(set, NULL, evaluation->samples, SAMPLES_TRUTH, error) &&
           samples_write(set, results, evaluation->samples, state, error);
}

static void
say(const TrainLogEvaluation *entry)
{
    g_autofree gchar *when = entry->epoch < 0 ? g_strdup("before training") : g_strdup_printf("epoch %d", entry->epoch);

    g_printerr("dinor1: %s: AP %.4f, AP50 %.4f", when, dinor1_eval_get_figure(entry->figures, "AP"),
        dinor1_eval_get_figure(entry->figures, "AP50"));
    if (entry->heldout)
        g_printerr("; held out: AP %.4f, AP50 %.4f", dinor1_eval_get_figure(entry->heldout, "AP"),
            dinor1_eval_get_figure(entry->heldout, "AP50"));
    g_printerr("\n");
}

gboolean
train_evaluation_run(const TrainEvaluation *evaluation, const gchar *folder, guint update, gint epoch,
    gdouble *precision, gboolean *done, GError **error)
{
    const EvaluationSet *validation = evaluation->validation, *heldout = evaluation->heldout;
    g_autoptr(DinoR1Model) model = dinor1_model_load(folder, error);
    g_autoptr(DinoR1Detector) detector = model ? make_detector(evaluation, model, error) : NULL;
    g_autoptr(DinoR1CocoResults) results = NULL, heldout_results = NULL;
    g_autoptr(DinoR1Eval) figures = NULL, heldout_figures = NULL;
    TrainLogEvaluation entry = {.update = update, .epoch = epoch, .coco = validation->coco};

    *done = FALSE;
    if (!detector || !(results = detect(evaluation, evaluation->train, validation, detector, error)))
        return FALSE;
    if (heldout->coco && !interrupt_get_signal() &&
        !(heldout_results = detect(evaluation, heldout, heldout, detector, error)))
        return FALSE;
    if (interrupt_get_signal())
        return TRUE;
    if (!(figures = compute(validation, results, error)) ||
        (heldout_results && !(heldout_figures = compute(heldout, heldout_results, error))) ||
        !draw(evaluation, results, update, error))
        return FALSE;
    entry.figures = figures;
    entry.heldout = heldout_figures;
    say(&entry);
    *precision = dinor1_eval_get_figure(figures, "AP");
    *done = TRUE;
    return train_log_add_evaluation(evaluation->log, &entry, error);
}
