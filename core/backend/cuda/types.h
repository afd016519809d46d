/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the types of views to those of kernels.
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

/* Calls @use with a number of the type that tensors of @dtype are stored in. */
template <typename Use>
void
with_type(DinoR1CudaRun *run, DinoR1DType dtype, Use use)
{
    switch (dtype) {
    case DINOR1_F32:
        return use(float());
    case DINOR1_F16:
        return use(__half());
    case DINOR1_BF16:
        return use(__nv_bfloat16());
    default:
        dinor1_cuda_fail(run, "no kernel for this type of numbers", __FILE__, __LINE__);
    }
}

/* The same for kernels that only move numbers, and convert none: by their size. */
template <typename Use>
void
with_size(DinoR1DType dtype, Use use)
{
    if (dinor1_dtype_size(dtype) == sizeof(__half))
        use(__half());
    else
        use(float());
}

/* The function that runs @function<T> for the type of the first input. */
#define DINOR1_BY_TYPE(function)                                                                                       \
    [](DinoR1CudaRun *run) {                                                                                           \
        dinor1_cuda::with_type(run, run->args->inputs[0].dtype, [=](auto zero) { function<decltype(zero)>(run); });    \
    }
#define DINOR1_BY_SIZE(function)                                                                                       \
    [](DinoR1CudaRun *run) {                                                                                           \
        dinor1_cuda::with_size(run->args->inputs[0].dtype, [=](auto zero) { function<decltype(zero)>(run); });         \
    }

} // namespace dinor1_cuda
