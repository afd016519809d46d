/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/attend.h"
#include "backend/cpu/fast/kernels.h"

/* A task packs this many keys of one head, or answers this many queries. */
#define KEY_BLOCK   512
#define QUERY_BLOCK 48

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 heads, nq, cq, cv; /* width of a row of q and k, of v and out */
    gint64 n_sets;            /* of packed keys: B|1 times heads */
    DinoR1Keys keys;
    DinoR1Blocks key_blocks, query_blocks;
    gfloat *packed; /* [n_sets][keys, values] */
    gsize set_size; /* floats of one */
    guint8 *slices; /* [threads][scores, ATTEND_ROWS biases] */
    gsize slice_size;
} Plan;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *q = &args->inputs[0].shape, *k = &args->inputs[1].shape, *v = &args->inputs[2].shape;
    const gint64 heads = args->params->attention.heads;
    Plan plan = {
        .args = args,
        .heads = heads,
        .nq = q->dims[1],
        .cq = q->dims[2],
        .cv = v->dims[2],
        .n_sets = MAX(k->dims[0], v->dims[0]) * heads,
    };
    const gsize n = (gsize)k->dims[1], e = (gsize)(plan.cv / heads);

    plan.keys = (DinoR1Keys){
        .n = n,
        .d = (gsize)(plan.cq / heads),
        .e = e,
        .n_padded = v_round_up(n),
        .e_padded = v_round_up(e),
        .scale = args->params->attention.scale,
    };
    plan.key_blocks = dinor1_fast_blocks(k->dims[1], KEY_BLOCK, VW);
    plan.query_blocks = dinor1_fast_blocks(plan.nq, QUERY_BLOCK, ATTEND_ROWS);
    plan.set_size = attend_keys_size(&plan.keys) + attend_values_size(&plan.keys);
    plan.slice_size =
        dinor1_fast_slice_size((attend_scores_size(&plan.keys) + ATTEND_ROWS * plan.keys.n_padded) * sizeof(gfloat));
    return plan;
}

static gsize
packed_size(const Plan *plan)
{
    return dinor1_fast_slice_size((gsize)plan->n_sets * plan->set_size * sizeof(gfloat));
}

gsize
ISA_NAME(fast_attention_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return packed_size(&plan) + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

/* Matrix @batch of a [B|1, ...] tensor. */
static const gfloat *
of_batch(const DinoR1View *view, gint64 batch)
{
    const gfloat *data = view->data;

    return view->shape.dims[0] == 1 ? data : data + batch * view->shape.dims[1] * view->shape.dims[2];
}

static DinoR1Keys
keys_of_set(const Plan *plan, gint64 set)
{
    DinoR1Keys keys = plan->keys;

    keys.keys = plan->packed + (gsize)set * plan->set_size;
    keys.values = keys.keys + attend_keys_size(&keys);
    return keys;
}

static void
pack_keys(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 set = (gint64)task / plan->key_blocks.count, block = (gint64)task % plan->key_blocks.count;
    const gint64 batch = set / plan->heads, head = set % plan->heads, last = (gint64)plan->keys.n - 1;
    const DinoR1Keys keys = keys_of_set(plan, set);
    const gfloat *k = of_batch(&plan->args->inputs[1], batch) + head * (gint64)keys.d;
    const gfloat *v = of_batch(&plan->args->inputs[2], batch) + head * (gint64)keys.e;
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->key_blocks, (gint64)keys.n, block, &count);

    /* The last block also fills the padding of the last vector. */
    for (gint64 i = first; i < first + (gint64)v_round_up((gsize)count); i += 4) {
        const gfloat *rows[4];
        for (gint64 r = 0; r < 4; r++)
            rows[r] = k + MIN(i + r, last) * plan->cq;
        attend_put_keys(&keys, (gsize)i, rows);
    }
    for (gint64 i = first; i < first + count; i++)
        attend_put_value(&keys, (gsize)i, v + i * plan->cv);
}

/* @biases: [ATTEND_ROWS, n_padded]. Only a mask with a row per query changes from one query to the next. */
static void
set_biases(const Plan *plan, gint64 batch, gint64 query, gsize n, gfloat *biases)
{
    const DinoR1View *mask = &plan->args->inputs[3];
    const gsize n_padded = plan->keys.n_padded;

    for (gsize r = 0; r < n; r++)
        attend_set_bias(
            &plan->keys, biases + r * n_padded, of_batch(mask, batch) + (query + (gint64)r) * (gint64)plan->keys.n);
}

static void
attend_queries(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const DinoR1View *mask = &plan->args->inputs[3];
    const gboolean mask_per_query = mask->data && mask->shape.dims[1] > 1;
    const gint64 block = (gint64)task % plan->query_blocks.count, set = (gint64)task / plan->query_blocks.count;
    const gint64 batch = set / plan->heads, head = set % plan->heads;
    const DinoR1Keys keys = keys_of_set(plan, plan->n_sets == plan->heads ? head : set);
    const gfloat *q = of_batch(&plan->args->inputs[0], batch) + head * (gint64)keys.d;
    gfloat *out = (gfloat *)plan->args->outputs[0].data + batch * plan->nq * plan->cv + head * (gint64)keys.e;
    gfloat *scores = (gfloat *)(plan->slices + thread * plan->slice_size);
    gfloat *biases = scores + attend_scores_size(&keys);
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->query_blocks, plan->nq, block, &count);
    DinoR1Queries queries;

    if (!mask_per_query)
        attend_set_bias(&keys, biases, mask->data ? of_batch(mask, batch) : NULL);
    for (gint64 i = first; i < first + count; i += ATTEND_ROWS) {
        queries.n = (gsize)MIN(ATTEND_ROWS, first + count - i);
        if (mask_per_query)
            set_biases(plan, batch, i, queries.n, biases);
        for (gsize r = 0; r < queries.n; r++) {
            queries.q[r] = q + (i + (gint64)r) * plan->cq;
            queries.out[r] = out + (i + (gint64)r) * plan->cv;
            queries.bias[r] = biases + (mask_per_query ? r * keys.n_padded : 0);
            queries.mask[r] = NULL;
        }
        ISA_NAME(fast_attend)(&keys, &queries, scores);
    }
}

void
ISA_NAME(fast_attention)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gint64 sets = args->outputs[0].shape.dims[0] * plan.heads;
    const gdouble key_floats = (gdouble)plan.n_sets * (gdouble)plan.set_size;

    plan.packed = args->workspace;
    plan.slices = (guint8 *)args->workspace + packed_size(&plan);
    dinor1_fast_run(args, (gsize)(plan.n_sets * plan.key_blocks.count), key_floats, pack_keys, &plan);
    dinor1_fast_run(args, (gsize)(sets * plan.query_blocks.count),
        (gdouble)sets * (gdouble)plan.nq * (gdouble)plan.set_size / 20, attend_queries, &plan);
}
