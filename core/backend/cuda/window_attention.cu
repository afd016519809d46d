/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * WINDOW_ATTENTION and its adjoint: attend_forward.h, attend_halves.h and attend_grad.h, where a sequence is a window
 * of the padded and then shifted map. Row r of that is row (r + shift) mod padded height of the map.
 */
#include "backend/cuda/attend_grad.h"
#include "backend/cuda/attend_halves.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr float OTHER_REGION = -100; /* SwinLayer.get_attn_mask */

template <typename T> struct Windows : Heads<T> {
    enum : bool { EXTRAS = true }; /* as in attention.cu */

    /* @code: of query minus key it is the row of the table; @region: only pixels of one were neighbours before the
     * shift. */
    struct Item {
        gint64 row;
        int code, region;
    };

    struct Problem : Heads<T>::Offsets {
        gint64 window; /* of all images */
        int row, column;
    };

    const float *table; /* [(2w-1)^2, heads] */
    int height, width, padded_height, padded_width;
    int window, shift;
    int rows, columns;                /* of windows */
    float *table_parts;               /* [windows, tiles, (2w-1)^2, heads] */
    float *k_pad_parts, *v_pad_parts; /* [windows, tiles, C] */
    gint64 tiles;                     /* of one window */

    __device__ __forceinline__ Problem problem(gint64 index) const
    {
        const int head = (int)(index % this->heads);
        const gint64 window_index = index / this->heads, image = window_index / (rows * columns);
        const int place = (int)(window_index % (rows * columns));
        Problem problem;

        problem.q = problem.k = problem.v = problem.y = image * height * width * this->c + head * this->d;
        problem.head = head;
        problem.window = window_index;
        problem.row = place / columns * window;
        problem.column = place % columns * window;
        return problem;
    }

    /* After the shift the last windows have pixels from both ends of the map. */
    __device__ __forceinline__ int band(int position, int padded) const
    {
        return shift == 0 || position < padded - window ? 0 : position < padded - shift ? 1 : 2;
    }

    __device__ __forceinline__ Item item(const Problem &problem, gint64 i, int code) const
    {
        if (i >= this->n_keys)
            return {NONE, code, 0};
        const int y = (int)i / window, x = (int)i % window, row = problem.row + y, column = problem.column + x;
        const int real_y = row + shift < padded_height ? row + shift : row + shift - padded_height;
        const int real_x = column + shift < padded_width ? column + shift : column + shift - padded_width;

        return {real_y < height && real_x < width ? (gint64)real_y * width + real_x : PADDING,
            code + y * (2 * window - 1) + x, 3 * band(row, padded_height) + band(column, padded_width)};
    }

    __device__ __forceinline__ Item query(const Problem &problem, gint64 i) const
    {
        return item(problem, i, 2 * window * (window - 1)); /* (w-1)(2w-1) + w-1 */
    }

    __device__ __forceinline__ Item key(const Problem &problem, gint64 i) const
    {
        return item(problem, i, 0);
    }

    __device__ __forceinline__ float bias(const Problem &problem, const Item &query, const Item &key) const
    {
        return load(table + (gint64)(query.code - key.code) * this->heads + problem.head) +
               (query.region == key.region ? 0 : OTHER_REGION);
    }

    /* The head's column of the table. */
    int table_size() const
    {
        return (2 * window - 1) * (2 * window - 1);
    }

    __device__ __forceinline__ void stage_table(const Problem &problem, float *column) const
    {
        const int n = (2 * window - 1) * (2 * window - 1);

        for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x)
            column[i] = load(table + (gint64)i * this->heads + problem.head);
    }

    __device__ __forceinline__ float bias(
        const Problem &, const float *column, const Item &query, const Item &key) const
    {
        return column[query.code - key.code] + (query.region == key.region ? 0 : OTHER_REGION);
    }

    /* Every element of the table has one thread, which adds the ds of the pairs so far apart that are in this tile. */
    template <int STRIPS>
    __device__ __forceinline__ void add_bias_grad(
        const Problem &problem, const Part &part, const float (&strips)[STRIPS][TILE * STRIP_PITCH], gint64 first) const
    {
        const int span = 2 * window - 1, first_query = (int)part.tile * STRIPS * STRIP;
        float *sums = table_parts + (problem.window * tiles + part.tile) * span * span * this->heads + problem.head;

        for (int t = (int)threadIdx.x; t < span * span; t += STRIPS * (int)WARP) {
            const int down = t / span - window + 1, right = t % span - window + 1;
            float sum = 0;

            for (int y = max(down, 0); y < window + min(down, 0); y++) {
                for (int x = max(right, 0); x < window + min(right, 0); x++) {
                    const int query = y * window + x - first_query,
                              key = query + first_query - down * window - right - (int)first;

                    if (query >= 0 && query < STRIPS * STRIP && key >= 0 && key < TILE)
                        sum += strips[query / STRIP][key * STRIP_PITCH + query % STRIP];
                }
            }
            sums[(gint64)t * this->heads] = first > 0 ? sums[(gint64)t * this->heads] + sum : sum;
        }
    }

    __device__ __forceinline__ PadGrads pad_grads(const Problem &problem, const Part &part) const
    {
        const gint64 at = (problem.window * tiles + part.tile) * this->c + problem.head * this->d;
        return {k_pad_parts + at, v_pad_parts + at};
    }
};

