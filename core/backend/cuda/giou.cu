/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GIOU and its adjoint. Boxes are seen from the centre of a, so that ends which lie close together are told apart.
 */
#include "backend/cuda/index.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "backend/cuda/warp.h"

using namespace dinor1_cuda;

namespace
{

constexpr int THREADS = 256;
/* Pairs of one box of a from which on a block adds their gradients. */
constexpr gint64 MANY_PAIRS = 512;

/* An extent along one axis, or an area, and its slopes by the ends of a: x low, y low, x high, y high. */
struct Extent {
    float size, by_low, by_high;
};

struct Area {
    float size, slopes[4];
};

/* d max(a, b) / da; between equal numbers PyTorch splits the gradient. */
__device__ __forceinline__ float
share(float a, float b)
{
    return a > b ? 1 : a < b ? 0 : 0.5f;
}

/* What two intervals have in common; touching counts as overlapping by 0, as in PyTorch's clamp. */
__device__ __forceinline__ Extent
overlap(float a_low, float a_high, float b_low, float b_high)
{
    const float size = fminf(a_high, b_high) - fmaxf(a_low, b_low);

    if (size < 0)
        return {0, 0, 0};
    return {size, -share(a_low, b_low), share(b_high, a_high)};
}

/* What covers both. */
__device__ __forceinline__ Extent
hull(float a_low, float a_high, float b_low, float b_high)
{
    return {fmaxf(a_high, b_high) - fminf(a_low, b_low), -share(b_low, a_low), share(a_high, b_high)};
}

__device__ __forceinline__ Area
area(Extent x, Extent y)
{
    return {x.size * y.size, {x.by_low * y.size, y.by_low * x.size, x.by_high * y.size, y.by_high * x.size}};
}

/* Adds sign * a / b; nothing where b is 0. */
__device__ __forceinline__ void
add_quotient(Area &sum, float sign, const Area &a, const Area &b)
{
    if (b.size == 0)
        return;
    const float quotient = a.size / b.size;
    sum.size += sign * quotient;
#pragma unroll
    for (int i = 0; i < 4; i++)
        sum.slopes[i] += sign * (a.slopes[i] - quotient * b.slopes[i]) / b.size;
}

/* inter / union - (hull - union) / hull, of boxes (cx, cy, w, h). */
__device__ __forceinline__ Area
giou_of(const float (&a)[4], const float (&b)[4])
{
    const float x = b[0] - a[0], y = b[1] - a[1];
    const float a_x = a[2] / 2, a_y = a[3] / 2, b_x = b[2] / 2, b_y = b[3] / 2;
    const Area inter = area(overlap(-a_x, a_x, x - b_x, x + b_x), overlap(-a_y, a_y, y - b_y, y + b_y));
    const Area around = area(hull(-a_x, a_x, x - b_x, x + b_x), hull(-a_y, a_y, y - b_y, y + b_y));
    Area both = area({a[2], -1, 1}, {a[3], -1, 1}), gap, result = {};

    both.size += b[2] * b[3] - inter.size;
    gap.size = around.size - both.size;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        both.slopes[i] -= inter.slopes[i];
        gap.slopes[i] = around.slopes[i] - both.slopes[i];
    }
    add_quotient(result, 1, inter, both);
    add_quotient(result, -1, gap, around);
    return result;
}

/* shape: the output's, and where boxes a and b are along it. */
template <typename T, typename I>
__global__ void
giou(const T *__restrict__ a, const T *__restrict__ b, T *__restrict__ out, gint64 n, Broadcast<2> shape)
{
    const gint64 i = (gint64)blockIdx.x * THREADS + threadIdx.x;
    gint64 at[2];
    float box_a[4], box_b[4];

    if (i >= n)
        return;
    locate(shape, (I)i, at);
    load_pack<4>(a + at[0] * 4, box_a);
    load_pack<4>(b + at[1] * 4, box_b);
    store(out + i, giou_of(box_a, box_b).size);
}

/* The pairs: one for each box of a along the dimensions @own, times those that @pairs adds for the same box. Offsets of
 * both are those of b [0] and of the pair [1]. */
struct Pairs {
    Broadcast<2> own, pairs;
    gint64 boxes, n_pairs;
};

