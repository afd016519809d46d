/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * UNARY and its adjoint: one pass at the speed of the memory.
 */
#include "backend/cuda/functions.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;

/* out[i] = f(x[i]) for i < n, a pack a thread; the last thread takes what is left. */
template <typename T, typename F>
__global__ void
map(const T *__restrict__ x, T *__restrict__ out, gint64 n, F f)
{
    constexpr int N = PACK<T>;
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n) {
        float values[N];
        load_pack<N>(x + first, values);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = f(values[i]);
        store_pack<N>(out + first, values);
    } else {
        for (gint64 i = first; i < n; i++)
            store(out + i, f(load(x + i)));
    }
}

/* dx[i] = dy[i] * f(x[i]). */
template <typename T, typename F>
__global__ void
map_grad(const T *__restrict__ x, const T *__restrict__ dy, T *__restrict__ dx, gint64 n, F f)
{
    constexpr int N = PACK<T>;
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n) {
        float values[N], factors[N];
        load_pack<N>(x + first, values);
        load_pack<N>(dy + first, factors);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = factors[i] * f(values[i]);
        store_pack<N>(dx + first, values);
    } else {
        for (gint64 i = first; i < n; i++)
            store(dx + i, load(dy + i) * f(load(x + i)));
    }
}

/* Calls @use with the function object of @params. */
template <template <DinoR1UnaryFunc> class F, typename Use>
void
with_function(const DinoR1OpParams *params, Use use)
{
    const float a = params->unary.a, b = params->unary.b;

    switch (params->unary.func) {
#define CASE(func)                                                                                                     \
    case DINOR1_UNARY_##func:                                                                                          \
        return use(F<DINOR1_UNARY_##func>{a, b});
        CASE(AFFINE)
        CASE(RELU)
        CASE(GELU)
        CASE(SIGMOID)
        CASE(TANH)
        CASE(EXP)
        CASE(LOG)
        CASE(LOGIT)
        CASE(CLAMP)
        CASE(ABS)
        CASE(SQRT)
#undef CASE
    case DINOR1_N_UNARY:
        break;
    }
}

template <typename T>
void
run_unary(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);
    const T *x = static_cast<const T *>(args->inputs[0].data);
    T *out = static_cast<T *>(args->outputs[0].data);

    with_function<Function>(args->params, [=](auto f) {
        DINOR1_LAUNCH(run, (map<T, decltype(f)>), blocks_for(n, THREADS * PACK<T>), THREADS, 0, x, out, n, f);
    });
}

template <typename T>
void
run_unary_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);
    const T *x = static_cast<const T *>(args->inputs[0].data);
    const T *dy = static_cast<const T *>(args->inputs[1].data);
    T *dx = static_cast<T *>(args->outputs[0].data);

    with_function<Slope>(args->params, [=](auto f) {
        DINOR1_LAUNCH(run, (map_grad<T, decltype(f)>), blocks_for(n, THREADS * PACK<T>), THREADS, 0, x, dy, dx, n, f);
    });
}

} // namespace

void
dinor1_cuda_init_elementwise(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_UNARY] = {DINOR1_BY_TYPE(run_unary), NULL};
    kernels->ops[DINOR1_OP_UNARY_GRAD] = {run_unary_grad<float>, NULL};
}
