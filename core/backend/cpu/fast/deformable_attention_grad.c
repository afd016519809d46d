/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/sampling.h"

/* Vectors of channels that are handled together. */
#define MAX_CHANNELS 4

enum { VALUE, REFERENCE, OFFSETS, LOGITS, DY };
enum { DVALUE, DREFERENCE, DOFFSETS, DLOGITS };
enum { TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT, N_CORNERS };

/* A task is one head of one image, with all its queries in order: no two tasks add to the same place. */
typedef struct {
    const DinoR1KernelArgs *args;
    gint64 batches, positions, queries, channels, heads, d;
    gint64 reference_size; /* of one query */
    gsize n, n_padded;     /* samples of a query and head, the same in whole vectors */
    gsize references_size; /* bytes */
    gsize slice_size;
} Plan;

/* What the two pixels on an axis count, and by how much that grows with the coordinate. */
typedef struct {
    gfloat *low, *high, *low_slope, *high_slope; /* [n_padded] */
} Axis;

/* A thread's memory, arrays of [n_padded]. */
typedef struct {
    Levels levels;
    Frame frame;
    Axis x, y;
    gfloat *weights;
    gint32 *pixels[N_CORNERS];  /* positions in value */
    gfloat *factors[N_CORNERS]; /* of those, the weight included */
    gfloat *dots[N_CORNERS];    /* dy . pixel */
    gfloat *dweights, *dx, *dy; /* of each sample's weight and coordinates */
} Samples;

#define N_ARRAYS (3 + 4 + 8 + 1 + 3 * N_CORNERS + 3)

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const DinoR1Shape *value = &args->inputs[VALUE].shape;
    Plan plan = {
        .args = args,
        .batches = args->inputs[OFFSETS].shape.dims[0],
        .queries = args->inputs[OFFSETS].shape.dims[1],
        .positions = value->dims[1],
        .channels = value->dims[2],
        .heads = args->params->deformable.heads,
        .reference_size = dinor1_shape_span(&args->inputs[REFERENCE].shape, 2, 4),
        .n = samples_of(args->params),
    };

    plan.d = plan.channels / plan.heads;
    plan.n_padded = v_round_up(plan.n);
    plan.references_size = dinor1_fast_slice_size(
        (gsize)(plan.batches * plan.heads * plan.queries * plan.reference_size) * sizeof(gfloat));
    plan.slice_size = dinor1_fast_slice_size(N_ARRAYS * plan.n_padded * sizeof(gfloat));
    return plan;
}

