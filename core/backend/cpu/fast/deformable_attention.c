/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
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

/* Pixel coordinates of the samples are origin + scale * offset, for all heads of a query. */
typedef struct {
    gfloat *x_origin, *x_scale, *y_origin, *y_scale; /* [n_padded] */
} Frame;

/* A thread's memory. */
typedef struct {
    gfloat *width, *height;     /* [n_padded], of each sample's level */
    gint32 *start;              /* [n_padded], first position of that level */
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
        .n = (gsize)params->deformable.n_levels * (gsize)params->deformable.n_points,
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
    const DinoR1OpParams *params = plan->args->params;
    gfloat *memory = (gfloat *)((guint8 *)plan->args->workspace + thread * plan->slice_size);
    const gsize n_padded = plan->n_padded;
    Samples samples;
    gint32 start = 0;

    memset(memory, 0, plan->slice_size);
    samples.width = memory;
    samples.height = memory + n_padded;
    samples.start = (gint32 *)(memory + 2 * n_padded);
    samples.weights = memory + 3 * n_padded;
    for (gsize corner = 0; corner < N_CORNERS; corner++) {
        samples.pixels[corner] = (gint32 *)(memory + (4 + corner) * n_padded);
        samples.factors[corner] = memory + (4 + N_CORNERS + corner) * n_padded;
    }
    samples.frames = memory + (4 + 2 * N_CORNERS) * n_padded;

    for (gsize i = 0; i < plan->n; i++) {
        const gsize level = i / (gsize)params->deformable.n_points;
        samples.width[i] = (gfloat)params->deformable.widths[level];
        samples.height[i] = (gfloat)params->deformable.heights[level];
        samples.start[i] = start;
        if ((i + 1) % (gsize)params->deformable.n_points == 0)
            start += params->deformable.widths[level] * params->deformable.heights[level];
    }
    return samples;
}

static Frame
frame_of(const Plan *plan, const Samples *samples, gint64 slot)
{
    gfloat *memory = samples->frames + (gsize)slot * 4 * plan->n_padded;

    return (Frame){memory, memory + plan->n_padded, memory + 2 * plan->n_padded, memory + 3 * plan->n_padded};
}

/* @reference: [L|1, 2 or 4] of one query. A centre places offsets in pixels of the level, a box in parts of itself. */
static void
set_frame(const Plan *plan, const Samples *samples, const gfloat *reference, Frame frame)
{
    const gint64 *dims = plan->args->inputs[1].shape.dims;
    const gint64 levels = dims[2], coordinates = dims[3];
    const gsize points = (gsize)plan->args->params->deformable.n_points;

    for (gsize i = 0; i < plan->n; i++) {
        const gfloat *box = reference + (levels == 1 ? 0 : (gint64)(i / points) * coordinates);
        const gfloat width = samples->width[i], height = samples->height[i];
        frame.x_origin[i] = box[0] * width - 0.5f;
        frame.y_origin[i] = box[1] * height - 0.5f;
        frame.x_scale[i] = coordinates == 2 ? 1 : 0.5f * box[2] / (gfloat)points * width;
        frame.y_scale[i] = coordinates == 2 ? 1 : 0.5f * box[3] / (gfloat)points * height;
    }
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

/* The two pixels that a coordinate lies between and what each counts; 0 outside [0, size). Coordinates are held to
 * [-1, size], where both count 0, so that every index can be read; NaN goes to -1. */
typedef struct {
    vi low, high;
    vf low_factor, high_factor;
} Between;

V_INLINE Between
between(vf coordinate, vf size)
{
    const vf zero = v_set(0), last = size - v_set(1);
    const vf held = v_min(v_max(coordinate, v_set(-1)), size);
    const vf low = v_floor(held), high = low + v_set(1);
    const vf fraction = held - low;

    return (Between){
        .low = v_to_int(v_min(v_max(low, zero), last)),
        .high = v_to_int(v_min(high, last)),
        .low_factor = v_select((low >= zero) & (low <= last), v_set(1) - fraction, zero),
        .high_factor = v_select(high <= last, fraction, zero),
    };
}

/* Pixels and factors of the 4 corners of every sample; @offsets: [n, 2]. */
static void
locate(const Plan *plan, const Samples *samples, Frame frame, const gfloat *offsets)
{
    for (gsize i = 0; i < plan->n; i += VW) {
        const gsize left = 2 * (plan->n - i);
        const vf first = v_load_n(offsets + 2 * i, left);
        const vf second = left > VW ? v_load_n(offsets + 2 * i + VW, left - VW) : v_set(0);
        const vf width = v_load(samples->width + i), height = v_load(samples->height + i);
        const Between x =
            between(v_fma(v_even(first, second), v_load(frame.x_scale + i), v_load(frame.x_origin + i)), width);
        const Between y =
            between(v_fma(v_odd(first, second), v_load(frame.y_scale + i), v_load(frame.y_origin + i)), height);
        const vf weight = v_load(samples->weights + i);
        const vi start = vi_load(samples->start + i), stride = v_to_int(width);
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
        set_frame(plan, &samples,
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
