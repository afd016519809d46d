/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * TOPK: a block a row finds the k first places, digit by digit from the highest one; then each of them counts how many
 * come before it. Places are all different, so both steps have one result whatever the order of the threads.
 */
#include "backend/cuda/numbers.h"
#include "backend/cuda/place.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 1024;
/* A digit, and how many of its values a thread looks after. */
constexpr int DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, SHARE = DIGITS / THREADS;
/* A block that orders: so many places, with so many threads each. */
constexpr int PLACES = WARP, HELPERS = 8;

/* The digit at which the falling count of places reaches what is wanted. */
struct Digit {
    unsigned value, wanted /* of the places that have it */, count /* of these places */;
};

/* The sum of what the threads before this one bring. */
__device__ __forceinline__ unsigned
sum_before(unsigned own)
{
    DINOR1_SHARED(unsigned, sums, [WARP]);
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    unsigned sum = own;

#pragma unroll
    for (unsigned delta = 1; delta < WARP; delta *= 2) {
        const unsigned other = __shfl_up_sync(ALL_LANES, sum, delta);
        sum += lane >= delta ? other : 0;
    }
    if (lane == WARP - 1)
        sums[warp] = sum;
    __syncthreads();
    for (unsigned i = 0; i < warp; i++)
        sum += sums[i];
    return sum - own;
}

__device__ __forceinline__ Digit
find_digit(const unsigned (&counts)[DIGITS], unsigned wanted)
{
    DINOR1_SHARED(Digit, found, [1]);
    const int highest = DIGITS - 1 - (int)threadIdx.x * SHARE;
    unsigned own = 0;

#pragma unroll
    for (int i = 0; i < SHARE; i++)
        own += counts[highest - i];
    unsigned before = sum_before(own);
#pragma unroll
    for (int i = 0; i < SHARE; i++) {
        const unsigned count = counts[highest - i];
        if (before < wanted && before + count >= wanted)
            found[0] = {(unsigned)(highest - i), wanted - before, count};
        before += count;
    }
    __syncthreads();
    return found[0];
}

/* chosen [B, k]: the places of the k first of x [B, N], in any order. */
template <typename T>
__global__ void
choose(const T *__restrict__ x, Place *__restrict__ chosen, gint64 n, gint64 k)
{
    DINOR1_SHARED(unsigned, counts, [DIGITS]);
    DINOR1_SHARED(unsigned, n_chosen, [1]);
    int shift = PLACE_BITS; /* the bits above it are known */
    Place known = 0;
    Digit digit = {0, (unsigned)k, 0};

    x += blockIdx.x * n;
    chosen += blockIdx.x * k;
    if (threadIdx.x == 0)
        n_chosen[0] = 0;
    while (digit.count != digit.wanted) {
        const int from = shift, bits = MIN(DIGIT_BITS, shift);

        shift -= bits;
        __syncthreads(); /* the last digit is read */
        for (int i = threadIdx.x; i < DIGITS; i += THREADS)
            counts[i] = 0;
        __syncthreads();
        for (gint64 i = threadIdx.x; i < n; i += THREADS) {
            const Place place = place_of(load(x + i), i);
            if (from == PLACE_BITS || place >> from == known)
                atomicAdd(&counts[place >> shift & (DIGITS - 1) >> (DIGIT_BITS - bits)], 1u);
        }
        __syncthreads();
        digit = find_digit(counts, digit.wanted);
        known = known << bits | digit.value;
    }
    for (gint64 i = threadIdx.x; i < n; i += THREADS) {
        const Place place = place_of(load(x + i), i);
        if (place >> shift >= known)
            chosen[atomicAdd(&n_chosen[0], 1u)] = place;
    }
}

/* out [B, k]: their indices in order. */
__global__ void
put_in_order(const Place *__restrict__ chosen, gint32 *__restrict__ out, gint64 k)
{
    DINOR1_SHARED(Place, others, [HELPERS * PLACES]);
    DINOR1_SHARED(unsigned, counts, [HELPERS][PLACES]);
    const gint64 blocks = (k + PLACES - 1) / PLACES, row = blockIdx.x / blocks;
    const gint64 i = blockIdx.x % blocks * PLACES + threadIdx.x;
    const int helper = (int)threadIdx.y, thread = helper * PLACES + (int)threadIdx.x;

    chosen += row * k;
    const Place own = i < k ? chosen[i] : 0;
    unsigned before = 0;
    for (gint64 first = 0; first < k; first += HELPERS * PLACES) {
        others[thread] = first + thread < k ? chosen[first + thread] : 0;
        __syncthreads();
#pragma unroll 8
        for (int other = 0; other < PLACES; other++)
            before += others[helper * PLACES + other] > own;
        __syncthreads();
    }
    counts[helper][threadIdx.x] = before;
    __syncthreads();
    if (helper > 0 || i >= k)
        return;
#pragma unroll
    for (int other = 1; other < HELPERS; other++)
        before += counts[other][threadIdx.x];
    out[row * k + before] = (gint32)index_at(own);
}

gsize
workspace_topk(const DinoR1KernelArgs *args)
{
    return (gsize)dinor1_shape_size(&args->outputs[0].shape) * sizeof(Place);
}

template <typename T>
void
run_topk(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 *dims = args->inputs[0].shape.dims; /* B, N */
    const gint64 k = args->params->topk.k;
    Place *chosen = static_cast<Place *>(args->workspace);

    DINOR1_LAUNCH(run, choose<T>, blocks_for(dims[0], 1), THREADS, 0, static_cast<const T *>(args->inputs[0].data),
        chosen, dims[1], k);
    DINOR1_LAUNCH(run, put_in_order, blocks_for(dims[0] * ((k + PLACES - 1) / PLACES), 1), dim3(PLACES, HELPERS), 0,
        chosen, static_cast<gint32 *>(args->outputs[0].data), k);
}

} // namespace

void
dinor1_cuda_init_topk(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_TOPK] = {run_topk<float>, workspace_topk};
}
