/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * PREPROCESS (graph/frame.h): a picture's bytes to normalised pixels in one pass. What says where the bytes are lies in
 * device memory, so that a recorded graph serves pictures of any size and format.
 */
#include "backend/cuda/launch.h"
#include "backend/cuda/numbers.h"
#include "graph/frame.h"

using namespace dinor1_cuda;

namespace
{

/* A block makes WIDTH x HEIGHT pixels. */
constexpr int WIDTH = 32, HEIGHT = 8;

struct Component {
    unsigned offset, stride, step, shift;
};

/* Level c is x * component 0 + y * component 1 + z * component 2 + w. */
struct Picture {
    int width, height, column_taps, row_taps;
    Component components[3];
    float4 levels[3], scale, offset;
};

__device__ __forceinline__ Component
load_component(const int4 *geometry)
{
    const int4 c = __ldg(geometry);
    return {(unsigned)c.x, (unsigned)c.y, (unsigned)c.z, (unsigned)c.w};
}

__device__ __forceinline__ Picture
load_picture(const int4 *__restrict__ geometry, const float4 *__restrict__ colour)
{
    const int4 head = __ldg(geometry);

    return {head.x, head.y, head.z, head.w,
        {load_component(geometry + 1), load_component(geometry + 2), load_component(geometry + 3)},
        {__ldg(colour), __ldg(colour + 1), __ldg(colour + 2)}, __ldg(colour + 3), __ldg(colour + 4)};
}

/* Whatever the geometry says, nothing outside of the frame is read. */
__device__ __forceinline__ float
load_byte(const guint8 *__restrict__ frame, unsigned last, const Component &c, int y, int x)
{
    const unsigned at = c.offset + ((unsigned)y >> c.shift) * c.stride + ((unsigned)x >> c.shift) * c.step;
    return (float)__ldg(frame + min(at, last));
}

__device__ __forceinline__ float
level(const float4 &weights, float a, float b, float c)
{
    return fminf(fmaxf(fmaf(weights.x, a, fmaf(weights.y, b, fmaf(weights.z, c, weights.w))), 0), 255);
}

template <typename T>
__global__ void
preprocess(const guint8 *__restrict__ frame, unsigned last, const int4 *__restrict__ geometry,
    const float4 *__restrict__ colour, const int *__restrict__ columns, const float *__restrict__ column_weights,
    int column_pitch, const int *__restrict__ rows, const float *__restrict__ row_weights, int row_pitch, int out_width,
    int out_height, T *__restrict__ out)
{
    const int out_x = (int)blockIdx.x * WIDTH + (int)threadIdx.x, out_y = (int)blockIdx.y * HEIGHT + (int)threadIdx.y;

    if (out_x >= out_width || out_y >= out_height)
        return;
    const Picture p = load_picture(geometry, colour);
    const int left = columns[out_x], top = rows[out_y];
    float red = 0, green = 0, blue = 0;

    column_weights += (gint64)out_x * column_pitch;
    row_weights += (gint64)out_y * row_pitch;
    for (int v = 0; v < min(p.column_taps, column_pitch); v++) {
        float r = 0, g = 0, b = 0; /* the column's sum */

        for (int u = 0; u < min(p.row_taps, row_pitch); u++) {
            const float weight = __ldg(row_weights + u);
            const float x = load_byte(frame, last, p.components[0], top + u, left + v);
            const float y = load_byte(frame, last, p.components[1], top + u, left + v);
            const float z = load_byte(frame, last, p.components[2], top + u, left + v);

            r = fmaf(weight, level(p.levels[0], x, y, z), r);
            g = fmaf(weight, level(p.levels[1], x, y, z), g);
            b = fmaf(weight, level(p.levels[2], x, y, z), b);
        }
        const float weight = __ldg(column_weights + v);
        red = fmaf(weight, r, red);
        green = fmaf(weight, g, green);
        blue = fmaf(weight, b, blue);
    }
    out += ((gint64)out_y * out_width + out_x) * 3;
    store(out, fmaf(red, p.scale.x, p.offset.x));
    store(out + 1, fmaf(green, p.scale.y, p.offset.y));
    store(out + 2, fmaf(blue, p.scale.z, p.offset.z));
}

template <typename T>
void
run_preprocess(DinoR1CudaRun *run)
{
    const DinoR1View *x = run->args->inputs, *out = run->args->outputs;
    const gint64 *dims = out->shape.dims; /* 1, Ho, Wo, 3 */
    const dim3 blocks(blocks_for(dims[2], WIDTH), blocks_for(dims[1], HEIGHT));

    DINOR1_LAUNCH(run, preprocess<T>, blocks, dim3(WIDTH, HEIGHT), 0, static_cast<const guint8 *>(x[0].data),
        (unsigned)x[0].shape.dims[0] - 1, static_cast<const int4 *>(x[1].data), static_cast<const float4 *>(x[2].data),
        static_cast<const int *>(x[3].data), static_cast<const float *>(x[4].data), (int)x[4].shape.dims[1],
        static_cast<const int *>(x[5].data), static_cast<const float *>(x[6].data), (int)x[6].shape.dims[1],
        (int)dims[2], (int)dims[1], static_cast<T *>(out->data));
}

} // namespace

void
dinor1_cuda_init_preprocess(DinoR1CudaKernels *kernels)
{
    kernels->ops[DINOR1_OP_PREPROCESS] = {run_preprocess<float>, NULL};
}
