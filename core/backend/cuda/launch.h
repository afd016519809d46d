/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/cuda.h"

/* DINOR1_LAUNCH(run, kernel, blocks, threads, shared_bytes, arguments...): kernel<<<...>>>(arguments...) on the run's
 * stream, checked. A template in parentheses: DINOR1_LAUNCH(run, (scale<float, 4>), ...). A grid without blocks (a
 * tensor without elements) is no launch. */
#define DINOR1_LAUNCH(run, kernel, ...) dinor1_cuda::launch((run), __FILE__, __LINE__, kernel, __VA_ARGS__)

/* Shared memory. DINOR1_SHARED(float, tile, [32][33]) declares an array of the block; DINOR1_DYNAMIC_SHARED(float,
 * tile) a pointer to what the launch asked for (16-byte aligned, once a kernel). */
#ifdef __CUDACC__
#define DINOR1_SHARED(type, name, dims) __shared__ type name dims
#define DINOR1_DYNAMIC_SHARED(type, name)                                                                              \
    extern __shared__ __align__(16) unsigned char dinor1_dynamic_shared[];                                             \
    type *name = reinterpret_cast<type *>(dinor1_dynamic_shared)
#else
#define DINOR1_SHARED(type, name, dims)                                                                                \
    static const char name##_site = 0;                                                                                 \
    using name##_type = type dims;                                                                                     \
    name##_type &name = *static_cast<name##_type *>(dinor1_emu::shared(&name##_site, sizeof(name##_type)))
#define DINOR1_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(dinor1_emu::dynamic_shared())
#endif

namespace dinor1_cuda
{

#ifdef __CUDACC__
/* What a kernel may have without asking. */
constexpr size_t PLAIN_SHARED = 48 << 10;
#endif

template <typename... P, typename... A>
void
launch(DinoR1CudaRun *run, const char *file, int line, void (*kernel)(P...), dim3 blocks, dim3 threads,
    size_t shared_size, A... arguments)
{
    if (run->failure || blocks.x == 0 || blocks.y == 0 || blocks.z == 0)
        return;
#ifdef __CUDACC__
    if (shared_size > PLAIN_SHARED)
        dinor1_cuda_check(run,
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_size), file, line);
    kernel<<<blocks, threads, shared_size, run->stream>>>(arguments...);
#else
    dinor1_emu::launch(run->stream, kernel, blocks, threads, shared_size, arguments...);
#endif
    dinor1_cuda_check(run, cudaGetLastError(), file, line);
}

/* Blocks of @size that cover @n; more than a grid can have stay too many. */
inline unsigned
blocks_for(gint64 n, gint64 size)
{
    const gint64 blocks = n / size + (n % size != 0);
    return blocks > G_MAXUINT32 ? G_MAXUINT32 : (unsigned)blocks;
}

} // namespace dinor1_cuda
