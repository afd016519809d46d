/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/preprocess.h"

#include "model/resample.h"

#include <dinor1/error.h>
#include <math.h>

/* More tasks than threads even out their speeds; fewer recompute fewer rows where tasks meet. */
#define TASKS_PER_THREAD 4

struct _DinoR1Preprocess {
    DinoR1PixelTables pixels;
    DinoR1ResampleTable columns, rows;
    guint n_threads;
    gsize thread_floats; /* of scratch: a source row and a resampled row */
    gfloat *scratch;
};

typedef struct {
    const DinoR1Preprocess *preprocess;
    const DinoR1Image *image;
    DinoR1Float4 scale, offset; /* (x * rescale - mean) / std = x * scale + offset */
    gsize n_tasks;
    gfloat *out;
} Job;

DinoR1Preprocess *
dinor1_preprocess_new(void)
{
    return g_new0(DinoR1Preprocess, 1);
}

void
dinor1_preprocess_free(DinoR1Preprocess *preprocess)
{
    if (!preprocess)
        return;

    dinor1_resample_table_clear(&preprocess->columns);
    dinor1_resample_table_clear(&preprocess->rows);
    g_free(preprocess->scratch);
    g_free(preprocess);
}

static void
set_scratch(DinoR1Preprocess *preprocess, guint n_threads)
{
    gsize thread_floats = 4 * (gsize)preprocess->columns.n_inputs + 3 * (gsize)preprocess->columns.n_outputs + 1;

    if (thread_floats == preprocess->thread_floats && n_threads == preprocess->n_threads)
        return;

    g_free(preprocess->scratch);
    preprocess->scratch = g_new(gfloat, thread_floats * n_threads);
    preprocess->thread_floats = thread_floats;
    preprocess->n_threads = n_threads;
}

/* to = row * weight, or to += row * weight */
static void
accumulate(gfloat *restrict to, const gfloat *restrict row, gsize n, gfloat weight, gboolean first)
{
    if (first) {
        for (gsize i = 0; i < n; i++)
            to[i] = row[i] * weight;
    } else {
        for (gsize i = 0; i < n; i++)
            to[i] += row[i] * weight;
    }
}

/* Output rows [begin, end): reads each source row once and adds it to the output rows whose windows hold it. */
static void
run_rows(const Job *job, gint begin, gint end, gfloat *scratch)
{
    const DinoR1Preprocess *preprocess = job->preprocess;
    const DinoR1ResampleTable *rows = &preprocess->rows;
    DinoR1Float4 *source = (DinoR1Float4 *)scratch;
    gfloat *resampled = scratch + 4 * (gsize)job->image->width;
    gsize row_floats = 3 * (gsize)preprocess->columns.n_outputs;

    for (gint y = rows->starts[begin]; y < rows->starts[end - 1] + rows->n_taps; y++) {
        dinor1_pixel_tables_load_row(&preprocess->pixels, job->image, y, source);
        dinor1_resample_row(&preprocess->columns, source, job->scale, job->offset, resampled);
        while (rows->starts[begin] + rows->n_taps <= y)
            begin++;
        for (gint row = begin; row < end && rows->starts[row] <= y; row++) {
            gint tap = y - rows->starts[row];

            accumulate(job->out + (gsize)row * row_floats, resampled, row_floats,
                rows->weights[(gsize)row * (gsize)rows->n_taps + (gsize)tap], tap == 0);
        }
    }
}

static void
run_task(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const DinoR1Preprocess *preprocess = job->preprocess;
    gsize n_rows = (gsize)preprocess->rows.n_outputs;

    run_rows(job, (gint)(task * n_rows / job->n_tasks), (gint)((task + 1) * n_rows / job->n_tasks),
        preprocess->scratch + thread * preprocess->thread_floats);
}

gboolean
dinor1_preprocess_run(DinoR1Preprocess *preprocess, const DinoR1Image *image, gint out_width, gint out_height,
    gfloat rescale, const gfloat mean[3], const gfloat std[3], DinoR1Pool *pool, gfloat *out, GError **error)
{
    guint n_threads = pool ? dinor1_pool_get_n_threads(pool) : 1;
    Job job = {.preprocess = preprocess, .image = image, .out = out};

    if (!dinor1_image_check(image, error))
        return FALSE;
    if (out_width < 1 || out_height < 1 || out_width > DINOR1_IMAGE_MAX_SIDE || out_height > DINOR1_IMAGE_MAX_SIDE) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "cannot resize to %dx%d: width and height must be from 1 to %d", out_width, out_height,
            DINOR1_IMAGE_MAX_SIDE);
        return FALSE;
    }
    dinor1_pixel_tables_set(&preprocess->pixels, image);
    dinor1_resample_table_set(&preprocess->columns, image->width, out_width);
    dinor1_resample_table_set(&preprocess->rows, image->height, out_height);
    set_scratch(preprocess, n_threads);

    for (guint c = 0; c < 3; c++) {
        job.scale[c] = rescale / std[c];
        job.offset[c] = -mean[c] / std[c];
    }
    if (!pool) {
        job.n_tasks = 1;
        run_task(&job, 0, 0);
        return TRUE;
    }
    job.n_tasks = MIN((gsize)out_height, (gsize)n_threads * TASKS_PER_THREAD);
    dinor1_pool_run(pool, job.n_tasks, run_task, &job);
    return TRUE;
}

void
dinor1_resize_rule(gint width, gint height, gint shortest, gint longest, gint *out_w, gint *out_h)
{
    gdouble min = MIN(width, height), max = MAX(width, height);
    gdouble raw = shortest; /* the shortest side before rounding */
    gint size = shortest;

    if (max / min * shortest > longest) {
        raw = longest * min / max;
        size = (gint)rint(raw); /* Python's round(): halves to even */
    }
    if (min == size) {
        *out_w = width;
        *out_h = height;
    } else {
        *out_w = width < height ? size : (gint)(raw * width / height);
        *out_h = width < height ? (gint)(raw * height / width) : size;
    }
    *out_w = MAX(*out_w, 1);
    *out_h = MAX(*out_h, 1);
}
