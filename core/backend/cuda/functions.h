/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The functions of one number and their derivatives, in float.
 */
#pragma once

#include "backend/cuda/cuda.h"

namespace dinor1_cuda
{

constexpr float SQRT_HALF = 0.70710678118654752f;
constexpr float TWO_OVER_SQRT_PI = 1.12837916709551258f;

__device__ __forceinline__ float
gelu(float x)
{
    return 0.5f * x * erfcf(-x * SQRT_HALF); /* erfc: 1 + erf(x) cancels for negative x */
}

__device__ __forceinline__ float
sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* s(x) (1 - s(x)) for the sigmoid s, without cancelling. */
__device__ __forceinline__ float
sigmoid_slope(float x)
{
    const float e = expf(-fabsf(x));
    return e / ((1 + e) * (1 + e));
}

__device__ __forceinline__ float
activate(DinoR1Activation activation, float x)
{
    return activation == DINOR1_ACT_RELU ? fmaxf(x, 0) : activation == DINOR1_ACT_GELU ? gelu(x) : x;
}

/* UNARY's functions; a and b are its parameters. */
template <DinoR1UnaryFunc func> struct Function {
    float a, b;

    __device__ __forceinline__ float operator()(float x) const
    {
        switch (func) {
        case DINOR1_UNARY_AFFINE:
            return fmaf(a, x, b);
        case DINOR1_UNARY_RELU:
            return x > 0 ? x : 0;
        case DINOR1_UNARY_GELU:
            return gelu(x);
        case DINOR1_UNARY_SIGMOID:
            return sigmoid(x);
        case DINOR1_UNARY_TANH:
            return tanhf(x);
        case DINOR1_UNARY_EXP:
            return expf(x);
        case DINOR1_UNARY_LOG:
            return logf(x);
        case DINOR1_UNARY_LOGIT: {
            const float y = fminf(fmaxf(x, a), 1 - a);
            return logf(y / (1 - y));
        }
        case DINOR1_UNARY_CLAMP:
            return fminf(fmaxf(x, a), b);
        case DINOR1_UNARY_ABS:
            return fabsf(x);
        case DINOR1_UNARY_SQRT:
            return sqrtf(x);
        default:
            return x;
        }
    }
};

/* Their derivatives; at a kink PyTorch's. */
template <DinoR1UnaryFunc func> struct Slope {
    float a, b;

    __device__ __forceinline__ float operator()(float x) const
    {
        switch (func) {
        case DINOR1_UNARY_AFFINE:
            return a;
        case DINOR1_UNARY_RELU:
            return x > 0;
        case DINOR1_UNARY_GELU: /* Phi(x) + x phi(x) */
            return 0.5f * erfcf(-x * SQRT_HALF) + x * expf(-0.5f * x * x) * (0.5f * SQRT_HALF * TWO_OVER_SQRT_PI);
        case DINOR1_UNARY_SIGMOID:
            return sigmoid_slope(x);
        case DINOR1_UNARY_TANH: /* tanh(x) = 2 s(2x) - 1 */
            return 4 * sigmoid_slope(2 * x);
        case DINOR1_UNARY_EXP:
            return expf(x);
        case DINOR1_UNARY_LOG:
            return 1 / x;
        case DINOR1_UNARY_LOGIT:
            return x < a || x > 1 - a ? 0 : 1 / (x * (1 - x));
        case DINOR1_UNARY_CLAMP:
            return x >= a && x <= b;
        case DINOR1_UNARY_ABS:
            return (float)((x > 0) - (x < 0));
        case DINOR1_UNARY_SQRT:
            return 0.5f / sqrtf(x);
        default:
            return 1;
        }
    }
};

} // namespace dinor1_cuda
