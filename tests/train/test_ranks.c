/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several ranks (here: threads that meet) train as one process does, to 1e-5 in every loss.
 */
#include "small_data.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define MAX_RANKS   3
#define MAX_UPDATES 16
#define TOLERANCE   1e-5 /* relative to losses above 1 */
/* The same of the gradient's norm: at first, and later, when rounding may have put a sampling point or a unit on the
 * other side of its kink; that changes a gradient by a little at once, and a loss only with the learning rate. */
#define FIRST_NORM 1e-4
#define NORM       1e-3

/* --- ranks that are threads ------------------------------------------------------------------------------------- */

typedef struct {
    GMutex mutex;
    GCond all_here;
    guint n_ranks, n_here, round;
    gfloat *values[MAX_RANKS];
    const GError *errors[MAX_RANKS];
    GError *agreed;
} Meeting;

typedef struct {
    Meeting *meeting;
    guint rank;
} Seat;

/* The last to come does the work of the round with what all have brought. */
static void
meet(Meeting *meeting, void (*work)(Meeting *meeting, gsize n), gsize n)
{
    const guint round = meeting->round;

    if (++meeting->n_here < meeting->n_ranks) {
        while (meeting->round == round)
            g_cond_wait(&meeting->all_here, &meeting->mutex);
        return;
    }
    work(meeting, n);
    meeting->n_here = 0;
    meeting->round++;
    g_cond_broadcast(&meeting->all_here);
}

static void
add_up(Meeting *meeting, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        gfloat sum = 0;

        for (guint rank = 0; rank < meeting->n_ranks; rank++)
            sum += meeting->values[rank][i];
        for (guint rank = 0; rank < meeting->n_ranks; rank++)
            meeting->values[rank][i] = sum;
    }
}

static void
find_error(Meeting *meeting, gsize n)
{
    g_clear_error(&meeting->agreed);
    for (guint rank = 0; rank < meeting->n_ranks && !meeting->agreed; rank++)
        meeting->agreed = meeting->errors[rank] ? g_error_copy(meeting->errors[rank]) : NULL;
}

static gboolean
sum(gpointer user_data, gfloat *values, gsize n, GError **error)
{
    const Seat *seat = user_data;

    g_mutex_lock(&seat->meeting->mutex);
    seat->meeting->values[seat->rank] = values;
    meet(seat->meeting, add_up, n);
    g_mutex_unlock(&seat->meeting->mutex);
    return TRUE;
}

static gboolean
agree(gpointer user_data, const GError *mine, GError **error)
{
    const Seat *seat = user_data;
    gboolean well;

    g_mutex_lock(&seat->meeting->mutex);
    seat->meeting->errors[seat->rank] = mine;
    meet(seat->meeting, find_error, 0);
    well = !seat->meeting->agreed;
    if (!well && error)
        *error = g_error_copy(seat->meeting->agreed);
    g_mutex_unlock(&seat->meeting->mutex);
    return well;
}

/* --- data ------------------------------------------------------------------------------------------------------- */

/* How to train, on what. */
typedef struct {
    const gchar *name, *model;
    guint64 seed;
    guint n_ranks, batch_size, accumulate, grqo_start, epochs;
    gboolean augment;
    const gchar *kinds;  /* of the images */
    const gchar *device; /* of the ranks; NULL = the CPU, as of the one process */
} Job;

/* One rank, or the process that is alone. */
typedef struct {
    const Job *job;
    const gchar *directory; /* of the model */
    DinoR1TrainRanks ranks;
    Seat seat;
    GString *seen; /* kinds of the images it decoded */
    gdouble losses[MAX_UPDATES][9];
    guint n_updates;
    GError *error;
    guint64 weights; /* and the rest of the final state: a sum over their bits */
} Run;

/* --- training --------------------------------------------------------------------------------------------------- */

static void
keep_losses(Run *run, const DinoR1TrainReport *report)
{
    const gdouble losses[] = {report->loss, report->loss_class, report->loss_l1, report->loss_giou,
        report->loss_denoising, report->loss_advantage, report->loss_kl, report->loss_contrastive,
        report->gradient_norm};

    g_assert_cmpuint(run->n_updates, <, MAX_UPDATES);
    memcpy(run->losses[run->n_updates++], losses, sizeof losses);
}

