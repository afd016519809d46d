/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/preprocess.h"

#include "backend/cpu/fast/fast.h"
#include "graph/frame.h"

/* More tasks than threads even out their speeds; fewer recompute fewer rows where tasks meet. */
#define TASKS_PER_THREAD 4

/* R' G' B' and one unused lane. Loads and stores need no alignment. */
typedef gfloat Float4 __attribute__((vector_size(16), aligned(4), may_alias));
/* The comparison of two Float4: -1 or 0 in each lane. */
typedef gint32 Int4 __attribute__((vector_size(16)));

/* The levels of a pixel are the sum of one entry for each of its three bytes, clamped. */
typedef struct {
    Float4 entries[3][256];
} Tables;

typedef struct {
    const DinoR1Picture *picture;
    const Tables *tables;
    gsize n_tasks;
    guint8 *slices;
    gsize slice_size; /* of a source row and a resampled row */
} Job;

static void
set_tables(Tables *tables, const gfloat *colour)
{
    const Float4 constant = {colour[3], colour[7], colour[11], 0};

    for (gint k = 0; k < 3; k++) {
        const Float4 column = {colour[k], colour[4 + k], colour[8 + k], 0};
        for (gint value = 0; value < 256; value++)
            tables->entries[k][value] = (gfloat)value * column + (k == 0 ? constant : (Float4){0, 0, 0, 0});
    }
}

/* To 0 … 255, with masks: C has no ?: for vectors. */
static inline Float4
clamp(Float4 value)
{
    const Float4 most = {255, 255, 255, 255};
    const Int4 below = value < most;

    value = (Float4)(((Int4)value & below) | ((Int4)most & ~below));
    return (Float4)((Int4)value & (value > 0));
}

static const guint8 *
row_of(const DinoR1PictureComponent *component, gint y)
{
    return component->bytes + (gsize)(y >> component->shift) * component->stride;
}

/* The levels of row @y, [width]. */
static void
load_row(const Tables *tables, const DinoR1Picture *picture, gint y, Float4 *row)
{
    const DinoR1PictureComponent *p = &picture->components[0], *q = &picture->components[1],
                                 *r = &picture->components[2];
    const guint8 *a = row_of(p, y), *b = row_of(q, y), *c = row_of(r, y);
    const Float4 *to_a = tables->entries[0], *to_b = tables->entries[1], *to_c = tables->entries[2];
    const gsize n = (gsize)picture->width;

    if (p->shift || !q->shift || !r->shift) {
        for (gsize x = 0; x < n; x++)
            row[x] = clamp(to_a[a[(x >> p->shift) * p->step]] + to_b[b[(x >> q->shift) * q->step]] +
                           to_c[c[(x >> r->shift) * r->step]]);
        return;
    }
    /* 4:2:0: two neighbours share a chroma sample. */
    for (gsize x = 0; x < n; x += 2) {
        const Float4 chroma = to_b[b[x / 2 * q->step]] + to_c[c[x / 2 * r->step]];

        row[x] = clamp(to_a[a[x * p->step]] + chroma);
        if (x + 1 < n)
            row[x + 1] = clamp(to_a[a[(x + 1) * p->step]] + chroma);
    }
}

/* Inlined with a constant @n_taps, the inner loop unrolls. out[x] = resampled row[x] normalised, three floats a pixel;
 * the unused lane lands where the next pixel goes. */
static inline __attribute__((always_inline)) void
resample(const DinoR1Resampling *columns, gint n_taps, const Float4 *row, Float4 scale, Float4 offset, gfloat *out)
{
    const gint n_outputs = columns->n_outputs;
    const gint32 *starts = columns->starts;
    const gfloat *weights = columns->weights;

    for (gint x = 0; x < n_outputs; x++, weights += columns->pitch) {
        const Float4 *in = row + starts[x];
        Float4 sum = weights[0] * in[0];

        for (gint k = 1; k < n_taps; k++)
            sum += weights[k] * in[k];
        *(Float4 *)(out + 3 * (gsize)x) = sum * scale + offset;
    }
}

