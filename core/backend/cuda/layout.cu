/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SLICE and its adjoint, CONCAT, PATCH_MERGE and PATCH_SPLIT: rows of x that go to other places.
 */
#include "backend/cuda/reduce.h"
#include "backend/cuda/rows.h"
#include "backend/cuda/types.h"

using namespace dinor1_cuda;

namespace
{

/* Column c of a row of the output is column c + offset of that row of x, which has @width of them. */
struct Window {
    gint64 width, offset;

    bool divide(int n)
    {
        if (width % n || offset % n)
            return false;
        width /= n;
        offset /= n;
        return true;
    }

    template <typename I> __device__ __forceinline__ gint64 operator()(I row, I column) const
    {
        const gint64 from = column + offset;
        return from >= 0 && from < width ? row * width + from : -1;
    }
};

template <typename T>
void
run_slice(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->slice.axis);
    const gint64 width = args->params->slice.length * axis.inner;

    move_rows(run, static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), axis.outer,
        width, width, Window{axis.n * axis.inner, args->params->slice.start * axis.inner});
}

template <typename T>
void
run_slice_grad(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis axis = split_axis(args->inputs[0].shape, args->params->slice_grad.axis); /* of dy */
    const gint64 width = args->params->slice_grad.size * axis.inner;

    move_rows(run, static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), axis.outer,
        width, width, Window{axis.n * axis.inner, -args->params->slice_grad.start * axis.inner});
}

template <typename T>
void
run_concat(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const Axis whole = split_axis(args->outputs[0].shape, args->params->concat.axis);
    T *out = static_cast<T *>(args->outputs[0].data);

    for (guint i = 0; i < args->n_inputs; i++) {
        const Axis axis = split_axis(args->inputs[i].shape, args->params->concat.axis);
        const gint64 width = axis.n * axis.inner;

        move_rows(run, static_cast<const T *>(args->inputs[i].data), out, axis.outer, width, whole.n * whole.inner,
            Window{width, 0});
        out += width;
    }
}

/* A map [B, H, W, C] and its patches [B, ceil(H/2), ceil(W/2), 4, C], whose four are the pixels (0,0) (1,0) (0,1) (1,1)
 * as (row, column). Rows of both are the C channels of a pixel. */
struct Patches {
    gint64 height, width, channels;

    bool divide(int n)
    {
        if (channels % n)
            return false;
        channels /= n;
        return true;
    }
};

/* Where a row of patches comes from in the map. */
struct Merge : Patches {
    template <typename I> __device__ __forceinline__ gint64 operator()(I row, I column) const
    {
        const I rows = (I)(height + 1) / 2, columns = (I)(width + 1) / 2;
        const I part = row % 4, pixel = row / 4, line = pixel / columns, batch = line / rows;
        const I y = (line - batch * rows) * 2 + part % 2, x = (pixel - line * columns) * 2 + part / 2;

        return y < height && x < width ? ((batch * height + y) * width + x) * channels + column : -1;
    }
};

/* Where a row of the map comes from in the patches. */
struct Split : Patches {
    template <typename I> __device__ __forceinline__ gint64 operator()(I row, I column) const
    {
        const gint64 rows = (height + 1) / 2, columns = (width + 1) / 2;
        const I line = row / (I)width, x = row - line * (I)width, batch = line / (I)height;
        const I y = line - batch * (I)height, part = y % 2 + x % 2 * 2;

        return (((batch * rows + y / 2) * columns + x / 2) * 4 + part) * channels + column;
    }
};

template <typename T>
void
run_patch_merge(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 *dims = args->inputs[0].shape.dims; /* B, H, W, C */
    const gint64 rows = dims[0] * ((dims[1] + 1) / 2) * ((dims[2] + 1) / 2) * 4;

    move_rows(run, static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data), rows, dims[3],
        dims[3], Merge{{dims[1], dims[2], dims[3]}});
}

template <typename T>
void
run_patch_split(DinoR1CudaRun *run)
{
    const DinoR1KernelArgs *args = run->args;
    const gint64 *dims = args->outputs[0].shape.dims; /* B, H, W, C */

    move_rows(run, static_cast<const T *>(args->inputs[0].data), static_cast<T *>(args->outputs[0].data),
        dims[0] * dims[1] * dims[2], dims[3], dims[3], Split{{dims[1], dims[2], dims[3]}});
}

} // namespace

void
dinor1_cuda_init_layout(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_SLICE] = {DINOR1_BY_SIZE(run_slice), NULL};
    kernels->ops[DINOR1_OP_SLICE_GRAD] = {run_slice_grad<float>, NULL};
    kernels->ops[DINOR1_OP_CONCAT] = {DINOR1_BY_SIZE(run_concat), NULL};
    kernels->ops[DINOR1_OP_PATCH_MERGE] = {DINOR1_BY_SIZE(run_patch_merge), NULL};
    kernels->ops[DINOR1_OP_PATCH_SPLIT] = {run_patch_split<float>, NULL};
}
