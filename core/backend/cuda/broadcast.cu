/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * BINARY and EXPAND.
 */
#include "backend/cuda/index.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;

template <DinoR1BinaryFunc func> struct Binary {
    __device__ __forceinline__ float operator()(float a, float b) const
    {
        switch (func) {
        case DINOR1_BINARY_ADD:
            return a + b;
        case DINOR1_BINARY_SUB:
            return a - b;
        case DINOR1_BINARY_MUL:
            return a * b;
        default:
            return a / b;
        }
    }
};

/* @N neighbours along the innermost dimension of a tensor that moves along it (@stride 1) or not (0). */
template <int N, typename T>
__device__ __forceinline__ void
load_along(const T *x, gint64 stride, float (&values)[N])
{
    if (stride) {
        load_pack<N>(x, values);
    } else {
        const float value = load(x);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = value;
    }
}

/* out[i] = f(a[...], b[...]), N neighbours of the innermost dimension a thread. */
template <typename T, typename I, int N, typename F>
__global__ void
combine(const T *__restrict__ a, const T *__restrict__ b, T *__restrict__ out, gint64 n, Broadcast<2> shape, F f)
{
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;
    const int inner = shape.ndim - 1;
    gint64 offsets[2];
    float left[N], right[N];

    if (first >= n)
        return;
    locate(shape, (I)first, offsets);
    load_along<N>(a + offsets[0], shape.strides[0][inner], left);
    load_along<N>(b + offsets[1], shape.strides[1][inner], right);
#pragma unroll
    for (int i = 0; i < N; i++)
        left[i] = f(left[i], right[i]);
    store_pack<N>(out + first, left);
}

template <typename T, typename I, int N>
__global__ void
spread(const T *__restrict__ x, T *__restrict__ out, gint64 n, Broadcast<1> shape)
{
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;
    gint64 offsets[1];
    float values[N];

    if (first >= n)
        return;
    locate(shape, (I)first, offsets);
    load_along<N>(x + offsets[0], shape.strides[0][shape.ndim - 1], values);
    store_pack<N>(out + first, values);
}

/* Whether packs of @width neighbours stay in one row and start at multiples of their size in every tensor. */
template <int TENSORS>
bool
fits_packs(const Broadcast<TENSORS> &shape, int width)
{
    const int inner = shape.ndim - 1;

    if (shape.dims[inner] % width)
        return false;
    for (int t = 0; t < TENSORS; t++) {
        if (!shape.strides[t][inner])
            continue;
        for (int d = 0; d < inner; d++)
            if (shape.strides[t][d] % width)
                return false;
    }
    return true;
}

/* Calls @use(index type, pack) with the narrowest index and the widest pack that fit. */
template <typename T, int TENSORS, typename Use>
void
with_layout(const Broadcast<TENSORS> &shape, gint64 n, Use use)
{
    const bool packs = fits_packs(shape, PACK<T>);
    using One = std::integral_constant<int, 1>;
    using Many = std::integral_constant<int, PACK<T>>;

    if (n > G_MAXINT32)
        packs ? use(gint64(), Many()) : use(gint64(), One());
    else
        packs ? use(gint32(), Many()) : use(gint32(), One());
}

template <typename T, DinoR1BinaryFunc func>
void
run_function(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Shape &shape = args->outputs[0].shape;
    const gint64 n = dinor1_shape_size(&shape);
    const auto layout = broadcast<2>(shape, {&args->inputs[0].shape, &args->inputs[1].shape});

    with_layout<T>(layout, n, [&](auto index, auto pack) {
        constexpr int N = decltype(pack)::value;
        DINOR1_LAUNCH(run, (combine<T, decltype(index), N, Binary<func>>), blocks_for(n, THREADS * N), THREADS, 0,
            static_cast<const T *>(args->inputs[0].data), static_cast<const T *>(args->inputs[1].data),
            static_cast<T *>(args->outputs[0].data), n, layout, Binary<func>());
    });
}

template <typename T>
void
run_binary(DinoR1CudaRun *run)
{
    switch (run->args->params->binary.func) {
    case DINOR1_BINARY_ADD:
        return run_function<T, DINOR1_BINARY_ADD>(run);
    case DINOR1_BINARY_SUB:
        return run_function<T, DINOR1_BINARY_SUB>(run);
    case DINOR1_BINARY_MUL:
        return run_function<T, DINOR1_BINARY_MUL>(run);
    case DINOR1_BINARY_DIV:
        return run_function<T, DINOR1_BINARY_DIV>(run);
    }
}

template <typename T>
void
run_expand(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Shape &shape = args->outputs[0].shape;
    const gint64 n = dinor1_shape_size(&shape);
    const auto layout = broadcast<1>(shape, {&args->inputs[0].shape});

    with_layout<T>(layout, n, [&](auto index, auto pack) {
        constexpr int N = decltype(pack)::value;
        DINOR1_LAUNCH(run, (spread<T, decltype(index), N>), blocks_for(n, THREADS * N), THREADS, 0,
            static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), n, layout);
    });
}

} // namespace

void
dinor1_cuda_init_broadcast(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_BINARY] = {DINOR1_BY_TYPE(run_binary), NULL};
    kernels->ops[DINOR1_OP_EXPAND] = {DINOR1_BY_TYPE(run_expand), NULL};
}
