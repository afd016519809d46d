/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/attend.h"
#include "backend/cpu/fast/kernels.h"

/* Windows lie on the padded and then shifted map, whose row r is row (r + shift) mod padded height of the map. */
typedef struct {
    const DinoR1KernelArgs *args;
    gint64 height, width, channels;
    gint64 n_down, n_across; /* windows of one image */
    gint64 window, shift, heads;
    gsize n; /* positions in a window */
    DinoR1Keys keys;
    gfloat *biases; /* [heads, n, n_padded] */
    gsize slice_size;
    guint8 *slices;
    DinoR1Blocks tasks; /* of windows */
    gint64 n_windows;
} Plan;

/* The last windows of a shifted map hold pixels from both its ends: 3 bands each way make 9 regions. */
#define N_REGIONS 9
/* What a score between two regions gets (SwinLayer.get_attn_mask). */
#define OTHER_REGION (-100.f)
/* Window-heads of a task: some 100 us. */
#define TASK_HEADS 12

/* A window in work; the arrays belong to the thread. */
typedef struct {
    gint64 *offsets; /* [n], of the pixel's channels in the image; -1 for padding */
    gint32 *regions; /* [n] */
    gfloat *masks;   /* [N_REGIONS, n_padded] */
    gfloat *zeros;   /* [C], the padding's key or value where none is given */
    gfloat *scores;
    DinoR1Keys keys;
    gboolean masked;
} Window;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, H, W, C */
    const gint64 window = args->params->window.window, heads = args->params->window.heads;
    Plan plan = {
        .args = args,
        .height = dims[1],
        .width = dims[2],
        .channels = dims[3],
        .n_down = (dims[1] + window - 1) / window,
        .n_across = (dims[2] + window - 1) / window,
        .window = window,
        .shift = args->params->window.shift,
        .heads = heads,
        .n = (gsize)(window * window),
    };
    const gsize d = (gsize)(plan.channels / heads);

    plan.keys = (DinoR1Keys){
        .n = plan.n,
        .d = d,
        .e = d,
        .n_padded = v_round_up(plan.n),
        .e_padded = v_round_up(d),
        .scale = 1 / sqrtf((gfloat)d),
    };
    plan.n_windows = dims[0] * plan.n_down * plan.n_across;
    plan.tasks = dinor1_fast_blocks(plan.n_windows, MAX(TASK_HEADS / heads, 1), 1);
    const gsize floats = attend_keys_size(&plan.keys) + attend_values_size(&plan.keys) +
                         attend_scores_size(&plan.keys) + N_REGIONS * plan.keys.n_padded + (gsize)plan.channels + 1;
    plan.slice_size = dinor1_fast_slice_size(floats * sizeof(gfloat) + plan.n * (sizeof(gint64) + sizeof(gint32)));
    return plan;
}

static gsize
biases_size(const Plan *plan)
{
    return dinor1_fast_slice_size((gsize)plan->heads * plan->n * plan->keys.n_padded * sizeof(gfloat));
}

gsize
ISA_NAME(fast_window_attention_workspace)(const DinoR1KernelArgs *args)
{
    const Plan plan = make_plan(args);

    return biases_size(&plan) + dinor1_pool_get_n_threads(args->pool) * plan.slice_size;
}

static Window
take_window(const Plan *plan, guint thread)
{
    gfloat *memory = (gfloat *)(plan->slices + thread * plan->slice_size);
    Window window = {.keys = plan->keys};

    window.keys.keys = memory;
    window.keys.values = window.keys.keys + attend_keys_size(&plan->keys);
    window.scores = window.keys.values + attend_values_size(&plan->keys);
    window.masks = window.scores + attend_scores_size(&plan->keys);
    window.zeros = window.masks + N_REGIONS * plan->keys.n_padded;
    window.offsets = (gint64 *)(window.zeros + plan->channels + plan->channels % 2);
    window.regions = (gint32 *)(window.offsets + plan->n);
    memset(window.zeros, 0, (gsize)plan->channels * sizeof(gfloat));
    memset(window.keys.keys, 0, attend_keys_size(&plan->keys) * sizeof(gfloat));
    memset(window.masks, 0, N_REGIONS * plan->keys.n_padded * sizeof(gfloat));
    return window;
}

/* The relative position bias of one head: entry (query, key) of the table by their distance. */
static void
expand_bias(gpointer user_data, gsize head, guint thread)
{
    const Plan *plan = user_data;
    const gfloat *table = (const gfloat *)plan->args->inputs[3].data + head; /* [(2w-1)^2, heads] */
    gfloat *bias = plan->biases + head * plan->n * plan->keys.n_padded;
    const gint64 w = plan->window, span = 2 * w - 1;

    for (gint64 q = 0; q < w * w; q++) {
        attend_set_bias(&plan->keys, bias, NULL);
        for (gint64 k = 0; k < w * w; k++)
            bias[k] = table[((q / w - k / w + w - 1) * span + q % w - k % w + w - 1) * plan->heads];
        bias += plan->keys.n_padded;
    }
}

static gint32
band(gint64 position, gint64 padded, const Plan *plan)
{
    if (plan->shift == 0 || position < padded - plan->window)
        return 0;
    return position < padded - plan->shift ? 1 : 2;
}

