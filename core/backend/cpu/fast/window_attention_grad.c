/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/windows.h"

/* What all windows add to is summed by that many blocks of windows at most, windows of a block in order. */
#define MAX_BLOCKS 16

enum { Q, K, V, TABLE, DY, K_PAD, V_PAD };
enum { DQ, DK, DV, DTABLE, DK_PAD, DV_PAD };

/* The sums: of the scores' gradients [heads, n, n], of those of padded keys and values [C] each. */
typedef struct {
    const DinoR1KernelArgs *args;
    DinoR1Windows windows;
    gsize n, d;
    gsize width; /* of the sums */
    DinoR1Blocks blocks;
    gsize shared_size, slice_size; /* bytes */
    gfloat *sums;                  /* [blocks, width] */
    gfloat *totals;                /* [width] */
    gfloat *biases;                /* [heads, n, n] */
    guint8 *slices;
} Plan;

/* One head of one window; the arrays belong to the thread. */
typedef struct {
    gint64 *offsets;          /* [n] */
    gint32 *regions;          /* [n] */
    gfloat *q, *k, *v, *dy;   /* [n, d] */
    gfloat *gradient;         /* [n, d], of q, k or v */
    gfloat *scores, *dscores; /* [n, n] */
    gsize head;
} Part;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    Plan plan = {.args = args, .windows = dinor1_fast_windows(args)};
    const gsize heads = (gsize)plan.windows.heads, n = plan.windows.n;

    plan.n = n;
    plan.d = (gsize)plan.windows.channels / heads;
    plan.width = heads * n * n + 2 * (gsize)plan.windows.channels;
    plan.blocks = dinor1_fast_blocks(plan.windows.n_windows, (plan.windows.n_windows + MAX_BLOCKS - 1) / MAX_BLOCKS, 1);
    plan.slice_size =
        dinor1_fast_slice_size(n * (sizeof(gint64) + sizeof(gint32)) + (5 * n * plan.d + 2 * n * n) * sizeof(gfloat));
    plan.shared_size =
        dinor1_fast_slice_size((((gsize)plan.blocks.count + 1) * plan.width + heads * n * n) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_window_attention_grad_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return plan.shared_size + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

static Part
take_part(const Plan *plan, guint thread, gsize head)
{
    const gsize size = plan->n * plan->d;
    Part part = {.offsets = (gint64 *)(plan->slices + thread * plan->slice_size), .head = head};

    part.q = (gfloat *)(part.offsets + plan->n);
    part.k = part.q + size;
    part.v = part.k + size;
    part.dy = part.v + size;
    part.gradient = part.dy + size;
    part.scores = part.gradient + size;
    part.dscores = part.scores + plan->n * plan->n;
    part.regions = (gint32 *)(part.dscores + plan->n * plan->n);
    return part;
}

/* The relative position bias of one head. */
static void
expand_bias(gpointer user_data, gsize head, guint thread)
{
    const Plan *plan = user_data;
    const gfloat *table = (const gfloat *)plan->args->inputs[TABLE].data + head; /* [(2w-1)^2, heads] */
    gfloat *bias = plan->biases + head * plan->n * plan->n;

    for (gint64 q = 0; q < (gint64)plan->n; q++)
        for (gint64 k = 0; k < (gint64)plan->n; k++)
            *bias++ = table[dinor1_fast_window_entry(&plan->windows, q, k)];
}

static void
fold_bias(gpointer user_data, gsize head, guint thread)
{
    const Plan *plan = user_data;
    const gint64 entries = plan->args->inputs[TABLE].shape.dims[0];
    gfloat *dtable = (gfloat *)plan->args->outputs[DTABLE].data + head;
    const gfloat *dbias = plan->totals + head * plan->n * plan->n;

    for (gint64 i = 0; i < entries; i++)
        dtable[i * plan->windows.heads] = 0;
    for (gint64 q = 0; q < (gint64)plan->n; q++)
        for (gint64 k = 0; k < (gint64)plan->n; k++)
            dtable[dinor1_fast_window_entry(&plan->windows, q, k)] += *dbias++;
}

/* The head's rows of @map; @pad [C] or zeros in the padding. */
static void
gather(const Plan *plan, const Part *part, const gfloat *map, const gfloat *pad, gfloat *rows)
{
    const gsize channel = part->head * plan->d, size = plan->d * sizeof(gfloat);

    for (gsize i = 0; i < plan->n; i++, rows += plan->d) {
        if (part->offsets[i] >= 0)
            memcpy(rows, map + part->offsets[i] + channel, size);
        else if (pad)
            memcpy(rows, pad + channel, size);
        else
            memset(rows, 0, size);
    }
}

V_INLINE void
add(const gfloat *x, gfloat *sum, gsize n)
{
    for (gsize i = 0; i < n; i += VW)
        v_store_n(sum + i, v_load_n(sum + i, n - i) + v_load_n(x + i, n - i), n - i);
}

/* part->gradient to its places in @map; what belongs to the padding is added to @pad [C]?. */
static void
scatter(const Plan *plan, const Part *part, gfloat *map, gfloat *pad)
{
    const gsize channel = part->head * plan->d;
    const gfloat *row = part->gradient;

    for (gsize i = 0; i < plan->n; i++, row += plan->d) {
        if (part->offsets[i] >= 0)
            memcpy(map + part->offsets[i] + channel, row, plan->d * sizeof(gfloat));
        else if (pad)
            add(row, pad + channel, plan->d);
    }
}

/* out [n, n] = alpha * a . b^T + residual, a and b [n, d] */
static void
pair(const Plan *plan, const gfloat *a, const gfloat *b, gfloat alpha, const gfloat *residual, gfloat *out)
{
    const gint64 n = (gint64)plan->n, d = (gint64)plan->d;
    const DinoR1Gemm gemm = {
        .m = n,
        .n = n,
        .k = d,
        .a = a,
        .b = b,
        .lda = d,
        .ldb = d,
        .trans_b = TRUE,
        .alpha = alpha,
        .residual = residual,
        .out = out,
        .ldo = n,
    };

    ISA_NAME(fast_gemm)(&gemm);
}

/* part->gradient = alpha * op(a) . b, a [n, n], b [n, d] */
static void
mix(const Plan *plan, const Part *part, const gfloat *a, gboolean trans_a, const gfloat *b, gfloat alpha)
{
    const gint64 n = (gint64)plan->n, d = (gint64)plan->d;
    const DinoR1Gemm gemm = {
        .m = n,
        .n = d,
        .k = n,
        .a = a,
        .b = b,
        .lda = n,
        .ldb = d,
        .trans_a = trans_a,
        .alpha = alpha,
        .out = part->gradient,
        .ldo = d,
    };

    ISA_NAME(fast_gemm)(&gemm);
}

/* Softmax weights in part->scores, the scores' gradients in part->dscores. */
static void
score(const Plan *plan, const Part *part, gboolean masked)
{
    const gsize n = plan->n;

    pair(plan, part->q, part->k, 1 / sqrtf((gfloat)plan->d), plan->biases + part->head * n * n, part->scores);
    for (gsize i = 0; masked && i < n; i++)
        for (gsize j = 0; j < n; j++)
            part->scores[i * n + j] += part->regions[i] == part->regions[j] ? 0 : DINOR1_OTHER_REGION;
    pair(plan, part->dy, part->v, 1, NULL, part->dscores);
    for (gsize i = 0; i < n * n; i += n) {
        ISA_NAME(fast_softmax_row)(part->scores + i, part->scores + i, n);
        ISA_NAME(fast_softmax_row_grad)(part->scores + i, part->dscores + i, part->dscores + i, n);
    }
}

static void
window_grad(const Plan *plan, const Part *part, gboolean masked, gfloat *sums)
{
    const DinoR1View *inputs = plan->args->inputs, *outputs = plan->args->outputs;
    const gfloat scale = 1 / sqrtf((gfloat)plan->d);
    gfloat *dk_pad = sums + (gsize)plan->windows.heads * plan->n * plan->n, *dv_pad = dk_pad + plan->windows.channels;

    gather(plan, part, inputs[Q].data, NULL, part->q);
    gather(plan, part, inputs[K].data, inputs[K_PAD].data, part->k);
    gather(plan, part, inputs[V].data, inputs[V_PAD].data, part->v);
    gather(plan, part, inputs[DY].data, NULL, part->dy);
    score(plan, part, masked);
    add(part->dscores, sums + part->head * plan->n * plan->n, plan->n * plan->n);
    mix(plan, part, part->scores, TRUE, part->dy, 1);
    scatter(plan, part, outputs[DV].data, dv_pad);
    mix(plan, part, part->dscores, TRUE, part->q, scale);
    scatter(plan, part, outputs[DK].data, dk_pad);
    mix(plan, part, part->dscores, FALSE, part->k, scale);
    scatter(plan, part, outputs[DQ].data, NULL);
}

/* One head of one block of windows. */
static void
run_block(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gsize heads = (gsize)plan->windows.heads, channels = (gsize)plan->windows.channels, block = task / heads;
    const Part part = take_part(plan, thread, task % heads);
    gfloat *sums = plan->sums + block * plan->width, *pads = sums + heads * plan->n * plan->n + part.head * plan->d;
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->windows.n_windows, (gint64)block, &count);

    memset(sums + part.head * plan->n * plan->n, 0, plan->n * plan->n * sizeof(gfloat));
    memset(pads, 0, plan->d * sizeof(gfloat));
    memset(pads + channels, 0, plan->d * sizeof(gfloat));
    for (gint64 i = first; i < first + count; i++) {
        const gboolean masked = dinor1_fast_window_locate(&plan->windows, i, part.offsets, part.regions);
        window_grad(plan, &part, masked, sums);
    }
}

void
ISA_NAME(fast_window_attention_grad)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gsize heads = (gsize)plan.windows.heads, pairs = heads * plan.n * plan.n;
    const gsize pad_size = (gsize)plan.windows.channels * sizeof(gfloat);

    plan.sums = args->workspace;
    plan.totals = plan.sums + (gsize)plan.blocks.count * plan.width;
    plan.biases = plan.totals + plan.width;
    plan.slices = (guint8 *)args->workspace + plan.shared_size;
    dinor1_fast_run(args, heads, (gdouble)pairs, expand_bias, &plan);
    dinor1_fast_run(args, (gsize)plan.blocks.count * heads,
        (gdouble)plan.windows.n_windows * (gdouble)pairs * (gdouble)plan.d / 5, run_block, &plan);
    ISA_NAME(fast_sum)(args, plan.sums, 1, (gsize)plan.blocks.count, plan.width, plan.totals);
    dinor1_fast_run(args, heads, (gdouble)pairs, fold_bias, &plan);
    memcpy(args->outputs[DK_PAD].data, plan.totals + pairs, pad_size);
    memcpy(args->outputs[DV_PAD].data, plan.totals + pairs + plan.windows.channels, pad_size);
}
