/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "training.h"

#include "checkpoints.h"
#include "coco_set.h"
#include "command.h"
#include "interrupt.h"
#include "parallel.h"
#include "progress.h"
#include "start_model.h"
#include "train_evaluation.h"
#include "train_log.h"
#include "train_report.h"

#include <dinor1/error.h>
#include <errno.h>
#include <glib/gstdio.h>

struct _Training {
    const TrainConfig *config;
    DinoR1Model *model;
    EvaluationSet train, validation, heldout; /* the last two may have no coco */
    Skipped *skipped;                         /* nothing unless config->options.skip_bad */
    DinoR1Trainer *trainer;
    guint64 n_trained, n_parameters;
    guint n_updates;  /* of an epoch */
    guint update;     /* done */
    guint stop;       /* the signal that ends the run, or 0: the same in all processes */
    gint n_evaluated; /* the update of the last evaluation; -1 = none yet */
    guint64 n_images; /* since the start of this process */
    gdouble seconds;  /* of their updates */
    guint n_noted;    /* of what is skipped, in the file */
    gdouble best;     /* AP */
    gchar *checkpoints, *log, *evaluations, *result, *best_result, *report, *samples, *left_out; /* paths */
    gchar *fresh, *temporary; /* folder of the model made with from_scratch; that of a dry run */
    Progress *progress;
};

static gboolean
load_set(Training *training, const TrainSet *files, guint max_boxes, EvaluationSet *set, GError **error)
{
    Skipped *skipped = training->config->options.skip_bad ? training->skipped : NULL;

    if (!files->annotations)
        return TRUE;
    if (!coco_set_open(set, files->annotations, files->images, max_boxes, skipped, error))
        return FALSE;
    if (!coco_pictures_check(set->pictures, set->coco, error)) {
        g_prefix_error(error, "%s: ", files->annotations);
        return FALSE;
    }
    return TRUE;
}

static void
name_files(Training *training)
{
    const gchar *output = training->config->output;

    training->checkpoints = g_build_filename(output, "checkpoints", NULL);
    training->log = g_build_filename(output, "log.jsonl", NULL);
    training->evaluations = g_build_filename(output, "evaluations.jsonl", NULL);
    training->fresh = g_build_filename(output, "start", NULL);
    training->result = g_build_filename(output, "model", NULL);
    training->best_result = g_build_filename(output, "best", NULL);
    training->report = g_build_filename(output, "report.html", NULL);
    training->samples = g_build_filename(output, "samples", NULL);
    training->left_out = g_build_filename(output, "skipped.jsonl", NULL);
}

/* A dry run leaves nothing behind, and of several processes one writes. */
static gboolean
load_start(Training *training, gboolean dry_run, GError **error)
{
    const gboolean keep = !dry_run && parallel_leads();

    if (training->config->from_scratch && !keep && !(training->temporary = start_model_make_temporary(error)))
        return FALSE;
    training->model =
        start_model_load(training->config, training->temporary ? training->temporary : training->fresh, error);
    return training->model != NULL;
}

Training *
training_new(const TrainConfig *config, gboolean dry_run, GError **error)
{
    g_autoptr(Training) training = g_new0(Training, 1);
    DinoR1FrameSource frames;

    training->config = config;
    training->best = -1;
    training->n_evaluated = -1;
    training->skipped = skipped_new();
    name_files(training);
    if (!load_set(training, &config->train, config->max_boxes, &training->train, error) ||
        !load_set(training, &config->validation, 0, &training->validation, error) ||
        !load_set(training, &config->heldout, 0, &training->heldout, error) || !load_start(training, dry_run, error))
        return NULL;
    frames = coco_pictures_get_source(training->train.pictures);
    training->trainer = dinor1_trainer_new(training->model, training->train.coco, &frames, &config->options, error);
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
    coco_set_clear(&training->train);
    coco_set_clear(&training->validation);
    coco_set_clear(&training->heldout);
    skipped_free(training->skipped);
    g_free(training->checkpoints);
    g_free(training->log);
    g_free(training->evaluations);
    start_model_remove_temporary(training->temporary);
    g_free(training->fresh);
    g_free(training->result);
    g_free(training->best_result);
    g_free(training->report);
    g_free(training->samples);
    g_free(training->left_out);
    g_free(training);
}

static void
describe_set(const gchar *name, const DinoR1Coco *coco)
{
    if (!coco)
        return;
    g_print("%-12s %u images, %u boxes, %u classes\n", name, dinor1_coco_get_n_images(coco),
        dinor1_coco_get_n_annotations(coco), dinor1_coco_get_n_categories(coco));
}

/* What --skip-bad found before the first picture was decoded. */
static void
describe_skipped(const Training *training)
{
    const guint n = skipped_get_n_pictures(training->skipped);
    g_autofree gchar *entries = skipped_describe_entries(training->skipped);
    g_auto(GStrv) first = skipped_list(training->skipped, 1);

    if (entries)
        g_print("left out     %s\n", entries);
    if (n > 0)
        g_print("left out     %u pictures, the first: %s\n", n, *first);
}