/* Where the pixels of window (down, across) are and which regions they belong to. */
static void
locate(const Plan *plan, Window *window, gint64 down, gint64 across)
{
    const gint64 padded_height = plan->n_down * plan->window, padded_width = plan->n_across * plan->window;
    gsize i = 0;

    for (gint64 row = down * plan->window; row < (down + 1) * plan->window; row++) {
        const gint64 y = (row + plan->shift) % padded_height;
        for (gint64 column = across * plan->window; column < (across + 1) * plan->window; column++, i++) {
            const gint64 x = (column + plan->shift) % padded_width;
            const gboolean real = y < plan->height && x < plan->width;
            window->offsets[i] = real ? (y * plan->width + x) * plan->channels : -1;
            window->regions[i] = 3 * band(row, padded_height, plan) + band(column, padded_width, plan);
        }
    }
    window->masked = plan->shift > 0 && (down == plan->n_down - 1 || across == plan->n_across - 1);
    for (gint32 region = 0; window->masked && region < N_REGIONS; region++)
        for (i = 0; i < plan->n; i++)
            window->masks[(gsize)region * plan->keys.n_padded + i] = window->regions[i] == region ? 0 : OTHER_REGION;
}

/* Channel @channel of position @index; of @pad for padding. */
static inline const gfloat *
pixel(const Window *window, gsize index, const gfloat *image, const gfloat *pad, gsize channel)
{
    const gint64 offset = window->offsets[index];

    return (offset >= 0 ? image + offset : pad ? pad : window->zeros) + channel;
}

/* The keys and values of the head that begins at @channel; k and v [H, W, C] of one image. */
static void
gather_keys(const Plan *plan, const Window *window, const gfloat *k, const gfloat *v, gsize channel)
{
    const gfloat *k_pad = plan->args->inputs[4].data, *v_pad = plan->args->inputs[5].data;

    for (gsize i = 0; i < plan->n; i += 4) {
        const gfloat *rows[4];
        for (gsize r = 0; r < 4; r++)
            rows[r] = pixel(window, MIN(i + r, plan->n - 1), k, k_pad, channel);
        attend_put_keys(&window->keys, i, rows);
    }
    for (gsize i = 0; i < plan->n; i++)
        attend_put_value(&window->keys, i, pixel(window, i, v, v_pad, channel));
}

/* Asks for the same pixel of the window to the right, which comes next. */
static inline void
prefetch(const Plan *plan, const gfloat *pixel)
{
    for (gsize i = 0; i < plan->keys.d; i += 64 / sizeof(gfloat))
        __builtin_prefetch(pixel + plan->window * plan->channels + i);
}

/* @image: where the window's image begins in q, k, v and out. */
static void
attend_head(const Plan *plan, const Window *window, gint64 image, gsize head)
{
    const DinoR1View *inputs = plan->args->inputs;
    const gsize channel = head * plan->keys.d, n_padded = plan->keys.n_padded;
    const gfloat *q = (const gfloat *)inputs[0].data + image + channel;
    const gfloat *k = (const gfloat *)inputs[1].data + image, *v = (const gfloat *)inputs[2].data + image;
    gfloat *out = (gfloat *)plan->args->outputs[0].data + image + channel;
    DinoR1Queries queries;

    gather_keys(plan, window, k, v, channel);
    queries.n = 0;
    for (gsize i = 0; i < plan->n; i++) {
        if (window->offsets[i] >= 0) {
            const gsize slot = queries.n++;
            prefetch(plan, q + window->offsets[i]);
            prefetch(plan, k + window->offsets[i] + channel);
            prefetch(plan, v + window->offsets[i] + channel);
            queries.q[slot] = q + window->offsets[i];
            queries.out[slot] = out + window->offsets[i];
            queries.bias[slot] = plan->biases + (head * plan->n + i) * n_padded;
            queries.mask[slot] = window->masked ? window->masks + (gsize)window->regions[i] * n_padded : NULL;
        }
        if (queries.n == ATTEND_ROWS || (queries.n > 0 && i + 1 == plan->n)) {
            ISA_NAME(fast_attend)(&window->keys, &queries, window->scores);
            queries.n = 0;
        }
    }
}

static void
attend_windows(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    const gint64 image_windows = plan->n_down * plan->n_across;
    Window window = take_window(plan, thread);
    gint64 n_windows;
    const gint64 first = dinor1_fast_block(plan->tasks, plan->n_windows, (gint64)task, &n_windows);

    for (gint64 i = first; i < first + n_windows; i++) {
        const gint64 image = i / image_windows, place = i % image_windows;
        locate(plan, &window, place / plan->n_across, place % plan->n_across);
        for (gsize head = 0; head < (gsize)plan->heads; head++)
            attend_head(plan, &window, image * plan->height * plan->width * plan->channels, head);
    }
}

void
ISA_NAME(fast_window_attention)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gdouble pairs = (gdouble)plan.heads * (gdouble)(plan.n * plan.n);

    plan.biases = args->workspace;
    plan.slices = (guint8 *)args->workspace + biases_size(&plan);
    dinor1_fast_run(args, (gsize)plan.heads, pairs, expand_bias, &plan);
    dinor1_fast_run(args, (gsize)plan.tasks.count, (gdouble)plan.n_windows * pairs * (gdouble)plan.keys.d / 15,
        attend_windows, &plan);
}
