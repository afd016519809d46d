/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Broadcasting. A shape and the tensors that are broadcast to it, with as few dimensions as describe them: those of
 * size 1 are dropped and neighbours along which every tensor moves alike are one.
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

/* dims outermost first; strides[t][d]: elements of tensor t from one place of dimension d to the next, 0 where it is
 * broadcast. At least one dimension. */
template <int TENSORS> struct Broadcast {
    int ndim;
    gint64 dims[DINOR1_MAX_DIMS];
    gint64 strides[TENSORS][DINOR1_MAX_DIMS];
};

/* The stride of dimension @d of @out in a tensor of shape @in. */
inline gint64
broadcast_stride(const DinoR1Shape &out, const DinoR1Shape &in, int d)
{
    const int own = d - (out.ndim - in.ndim);

    if (own < 0 || in.dims[own] == 1)
        return 0;
    return dinor1_shape_span(&in, own + 1, in.ndim);
}

template <int TENSORS>
Broadcast<TENSORS>
broadcast(const DinoR1Shape &out, const DinoR1Shape *const (&shapes)[TENSORS])
{
    Broadcast<TENSORS> result = {};

    for (int d = 0; d < out.ndim; d++) {
        gint64 strides[TENSORS];
        bool joins = result.ndim > 0;

        if (out.dims[d] == 1)
            continue;
        for (int t = 0; t < TENSORS; t++) {
            strides[t] = broadcast_stride(out, *shapes[t], d);
            joins = joins && result.strides[t][result.ndim - 1] == strides[t] * out.dims[d];
        }
        if (!joins)
            result.ndim++;
        const int last = result.ndim - 1;
        result.dims[last] = joins ? result.dims[last] * out.dims[d] : out.dims[d];
        for (int t = 0; t < TENSORS; t++)
            result.strides[t][last] = strides[t];
    }
    if (result.ndim == 0) {
        result.ndim = 1;
        result.dims[0] = 1;
    }
    return result;
}

/* Where element @index of the shape is in each tensor. @I: gint64, or gint32 when the shape has fewer elements. */
template <typename I, int TENSORS>
__host__ __device__ __forceinline__ void
locate(const Broadcast<TENSORS> &shape, I index, gint64 (&offsets)[TENSORS])
{
    for (int t = 0; t < TENSORS; t++)
        offsets[t] = 0;
    for (int d = shape.ndim - 1; d >= 0; d--) {
        const I size = (I)shape.dims[d], rest = d ? index / size : 0, place = index - rest * size;

        for (int t = 0; t < TENSORS; t++)
            offsets[t] += place * shape.strides[t][d];
        index = rest;
    }
}

} // namespace dinor1_cuda