static void
describe_parts(const Training *training)
{
    guint n;
    const DinoR1TrainPart *parts = dinor1_trainer_get_parts(training->trainer, &n);

    for (guint i = 0; i < n; i++) {
        g_print("  %-18s %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, parts[i].name, parts[i].n_trained,
            parts[i].n_parameters);
        if (parts[i].n_trained > 0)
            g_print(", learning rate %g\n", parts[i].learning_rate);
        else
            g_print(", frozen\n");
    }
}

void
training_describe(const Training *training)
{
    const TrainConfig *config = training->config;

    g_print("model        %s\noutput       %s\ndevice       %s\n", config->model, config->output,
        dinor1_trainer_get_device(training->trainer));
    describe_set("train", training->train.coco);
    describe_set("validation", training->validation.coco);
    describe_set("held out", training->heldout.coco);
    describe_skipped(training);
    g_print("parameters   %" G_GUINT64_FORMAT " trained of %" G_GUINT64_FORMAT "\n", training->n_trained,
        training->n_parameters);
    describe_parts(training);
    g_print("updates      %u: %u epochs of %u\n", config->options.epochs * training->n_updates, config->options.epochs,
        training->n_updates);
    if (config->options.grqo_start < config->options.epochs)
        g_print("grqo         from epoch %u on (counted from 0)\n", config->options.grqo_start);
    else
        g_print("grqo         off\n");
}

/* Seconds for people. */
static gchar *
format_duration(gdouble seconds)
{
    const guint64 whole = (guint64)seconds;

    if (seconds < 100)
        return g_strdup_printf("%.3g s", seconds);
    return g_strdup_printf(
        "%" G_GUINT64_FORMAT ":%02u:%02u h", whole / 3600, (guint)(whole / 60 % 60), (guint)(whole % 60));
}

gboolean
training_measure(Training *training, GError **error)
{
    const gdouble n_updates = (gdouble)training->n_updates * training->config->options.epochs;
    DinoR1TrainCost cost;
    g_autofree gchar *one = NULL, *all = NULL;

    if (!dinor1_trainer_measure(training->trainer, &cost, error))
        return FALSE;
    one = format_duration(cost.seconds);
    all = format_duration(cost.seconds * n_updates);
    g_print(
        "memory       %.1f MiB: weights, gradients, moments and one step with %u images of %dx%d, %u boxes each, %u "
        "prompts\n",
        (gdouble)cost.memory / (1 << 20), cost.n_images, cost.width, cost.height, cost.n_boxes, cost.n_tokens);
    g_print("time         %s an update, %s for all, without evaluations\n", one, all);
    return TRUE;
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
    g_autoptr(GPtrArray) lines = train_log_read_lines(training->evaluations, error);
    gdouble update, precision;

    for (guint i = 0; lines && i < lines->len; i++) {
        if (train_log_get_number(lines->pdata[i], "update", &update))
            training->n_evaluated = (gint)update;
        if (train_log_get_number(lines->pdata[i], "AP", &precision))
            training->best = MAX(training->best, precision);
    }
    return lines != NULL;
}

/* A run that begins finds nothing of an earlier one; one that goes on finds what was done up to its checkpoint. */
static gboolean
recall(Training *training, gboolean found, GError **error)
{
    if (!found) {
        g_unlink(training->log);
        g_unlink(training->evaluations);
        g_unlink(training->left_out);
        return TRUE;
    }
    if (training->config->options.skip_bad && !skipped_load(training->skipped, training->left_out, error))
        return FALSE;
    return train_log_trim(training->log, training->update, error) &&
           train_log_trim(training->evaluations, training->update, error) && recall_evaluations(training, error);
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
    if (!parallel_leads())
        return TRUE;
    return make_folder(training->checkpoints, error) && recall(training, found, error);
}

/* Whether the epoch that is over, or the start, is to be evaluated and was not yet. */
static gboolean
is_evaluation_due(const Training *training)
{
    const guint epoch = training->update / training->n_updates;

    if (!training->validation.coco || (gint)training->update <= training->n_evaluated ||
        training->update % training->n_updates)
        return FALSE;
    if (training->update == 0)
        return training->config->evaluate_first;
    return epoch % training->config->evaluate_every == 0 || dinor1_trainer_is_done(training->trainer);
}

static gboolean
evaluate(Training *training, GError **error)
{
    const TrainEvaluation evaluation = {training->config, &training->train, &training->validation, &training->heldout,
        training->evaluations, training->samples};
    const gint epoch = (gint)(training->update / training->n_updates) - 1;
    gdouble precision;
    gboolean done;

    if (!dinor1_trainer_export(training->trainer, training->result, FALSE, error) ||
        !train_evaluation_run(&evaluation, training->result, training->update, epoch, &precision, &done, error))
        return FALSE;
    if (!done)
        return TRUE;
    if (precision > training->best && !dinor1_trainer_export(training->trainer, training->best_result, FALSE, error))
        return FALSE;
    training->best = MAX(training->best, precision);
    training->n_evaluated = (gint)training->update;
    return TRUE;
}