/* @pads: which input k_pad is; v_pad is the next. */
template <typename T>
Windows<T>
make_windows(const DinoR1KernelArgs *args, guint pads)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, H, W, C */
    Windows<T> w = {};

    w.q = static_cast<const T *>(args->inputs[0].data);
    w.k = static_cast<const T *>(args->inputs[1].data);
    w.v = static_cast<const T *>(args->inputs[2].data);
    w.table = static_cast<const float *>(args->inputs[3].data);
    w.k_pad = static_cast<const T *>(args->inputs[pads].data);
    w.v_pad = static_cast<const T *>(args->inputs[pads + 1].data);
    w.c = w.cv = dims[3];
    w.heads = args->params->window.heads;
    w.d = w.e = (int)(w.c / w.heads);
    w.scale = (float)(1 / sqrt((double)w.d));
    w.window = args->params->window.window;
    w.shift = args->params->window.shift;
    w.n_queries = w.n_keys = (gint64)w.window * w.window;
    w.height = (int)dims[1];
    w.width = (int)dims[2];
    w.rows = (w.height + w.window - 1) / w.window;
    w.columns = (w.width + w.window - 1) / w.window;
    w.padded_height = w.rows * w.window;
    w.padded_width = w.columns * w.window;
    return w;
}

constexpr int WIDEST = 64, LARGEST_TABLE = 4096; /* what tensor cores take */

void
run_windows(DinoR1CudaRun *run, const Windows<float> &windows, gint64 problems)
{
    run_attend(run, windows, problems, 1);
}

template <typename T>
void
run_windows(DinoR1CudaRun *run, const Windows<T> &windows, gint64 problems)
{
    const HalfSweep sweep = make_half_sweep(problems, windows.n_queries, windows.n_keys, windows.d, windows.e, 1);

    if (!halves_fit(windows.d, windows.e, WIDEST) || windows.table_size() > LARGEST_TABLE)
        run_attend(run, windows, problems, 1);
    else if (windows.d <= 32)
        launch_halves<32, 32>(run, windows, sweep);
    else
        launch_halves<64, 64>(run, windows, sweep);
}

template <typename T>
void
run_window_attention(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    Windows<T> windows = make_windows<T>(args, 4);

    windows.out = static_cast<T *>(args->outputs[0].data);
    run_windows(run, windows, args->inputs[0].shape.dims[0] * windows.rows * windows.columns * windows.heads);
}

/* The workspace of the adjoint in floats: each piece begins where the one before ends. */
struct Layout {
    gint64 problems, tiles;
    Axis table, pads; /* the sums over parts that are left to do */
    gint64 queries, sums, size;
};

Layout
lay_out(const DinoR1KernelArgs *args)
{
    const Windows<float> w = make_windows<float>(args, 5);
    const gint64 windows = args->inputs[0].shape.dims[0] * w.rows * w.columns;
    const int strips = choose_grad_strips(w.n_queries, w.n_keys, windows * w.heads);
    Layout l;

    l.problems = windows * w.heads;
    l.tiles = make_sweep(l.problems, w.n_keys, strips, 1, 1, 1).tiles;
    l.table = {1, windows * l.tiles, dinor1_shape_size(&args->inputs[3].shape)};
    l.pads = {1, windows * l.tiles, w.c};
    l.queries = l.problems * w.n_queries;
    l.sums = N_STATISTICS * l.queries + l.table.n * l.table.inner + 2 * l.pads.n * l.pads.inner;
    l.size = l.sums + MAX(reduce_axis_workspace(l.table), reduce_axis_workspace(l.pads));
    return l;
}

gsize
workspace_window_attention_grad(const DinoR1KernelArgs *args)
{
    return (gsize)lay_out(args).size * sizeof(float);
}

template <typename T>
void
run_window_attention_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Layout l = lay_out(args);
    float *workspace = static_cast<float *>(args->workspace), *sums = workspace + l.sums;
    Windows<T> windows = make_windows<T>(args, 5);

    windows.dy = static_cast<const T *>(args->inputs[4].data);
    windows.dq = static_cast<T *>(args->outputs[0].data);
    windows.dk = static_cast<T *>(args->outputs[1].data);
    windows.dv = static_cast<T *>(args->outputs[2].data);
    windows.tiles = l.tiles;
    windows.table_parts = workspace + N_STATISTICS * l.queries;
    windows.k_pad_parts = windows.table_parts + l.table.n * l.table.inner;
    windows.v_pad_parts = windows.k_pad_parts + l.pads.n * l.pads.inner;
    run_attend_grad(run, windows, l.problems, 1, 1, {workspace, workspace + l.queries, workspace + 2 * l.queries});
    reduce_axis(run, l.table, false, 1, windows.table_parts, static_cast<float *>(args->outputs[3].data), sums);
    reduce_axis(run, l.pads, false, 1, windows.k_pad_parts, static_cast<float *>(args->outputs[4].data), sums);
    reduce_axis(run, l.pads, false, 1, windows.v_pad_parts, static_cast<float *>(args->outputs[5].data), sums);
}

} // namespace

void
dinor1_cuda_init_window_attention(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_WINDOW_ATTENTION] = {DINOR1_BY_TYPE(run_window_attention), NULL};
    kernels->ops[DINOR1_OP_WINDOW_ATTENTION_GRAD] = {run_window_attention_grad<float>, workspace_window_attention_grad};
}
