/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/attend.h"
#include "backend/cpu/fast/kernels.h"
#include "backend/cpu/fast/windows.h"

typedef struct {
    const DinoR1KernelArgs *args;
    DinoR1Windows windows;
    DinoR1Keys keys;
    gfloat *biases; /* [heads, n, n_padded] */
    gsize slice_size;
    guint8 *slices;
    DinoR1Blocks tasks; /* of windows */
} Plan;

/* Window-heads of a task: some 100 us. */
#define TASK_HEADS 12

/* A window in work; the arrays belong to the thread. */
typedef struct {
    gint64 *offsets; /* [n], as of dinor1_fast_window_locate() */
    gint32 *regions; /* [n] */
    gfloat *masks;   /* [DINOR1_N_REGIONS, n_padded] */
    gfloat *zeros;   /* [C], the padding's key or value where none is given */
    gfloat *scores;
    DinoR1Keys keys;
    gboolean masked;
} Window;

static Plan
make_plan(const DinoR1KernelArgs *args)
{
    Plan plan = {.args = args, .windows = dinor1_fast_windows(args)};
    const gsize n = plan.windows.n, d = (gsize)(plan.windows.channels / plan.windows.heads);

    plan.keys = (DinoR1Keys){
        .n = n,
        .d = d,
        .e = d,
        .n_padded = v_round_up(n),
        .e_padded = v_round_up(d),
        .scale = 1 / sqrtf((gfloat)d),
    };
    plan.tasks = dinor1_fast_blocks(plan.windows.n_windows, MAX(TASK_HEADS / plan.windows.heads, 1), 1);
    const gsize floats = attend_keys_size(&plan.keys) + attend_values_size(&plan.keys) +
                         attend_scores_size(&plan.keys) + DINOR1_N_REGIONS * plan.keys.n_padded +
                         (gsize)plan.windows.channels + 1;
    plan.slice_size = dinor1_fast_slice_size(floats * sizeof(gfloat) + n * (sizeof(gint64) + sizeof(gint32)));
    return plan;
}

static gsize
biases_size(const Plan *plan)
{
    return dinor1_fast_slice_size((gsize)plan->windows.heads * plan->windows.n * plan->keys.n_padded * sizeof(gfloat));
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
    window.zeros = window.masks + DINOR1_N_REGIONS * plan->keys.n_padded;
    window.offsets = (gint64 *)(window.zeros + plan->windows.channels + plan->windows.channels % 2);
    window.regions = (gint32 *)(window.offsets + plan->windows.n);
    memset(window.zeros, 0, (gsize)plan->windows.channels * sizeof(gfloat));
    memset(window.keys.keys, 0, attend_keys_size(&plan->keys) * sizeof(gfloat));
    memset(window.masks, 0, DINOR1_N_REGIONS * plan->keys.n_padded * sizeof(gfloat));
    return window;
}

/* The relative position bias of one head: entry (query, key) of the table by their distance. */
static void
expand_bias(gpointer user_data, gsize head, guint thread)
{
    const Plan *plan = user_data;
    const gfloat *table = (const gfloat *)plan->args->inputs[3].data + head; /* [(2w-1)^2, heads] */
    gfloat *bias = plan->biases + head * plan->windows.n * plan->keys.n_padded;

    for (gint64 q = 0; q < (gint64)plan->windows.n; q++) {
        attend_set_bias(&plan->keys, bias, NULL);
        for (gint64 k = 0; k < (gint64)plan->windows.n; k++)
            bias[k] = table[dinor1_fast_window_entry(&plan->windows, q, k)];
        bias += plan->keys.n_padded;
    }
}

static void
locate(const Plan *plan, Window *window, gint64 index)
{
    window->masked = dinor1_fast_window_locate(&plan->windows, index, window->offsets, window->regions);
    for (gint32 region = 0; window->masked && region < DINOR1_N_REGIONS; region++)
        for (gsize i = 0; i < plan->windows.n; i++)
            window->masks[(gsize)region * plan->keys.n_padded + i] =
                window->regions[i] == region ? 0 : DINOR1_OTHER_REGION;
}