/* A box by SHARE threads: one, a warp or the block. */
template <typename T, int SHARE>
__global__ void
giou_grad(const T *__restrict__ a, const T *__restrict__ b, const T *__restrict__ dy, T *__restrict__ da, Pairs p)
{
    const gint64 box = (gint64)blockIdx.x * (THREADS / SHARE) + threadIdx.x / SHARE;
    float box_a[4], box_b[4], sums[4] = {};
    gint64 first[2], at[2];

    if (box >= p.boxes)
        return;
    locate(p.own, box, first);
    load_pack<4>(a + box * 4, box_a);
    for (gint64 i = threadIdx.x % SHARE; i < p.n_pairs; i += SHARE) {
        locate(p.pairs, i, at);
        load_pack<4>(b + (first[0] + at[0]) * 4, box_b);
        const Area g = giou_of(box_a, box_b);
        const float gradient = load(dy + first[1] + at[1]);
#pragma unroll
        for (int axis = 0; axis < 2; axis++) { /* low and high are centre -+ size / 2 */
            sums[axis] += gradient * (g.slopes[axis] + g.slopes[2 + axis]);
            sums[2 + axis] += gradient * (g.slopes[2 + axis] - g.slopes[axis]) / 2;
        }
    }
    if (SHARE > 1)
#pragma unroll
        for (int i = 0; i < 4; i++)
            sums[i] = reduce_block < SHARE == 1 ? (int)WARP : SHARE > (sums[i], Sum());
    if (threadIdx.x % SHARE == 0)
        store_pack<4>(da + box * 4, sums);
}

/* The shape of the boxes of [..., 4]. */
DinoR1Shape
boxes_of(const DinoR1Shape &shape)
{
    DinoR1Shape boxes = shape;
    boxes.dims[boxes.ndim - 1] = 1;
    return boxes;
}

template <typename T>
void
run_giou(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const DinoR1Shape boxes_a = boxes_of(args->inputs[0].shape), boxes_b = boxes_of(args->inputs[1].shape);
    const Broadcast<2> shape = broadcast<2>(args->outputs[0].shape, {&boxes_a, &boxes_b});
    const gint64 n = dinor1_shape_size(&args->outputs[0].shape);
    const T *a = static_cast<const T *>(args->inputs[0].data), *b = static_cast<const T *>(args->inputs[1].data);
    T *out = static_cast<T *>(args->outputs[0].data);

    if (n > G_MAXINT32)
        DINOR1_LAUNCH(run, (giou<T, gint64>), blocks_for(n, THREADS), THREADS, 0, a, b, out, n, shape);
    else
        DINOR1_LAUNCH(run, (giou<T, gint32>), blocks_for(n, THREADS), THREADS, 0, a, b, out, n, shape);
}

Pairs
find_pairs(const DinoR1KernelArgs *args)
{
    const DinoR1Shape &out = args->inputs[2].shape;
    const DinoR1Shape boxes_a = boxes_of(args->inputs[0].shape), boxes_b = boxes_of(args->inputs[1].shape);
    const Broadcast<3> shape = broadcast<3>(out, {&boxes_a, &boxes_b, &out});
    Pairs p = {{}, {}, 1, 1};

    for (int d = 0; d < shape.ndim; d++) {
        const bool added = shape.strides[0][d] == 0;
        Broadcast<2> &part = added ? p.pairs : p.own;

        part.dims[part.ndim] = shape.dims[d];
        part.strides[0][part.ndim] = shape.strides[1][d];
        part.strides[1][part.ndim] = shape.strides[2][d];
        part.ndim++;
        (added ? p.n_pairs : p.boxes) *= shape.dims[d];
    }
    return p;
}

template <typename T>
void
run_giou_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Pairs p = find_pairs(args);
    const T *a = static_cast<const T *>(args->inputs[0].data), *b = static_cast<const T *>(args->inputs[1].data);
    const T *dy = static_cast<const T *>(args->inputs[2].data);
    T *da = static_cast<T *>(args->outputs[0].data);

    if (p.n_pairs == 1)
        DINOR1_LAUNCH(run, (giou_grad<T, 1>), blocks_for(p.boxes, THREADS), THREADS, 0, a, b, dy, da, p);
    else if (p.n_pairs < MANY_PAIRS)
        DINOR1_LAUNCH(run, (giou_grad<T, (int)WARP>), blocks_for(p.boxes, THREADS / WARP), THREADS, 0, a, b, dy, da, p);
    else
        DINOR1_LAUNCH(run, (giou_grad<T, THREADS>), blocks_for(p.boxes, 1), THREADS, 0, a, b, dy, da, p);
}

} // namespace

void
dinor1_cuda_init_giou(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_GIOU] = {run_giou<float>, NULL};
    kernels->ops[DINOR1_OP_GIOU_GRAD] = {run_giou_grad<float>, NULL};
}
