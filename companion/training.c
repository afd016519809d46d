/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "training.h"

#include "checkpoints.h"
#include "coco_pictures.h"
#include "command.h"
#include "evaluation.h"
#include "interrupt.h"
#include "progress.h"
#include "train_log.h"
#include "train_report.h"

#include <dinor1/detector.h>
#include <dinor1/error.h>
#include <errno.h>

struct _Training {
    const TrainConfig *config;
    DinoR1Model *model;
    EvaluationSet train, validation; /* validation.coco may be NULL */
    DinoR1Trainer *trainer;
    guint64 n_trained, n_parameters;
    guint n_updates;           /* of an epoch */
    guint update, n_evaluated; /* done; the update of the last evaluation */
    guint64 n_images;          /* since the start of this process */
    gdouble best;              /* AP */
    gchar *checkpoints, *log, *evaluations, *result, *best_result, *report; /* paths */
    Progress *progress;
    gint64 start;
};

static gboolean
load_set(const TrainSet *files, EvaluationSet *set, GError **error)
{
    set->pictures = coco_pictures_new(files->images);
    set->coco = dinor1_coco_load(files->annotations, NULL, error);
    if (!set->coco)
        return FALSE;
    if (!coco_pictures_check(set->pictures, set->coco, error)) {
        g_prefix_error(error, "%s: ", files->annotations);
        return FALSE;
    }
    return TRUE;
}

static void
clear_set(EvaluationSet *set)
{
    g_clear_pointer(&set->coco, dinor1_coco_unref);
    g_clear_pointer(&set->pictures, coco_pictures_free);
}

static void
name_files(Training *training)
{
    const gchar *output = training->config->output;

    training->checkpoints = g_build_filename(output, "checkpoints", NULL);
    training->log = g_build_filename(output, "log.jsonl", NULL);
    training->evaluations = g_build_filename(output, "evaluations.jsonl", NULL);
    training->result = g_build_filename(output, "model", NULL);
    training->best_result = g_build_filename(output, "best", NULL);
    training->report = g_build_filename(output, "report.html", NULL);
}

Training *
training_new(const TrainConfig *config, GError **error)
{
    g_autoptr(Training) training = g_new0(Training, 1);
    DinoR1FrameSource frames;

    training->config = config;
    training->best = -1;
    name_files(training);
    if (!load_set(&config->train, &training->train, error) ||
        (config->validation.annotations && !load_set(&config->validation, &training->validation, error)) ||
        !(training->model = dinor1_model_load(config->model, error)))
        return NULL;
    frames = coco_pictures_get_source(training->train.pictures);
    training->trainer =
        dinor1_trainer_new(training->model, training->train.coco, &frames, &config->options, error);
    if (!training->trainer) {
        g_prefix_error(error, "%s: ", config->path);
        return NULL;
    }
    dinor1_trainer_describe(training->trainer, &training->n_trained, &training->n_parameters, &training->n_updates);
    return g_steal_pointer(&training);
}

void
training_free(Training *training)
{
    g_clear_pointer(&training->trainer, dinor1_trainer_free);
    g_clear_pointer(&training->model, dinor1_model_unref);
    clear_set(&training->train);
    clear_set(&training->validation);
    g_free(training->checkpoints);
    g_free(training->log);
    g_free(training->evaluations);
    g_free(training->result);
    g_free(training->best_result);
    g_free(training->report);
    g_free(training);
}

static void
describe_set(const gchar *name, const DinoR1Coco *coco)
{
    g_print("%-12s %u images, %u boxes, %u classes\n", name, dinor1_coco_get_n_images(coco),
        dinor1_coco_get_n_annotations(coco), dinor1_coco_get_n_categories(coco));
}

