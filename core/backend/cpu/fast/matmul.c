/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/panels.h"

typedef struct {
    const DinoR1KernelArgs *args;
    DinoR1Gemm gemm; /* of the first matrix of the batch */
    DinoR1Tiles tiles;
    gint64 batch;
} Job;

/* Where matrix @batch of the output finds its factor among the matrices of @factor, whose leading dimensions broadcast
 * to the output's. */
static gint64
broadcast_matrix(const DinoR1Shape *out, const DinoR1Shape *factor, gint64 batch)
{
    gint64 index = 0, stride = 1;

    for (gint i = factor->ndim - 3, o = out->ndim - 3; i >= 0; i--, o--) {
        if (factor->dims[i] != 1)
            index += batch % out->dims[o] * stride;
        batch /= out->dims[o];
        stride *= factor->dims[i];
    }
    return index;
}

/* The same product for matrix @index of the batch. */
static DinoR1Gemm
of_batch(const Job *job, gint64 index)
{
    const DinoR1View *inputs = job->args->inputs;
    const DinoR1Shape *out = &job->args->outputs[0].shape;
    DinoR1Gemm gemm = job->gemm;

    gemm.a += broadcast_matrix(out, &inputs[0].shape, index) * gemm.m * gemm.k;
    gemm.b += broadcast_matrix(out, &inputs[1].shape, index) * gemm.k * gemm.n;
    if (gemm.bias && inputs[2].shape.ndim > 1)
        gemm.bias += index * gemm.n;
    if (gemm.residual)
        gemm.residual += index * gemm.m * gemm.n;
    gemm.out += index * gemm.m * gemm.n;
    return gemm;
}

static void
run_tile(gpointer user_data, gsize task, guint thread)
{
    const Job *job = user_data;
    const gsize tiles = dinor1_fast_n_tiles(&job->tiles);
    const DinoR1Gemm gemm = of_batch(job, (gint64)(task / tiles));
    const DinoR1Gemm tile = dinor1_fast_tile(&gemm, &job->tiles, task % tiles);

    ISA_NAME(fast_gemm)(&tile);
}

/* The first matrix of the batch. */
static DinoR1Gemm
first_product(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    const gboolean trans_a = args->params->matmul.trans_a, trans_b = args->params->matmul.trans_b;
    const gint64 m = dinor1_shape_dim(out, -2), n = dinor1_shape_dim(out, -1);
    const gint64 k = dinor1_shape_dim(&args->inputs[0].shape, trans_a ? -2 : -1);

    return (DinoR1Gemm){
        .m = m,
        .n = n,
        .k = k,
        .a = args->inputs[0].data,
        .lda = trans_a ? m : k,
        .trans_a = trans_a,
        .b = args->inputs[1].data,
        .ldb = trans_b ? k : n,
        .trans_b = trans_b,
        .alpha = args->params->matmul.alpha,
        .bias = args->inputs[2].data,
        .residual = args->inputs[3].data,
        .out = args->outputs[0].data,
        .ldo = n,
    };
}

gsize
ISA_NAME(fast_matmul_workspace)(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    const DinoR1Gemm gemm = first_product(args);

    if (dinor1_shape_span(out, 0, out->ndim - 2) > 1)
        return 0;
    return gemm.trans_a ? ISA_NAME(fast_tall_product_workspace)(&gemm) : ISA_NAME(fast_product_workspace)(&gemm);
}

void
ISA_NAME(fast_matmul)(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *out = &args->outputs[0].shape;
    Job job = {.args = args, .gemm = first_product(args), .batch = dinor1_shape_span(out, 0, out->ndim - 2)};

    if (job.batch == 1 && job.gemm.trans_a) {
        ISA_NAME(fast_tall_product)(args, &job.gemm, args->workspace);
        return;
    }
    /* Rows that lie in order go through panels. */
    if (job.batch == 1) {
        ISA_NAME(fast_product)(args, &job.gemm, args->workspace);
        return;
    }
    job.tiles = dinor1_fast_tiles(&job.gemm, job.batch);
    dinor1_fast_run(args, (gsize)job.batch * dinor1_fast_n_tiles(&job.tiles),
        (gdouble)job.batch * dinor1_fast_gemm_nanoseconds(&job.gemm), run_tile, &job);
}
