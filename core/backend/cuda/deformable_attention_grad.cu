/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * DEFORMABLE_ATTENTION_GRAD: a sample's corners give back what they gave. Everything but the value's gradient has one
 * owner and a fixed order.
 */
#include "backend/cuda/deformable.h"

using namespace dinor1_cuda;

namespace
{

/* Adds to N neighbours in global memory. Samples of many queries and heads fall on a pixel, in no order that could be
 * known without sorting millions of them: these sums alone, the value's gradient, differ in their last bits from run to
 * run. */
template <int N>
__device__ __forceinline__ void
add_pack(float *address, const float (&values)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        atomicAdd(address + i, values[i]);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
template <>
__device__ __forceinline__ void
add_pack(float *address, const float (&values)[4])
{
    atomicAdd(reinterpret_cast<float4 *>(address), make_float4(values[0], values[1], values[2], values[3]));
}
#endif

/* A sample's own gradient, sum(dy * sample), with its slopes along x and y. A sample on a pixel's centre has the slopes
 * to its right and below, as PyTorch's. */
struct SampleGrad {
    float dot, x, y;
};

/* The thread's channels of it; adds to the gradients of the four pixels. @value and @dvalue begin at the head, @dy has
 * its d numbers. */
template <int N, typename T>
__device__ __forceinline__ SampleGrad
grad_sample(const Sample &sample, const T *value, float *dvalue, const T *dy, gint64 channels, int d)
{
    SampleGrad grad = {0, 0, 0};

    for (int channel = (int)threadIdx.x % LANES * N; channel < d; channel += LANES * N) {
        float slopes[N];

        load_pack<N>(dy + channel, slopes);
#pragma unroll
        for (int corner = 0; corner < 4; corner++) {
            const gint64 at = sample.rows[corner] * channels + channel;
            const float part = share(sample, corner);
            float values[N], added[N], dot = 0;

            if (sample.rows[corner] < 0)
                continue;
            load_pack<N>(value + at, values);
#pragma unroll
            for (int j = 0; j < N; j++) {
                dot = fmaf(slopes[j], values[j], dot);
                added[j] = sample.weight * part * slopes[j];
            }
            add_pack(dvalue + at, added);
            grad.dot += part * dot;
            grad.x += (corner / 2 ? sample.y : 1 - sample.y) * (corner % 2 ? dot : -dot);
            grad.y += (corner % 2 ? sample.x : 1 - sample.x) * (corner / 2 ? dot : -dot);
        }
    }
    return grad;
}

template <typename T, int N>
__global__ void
__launch_bounds__(THREADS) deformable_attention_grad(Deformable<T> a)
{
    SHARED_SAMPLES(samples);
    const gint64 index = (gint64)blockIdx.x * ROWS + threadIdx.x / LANES, row = min(index, a.rows - 1);
    const int n = a.n_samples(), lane = (int)threadIdx.x % LANES, d = index < a.rows ? a.d : 0;
    const RowSoftmax softmax(a.logits + row * n, n);
    const gint64 head = a.head_offset(row);
    Sample *own = samples[threadIdx.x / LANES];
    float mean = 0;

    for (int first = 0; first < n; first += SAMPLES) {
        const int found = find_samples(a, row, first, softmax, own);

        for (int i = 0; i < found; i++) {
            const int level = (first + i) / a.n_points;
            const gint64 at = row * n + first + i;
            SampleGrad grad =
                grad_sample<N>(own[i], a.value + head, a.dvalue + head, a.dy + row * a.d, (gint64)a.heads * a.d, d);

#pragma unroll
            for (int bit = LANES / 2; bit > 0; bit /= 2) {
                grad.dot += __shfl_xor_sync(ALL_LANES, grad.dot, bit);
                grad.x += __shfl_xor_sync(ALL_LANES, grad.x, bit);
                grad.y += __shfl_xor_sync(ALL_LANES, grad.y, bit);
            }
            mean = fmaf(own[i].weight, grad.dot, mean);
            if (i % LANES != lane || index >= a.rows)
                continue;
            const float *centre = a.centre(row, level);
            const float slopes[2] = {own[i].weight * grad.x, own[i].weight * grad.y};
            const float offsets[2] = {
                slopes[0] * a.unit(centre, 0, a.widths[level]), slopes[1] * a.unit(centre, 1, a.heights[level])};
            store_pack<2>(a.slopes + at * 2, slopes);
            store_pack<2>(a.doffsets + at * 2, offsets);
            store(a.dlogits + at, grad.dot);
        }
    }
    /* From the weights' gradients to the logits': each by the thread that wrote it. */
    for (int i = lane; i < n && index < a.rows; i += LANES)
        store(a.dlogits + row * n + i, softmax.weight(i) * (load(a.dlogits + row * n + i) - mean));
}

/* dreference [B|1, Q, L|1, 2 or 4]: a thread adds up the slopes of the samples of one centre. */
template <typename T>
__global__ void
__launch_bounds__(THREADS) sum_centres(Deformable<T> a, float *dreference, gint64 n_centres)
{
    const gint64 index = (gint64)blockIdx.x * THREADS + threadIdx.x;
    const gint64 place = index / a.reference_levels, images = a.rows / a.heads / a.queries;
    const int only = (int)(index % a.reference_levels);
    const int first_level = a.reference_levels == 1 ? 0 : only,
              end_level = a.reference_levels == 1 ? a.n_levels : only + 1;
    float sums[4] = {};

    if (index >= n_centres)
        return;
    for (gint64 query = place; query < (a.one_reference ? images * a.queries : place + 1); query += a.queries) {
        for (int head = 0; head < a.heads; head++) {
            for (int i = first_level * a.n_points; i < end_level * a.n_points; i++) {
                const gint64 at = ((query * a.heads + head) * a.n_samples() + i) * 2;
                const float w = (float)a.widths[i / a.n_points], h = (float)a.heights[i / a.n_points];
                float slopes[2], offset[2];

                load_pack<2>(a.slopes + at, slopes);
                load_pack<2>(a.offsets + at, offset);
                sums[0] += slopes[0] * w;
                sums[1] += slopes[1] * h;
                sums[2] += slopes[0] * offset[0] * 0.5f / (float)a.n_points * w;
                sums[3] += slopes[1] * offset[1] * 0.5f / (float)a.n_points * h;
            }
        }
    }
    for (int i = 0; i < a.coordinates; i++)
        dreference[index * a.coordinates + i] = sums[i];
}

/* With two coordinates an offset is in pixels: its gradient is the slope. */
gsize
workspace_deformable_attention_grad(const DinoR1KernelArgs *args)
{
    const gint64 offsets = dinor1_shape_size(&args->inputs[2].shape);
    return args->inputs[1].shape.dims[3] == 2 ? 0 : (gsize)offsets * sizeof(float);
}

template <typename T>
void
run_deformable_attention_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 n_centres = dinor1_shape_span(&args->outputs[1].shape, 0, 3);
    float *dreference = static_cast<float *>(args->outputs[1].data);
    Deformable<T> a = make_deformable<T>(args);

    a.dy = static_cast<const T *>(args->inputs[4].data);
    a.dvalue = static_cast<float *>(args->outputs[0].data);
    a.doffsets = static_cast<float *>(args->outputs[2].data);
    a.dlogits = static_cast<float *>(args->outputs[3].data);
    a.slopes = a.coordinates == 2 ? a.doffsets : static_cast<float *>(args->workspace);
    DINOR1_CUDA_CHECK(run,
        cudaMemsetAsync(a.dvalue, 0, (gsize)dinor1_shape_size(&args->outputs[0].shape) * sizeof(float), run->stream));
    if (a.d % 4 == 0)
        DINOR1_LAUNCH(run, (deformable_attention_grad<T, 4>), blocks_for(a.rows, ROWS), THREADS, 0, a);
    else
        DINOR1_LAUNCH(run, (deformable_attention_grad<T, 1>), blocks_for(a.rows, ROWS), THREADS, 0, a);
    DINOR1_LAUNCH(run, sum_centres<T>, blocks_for(n_centres, THREADS), THREADS, 0, a, dreference, n_centres);
}

} // namespace

void
dinor1_cuda_init_deformable_attention_grad(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_DEFORMABLE_ATTENTION_GRAD] = {
        run_deformable_attention_grad<float>, workspace_deformable_attention_grad};
}