void
training_describe(const Training *training)
{
    const TrainConfig *config = training->config;

    g_print("model        %s\noutput       %s\n", config->model, config->output);
    describe_set("train", training->train.coco);
    if (training->validation.coco)
        describe_set("validation", training->validation.coco);
    g_print("parameters   %" G_GUINT64_FORMAT " trained of %" G_GUINT64_FORMAT "\n", training->n_trained,
        training->n_parameters);
    g_print("updates      %u: %u epochs of %u\n", config->options.epochs * training->n_updates, config->options.epochs,
        training->n_updates);
    if (config->options.grqo_start < config->options.epochs)
        g_print("grqo         from epoch %u on (counted from 0)\n", config->options.grqo_start);
    else
        g_print("grqo         off\n");
}

static gboolean
make_folder(const gchar *path, GError **error)
{
    if (!g_mkdir_with_parents(path, 0777))
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "cannot make the folder '%s': %s", path, g_strerror(errno));
    return FALSE;
}

/* What earlier evaluations of this run found. */
static gboolean
recall_evaluations(Training *training, GError **error)
{
    g_autoptr(GArray) updates = train_log_read(training->evaluations, "update", error);
    g_autoptr(GArray) precisions = updates ? train_log_read(training->evaluations, "AP", error) : NULL;

    if (!precisions)
        return FALSE;
    for (guint i = 0; i < precisions->len; i++) {
        training->best = MAX(training->best, g_array_index(precisions, gdouble, i));
        training->n_evaluated = (guint)g_array_index(updates, gdouble, i);
    }
    return TRUE;
}

static gboolean
begin(Training *training, gboolean resume, GError **error)
{
    guint update;
    const gboolean found = checkpoints_find(training->checkpoints, &update);

    if (found && !resume) {
        g_set_error(error, USAGE_ERROR, 0, "'%s' holds a run already: go on with --resume, or give another --output",
            training->config->output);
        return FALSE;
    }
    if (found && !checkpoints_resume(training->checkpoints, training->trainer, update, error))
        return FALSE;
    training->update = found ? update : 0;
    return make_folder(training->checkpoints, error) && train_log_trim(training->log, training->update, error) &&
           train_log_trim(training->evaluations, training->update, error) && recall_evaluations(training, error);
}

static DinoR1Detector *
make_detector(const Training *training, DinoR1Model *model, GError **error)
{
    DinoR1DetectorOptions options;

    dinor1_detector_options_init(&options);
    options.device = "cpu";
    options.n_threads = training->config->options.n_threads;
    options.threshold = 0;
    options.max_detections = 100;
    return dinor1_detector_new(model, &options, error);
}

/* Evaluates the exported model with exemplars of the training set; no figures after a signal. */
static gboolean
measure(const Training *training, DinoR1Eval **figures, GError **error)
{
    const TrainConfig *config = training->config;
    g_autoptr(DinoR1Model) model = dinor1_model_load(training->result, error);
    g_autoptr(DinoR1Detector) detector = model ? make_detector(training, model, error) : NULL;
    g_autoptr(DinoR1PromptBank) bank = model ? dinor1_prompt_bank_new(model) : NULL;
    g_autoptr(DinoR1CocoResults) results = NULL;

    *figures = NULL;
    if (!detector ||
        !evaluation_add_exemplars(
            &training->train, detector, bank, config->evaluate_prompts, config->options.seed, error) ||
        !(results = evaluation_detect(&training->validation, detector, bank, 0, 0, NULL, error)))
        return FALSE;
    if (interrupt_get_signal())
        return TRUE;
    *figures = dinor1_eval_new(results, DINOR1_EVAL_COCO, NULL, error);
    return *figures != NULL;
}

/* Whether the epoch that is over is one to evaluate, and was not yet. */
static gboolean
is_evaluation_due(const Training *training)
{
    const guint epoch = training->update / training->n_updates;

    return training->validation.coco && training->update > training->n_evaluated &&
           training->update % training->n_updates == 0 &&
           (epoch % training->config->evaluate_every == 0 || dinor1_trainer_is_done(training->trainer));
}

