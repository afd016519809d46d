/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Rows and columns that are summed in one go; a row alone is cut into pieces of the same size. */
#define ROWS    128
#define COLUMNS 1024
#define PIECE   4096
/* Floats of a task: some 20 us. */
#define TASK_FLOATS 65536

/* Neighbouring dimensions that are all summed or all kept count as one. */
typedef struct {
    gint64 size, stride;
} Dim;

/* dy seen as [outer dimensions..., n, inner], n summed and inner kept (1 if the last dimension is summed). A part is
 * some rows and columns of one such matrix; its sums stand in for its rows. */
typedef struct {
    const gfloat *dy;
    gfloat *sums; /* [kept, summed, row blocks, inner] */
    Dim kept_dims[DINOR1_MAX_DIMS], summed_dims[DINOR1_MAX_DIMS];
    gint n_kept, n_summed;
    gint64 kept, summed; /* outer sizes */
    gint64 n, inner;
    DinoR1Blocks rows, columns;
    gint64 n_parts;
    DinoR1Blocks tasks; /* of parts */
} Job;

static gint64
offset_of(const Dim *dims, gint n_dims, gint64 index)
{
    gint64 offset = 0;

    for (gint i = 0; i < n_dims; i++) {
        offset += index % dims[i].size * dims[i].stride;
        index /= dims[i].size;
    }
    return offset;
}

/* A row sum in several sums, because one addition has to wait for the last. */
static gfloat
sum_row(const gfloat *x, gsize n)
{
    vf sums[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    gsize i = 0;

    for (; i + 4 * VW <= n; i += 4 * VW)
        for (gsize k = 0; k < 4; k++)
            sums[k] += v_load(x + i + k * VW);
    for (; i < n; i += VW)
        sums[0] += v_load_n(x + i, n - i);
    return v_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

static void
add_row(const gfloat *x, gfloat *sums, gsize n)
{
    for (gsize i = 0; i < n; i += VW)
        v_store_n(sums + i, v_load_n(sums + i, n - i) + v_load_n(x + i, n - i), n - i);
}

static void
sum_part(const Job *job, gint64 part)
{
    gint64 n, width;
    const gint64 column = dinor1_fast_block(job->columns, job->inner, part % job->columns.count, &width);
    const gint64 block = part / job->columns.count; /* of kept, summed, row blocks */
    const gint64 row = dinor1_fast_block(job->rows, job->n, block % job->rows.count, &n);
    const gint64 outer = block / job->rows.count;
    const gfloat *x = job->dy + offset_of(job->kept_dims, job->n_kept, outer / job->summed) +
                      offset_of(job->summed_dims, job->n_summed, outer % job->summed) + row * job->inner + column;
    gfloat *sums = job->sums + block * job->inner + column;

    if (job->inner == 1) {
        *sums = sum_row(x, (gsize)n);
        return;
    }
    memcpy(sums, x, (gsize)width * sizeof(gfloat));
    for (gint64 i = 1; i < n; i++)
        add_row(x + i * job->inner, sums, (gsize)width);
}

static void
sum_parts(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    gint64 count;
    const gint64 first = dinor1_fast_block(job->tasks, job->n_parts, (gint64)task, &count);

    for (gint64 part = first; part < first + count; part++)
        sum_part(job, part);
}

/* The dimensions of dy from the last to the first, alternately kept and summed. Returns how many; the first is kept,
 * perhaps of size 1. */
static gint
merge_dims(const DinoR1Shape *from, const DinoR1Shape *to, Dim dims[DINOR1_MAX_DIMS + 1])
{
    gint64 stride = 1;
    gint n = 1;

    dims[0] = (Dim){1, 1};
    for (gint i = from->ndim - 1, o = to->ndim - 1; i >= 0; i--, o--) {
        const gint64 size = from->dims[i];
        const gboolean kept = o >= 0 && to->dims[o] == size;
        if (size == 1)
            continue;
        if (kept != (n % 2 == 1))
            dims[n++] = (Dim){1, stride};
        dims[n - 1].size *= size;
        stride *= size;
    }
    return n;
}

static Job
make_job(const DinoR1KernelArgs *args)
{
    Dim dims[DINOR1_MAX_DIMS + 1];
    const gint n_dims = merge_dims(&args->inputs[0].shape, &args->outputs[0].shape, dims);
    Job job = {
        .dy = args->inputs[0].data,
        .kept = 1,
        .summed = 1,
        .inner = dims[0].size,
        .n = n_dims > 1 ? dims[1].size : 1,
    };

    for (gint i = 2; i < n_dims; i++) {
        if (i % 2 == 0)
            job.kept_dims[job.n_kept++] = dims[i];
        else
            job.summed_dims[job.n_summed++] = dims[i];
        *(i % 2 == 0 ? &job.kept : &job.summed) *= dims[i].size;
    }
    job.rows = dinor1_fast_blocks(job.n, job.inner == 1 ? PIECE : ROWS, 1);
    job.columns = dinor1_fast_blocks(job.inner, COLUMNS, VW);
    job.n_parts = job.kept * job.summed * job.rows.count * job.columns.count;
    job.tasks =
        dinor1_fast_blocks(job.n_parts, MAX(TASK_FLOATS / (job.rows.size * MIN(job.columns.size, job.inner)), 1), 1);
    return job;
}

gsize
ISA_NAME(fast_sum_to_workspace)(const DinoR1KernelArgs *args)
{
    const Job job = make_job(args);
    const gint64 sums = job.summed * job.rows.count;

    return sums == 1 ? 0 : (gsize)(job.kept * sums * job.inner) * sizeof(gfloat);
}

void
ISA_NAME(fast_sum_to)(const DinoR1KernelArgs *args)
{
    Job job = make_job(args);
    const gint64 sums = job.summed * job.rows.count;

    job.sums = sums == 1 ? args->outputs[0].data : args->workspace;
    dinor1_fast_run(
        args, (gsize)job.tasks.count, (gdouble)dinor1_shape_size(&args->inputs[0].shape) / 4, sum_parts, &job);
    if (sums > 1)
        ISA_NAME(fast_sum)(args, job.sums, job.kept, (gsize)sums, (gsize)job.inner, args->outputs[0].data);
}
