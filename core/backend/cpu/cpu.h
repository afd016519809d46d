/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

typedef void (*DinoR1CpuFunc)(const DinoR1KernelArgs *args);
/* Bytes of workspace; NULL = none. args->inputs and outputs have shapes but no data (an absent input has ndim -1). */
typedef gsize (*DinoR1CpuWorkspaceFunc)(const DinoR1KernelArgs *args);

typedef struct {
    DinoR1CpuFunc run;
    DinoR1CpuWorkspaceFunc workspace;
} DinoR1CpuKernel;

typedef struct {
    DinoR1CpuKernel ops[DINOR1_N_OPS];
} DinoR1CpuKernels;

/* Which kernels may be used. REFERENCE alone is the plain-C oracle. */
typedef enum {
    DINOR1_CPU_FAST = 1 << 0,   /* blocked, threaded, OpenBLAS, generic vectors */
    DINOR1_CPU_AVX2 = 1 << 1,   /* AVX2, FMA and F16C */
    DINOR1_CPU_AVX512 = 1 << 2, /* AVX-512 F, BW, DQ and VL */
} DinoR1CpuFlags;

#define DINOR1_CPU_ALL ((DinoR1CpuFlags)0x7)

/* What this processor can do, DINOR1_CPU_FAST included. The environment variable DINOR1_CPU_MASK (a number, 0 =
 * reference only) takes flags away; it is read here and nowhere else. */
DinoR1CpuFlags dinor1_cpu_detect(void);

/* The kernels of @flags: every slot holds the reference, then each supported level overrides the slots it has. */
void dinor1_cpu_kernels_init(DinoR1CpuKernels *kernels, DinoR1CpuFlags flags);

/* @n_threads: 0 = one per processor. */
DinoR1Backend *dinor1_cpu_backend_new(guint n_threads, DinoR1CpuFlags flags);
guint dinor1_cpu_backend_get_n_threads(DinoR1Backend *backend);
/* The backend's threads, for host work between two runs. NULL: @backend is another device's. */
DinoR1Pool *dinor1_cpu_backend_get_pool(DinoR1Backend *backend);
/* For people: "cpu, 2 threads, AVX2". (transfer full) */
gchar *dinor1_cpu_backend_describe(DinoR1Backend *backend);

/* Each fills the slots it implements (cpu/ref_*.c, cpu/fast/). */
void dinor1_cpu_init_reference(DinoR1CpuKernels *kernels);
void dinor1_cpu_init_generic(DinoR1CpuKernels *kernels);
void dinor1_cpu_init_avx2(DinoR1CpuKernels *kernels);
void dinor1_cpu_init_avx512(DinoR1CpuKernels *kernels);

G_END_DECLS