static void
resample_row(const DinoR1Resampling *columns, const gfloat *colour, const Float4 *row, gfloat *out)
{
    const Float4 scale = *(const Float4 *)(colour + 12), offset = *(const Float4 *)(colour + 16);

    switch (columns->n_taps) {
    case 1:
        resample(columns, 1, row, scale, offset, out);
        break;
    case 2:
        resample(columns, 2, row, scale, offset, out);
        break;
    case 3:
        resample(columns, 3, row, scale, offset, out);
        break;
    case 4:
        resample(columns, 4, row, scale, offset, out);
        break;
    default:
        resample(columns, columns->n_taps, row, scale, offset, out);
        break;
    }
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

/* Output rows [begin, end): reads each source row once and adds it to the output rows whose windows hold it. Weights of
 * a window sum to 1, so that rows may be normalised before. */
static void
run_rows(const Job *job, gint begin, gint end, gpointer slice)
{
    const DinoR1Picture *picture = job->picture;
    const DinoR1Resampling *rows = &picture->rows;
    Float4 *source = slice;
    gfloat *resampled = (gfloat *)slice + 4 * (gsize)picture->width;
    const gsize row_floats = 3 * (gsize)picture->columns.n_outputs;

    for (gint y = rows->starts[begin]; y < rows->starts[end - 1] + rows->n_taps; y++) {
        load_row(job->tables, picture, y, source);
        resample_row(&picture->columns, picture->colour, source, resampled);
        while (rows->starts[begin] + rows->n_taps <= y)
            begin++;
        for (gint row = begin; row < end && rows->starts[row] <= y; row++) {
            const gint tap = y - rows->starts[row];

            accumulate(picture->out + (gsize)row * row_floats, resampled, row_floats,
                rows->weights[(gsize)row * rows->pitch + (gsize)tap], tap == 0);
        }
    }
}

static void
run_task(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gsize n_rows = (gsize)job->picture->rows.n_outputs;

    run_rows(job, (gint)(task * n_rows / job->n_tasks), (gint)((task + 1) * n_rows / job->n_tasks),
        job->slices + thread * job->slice_size);
}

static gsize
slice_size(gint64 width, gint64 out_width)
{
    return dinor1_fast_slice_size((gsize)(4 * width + 3 * out_width + 1) * sizeof(gfloat));
}

gsize
dinor1_fast_picture_scratch(gint64 width, gint64 out_width, guint n_threads)
{
    return sizeof(Tables) + n_threads * slice_size(width, out_width);
}

void
dinor1_fast_picture(const DinoR1Picture *picture, DinoR1Pool *pool, gpointer scratch)
{
    const gsize n_rows = (gsize)picture->rows.n_outputs;
    Job job = {
        .picture = picture,
        .tables = scratch,
        .n_tasks = pool ? MIN(n_rows, (gsize)dinor1_pool_get_n_threads(pool) * TASKS_PER_THREAD) : 1,
        .slices = (guint8 *)scratch + sizeof(Tables),
        .slice_size = slice_size(picture->width, picture->columns.n_outputs),
    };

    set_tables(scratch, picture->colour);
    if (pool)
        dinor1_pool_run(pool, job.n_tasks, run_task, &job);
    else
        run_task(&job, 0, 0);
}

gsize
dinor1_fast_preprocess_workspace(const DinoR1KernelArgs *args)
{
    /* A picture as wide as any that the frame has room for. */
    return dinor1_fast_picture_scratch(MIN(args->inputs[0].shape.dims[0], DINOR1_IMAGE_MAX_SIDE),
        args->outputs[0].shape.dims[2], dinor1_pool_get_n_threads(args->pool));
}

void
dinor1_fast_preprocess(const DinoR1KernelArgs *args)
{
    const DinoR1FrameGeometry *geometry = args->inputs[1].data;
    const gint64 *dims = args->outputs[0].shape.dims; /* 1, Ho, Wo, 3 */
    DinoR1Picture picture = {
        .width = geometry->width,
        .height = geometry->height,
        .colour = args->inputs[2].data,
        .columns = {(gint)dims[2], geometry->column_taps, (gsize)args->inputs[4].shape.dims[1], args->inputs[3].data,
            args->inputs[4].data},
        .rows = {(gint)dims[1], geometry->row_taps, (gsize)args->inputs[6].shape.dims[1], args->inputs[5].data,
            args->inputs[6].data},
        .out = args->outputs[0].data,
    };

    for (gint k = 0; k < 3; k++)
        picture.components[k] = (DinoR1PictureComponent){
            .bytes = (const guint8 *)args->inputs[0].data + geometry->components[k].offset,
            .stride = (gsize)geometry->components[k].stride,
            .step = (gsize)geometry->components[k].step,
            .shift = (guint)geometry->components[k].shift,
        };
    dinor1_fast_picture(&picture, args->pool, args->workspace);
}