gsize
ISA_NAME(fast_deformable_attention_grad_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return plan.references_size + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

static Samples
take_samples(const Plan *plan, guint thread)
{
    gfloat *memory = (gfloat *)((guint8 *)plan->args->workspace + plan->references_size + thread * plan->slice_size);
    gfloat *arrays[N_ARRAYS];
    Samples s;

    memset(memory, 0, plan->slice_size);
    for (gsize i = 0; i < N_ARRAYS; i++)
        arrays[i] = memory + i * plan->n_padded;
    s.levels = (Levels){arrays[0], arrays[1], (gint32 *)arrays[2]};
    s.frame = (Frame){arrays[3], arrays[4], arrays[5], arrays[6]};
    s.x = (Axis){arrays[7], arrays[8], arrays[9], arrays[10]};
    s.y = (Axis){arrays[11], arrays[12], arrays[13], arrays[14]};
    s.weights = arrays[15];
    s.dweights = arrays[16];
    s.dx = arrays[17];
    s.dy = arrays[18];
    for (gsize corner = 0; corner < N_CORNERS; corner++) {
        s.pixels[corner] = (gint32 *)arrays[19 + corner];
        s.factors[corner] = arrays[19 + N_CORNERS + corner];
        s.dots[corner] = arrays[19 + 2 * N_CORNERS + corner];
    }
    set_levels(plan->args->params, s.levels);
    return s;
}

/* A sample on a pixel's centre has the slopes to its right and below, as PyTorch's. */
V_INLINE Between
set_axis(Axis axis, gsize i, vf coordinate, vf size)
{
    const Between pixels = between(coordinate, size);
    const vf zero = v_set(0);

    v_store(axis.low + i, pixels.low_factor);
    v_store(axis.high + i, pixels.high_factor);
    v_store(axis.low_slope + i, v_select((coordinate >= zero) & (coordinate < size), v_set(-1), zero));
    v_store(axis.high_slope + i, v_select((coordinate >= v_set(-1)) & (coordinate < size - v_set(1)), v_set(1), zero));
    return pixels;
}

/* @offsets: [n, 2] */
static void
locate(const Plan *plan, const Samples *s, const gfloat *offsets)
{
    for (gsize i = 0; i < plan->n; i += VW) {
        const vf width = v_load(s->levels.width + i), height = v_load(s->levels.height + i);
        vf x_place, y_place;
        place(s->frame, offsets, i, plan->n, &x_place, &y_place);
        const Between x = set_axis(s->x, i, x_place, width), y = set_axis(s->y, i, y_place, height);
        const vf weight = v_load(s->weights + i);
        const vi start = vi_load(s->levels.start + i), stride = v_to_int(width);
        const vi top = start + y.low * stride, bottom = start + y.high * stride;
        const vf top_factor = weight * y.low_factor, bottom_factor = weight * y.high_factor;

        vi_store(s->pixels[TOP_LEFT] + i, top + x.low);
        vi_store(s->pixels[TOP_RIGHT] + i, top + x.high);
        vi_store(s->pixels[BOTTOM_LEFT] + i, bottom + x.low);
        vi_store(s->pixels[BOTTOM_RIGHT] + i, bottom + x.high);
        v_store(s->factors[TOP_LEFT] + i, top_factor * x.low_factor);
        v_store(s->factors[TOP_RIGHT] + i, top_factor * x.high_factor);
        v_store(s->factors[BOTTOM_LEFT] + i, bottom_factor * x.low_factor);
        v_store(s->factors[BOTTOM_RIGHT] + i, bottom_factor * x.high_factor);
    }
}

/* Adds to the gradients of all corners and to their dots; @n channels are real. */
V_INLINE void
spread_channels(const Plan *plan, const Samples *s, const gfloat *value, gfloat *dvalue, const gfloat *dy, gsize n,
    const gint n_vectors, const gboolean whole)
{
    vf gradient[MAX_CHANNELS];

    for (gint c = 0; c < n_vectors; c++)
        gradient[c] = v_load_n(dy + c * VW, n - (gsize)c * VW);
    for (gsize i = 0; i < plan->n; i++) {
        for (gint corner = 0; corner < N_CORNERS; corner++) {
            const gint64 pixel = s->pixels[corner][i] * plan->channels;
            const vf factor = v_set(s->factors[corner][i]);
            vf dot = v_set(0);
            for (gint c = 0; c < n_vectors; c++) {
                const gfloat *from = value + pixel + c * VW;
                gfloat *to = dvalue + pixel + c * VW;
                const gsize lanes = whole ? VW : n - (gsize)c * VW;
                dot = v_fma(gradient[c], v_load_n(from, lanes), dot);
                v_store_n(to, v_fma(factor, gradient[c], v_load_n(to, lanes)), lanes);
            }
            s->dots[corner][i] += v_sum(dot);
        }
    }
}

static void
spread(const Plan *plan, const Samples *s, const gfloat *value, gfloat *dvalue, const gfloat *dy)
{
    const gsize d = (gsize)plan->d;
    gsize at = 0;

    for (gint corner = 0; corner < N_CORNERS; corner++)
        memset(s->dots[corner], 0, plan->n * sizeof(gfloat));
    for (; at + 4 * VW <= d; at += 4 * VW)
        spread_channels(plan, s, value + at, dvalue + at, dy + at, 4 * VW, 4, TRUE);
    for (; at + 2 * VW <= d; at += 2 * VW)
        spread_channels(plan, s, value + at, dvalue + at, dy + at, 2 * VW, 2, TRUE);
    for (; at < d; at += VW)
        spread_channels(plan, s, value + at, dvalue + at, dy + at, d - at, 1, FALSE);
}

/* From the dots to the gradients of weights and coordinates. */
static void
combine(const Plan *plan, const Samples *s)
{
    for (gsize i = 0; i < plan->n; i += VW) {
        const vf left = v_load(s->x.low + i), right = v_load(s->x.high + i);
        const vf top = v_load(s->y.low + i), bottom = v_load(s->y.high + i);
        const vf left_slope = v_load(s->x.low_slope + i), right_slope = v_load(s->x.high_slope + i);
        const vf top_left = v_load(s->dots[TOP_LEFT] + i), top_right = v_load(s->dots[TOP_RIGHT] + i);
        const vf bottom_left = v_load(s->dots[BOTTOM_LEFT] + i), bottom_right = v_load(s->dots[BOTTOM_RIGHT] + i);
        const vf along_top = left * top_left + right * top_right;
        const vf along_bottom = left * bottom_left + right * bottom_right;
        const vf weight = v_load(s->weights + i);

        v_store(s->dweights + i, top * along_top + bottom * along_bottom);
        v_store(s->dx + i, weight * (top * (left_slope * top_left + right_slope * top_right) +
                                        bottom * (left_slope * bottom_left + right_slope * bottom_right)));
        v_store(
            s->dy + i, weight * (v_load(s->y.low_slope + i) * along_top + v_load(s->y.high_slope + i) * along_bottom));
    }
}

/* From the gradients of coordinates to those of offsets [n, 2] and of the query's reference. */
static void
place_grad(const Plan *plan, const Samples *s, const gfloat *offsets, gfloat *doffsets, gfloat *dreference)
{
    const gint64 *dims = plan->args->inputs[REFERENCE].shape.dims;
    const gsize points = (gsize)plan->args->params->deformable.n_points;

    memset(dreference, 0, (gsize)plan->reference_size * sizeof(gfloat));
    for (gsize i = 0; i < plan->n; i++) {
        gfloat *box = dreference + (dims[2] == 1 ? 0 : (gint64)(i / points) * dims[3]);
        const gfloat dx = s->dx[i] * s->levels.width[i], dy = s->dy[i] * s->levels.height[i];
        doffsets[2 * i] = s->dx[i] * s->frame.x_scale[i];
        doffsets[2 * i + 1] = s->dy[i] * s->frame.y_scale[i];
        box[0] += dx;
        box[1] += dy;
        if (dims[3] == 4) {
            box[2] += dx * offsets[2 * i] * 0.5f / (gfloat)points;
            box[3] += dy * offsets[2 * i + 1] * 0.5f / (gfloat)points;
        }
    }
}

static void
query_grad(const Plan *plan, const Samples *s, gint64 batch, gint64 head, gint64 query)
{
    const DinoR1View *inputs = plan->args->inputs, *outputs = plan->args->outputs;
    const gint64 reference = ((inputs[REFERENCE].shape.dims[0] == 1 ? 0 : batch) * plan->queries + query);
    const gint64 row = ((batch * plan->queries + query) * plan->heads + head) * (gint64)plan->n;
    const gint64 image = batch * plan->positions * plan->channels + head * plan->d;
    const gint64 dreference = ((batch * plan->heads + head) * plan->queries + query) * plan->reference_size;
    const gfloat *offsets = (const gfloat *)inputs[OFFSETS].data + 2 * row;

    set_frame(
        plan->args, s->levels, (const gfloat *)inputs[REFERENCE].data + reference * plan->reference_size, s->frame);
    ISA_NAME(fast_softmax_row)((const gfloat *)inputs[LOGITS].data + row, s->weights, plan->n);
    locate(plan, s, offsets);
    spread(plan, s, (const gfloat *)inputs[VALUE].data + image, (gfloat *)outputs[DVALUE].data + image,
        (const gfloat *)inputs[DY].data + (batch * plan->queries + query) * plan->channels + head * plan->d);
    combine(plan, s);
    ISA_NAME(fast_softmax_row_grad)(s->weights, s->dweights, (gfloat *)outputs[DLOGITS].data + row, plan->n);
    place_grad(
        plan, s, offsets, (gfloat *)outputs[DOFFSETS].data + 2 * row, (gfloat *)plan->args->workspace + dreference);
}

static void
head_grad(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 batch = (gint64)task / plan->heads, head = (gint64)task % plan->heads;
    const Samples samples = take_samples(plan, thread);
    gfloat *dvalue = (gfloat *)plan->args->outputs[DVALUE].data + batch * plan->positions * plan->channels;

    for (gint64 i = 0; i < plan->positions; i++)
        memset(dvalue + i * plan->channels + head * plan->d, 0, (gsize)plan->d * sizeof(gfloat));
    for (gint64 query = 0; query < plan->queries; query++)
        query_grad(plan, &samples, batch, head, query);
}

void
ISA_NAME(fast_deformable_attention_grad)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gint64 tasks = plan.batches * plan.heads;
    const gint64 references = args->inputs[REFERENCE].shape.dims[0]; /* B or 1 */
    const gdouble samples = (gdouble)(tasks * plan.queries) * (gdouble)plan.n;

    dinor1_fast_run(args, (gsize)tasks, samples * (15 + (gdouble)plan.d), head_grad, &plan);
    ISA_NAME(fast_sum)
    (args, args->workspace, references, (gsize)(tasks / references), (gsize)(plan.queries * plan.reference_size),
        args->outputs[DREFERENCE].data);
}
