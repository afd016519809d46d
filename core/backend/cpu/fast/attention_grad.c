/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"

/* Scores of a slab: they stay in the second-level cache. */
#define SLAB_SCORES 65536
/* Rows of a slab that still make good products. */
#define SLAB_MIN_ROWS 16

enum { Q, K, V, DY, MASK };
enum { DQ, DK, DV };

/* A task is one head of one image, or of all images in order where some input's batch of 1 sums over them: no two
 * tasks add to the same place. */
typedef struct {
    const DinoR1KernelArgs *args;
    gint64 batches, nq, nk, heads;
    gint64 c, cv; /* channels of q and k, of v and dy */
    gint64 d, e;  /* the same of a head */
    gboolean summed;
    DinoR1Blocks slabs; /* of queries */
    gsize slice_size;
} Plan;

/* One head of one image: where its matrices begin and from where on their gradients are sums. */
typedef struct {
    const gfloat *q, *k, *v, *dy, *mask;
    gfloat *dq, *dk, *dv;
    gboolean add_q, add_k, add_v;
    gfloat *weights, *dscores; /* [slab, Nk] */
} Head;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *q = &args->inputs[Q].shape, *k = &args->inputs[K].shape, *dy = &args->inputs[DY].shape;
    Plan plan = {
        .args = args,
        .batches = dy->dims[0],
        .nq = q->dims[1],
        .nk = k->dims[1],
        .heads = args->params->attention.heads,
        .c = q->dims[2],
        .cv = dy->dims[2],
    };

    plan.d = plan.c / plan.heads;
    plan.e = plan.cv / plan.heads;
    for (gsize i = Q; i <= V; i++)
        plan.summed |= args->inputs[i].shape.dims[0] < plan.batches;
    plan.slabs = dinor1_fast_blocks(plan.nq, MAX(SLAB_SCORES / plan.nk, SLAB_MIN_ROWS), 1);
    plan.slice_size = dinor1_fast_slice_size(2 * (gsize)(plan.slabs.size * plan.nk) * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_attention_grad_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

/* What image @batch finds of an input whose batch may be 1. */
static gint64
batch_offset(const DinoR1View *view, gint64 batch)
{
    return view->shape.dims[0] == 1 ? 0 : batch * dinor1_shape_span(&view->shape, 1, 3);
}

static Head
head_of(const Plan *plan, gint64 batch, gint64 head, guint thread)
{
    const DinoR1View *inputs = plan->args->inputs, *outputs = plan->args->outputs;
    const gint64 at_q = batch_offset(&inputs[Q], batch) + head * plan->d;
    const gint64 at_k = batch_offset(&inputs[K], batch) + head * plan->d;
    const gint64 at_v = batch_offset(&inputs[V], batch) + head * plan->e;
    const gfloat *mask = inputs[MASK].data;
    gfloat *memory = (gfloat *)((guint8 *)plan->args->workspace + thread * plan->slice_size);

    return (Head){
        .q = (const gfloat *)inputs[Q].data + at_q,
        .k = (const gfloat *)inputs[K].data + at_k,
        .v = (const gfloat *)inputs[V].data + at_v,
        .dy = (const gfloat *)inputs[DY].data + batch_offset(&inputs[DY], batch) + head * plan->e,
        .mask = mask ? mask + batch_offset(&inputs[MASK], batch) : NULL,
        .dq = (gfloat *)outputs[DQ].data + at_q,
        .dk = (gfloat *)outputs[DK].data + at_k,
        .dv = (gfloat *)outputs[DV].data + at_v,
        .add_q = batch > 0 && inputs[Q].shape.dims[0] == 1,
        .add_k = batch > 0 && inputs[K].shape.dims[0] == 1,
        .add_v = batch > 0 && inputs[V].shape.dims[0] == 1,
        .weights = memory,
        .dscores = memory + plan->slabs.size * plan->nk,
    };
}

/* out [m, nk] = alpha * a [m, k] . b [nk, k]^T, rows of a and b @stride apart */
static void
score(const Plan *plan, gint64 m, const gfloat *a, const gfloat *b, gint64 k, gint64 stride, gfloat alpha, gfloat *out)
{
    const DinoR1Gemm gemm = {
        .m = m,
        .n = plan->nk,
        .k = k,
        .a = a,
        .b = b,
        .lda = stride,
        .ldb = stride,
        .trans_b = TRUE,
        .alpha = alpha,
        .out = out,
        .ldo = plan->nk,
    };

    ISA_NAME(fast_gemm)(&gemm);
}

/* out [rows, width] (+)= alpha * op(a) . b, a [m, nk] of the slab, rows of b and out @stride apart */
static void
mix(const Plan *plan, gint64 m, const gfloat *a, gboolean trans_a, const gfloat *b, gint64 width, gint64 stride,
    gfloat alpha, gboolean add, gfloat *out)
{
    const DinoR1Gemm gemm = {
        .m = trans_a ? plan->nk : m,
        .n = width,
        .k = trans_a ? m : plan->nk,
        .a = a,
        .b = b,
        .lda = plan->nk,
        .ldb = stride,
        .trans_a = trans_a,
        .alpha = alpha,
        .residual = add ? out : NULL,
        .out = out,
        .ldo = stride,
    };

    ISA_NAME(fast_gemm)(&gemm);
}

V_INLINE void
add_row(const gfloat *x, gfloat *sum, gsize n)
{
    for (gsize i = 0; i < n; i += VW)
        v_store_n(sum + i, v_load_n(sum + i, n - i) + v_load_n(x + i, n - i), n - i);
}

/* @m queries from @first on. */
static void
slab_grad(const Plan *plan, const Head *head, gint64 first, gint64 m)
{
    const gfloat scale = plan->args->params->attention.scale;
    const gint64 mask_step = plan->args->inputs[MASK].shape.dims[1] == 1 ? 0 : plan->nk;
    const gfloat *q = head->q + first * plan->c, *dy = head->dy + first * plan->cv;

    score(plan, m, q, head->k, plan->d, plan->c, scale, head->weights);
    score(plan, m, dy, head->v, plan->e, plan->cv, 1, head->dscores);
    for (gint64 i = 0; i < m; i++) {
        gfloat *weights = head->weights + i * plan->nk, *dscores = head->dscores + i * plan->nk;
        if (head->mask)
            add_row(head->mask + (first + i) * mask_step, weights, (gsize)plan->nk);
        ISA_NAME(fast_softmax_row)(weights, weights, (gsize)plan->nk);
        ISA_NAME(fast_softmax_row_grad)(weights, dscores, dscores, (gsize)plan->nk);
    }
    mix(plan, m, head->dscores, FALSE, head->k, plan->d, plan->c, scale, head->add_q, head->dq + first * plan->c);
    mix(plan, m, head->dscores, TRUE, q, plan->d, plan->c, scale, head->add_k || first > 0, head->dk);
    mix(plan, m, head->weights, TRUE, dy, plan->e, plan->cv, 1, head->add_v || first > 0, head->dv);
}

static void
run_heads(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 first = plan->summed ? 0 : (gint64)task / plan->heads;
    const gint64 end = plan->summed ? plan->batches : first + 1;

    for (gint64 batch = first; batch < end; batch++) {
        const Head head = head_of(plan, batch, (gint64)task % plan->heads, thread);
        for (gint64 slab = 0; slab < plan->slabs.count; slab++) {
            gint64 m;
            const gint64 query = dinor1_fast_block(plan->slabs, plan->nq, slab, &m);
            slab_grad(plan, &head, query, m);
        }
    }
}

void
ISA_NAME(fast_attention_grad)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gdouble macs = (gdouble)(plan.batches * plan.nq) * (gdouble)(plan.nk * (3 * plan.c + 2 * plan.cv));

    dinor1_fast_run(args, (gsize)((plan.summed ? 1 : plan.batches) * plan.heads), macs / 20, run_heads, &plan);
}
