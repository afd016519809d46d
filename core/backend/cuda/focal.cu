/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * FOCAL and its adjoint.
 */
#include "backend/cuda/functions.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;

/* alpha_t * |D|^gamma * BCE with D = p - t; none of its parts cancels for large logits: 1 - p is sigmoid(-x). */
struct Focal {
    float alpha, gamma;

    __device__ __forceinline__ float alpha_t(float t) const
    {
        return alpha * t + (1 - alpha) * (1 - t);
    }

    static __device__ __forceinline__ float difference(float x, float t)
    {
        return (1 - t) * sigmoid(x) - t * sigmoid(-x);
    }

    static __device__ __forceinline__ float bce(float x, float t)
    {
        return (1 - t) * fmaxf(x, 0) + t * fmaxf(-x, 0) + log1pf(expf(-fabsf(x)));
    }

    __device__ __forceinline__ float power(float size) const
    {
        return gamma == 2 ? size * size : powf(size, gamma);
    }

    __device__ __forceinline__ float loss(float x, float t) const
    {
        return alpha_t(t) * power(fabsf(difference(x, t))) * bce(x, t);
    }

    /* alpha_t |D|^gamma (gamma p (1 - p) BCE / D + D); 0 where D is. */
    __device__ __forceinline__ float slope(float x, float t) const
    {
        const float d = difference(x, t);

        if (d == 0)
            return 0;
        return alpha_t(t) * power(fabsf(d)) * (gamma * sigmoid_slope(x) * bce(x, t) / d + d);
    }
};

/* N neighbours a thread: the loss, or dy times its slope. */
template <typename T, int N, bool GRAD>
__device__ __forceinline__ void
focal_pack(const T *x, const T *t, const T *dy, T *out, Focal f)
{
    float logits[N], targets[N], gradients[N];

    load_pack<N>(x, logits);
    load_pack<N>(t, targets);
    if (GRAD)
        load_pack<N>(dy, gradients);
#pragma unroll
    for (int i = 0; i < N; i++)
        logits[i] = GRAD ? gradients[i] * f.slope(logits[i], targets[i]) : f.loss(logits[i], targets[i]);
    store_pack<N>(out, logits);
}

/* A pack a thread; the last thread takes what is left. */
template <typename T, bool GRAD>
__global__ void
focal(
    const T *__restrict__ x, const T *__restrict__ t, const T *__restrict__ dy, T *__restrict__ out, gint64 n, Focal f)
{
    constexpr int N = PACK<T>;
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n)
        focal_pack<T, N, GRAD>(x + first, t + first, GRAD ? dy + first : dy, out + first, f);
    else
        for (gint64 i = first; i < n; i++)
            focal_pack<T, 1, GRAD>(x + i, t + i, GRAD ? dy + i : dy, out + i, f);
}

template <typename T, bool GRAD>
void
run_focal(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);

    DINOR1_LAUNCH(run, (focal<T, GRAD>), blocks_for(n, THREADS * PACK<T>), THREADS, 0,
        static_cast<const T *>(args->inputs[0].data), static_cast<const T *>(args->inputs[1].data),
        GRAD ? static_cast<const T *>(args->inputs[2].data) : static_cast<const T *>(NULL),
        static_cast<T *>(args->outputs[0].data), n, Focal{args->params->focal.alpha, args->params->focal.gamma});
}

} // namespace

void
dinor1_cuda_init_focal(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_FOCAL] = {run_focal<float, false>, NULL};
    kernels->ops[DINOR1_OP_FOCAL_GRAD] = {run_focal<float, true>, NULL};
}
