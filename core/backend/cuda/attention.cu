/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ATTENTION and its adjoint: attend_forward.h, attend_halves.h and attend_grad.h over whole sequences with a mask.
 */
#include "backend/cuda/attend_grad.h"
#include "backend/cuda/attend_halves.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

template <typename T> struct Sequences : Heads<T> {
    enum : bool { EXTRAS = false }; /* no constexpr: half types do not use it */

    struct Item {
        gint64 row;
    };

    struct Problem : Heads<T>::Offsets {
        gint64 mask;
    };

    const float *mask; /* [B|1, Nq|1, Nk]? */
    /* From image to image, from query to query; 0 = the same for all. */
    gint64 step_q, step_k, step_v, step_mask, step_mask_row;

    /* Of image index / heads. */
    __device__ __forceinline__ Problem problem(gint64 index) const
    {
        const gint64 image = index / this->heads;
        const int head = (int)(index % this->heads);
        Problem problem;

        problem.q = image * step_q + head * this->d;
        problem.k = image * step_k + head * this->d;
        problem.v = image * step_v + head * this->e;
        problem.y = image * this->n_queries * this->cv + head * this->e;
        problem.head = head;
        problem.mask = image * step_mask;
        return problem;
    }

    __device__ __forceinline__ Item query(const Problem &, gint64 i) const
    {
        return {i < this->n_queries ? i : NONE};
    }

    __device__ __forceinline__ Item key(const Problem &, gint64 i) const
    {
        return {i < this->n_keys ? i : NONE};
    }

    __device__ __forceinline__ float bias(const Problem &problem, const Item &query, const Item &key) const
    {
        return mask ? load(mask + problem.mask + query.row * step_mask_row + key.row) : 0;
    }

    int table_size() const
    {
        return 0;
    }

    __device__ __forceinline__ void stage_table(const Problem &, float *) const
    {
    }

    __device__ __forceinline__ float bias(
        const Problem &problem, const float *, const Item &query, const Item &key) const
    {
        return bias(problem, Item{max(query.row, (gint64)0)}, Item{max(key.row, (gint64)0)});
    }
};

constexpr int WIDEST = 256; /* head that tensor cores take */
constexpr gint64 MOST_SPLITS = 64;

gint64
image_step(const DinoR1View &view)
{
    return view.shape.dims[0] == 1 ? 0 : dinor1_shape_span(&view.shape, 1, view.shape.ndim);
}

template <typename T>
Sequences<T>
make_sequences(const DinoR1KernelArgs *args, const DinoR1View &mask)
{
    const DinoR1View &q = args->inputs[0], &k = args->inputs[1], &v = args->inputs[2];
    Sequences<T> s = {};

    s.q = static_cast<const T *>(q.data);
    s.k = static_cast<const T *>(k.data);
    s.v = static_cast<const T *>(v.data);
    s.n_queries = q.shape.dims[1];
    s.n_keys = k.shape.dims[1];
    s.c = q.shape.dims[2];
    s.cv = v.shape.dims[2];
    s.heads = args->params->attention.heads;
    s.d = (int)(s.c / s.heads);
    s.e = (int)(s.cv / s.heads);
    s.scale = args->params->attention.scale;
    s.step_q = image_step(q);
    s.step_k = image_step(k);
    s.step_v = image_step(v);
    s.mask = static_cast<const float *>(mask.data);
    if (s.mask) {
        s.step_mask = image_step(mask);
        s.step_mask_row = mask.shape.dims[1] == 1 ? 0 : s.n_keys;
    }
    return s;
}

template <typename T>
HalfSweep
sweep_of(const DinoR1KernelArgs *args, const Sequences<T> &s)
{
    return make_half_sweep(args->outputs[0].shape.dims[0] * s.heads, s.n_queries, s.n_keys, s.d, s.e, MOST_SPLITS);
}

gsize
workspace_attention(const DinoR1KernelArgs *args)
{
    const Sequences<__half> s = make_sequences<__half>(args, args->inputs[3]);

    const gint64 problems = args->outputs[0].shape.dims[0] * s.heads;
    const bool tensor_cores = dinor1_dtype_is_half(args->inputs[0].dtype) && halves_fit(s.d, s.e, WIDEST);
    const KeySplits keys = tensor_cores ? sweep_of(args, s).keys : plan_attend(s, problems, MOST_SPLITS).keys;

    return (gsize)splits_size(problems * s.n_queries, keys, s.e) * sizeof(float);
}

void
run_sequences(DinoR1CudaRun *run, const Sequences<float> &sequences, gint64 problems)
{
    run_attend(run, sequences, problems, MOST_SPLITS);
}

template <typename T>
void
run_sequences(DinoR1CudaRun *run, const Sequences<T> &sequences, gint64 problems)
{
    const HalfSweep sweep = sweep_of(run->args, sequences);

    if (!halves_fit(sequences.d, sequences.e, WIDEST))
        run_attend(run, sequences, problems, MOST_SPLITS);
    else if (sequences.d <= 32 && sequences.e <= 32)
        launch_halves<32, 32>(run, sequences, sweep);
    else if (sequences.d <= 64)
        launch_halves<64, 64>(run, sequences, sweep);
    else
        launch_halves<WIDEST, 64>(run, sequences, sweep);
}

template <typename T>
void
run_attention(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    Sequences<T> sequences = make_sequences<T>(args, args->inputs[3]);

    sequences.out = static_cast<T *>(args->outputs[0].data);
    run_sequences(run, sequences, args->outputs[0].shape.dims[0] * sequences.heads);
}

gint64
count_queries(const DinoR1KernelArgs *args)
{
    return args->inputs[3].shape.dims[0] * args->params->attention.heads * args->inputs[0].shape.dims[1];
}

gsize
workspace_attention_grad(const DinoR1KernelArgs *args)
{
    return (gsize)count_queries(args) * N_STATISTICS * sizeof(float);
}

template <typename T>
void
run_attention_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 images = args->inputs[3].shape.dims[0], queries = count_queries(args);
    float *workspace = static_cast<float *>(args->workspace);
    Sequences<T> sequences = make_sequences<T>(args, args->inputs[4]);

    sequences.dy = static_cast<const T *>(args->inputs[3].data);
    sequences.dq = static_cast<T *>(args->outputs[0].data);
    sequences.dk = static_cast<T *>(args->outputs[1].data);
    sequences.dv = static_cast<T *>(args->outputs[2].data);
    sequences.k_shared = sequences.step_k == 0;
    sequences.v_shared = sequences.step_v == 0;
    run_attend_grad(run, sequences, images * sequences.heads, sequences.step_q ? 1 : (int)images,
        sequences.k_shared || sequences.v_shared ? (int)images : 1,
        {workspace, workspace + queries, workspace + 2 * queries});
}

} // namespace

void
dinor1_cuda_init_attention(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_ATTENTION] = {DINOR1_BY_TYPE(run_attention), workspace_attention};
    kernels->ops[DINOR1_OP_ATTENTION_GRAD] = {run_attention_grad<float>, workspace_attention_grad};
}