static gboolean
evaluate(Training *training, GError **error)
{
    const guint epoch = training->update / training->n_updates - 1;
    g_autoptr(DinoR1Eval) figures = NULL;
    gdouble precision;

    if (!dinor1_trainer_export(training->trainer, training->result, FALSE, error) ||
        !measure(training, &figures, error))
        return FALSE;
    if (!figures)
        return TRUE;
    precision = dinor1_eval_get_figure(figures, "AP");
    g_printerr("dinor1: epoch %u: AP %.4f, AP50 %.4f\n", epoch, precision, dinor1_eval_get_figure(figures, "AP50"));
    if (precision > training->best && !dinor1_trainer_export(training->trainer, training->best_result, FALSE, error))
        return FALSE;
    training->best = MAX(training->best, precision);
    training->n_evaluated = training->update;
    return train_log_add_evaluation(training->evaluations, training->update, epoch, figures, error);
}

static void
show(const Training *training, const DinoR1TrainReport *report)
{
    const guint n = training->n_updates * training->config->options.epochs;
    const gdouble seconds = (gdouble)(g_get_monotonic_time() - training->start) / G_USEC_PER_SEC;
    g_autofree gchar *text = g_strdup_printf("update %u of %u, epoch %u, loss %.4f (class %.3f, L1 %.3f, GIoU %.3f), "
                                             "%.2f images/s",
        training->update, n, report->epoch, report->loss, report->loss_class, report->loss_l1, report->loss_giou,
        (gdouble)training->n_images / MAX(seconds, 1e-3));

    progress_show(training->progress, text, (gdouble)training->update / n);
}

static gboolean
update(Training *training, GError **error)
{
    const TrainConfig *config = training->config;
    DinoR1TrainReport report;

    if (!dinor1_trainer_step(training->trainer, &report, error))
        return FALSE;
    training->update++;
    training->n_images += report.n_images;
    if (!train_log_add_update(training->log, training->update, &report, error))
        return FALSE;
    show(training, &report);
    if (training->update % config->save_every && !dinor1_trainer_is_done(training->trainer) &&
        !is_evaluation_due(training) && !interrupt_get_signal())
        return TRUE;
    return checkpoints_save(training->checkpoints, training->trainer, training->update, config->keep, error);
}

static gboolean
train(Training *training, GError **error)
{
    for (;;) {
        if (is_evaluation_due(training) && !evaluate(training, error))
            return FALSE;
        if (interrupt_get_signal())
            return TRUE;
        if (dinor1_trainer_is_done(training->trainer))
            return dinor1_trainer_export(training->trainer, training->result, FALSE, error) &&
                   train_report_write(training->report, training->config, training->log, training->evaluations, error);
        if (!update(training, error))
            return FALSE;
    }
}

/* The last word to the user after a failure: what is left. */
static void
explain_failure(const Training *training, GError **error)
{
    guint saved;

    if (error && checkpoints_find(training->checkpoints, &saved)) {
        const gchar *message = (*error)->message;

        (*error)->message = g_strdup_printf("%s (update %u is saved in '%s')", message, saved, training->checkpoints);
        g_free((gchar *)message);
    }
}

gboolean
training_run(Training *training, gboolean resume, gboolean quiet, GError **error)
{
    gboolean done;

    if (!begin(training, resume, error))
        return FALSE;
    if (training->update > 0)
        g_printerr("dinor1: going on after update %u\n", training->update);
    training->start = g_get_monotonic_time();
    training->progress = progress_new(quiet);
    done = train(training, error);
    progress_free(training->progress);
    if (!done)
        explain_failure(training, error);
    else if (interrupt_get_signal())
        g_printerr("dinor1: stopped after update %u; --resume goes on from there\n", training->update);
    else
        g_printerr("dinor1: %u updates done; the model is in '%s', the report in '%s'\n", training->update,
            training->result, training->report);
    return done;
}