static void
show(const Training *training, const DinoR1TrainReport *report)
{
    const guint n = training->n_updates * training->config->options.epochs;
    g_autofree gchar *text = g_strdup_printf("update %u of %u, epoch %u, loss %.4f (class %.3f, L1 %.3f, GIoU %.3f), "
                                             "%.2f images/s",
        training->update, n, report->epoch, report->loss, report->loss_class, report->loss_l1, report->loss_giou,
        (gdouble)training->n_images / MAX(training->seconds, 1e-3));

    progress_show(training->progress, text, (gdouble)training->update / n);
}

/* Tells of what turned out to be bad. */
static gboolean
note_skipped(Training *training, GError **error)
{
    const guint n = skipped_get_n_entries(training->skipped) + skipped_get_n_pictures(training->skipped);

    if (n == training->n_noted)
        return TRUE;
    training->n_noted = n;
    return skipped_save(training->skipped, training->left_out, error);
}

/* What one process met and left out, all know from here on. */
static gboolean
share_skipped(Training *training, GError **error)
{
    g_autofree gchar *news = NULL, *all = NULL;

    if (!training->config->options.skip_bad)
        return TRUE;
    news = skipped_take_news(training->skipped);
    return !parallel_largest(*news != '\0') ||
           (parallel_share(news, &all, error) && skipped_add_news(training->skipped, all, error));
}

/* Writes what an update did. */
static gboolean
keep(Training *training, const DinoR1TrainReport *report, GError **error)
{
    const TrainConfig *config = training->config;

    if (!train_log_add_update(training->log, training->update, report, error) || !note_skipped(training, error))
        return FALSE;
    show(training, report);
    if (training->update % config->save_every && !dinor1_trainer_is_done(training->trainer) &&
        !is_evaluation_due(training) && !training->stop)
        return TRUE;
    return checkpoints_save(training->checkpoints, training->trainer, training->update, config->keep, error);
}

static gboolean
update(Training *training, GError **error)
{
    DinoR1TrainReport report;

    if (!dinor1_trainer_step(training->trainer, &report, error))
        return FALSE;
    training->update++;
    training->n_images += report.n_images;
    training->seconds += report.seconds;
    training->stop = parallel_largest((guint)interrupt_get_signal());
    return share_skipped(training, error) && parallel_agree(!parallel_leads() || keep(training, &report, error), error);
}

/* The others wait. */
static gboolean
evaluate_if_due(Training *training, GError **error)
{
    if (!parallel_largest(parallel_leads() && is_evaluation_due(training)))
        return TRUE;
    if (!parallel_agree(!parallel_leads() || evaluate(training, error), error))
        return FALSE;
    training->stop = parallel_largest((guint)interrupt_get_signal());
    return TRUE;
}

static gboolean
report(Training *training, GError **error)
{
    const TrainReport content = {
        training->config, training->log, training->evaluations, training->samples, training->skipped};

    return note_skipped(training, error) && train_report_write(&content, training->report, error);
}

static gboolean
finish(Training *training, GError **error)
{
    return dinor1_trainer_export(training->trainer, training->result, FALSE, error) && report(training, error);
}

static gboolean
train(Training *training, GError **error)
{
    for (;;) {
        if (!evaluate_if_due(training, error))
            return FALSE;
        if (training->stop)
            return parallel_agree(!parallel_leads() || report(training, error), error);
        if (dinor1_trainer_is_done(training->trainer))
            return parallel_agree(!parallel_leads() || finish(training, error), error);
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

/* All processes must have found the same checkpoint. */
static gboolean
begin_together(Training *training, gboolean resume, GError **error)
{
    gboolean same;

    if (!parallel_agree(begin(training, resume, error), error))
        return FALSE;
    same = parallel_largest(training->update) == training->update;
    if (!same)
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
            "the processes do not find the same checkpoint: all must see '%s' on one file system",
            training->checkpoints);
    return parallel_agree(same, error) && share_skipped(training, error);
}

gboolean
training_run(Training *training, gboolean resume, gboolean quiet, GError **error)
{
    gboolean done;

    if (!begin_together(training, resume, error))
        return FALSE;
    if (training->update > 0)
        g_printerr("dinor1: going on after update %u\n", training->update);
    training->progress = progress_new(quiet);
    progress_start_at(
        training->progress, (gdouble)training->update / (training->n_updates * training->config->options.epochs));
    done = train(training, error);
    progress_free(training->progress);
    if (training->n_noted > 0)
        g_printerr("dinor1: %u entries of annotations and %u pictures were left out; '%s' says why\n",
            skipped_get_n_entries(training->skipped), skipped_get_n_pictures(training->skipped), training->left_out);
    if (!done)
        explain_failure(training, error);
    else if (training->stop)
        g_printerr("dinor1: stopped after update %u; --resume goes on from there\n", training->update);
    else
        g_printerr("dinor1: %u updates done; the model is in '%s', the report in '%s'\n", training->update,
            training->result, training->report);
    return done;
}
