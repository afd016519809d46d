/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"

/* What the environment leaves of @flags; anything that is not a number leaves all of it. */
static DinoR1CpuFlags
apply_mask(DinoR1CpuFlags flags)
{
    const gchar *text = g_getenv("DINOR1_CPU_MASK");
    gchar *end = NULL;

    if (!text || !*text)
        return flags;
    guint64 mask = g_ascii_strtoull(text, &end, 0);
    return *end ? flags : flags & (DinoR1CpuFlags)(mask & DINOR1_CPU_ALL);
}

DinoR1CpuFlags
dinor1_cpu_detect(void)
{
    DinoR1CpuFlags flags = DINOR1_CPU_FAST;

#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    /* Every processor with AVX2 has F16C, which is a generation older; clang 14 cannot ask for it. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        flags |= DINOR1_CPU_AVX2;
    if ((flags & DINOR1_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        flags |= DINOR1_CPU_AVX512;
#endif
    return apply_mask(flags);
}

void
dinor1_cpu_kernels_init(DinoR1CpuKernels *kernels, DinoR1CpuFlags flags)
{
    dinor1_cpu_init_reference(kernels);
    if (flags & DINOR1_CPU_FAST)
        dinor1_cpu_init_generic(kernels);
    if (flags & DINOR1_CPU_AVX2)
        dinor1_cpu_init_avx2(kernels);
    if (flags & DINOR1_CPU_AVX512)
        dinor1_cpu_init_avx512(kernels);
}