/* Channel @channel of position @index; of @pad for padding. */
static inline const gfloat *
pixel(const Window *window, gsize index, const gfloat *map, const gfloat *pad, gsize channel)
{
    const gint64 offset = window->offsets[index];

    return (offset >= 0 ? map + offset : pad ? pad : window->zeros) + channel;
}

/* The keys and values of the head that begins at @channel. */
static void
gather_keys(const Plan *plan, const Window *window, const gfloat *k, const gfloat *v, gsize channel)
{
    const gfloat *k_pad = plan->args->inputs[4].data, *v_pad = plan->args->inputs[5].data;

    for (gsize i = 0; i < plan->windows.n; i += 4) {
        const gfloat *rows[4];
        for (gsize r = 0; r < 4; r++)
            rows[r] = pixel(window, MIN(i + r, plan->windows.n - 1), k, k_pad, channel);
        attend_put_keys(&window->keys, i, rows);
    }
    for (gsize i = 0; i < plan->windows.n; i++)
        attend_put_value(&window->keys, i, pixel(window, i, v, v_pad, channel));
}

/* Asks for the same pixel of the window to the right, which comes next. */
static inline void
prefetch(const Plan *plan, const gfloat *pixel)
{
    for (gsize i = 0; i < plan->keys.d; i += 64 / sizeof(gfloat))
        __builtin_prefetch(pixel + plan->windows.window * plan->windows.channels + i);
}

static void
attend_head(const Plan *plan, const Window *window, gsize head)
{
    const DinoR1View *inputs = plan->args->inputs;
    const gsize channel = head * plan->keys.d, n_padded = plan->keys.n_padded;
    const gfloat *q = (const gfloat *)inputs[0].data + channel;
    const gfloat *k = inputs[1].data, *v = inputs[2].data;
    gfloat *out = (gfloat *)plan->args->outputs[0].data + channel;
    DinoR1Queries queries;

    gather_keys(plan, window, k, v, channel);
    queries.n = 0;
    for (gsize i = 0; i < plan->windows.n; i++) {
        if (window->offsets[i] >= 0) {
            const gsize slot = queries.n++;
            prefetch(plan, q + window->offsets[i]);
            prefetch(plan, k + window->offsets[i] + channel);
            prefetch(plan, v + window->offsets[i] + channel);
            queries.q[slot] = q + window->offsets[i];
            queries.out[slot] = out + window->offsets[i];
            queries.bias[slot] = plan->biases + (head * plan->windows.n + i) * n_padded;
            queries.mask[slot] = window->masked ? window->masks + (gsize)window->regions[i] * n_padded : NULL;
        }
        if (queries.n == ATTEND_ROWS || (queries.n > 0 && i + 1 == plan->windows.n)) {
            ISA_NAME(fast_attend)(&window->keys, &queries, window->scores);
            queries.n = 0;
        }
    }
}

static void
attend_windows(gpointer user_data, gsize task, guint thread)
{
    const Plan *plan = user_data;
    Window window = take_window(plan, thread);
    gint64 n_windows;
    const gint64 first = dinor1_fast_block(plan->tasks, plan->windows.n_windows, (gint64)task, &n_windows);

    for (gint64 i = first; i < first + n_windows; i++) {
        locate(plan, &window, i);
        for (gsize head = 0; head < (gsize)plan->windows.heads; head++)
            attend_head(plan, &window, head);
    }
}

void
ISA_NAME(fast_window_attention)(const DinoR1KernelArgs *args)
{
    Plan plan = make_plan(args);
    const gdouble pairs = (gdouble)plan.windows.heads * (gdouble)(plan.windows.n * plan.windows.n);

    plan.biases = args->workspace;
    plan.slices = (guint8 *)args->workspace + biases_size(&plan);
    dinor1_fast_run(args, (gsize)plan.windows.heads, pairs, expand_bias, &plan);
    dinor1_fast_run(args, (gsize)plan.tasks.count, (gdouble)plan.windows.n_windows * pairs * (gdouble)plan.keys.d / 15,
        attend_windows, &plan);
}
