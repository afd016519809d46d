/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#else
#include "backend/cuda/host/emulator.h"
#endif

typedef struct DinoR1CudaBlas DinoR1CudaBlas;

/* One execution of one op: what a family's function gets. Everything it starts goes to @stream. */
typedef struct {
    const DinoR1KernelArgs *args;
    cudaStream_t stream;
    DinoR1CudaBlas *blas;
    gboolean tf32;  /* products of f32 may round their factors */
    gchar *failure; /* the first one, for people; NULL = none. Launches after it are skipped. */
} DinoR1CudaRun;

typedef void (*DinoR1CudaFunc)(DinoR1CudaRun *run);
/* Bytes of workspace; NULL = none. args->inputs and outputs have shapes but no data (an absent input has ndim -1). */
typedef gsize (*DinoR1CudaWorkspaceFunc)(const DinoR1KernelArgs *args);

typedef struct {
    DinoR1CudaFunc run;
    DinoR1CudaWorkspaceFunc workspace;
} DinoR1CudaKernel;

typedef struct {
    DinoR1CudaKernel ops[DINOR1_N_OPS];
} DinoR1CudaKernels;

/* The families: FAMILY.cu defines dinor1_cuda_init_FAMILY(), which fills the rows of its ops. */
#define DINOR1_CUDA_FAMILIES(X)                                                                                        \
    X(attention)                                                                                                       \
    X(broadcast)                                                                                                       \
    X(cast)                                                                                                            \
    X(conv)                                                                                                            \
    X(deformable_attention)                                                                                            \
    X(deformable_attention_grad)                                                                                       \
    X(elementwise)                                                                                                     \
    X(focal)                                                                                                           \
    X(gather)                                                                                                          \
    X(giou)                                                                                                            \
    X(group_norm)                                                                                                      \
    X(group_norm_grad)                                                                                                 \
    X(layout)                                                                                                          \
    X(linear)                                                                                                          \
    X(norm)                                                                                                            \
    X(norm_grad)                                                                                                       \
    X(optimizer)                                                                                                       \
    X(permute)                                                                                                         \
    X(preprocess)                                                                                                      \
    X(reduce)                                                                                                          \
    X(reduce_grad)                                                                                                     \
    X(sine)                                                                                                            \
    X(softmax)                                                                                                         \
    X(topk)                                                                                                            \
    X(window_attention)

#define DINOR1_CUDA_DECLARE(family) void dinor1_cuda_init_##family(DinoR1CudaKernels *kernels);
DINOR1_CUDA_FAMILIES(DINOR1_CUDA_DECLARE)
#undef DINOR1_CUDA_DECLARE

/* Keeps the first failure of a run: "TEXT at FILE:LINE". */
void dinor1_cuda_fail(DinoR1CudaRun *run, const char *text, const char *file, int line);
void dinor1_cuda_check(DinoR1CudaRun *run, cudaError_t error, const char *file, int line);

/* For calls of the CUDA runtime inside a family. */
#define DINOR1_CUDA_CHECK(run, call) dinor1_cuda_check((run), (call), __FILE__, __LINE__)
