/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/sampling.h"
#include "backend/cpu/fast/simd_math.h"

/* Queries of a task. One head of all of them after the other: neighbours sample the same pixels. */
#define QUERY_BLOCK 32
/* Vectors of channels that are summed together. */
#define MAX_CHANNELS 4

enum { TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT, N_CORNERS };

typedef struct {
    const DinoR1KernelArgs *args;
    gint64 batches, queries, channels, heads, d;
    gsize n;        /* samples of a query and head: levels * points */
    gsize n_padded; /* n in whole vectors */
    DinoR1Blocks blocks;
    gsize slice_size;
} Plan;

/* A thread's memory. */
typedef struct {
    Levels levels;
    gfloat *weights;            /* [n_padded] */
    gint32 *pixels[N_CORNERS];  /* [n_padded], positions in value */
    gfloat *factors[N_CORNERS]; /* [n_padded] */
    gfloat *frames;             /* [QUERY_BLOCK, 4, n_padded] */
} Samples;

#define N_ARRAYS (4 + 2 * N_CORNERS + 4 * QUERY_BLOCK)

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1OpParams *params = args->params;
    const gint64 *dims = args->inputs[2].shape.dims; /* offsets: B, Q, ... */
    Plan plan = {
        .args = args,
        .batches = dims[0],
        .queries = dims[1],
        .channels = args->inputs[0].shape.dims[2],
        .heads = params->deformable.heads,
        .n = samples_of(params),
    };

    plan.d = plan.channels / plan.heads;
    plan.n_padded = v_round_up(plan.n);
    plan.blocks = dinor1_fast_blocks(plan.queries, QUERY_BLOCK, 1);
    plan.slice_size = dinor1_fast_slice_size(N_ARRAYS * plan.n_padded * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_deformable_attention_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

static Samples
take_samples(const Plan *plan, guint thread)
{
    gfloat *memory = (gfloat *)((guint8 *)plan->args->workspace + thread * plan->slice_size);
    const gsize n_padded = plan->n_padded;
    Samples samples;

    memset(memory, 0, plan->slice_size);
    samples.levels = (Levels){memory, memory + n_padded, (gint32 *)(memory + 2 * n_padded)};
    samples.weights = memory + 3 * n_padded;
    for (gsize corner = 0; corner < N_CORNERS; corner++) {
        samples.pixels[corner] = (gint32 *)(memory + (4 + corner) * n_padded);
        samples.factors[corner] = memory + (4 + N_CORNERS + corner) * n_padded;
    }
    samples.frames = memory + (4 + 2 * N_CORNERS) * n_padded;
    set_levels(plan->args->params, samples.levels);
    return samples;
}

static Frame
frame_of(const Plan *plan, const Samples *samples, gint64 slot)
{
    gfloat *memory = samples->frames + (gsize)slot * 4 * plan->n_padded;

    return (Frame){memory, memory + plan->n_padded, memory + 2 * plan->n_padded, memory + 3 * plan->n_padded};
}

/* The softmax of n logits. */
static void
weigh(const Plan *plan, const gfloat *logits, gfloat *weights)
{
    vf highest = v_set(-INFINITY), sum = v_set(0);

    for (gsize i = 0; i < plan->n; i += VW) {
        const vf logit = v_keep_n(v_load_n(logits + i, plan->n - i), v_set(-INFINITY), plan->n - i);
        highest = v_max(logit, highest);
        v_store(weights + i, logit);
    }
    const gfloat max = v_highest(highest);
    const vf shift = v_set(max == -INFINITY ? 0 : max);
    for (gsize i = 0; i < plan->n; i += VW) {
        const vf weight = v_exp(v_load(weights + i) - shift);
        sum += weight;
        v_store(weights + i, weight);
    }
    const vf factor = v_set(max == -INFINITY ? 0 : 1 / v_sum(sum));
    for (gsize i = 0; i < plan->n; i += VW)
        v_store(weights + i, v_load(weights + i) * factor);
}

/* Pixels and factors of the 4 corners of every sample; @offsets: [n, 2]. */
static void
locate(const Plan *plan, const Samples *samples, Frame frame, const gfloat *offsets)
{
    for (gsize i = 0; i < plan->n; i += VW) {
        const vf width = v_load(samples->levels.width + i), height = v_load(samples->levels.height + i);
        vf x_place, y_place;
        place(frame, offsets, i, plan->n, &x_place, &y_place);
        const Between x = between(x_place, width), y = between(y_place, height);
        const vf weight = v_load(samples->weights + i);
        const vi start = vi_load(samples->levels.start + i), stride = v_to_int(width);
        const vi top = start + y.low * stride, bottom = start + y.high * stride;
        const vf top_factor = weight * y.low_factor, bottom_factor = weight * y.high_factor;

        vi_store(samples->pixels[TOP_LEFT] + i, top + x.low);
        vi_store(samples->pixels[TOP_RIGHT] + i, top + x.high);
        vi_store(samples->pixels[BOTTOM_LEFT] + i, bottom + x.low);
        vi_store(samples->pixels[BOTTOM_RIGHT] + i, bottom + x.high);
        v_store(samples->factors[TOP_LEFT] + i, top_factor * x.low_factor);
        v_store(samples->factors[TOP_RIGHT] + i, top_factor * x.high_factor);
        v_store(samples->factors[BOTTOM_LEFT] + i, bottom_factor * x.low_factor);
        v_store(samples->factors[BOTTOM_RIGHT] + i, bottom_factor * x.high_factor);
    }
}

/* Sums @n_vectors vectors of channels over all samples; @n channels are real. Two sums each, because one addition
 * has to wait for the last. */
V_INLINE void
sum_channels(const Plan *plan, const Samples *samples, const gfloat *value, gfloat *out, gsize n, const gint n_vectors,
    const gboolean whole)
{
    vf left[MAX_CHANNELS], right[MAX_CHANNELS];

    for (gint c = 0; c < n_vectors; c++)
        left[c] = right[c] = v_set(0);
    for (gsize i = 0; i < plan->n; i++) {
        for (gint corner = 0; corner < N_CORNERS; corner++) {
            const gfloat *pixel = value + samples->pixels[corner][i] * plan->channels;
            const vf factor = v_set(samples->factors[corner][i]);
            vf *sums = corner % 2 ? right : left;
            for (gint c = 0; c < n_vectors; c++) {
                const gsize at = (gsize)c * VW;
                sums[c] = v_fma(factor, whole ? v_load(pixel + at) : v_load_n(pixel + at, n - at), sums[c]);
            }
        }
    }
    for (gint c = 0; c < n_vectors; c++)
        v_store_n(out + c * VW, left[c] + right[c], n - (gsize)c * VW);
}

static void
sample(const Plan *plan, const Samples *samples, const gfloat *value, gfloat *out)
{
    const gsize d = (gsize)plan->d;
    gsize at = 0;

    for (; at + 4 * VW <= d; at += 4 * VW)
        sum_channels(plan, samples, value + at, out + at, 4 * VW, 4, TRUE);
    for (; at + 2 * VW <= d; at += 2 * VW)
        sum_channels(plan, samples, value + at, out + at, 2 * VW, 2, TRUE);
    for (; at < d; at += VW)
        sum_channels(plan, samples, value + at, out + at, d - at, 1, FALSE);
}

static void
attend_queries(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const DinoR1View *inputs = plan->args->inputs;
    const gint64 batch = (gint64)task / plan->blocks.count, block = (gint64)task % plan->blocks.count;
    const gfloat *value = (const gfloat *)inputs[0].data + batch * inputs[0].shape.dims[1] * plan->channels;
    const gint64 reference_size = inputs[1].shape.dims[2] * inputs[1].shape.dims[3];
    const gint64 reference_batch = inputs[1].shape.dims[0] == 1 ? 0 : batch;
    const Samples samples = take_samples(plan, thread);
    gint64 count;
    const gint64 first = dinor1_fast_block(plan->blocks, plan->queries, block, &count);

    for (gint64 i = 0; i < count; i++)
        set_frame(plan->args, samples.levels,
            (const gfloat *)inputs[1].data + (reference_batch * plan->queries + first + i) * reference_size,
            frame_of(plan, &samples, i));
    for (gint64 head = 0; head < plan->heads; head++) {
        for (gint64 i = 0; i < count; i++) {
            const gint64 query = batch * plan->queries + first + i;
            const gint64 row = (query * plan->heads + head) * (gint64)plan->n;
            weigh(plan, (const gfloat *)inputs[3].data + row, samples.weights);
            locate(plan, &samples, frame_of(plan, &samples, i), (const gfloat *)inputs[2].data + 2 * row);
            sample(plan, &samples, value + head * plan->d,
                (gfloat *)plan->args->outputs[0].data + query * plan->channels + head * plan->d);
        }
    }
}

void
ISA_NAME(fast_deformable_attention)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gdouble samples = (gdouble)(plan.batches * plan.queries * plan.heads) * (gdouble)plan.n;

    dinor1_fast_run(
        args, (gsize)(plan.batches * plan.blocks.count), samples * (5 + (gdouble)plan.d / 4), attend_queries, &plan);
}
