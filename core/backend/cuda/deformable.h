/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Deformable attention: where samples are. LANES threads share a row, one head of one query: they find the places of
 * its samples together and then have some of its channels each. Positions and
 * logits are float whatever the values are.
 */
#pragma once

#include "backend/cuda/numbers.h"
#include "backend/cuda/warp.h"

namespace dinor1_cuda
{

constexpr int THREADS = 256, LANES = 8, ROWS = THREADS / LANES;
/* Samples of a row whose places are known at a time; a multiple of LANES. */
constexpr int SAMPLES = 16;

/* One sample: the four pixels around it as rows of the value, (0,0) (0,1) (1,0) (1,1) as (row, column), -1 = outside;
 * how far it is from the first of them; its softmax weight. */
struct alignas(16) Sample {
    int rows[4];
    float x, y, weight;
};

/* Room for one more keeps the rows of a warp in different banks. */
#define SHARED_SAMPLES(name) DINOR1_SHARED(Sample, name, [ROWS][SAMPLES + 1])

template <typename T> struct Deformable {
    const T *value;         /* [B, N, H*d] */
    const float *reference; /* [B|1, Q, L|1, 2 or 4] */
    const float *offsets;   /* [B, Q, H, L, P, 2] */
    const float *logits;    /* [B, Q, H, L, P] */
    T *out;                 /* [B, Q, H*d] */
    gint64 rows;            /* B * Q * H */
    gint64 queries, positions;
    int heads, d, n_levels, n_points, coordinates, reference_levels;
    bool one_reference; /* for all images */
    int heights[DINOR1_MAX_LEVELS], widths[DINOR1_MAX_LEVELS];
    gint64 starts[DINOR1_MAX_LEVELS];
    /* Of the adjoint. */
    const T *dy;
    float *dvalue;
    float *dlogits;
    float *doffsets;
    float *slopes; /* [B, Q, H, L, P, 2]: the gradients of the samples' places, in pixels */

    __device__ __forceinline__ int n_samples() const
    {
        return n_levels * n_points;
    }

    /* Where the head begins in the value and its gradient. */
    __device__ __forceinline__ gint64 head_offset(gint64 row) const
    {
        return row / heads / queries * positions * heads * d + row % heads * d;
    }

    __device__ __forceinline__ const float *centre(gint64 row, int level) const
    {
        const gint64 query = row / heads, place = one_reference ? query % queries : query;
        return reference + (place * reference_levels + (reference_levels == 1 ? 0 : level)) * coordinates;
    }

    /* Pixels per unit of an offset: @axis 0 for x, 1 for y. */
    __device__ __forceinline__ float unit(const float *centre, int axis, int size) const
    {
        return coordinates == 2 ? 1 : 0.5f * centre[2 + axis] / (float)n_points * (float)size;
    }
};

/* The softmax of a row's logits: the largest and 1 / the sum. All lanes of the warp take part. */
struct RowSoftmax {
    const float *logits;
    float max, inverse;

    __device__ __forceinline__ RowSoftmax(const float *row_logits, int n) : logits(row_logits), max(-INFINITY)
    {
        float sum = 0;

        for (int i = (int)threadIdx.x % LANES; i < n; i += LANES)
            max = fmaxf(max, load(logits + i));
#pragma unroll
        for (int bit = LANES / 2; bit > 0; bit /= 2)
            max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, bit));
        for (int i = (int)threadIdx.x % LANES; i < n; i += LANES)
            sum += max == -INFINITY ? 0 : expf(load(logits + i) - max);
#pragma unroll
        for (int bit = LANES / 2; bit > 0; bit /= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, bit);
        inverse = max == -INFINITY ? 0 : 1 / sum;
    }

    __device__ __forceinline__ float weight(int i) const
    {
        return max == -INFINITY ? 0 : expf(load(logits + i) - max) * inverse;
    }
};

/* Pixel centres are at whole numbers; what is outside is 0 (grid_sample, align_corners=False, zeros). */
template <typename T>
__device__ __forceinline__ Sample
find_sample(const Deformable<T> &a, gint64 row, int i, float weight)
{
    const int level = i / a.n_points, h = a.heights[level], w = a.widths[level];
    const float *centre = a.centre(row, level);
    float offset[2];
    Sample sample = {{-1, -1, -1, -1}, 0, 0, weight};

    load_pack<2>(a.offsets + (row * a.n_samples() + i) * 2, offset);
    const float x = centre[0] * (float)w + offset[0] * a.unit(centre, 0, w) - 0.5f;
    const float y = centre[1] * (float)h + offset[1] * a.unit(centre, 1, h) - 0.5f;
    /* Far outside, or NaN: no conversion to an integer. */
    if (!(x >= -1 && x < (float)w && y >= -1 && y < (float)h))
        return sample;
    const int left = (int)floorf(x), top = (int)floorf(y);
    sample.x = x - (float)left;
    sample.y = y - (float)top;
#pragma unroll
    for (int corner = 0; corner < 4; corner++) {
        const int column = left + corner % 2, line = top + corner / 2;

        if (column >= 0 && column < w && line >= 0 && line < h)
            sample.rows[corner] = (int)a.starts[level] + line * w + column;
    }
    return sample;
}

/* Samples first ... of the row, at most SAMPLES; returns how many. For the threads of the row, all of whose warp come
 * here together. */
template <typename T>
__device__ __forceinline__ int
find_samples(const Deformable<T> &a, gint64 row, int first, const RowSoftmax &softmax, Sample *samples)
{
    const int n = min(SAMPLES, a.n_samples() - first);

    __syncwarp();
    for (int i = (int)threadIdx.x % LANES; i < n; i += LANES)
        samples[i] = find_sample(a, row, first + i, softmax.weight(first + i));
    __syncwarp();
    return n;
}

/* Of corner @corner: what a sample takes from it. */
__device__ __forceinline__ float
share(const Sample &sample, int corner)
{
    return (corner % 2 ? sample.x : 1 - sample.x) * (corner / 2 ? sample.y : 1 - sample.y);
}

template <typename T>
inline Deformable<T>
make_deformable(const DinoR1KernelArgs *args)
{
    const gint64 *value = args->inputs[0].shape.dims, *reference = args->inputs[1].shape.dims;
    Deformable<T> a = {};
    gint64 start = 0;

    a.value = static_cast<const T *>(args->inputs[0].data);
    a.reference = static_cast<const float *>(args->inputs[1].data);
    a.offsets = static_cast<const float *>(args->inputs[2].data);
    a.logits = static_cast<const float *>(args->inputs[3].data);
    a.heads = args->params->deformable.heads;
    a.d = (int)(value[2] / a.heads);
    a.queries = args->inputs[2].shape.dims[1];
    a.positions = value[1];
    a.rows = value[0] * a.queries * a.heads;
    a.n_levels = args->params->deformable.n_levels;
    a.n_points = args->params->deformable.n_points;
    a.one_reference = reference[0] == 1;
    a.reference_levels = (int)reference[2];
    a.coordinates = (int)reference[3];
    for (int i = 0; i < a.n_levels; i++) {
        a.heights[i] = args->params->deformable.heights[i];
        a.widths[i] = args->params->deformable.widths[i];
        a.starts[i] = start;
        start += (gint64)a.heights[i] * a.widths[i];
    }
    return a;
}

} // namespace dinor1_cuda
