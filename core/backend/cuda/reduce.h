/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

/* A shape around one axis. */
struct Axis {
    gint64 outer, n, inner;
};

inline Axis
split_axis(const DinoR1Shape &shape, gint axis)
{
    axis = axis < 0 ? shape.ndim + axis : axis;
    return {dinor1_shape_span(&shape, 0, axis), shape.dims[axis], dinor1_shape_span(&shape, axis + 1, shape.ndim)};
}

/* Floats of workspace that reduce_axis() needs. */
gint64 reduce_axis_workspace(const Axis &axis);

/* x [outer, n, inner] to out [outer, inner]: scale * sum over n, or the maximum. */
template <typename T>
void reduce_axis(DinoR1CudaRun *run, const Axis &axis, bool max, float scale, const T *x, T *out, float *workspace);

extern template void reduce_axis(DinoR1CudaRun *, const Axis &, bool, float, const float *, float *, float *);

} // namespace dinor1_cuda
