/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SUM_SQUARES, BLEND and ADAMW. Weights, moments and gradients are f32 here in every precision. An output may be an
 * input's memory: no pointer is __restrict__, and a thread reads what it writes before it writes it.
 */
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
constexpr int N = PACK<float>;

/* A block of threads sums a block of elements, in an order of its own but always the same. */
__global__ void
sum_squares(const float *x, double *out, gint64 n)
{
    DINOR1_SHARED(double, parts, [THREADS]);
    const gint64 first = (gint64)blockIdx.x * DINOR1_SUM_BLOCK;
    const gint64 end = n - first < DINOR1_SUM_BLOCK ? n : first + DINOR1_SUM_BLOCK;
    double sum = 0;

    for (gint64 i = first + threadIdx.x; i < end; i += THREADS)
        sum += (double)x[i] * (double)x[i];
    parts[threadIdx.x] = sum;
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            parts[threadIdx.x] += parts[threadIdx.x + half];
    }
    if (threadIdx.x == 0)
        out[blockIdx.x] = parts[0];
}

void
run_sum_squares(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n = dinor1_shape_size(&args->inputs[0].shape);

    DINOR1_LAUNCH(run, sum_squares, blocks_for(n, DINOR1_SUM_BLOCK), THREADS, 0,
        static_cast<const float *>(args->inputs[0].data), static_cast<double *>(args->outputs[0].data), n);
}

template <int SIZE>
__device__ __forceinline__ void
blend_pack(const float *x, const float *y, float *out, float a, float b)
{
    float first[SIZE], second[SIZE];

    load_pack<SIZE>(x, first);
    load_pack<SIZE>(y, second);
#pragma unroll
    for (int i = 0; i < SIZE; i++)
        first[i] = a * first[i] + b * second[i];
    store_pack<SIZE>(out, first);
}

/* A pack a thread; the last thread takes what is left. */
__global__ void
blend(const float *x, const float *y, float *out, gint64 n, float a, float b)
{
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n)
        blend_pack<N>(x + first, y + first, out + first, a, b);
    else
        for (gint64 i = first; i < n; i++)
            blend_pack<1>(x + i, y + i, out + i, a, b);
}

void
run_blend(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);

    DINOR1_LAUNCH(run, blend, blocks_for(n, THREADS * N), THREADS, 0, static_cast<const float *>(args->inputs[0].data),
        static_cast<const float *>(args->inputs[1].data), static_cast<float *>(args->outputs[0].data), n,
        args->params->blend.a, args->params->blend.b);
}

struct AdamW {
    const float *p, *m, *v, *g;
    float *new_p, *new_m, *new_v;
    float scale, beta1, beta2, epsilon, keep, step, root;

    template <int SIZE> __device__ __forceinline__ void update(gint64 at) const
    {
        float weights[SIZE], first[SIZE], second[SIZE], gradients[SIZE];

        load_pack<SIZE>(p + at, weights);
        load_pack<SIZE>(m + at, first);
        load_pack<SIZE>(v + at, second);
        load_pack<SIZE>(g + at, gradients);
#pragma unroll
        for (int i = 0; i < SIZE; i++) {
            const float gradient = gradients[i] * scale;

            first[i] += (1 - beta1) * (gradient - first[i]);
            second[i] += (1 - beta2) * (gradient * gradient - second[i]);
            weights[i] = weights[i] * keep - step * first[i] / (sqrtf(second[i]) * root + epsilon);
        }
        store_pack<SIZE>(new_p + at, weights);
        store_pack<SIZE>(new_m + at, first);
        store_pack<SIZE>(new_v + at, second);
    }
};

__global__ void
adamw(AdamW a, gint64 n)
{
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n)
        a.update<N>(first);
    else
        for (gint64 i = first; i < n; i++)
            a.update<1>(i);
}

void
run_adamw(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1OpParams *params = args->params;
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);
    const AdamW a = {static_cast<const float *>(args->inputs[0].data), static_cast<const float *>(args->inputs[1].data),
        static_cast<const float *>(args->inputs[2].data), static_cast<const float *>(args->inputs[3].data),
        static_cast<float *>(args->outputs[0].data), static_cast<float *>(args->outputs[1].data),
        static_cast<float *>(args->outputs[2].data), params->adamw.scale, params->adamw.beta1, params->adamw.beta2,
        params->adamw.epsilon, params->adamw.keep, params->adamw.step, params->adamw.root};

    DINOR1_LAUNCH(run, adamw, blocks_for(n, THREADS * N), THREADS, 0, a, n);
}

} // namespace

void
dinor1_cuda_init_optimizer(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_SUM_SQUARES] = {run_sum_squares, NULL};
    kernels->ops[DINOR1_OP_BLEND] = {run_blend, NULL};
    kernels->ops[DINOR1_OP_ADAMW] = {run_adamw, NULL};
}
