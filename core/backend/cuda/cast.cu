/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CAST.
 */
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* Neighbours a thread. */
constexpr int N = 4;

template <typename From, typename To>
__global__ void
convert(const From *__restrict__ x, To *__restrict__ out, gint64 n)
{
    const gint64 first = ((gint64)blockIdx.x * THREADS + threadIdx.x) * N;

    if (first + N <= n) {
        float values[N];
        load_pack<N>(x + first, values);
        store_pack<N>(out + first, values);
    } else {
        for (gint64 i = first; i < n; i++)
            store(out + i, load(x + i));
    }
}

void
run_cast(DinoR1CudaRun *run)
{
    const DinoR1View &x = run->args->inputs[0], &out = run->args->outputs[0];
    const gint64 n = dinor1_shape_size(&out.shape);

    with_type(run, x.dtype, [&](auto from) {
        with_type(run, out.dtype, [&](auto to) {
            DINOR1_LAUNCH(run, (convert<decltype(from), decltype(to)>), blocks_for(n, THREADS * N), THREADS, 0,
                static_cast<const decltype(from) *>(x.data), static_cast<decltype(to) *>(out.data), n);
        });
    });
}

} // namespace

void
dinor1_cuda_init_cast(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_CAST] = {run_cast, NULL};
}