/* A sum over the bits of everything that a checkpoint holds. */
static guint64
digest(DinoR1Trainer *trainer)
{
    g_autofree gchar *path = NULL, *text = NULL;
    guint64 hash = 0xcbf29ce484222325u;
    gsize length;
    gint fd = g_file_open_tmp("dinor1-test-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(dinor1_trainer_save(trainer, path, NULL));
    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    g_unlink(path);
    for (gsize i = 0; i < length; i++)
        hash = (hash ^ (guchar)text[i]) * 0x100000001b3u;
    return hash;
}

static gpointer
train(gpointer data)
{
    Run *run = data;
    const Job *job = run->job;
    const DinoR1FrameSource frames = {small_decode, run->seen = g_string_new(NULL)};
    g_autoptr(DinoR1Coco) coco = small_data(job->kinds);
    g_autoptr(DinoR1Model) model = dinor1_model_load(run->directory, &run->error);
    g_autoptr(DinoR1Trainer) trainer = NULL;
    DinoR1TrainOptions options;
    DinoR1TrainReport report;

    g_assert_no_error(run->error);
    dinor1_train_options_init(&options);
    options.seed = job->seed;
    options.device = run->ranks.n_ranks > 1 && job->device ? job->device : "cpu";
    options.n_threads = 1;
    options.n_workers = 0;
    options.epochs = job->epochs;
    options.batch_size = job->batch_size;
    options.accumulate = job->accumulate;
    options.learning_rate = 1e-4f;
    options.warmup_steps = 2;
    options.augment = job->augment;
    options.grqo_start = job->grqo_start;
    options.average_decay = 0.9f;
    options.ranks = run->ranks.n_ranks > 1 ? &run->ranks : NULL;
    trainer = dinor1_trainer_new(model, coco, &frames, &options, &run->error);
    g_assert_no_error(run->error);
    while (!dinor1_trainer_is_done(trainer)) {
        if (!dinor1_trainer_step(trainer, &report, &run->error))
            return NULL;
        keep_losses(run, &report);
    }
    run->weights = digest(trainer);
    return NULL;
}

static void
run_clear(Run *run)
{
    g_clear_error(&run->error);
    g_string_free(run->seen, TRUE);
}

static void
train_together(const Job *job, const gchar *directory, Run *runs)
{
    Meeting meeting = {.n_ranks = job->n_ranks};
    GThread *threads[MAX_RANKS];

    g_mutex_init(&meeting.mutex);
    g_cond_init(&meeting.all_here);
    for (guint i = 0; i < job->n_ranks; i++) {
        runs[i] = (Run){.job = job, .directory = directory, .seat = {&meeting, i}};
        runs[i].ranks = (DinoR1TrainRanks){i, job->n_ranks, sum, agree, &runs[i].seat};
        threads[i] = g_thread_new("rank", train, &runs[i]);
    }
    for (guint i = 0; i < job->n_ranks; i++)
        g_thread_join(threads[i]);
    g_clear_error(&meeting.agreed);
    g_mutex_clear(&meeting.mutex);
    g_cond_clear(&meeting.all_here);
}

static void
compare(const Run *alone, const Run *rank)
{
    g_assert_no_error(rank->error);
    g_assert_cmpuint(rank->n_updates, ==, alone->n_updates);
    for (guint u = 0; u < alone->n_updates; u++)
        for (guint k = 0; k < G_N_ELEMENTS(alone->losses[u]); k++) {
            const gdouble a = alone->losses[u][k], b = rank->losses[u][k];
            const gdouble tolerance = k < G_N_ELEMENTS(alone->losses[u]) - 1 ? TOLERANCE : u == 0 ? FIRST_NORM : NORM;

            if (!(fabs(a - b) <= tolerance * MAX(1, fabs(a)))) {
                g_test_message(
                    "rank %u, update %u, number %u: %.9g alone, %.9g together", rank->ranks.rank, u, k, a, b);
                g_test_fail();
            }
        }
}

/* Whether all images of one of the rank's batches have no boxes. */
static gboolean
had_empty_batch(const Run *rank)
{
    const Job *job = rank->job;
    const guint n = (guint)strlen(job->kinds);
    const gchar *seen = rank->seen->str;

    while (*seen) {
        for (guint first = 0; first < n && *seen; first += job->batch_size) {
            const guint size = MIN(job->batch_size, n - first);
            const guint mine = (size + job->n_ranks - 1 - rank->ranks.rank) / job->n_ranks;

            if (mine > 0 && strspn(seen, "e") >= mine)
                return TRUE;
            seen += mine;
        }
    }
    return FALSE;
}

static void
test_equal(gconstpointer data)
{
    const Job *job = data;
    g_autofree gchar *directory = small_model(job->model);
    Run alone = {.job = job, .directory = directory, .ranks = {.n_ranks = 1}}, ranks[MAX_RANKS];
    guint n_empty = 0;

    train(&alone);
    g_assert_no_error(alone.error);
    train_together(job, directory, ranks);
    for (guint i = 0; i < job->n_ranks; i++) {
        compare(&alone, &ranks[i]);
        g_assert_cmpuint(ranks[i].weights, ==, ranks[0].weights); /* to the last bit */
        n_empty += had_empty_batch(&ranks[i]);
    }
    g_assert_cmpint(n_empty > 0, ==, strchr(job->kinds, 'e') != NULL);
    g_assert_cmpint(alone.losses[0][7] > 0, ==, g_str_equal(job->model, "models/dino-r1")); /* contrastive */
    g_test_message(
        "%u updates, losses from %g to %g", alone.n_updates, alone.losses[0][0], alone.losses[alone.n_updates - 1][0]);
    for (guint i = 0; i < job->n_ranks; i++)
        run_clear(&ranks[i]);
    run_clear(&alone);
    small_model_remove(directory);
}

/* What ends one rank ends all, with its words. */
static void
test_error(gconstpointer data)
{
    const Job *job = data;
    g_autofree gchar *directory = small_model(job->model);
    Run ranks[MAX_RANKS];
    guint n_seen = 0;

    train_together(job, directory, ranks);
    for (guint i = 0; i < job->n_ranks; i++) {
        g_assert_error(ranks[i].error, DINOR1_ERROR, DINOR1_ERROR_IO);
        g_assert_nonnull(strstr(ranks[i].error->message, "this picture is bad"));
        g_assert_cmpstr(ranks[i].error->message, ==, ranks[0].error->message);
        n_seen += strchr(ranks[i].seen->str, 'x') != NULL;
    }
    g_assert_cmpuint(n_seen, ==, 1); /* the others did not meet it themselves */
    for (guint i = 0; i < job->n_ranks; i++)
        run_clear(&ranks[i]);
    small_model_remove(directory);
}

int
main(int argc, char **argv)
{
    static const Job jobs[] = {
        {"sft-1", "training/model", 1, 2, 4, 1, 100, 3, TRUE, "bbbbbbbb"},
        {"sft-2", "training/model", 2, 2, 4, 1, 100, 3, TRUE, "bbbbbbbb"},
        {"sft-3", "training/model", 3, 2, 4, 1, 100, 3, TRUE, "bbbbbbbb"},
        {"grqo-1", "training/model", 1, 2, 4, 1, 1, 3, TRUE, "bbbbbbbb"},
        {"grqo-2", "training/model", 2, 2, 4, 1, 1, 3, TRUE, "bbbbbbbb"},
        {"grqo-3", "training/model", 3, 2, 4, 1, 1, 3, TRUE, "bbbbbbbb"},
        {"accumulate", "training/model", 1, 2, 4, 2, 1, 3, FALSE, "bbbbbbbbbb"},
        {"some-empty", "training/model", 1, 2, 4, 1, 1, 3, FALSE, "bebeebbebe"},
        {"blank", "training/model", 1, 3, 4, 1, 1, 2, FALSE, "bbbbb"}, /* the last batch has one image */
        {"text", "models/dino-r1", 1, 2, 4, 1, 1, 3, FALSE, "bbbbbbbb"},
#ifndef SANITIZED /* there the emulated GPU takes minutes */
        {"device", "training/model", 1, 2, 4, 1, 0, 1, FALSE, "bbbb", "cuda-host"},
#endif
    };
    static const Job bad = {"bad", "training/model", 1, 2, 4, 1, 100, 1, FALSE, "bbbxbb"};

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++) {
        g_autofree gchar *path = g_strdup_printf("/ranks/equal/%s", jobs[i].name);

        g_test_add_data_func(path, &jobs[i], test_equal);
    }
    g_test_add_data_func("/ranks/error", &bad, test_error);
    return g_test_run();
}
