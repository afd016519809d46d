/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * DEFORMABLE_ATTENTION.
 */
#include "backend/cuda/deformable.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

/* A thread has N channels side by side, and those LANES * N further on. */
template <typename T, int N>
__global__ void
__launch_bounds__(THREADS) deformable_attention(Deformable<T> a)
{
    SHARED_SAMPLES(samples);
    const gint64 index = (gint64)blockIdx.x * ROWS + threadIdx.x / LANES, row = min(index, a.rows - 1);
    const gint64 channels = (gint64)a.heads * a.d;
    const int n = a.n_samples();
    const RowSoftmax softmax(a.logits + row * n, n);
    const T *value = a.value + a.head_offset(row);
    Sample *own = samples[threadIdx.x / LANES];

    for (int begin = 0; begin < a.d; begin += LANES * N) {
        const int channel = begin + (int)threadIdx.x % LANES * N;
        float sums[N] = {};

        for (int first = 0; first < n; first += SAMPLES) {
            const int found =
                begin == 0 || n > SAMPLES ? find_samples(a, row, first, softmax, own) : min(SAMPLES, n - first);

#pragma unroll 4
            for (int i = 0; i < found; i++) {
#pragma unroll
                for (int corner = 0; corner < 4; corner++) {
                    float values[N] = {};

                    if (own[i].rows[corner] >= 0 && channel < a.d)
                        load_pack<N>(value + own[i].rows[corner] * channels + channel, values);
#pragma unroll
                    for (int j = 0; j < N; j++)
                        sums[j] = fmaf(share(own[i], corner) * own[i].weight, values[j], sums[j]);
                }
            }
        }
        if (index < a.rows && channel < a.d)
            store_pack<N>(a.out + row * a.d + channel, sums);
    }
}

template <typename T>
void
run_deformable_attention(DinoR1CudaRun *run)
{
    Deformable<T> a = make_deformable<T>(run->args);

    a.out = static_cast<T *>(run->args->outputs[0].data);
    if (a.d % 4 == 0)
        DINOR1_LAUNCH(run, (deformable_attention<T, 4>), blocks_for(a.rows, ROWS), THREADS, 0, a);
    else
        DINOR1_LAUNCH(run, (deformable_attention<T, 1>), blocks_for(a.rows, ROWS), THREADS, 0, a);
}

} // namespace

void
dinor1_cuda_init_deformable_attention(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_DEFORMABLE_ATTENTION] = {DINOR1_BY_TYPE(run_deformable_attention), NULL};
}
