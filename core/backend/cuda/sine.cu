/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SINE_EMBED: a thread has one frequency, whose period is a power in double precision, and some coordinates.
 */
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
constexpr int COORDINATES = 8;

/* x [count]; out [count, frequencies, 2]. */
template <typename T>
__global__ void
sine_embed(
    const T *__restrict__ x, T *__restrict__ out, gint64 count, gint64 frequencies, float temperature, float scale)
{
    const gint64 thread = (gint64)blockIdx.x * THREADS + threadIdx.x;
    const gint64 first = thread / frequencies * COORDINATES, frequency = thread % frequencies;

    if (first >= count)
        return;
    const float period = (float)pow((double)temperature, (double)frequency / (double)frequencies);
    for (gint64 i = first; i < MIN(first + COORDINATES, count); i++) {
        const float angle = load(x + i) * scale / period;
        const float values[2] = {sinf(angle), cosf(angle)};
        store_pack<2>(out + (i * frequencies + frequency) * 2, values);
    }
}

template <typename T>
void
run_sine_embed(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 count = dinor1_shape_size(&args->inputs[0].shape), frequencies = args->params->sine.features / 2;
    const gint64 threads = (count + COORDINATES - 1) / COORDINATES * frequencies;

    DINOR1_LAUNCH(run, sine_embed<T>, blocks_for(threads, THREADS), THREADS, 0,
        static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), count, frequencies,
        args->params->sine.temperature, args->params->sine.scale);
}

} // namespace

void
dinor1_cuda_init_sine(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_SINE_EMBED] = {run_sine_embed<float>, NULL};
}
