/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"
#include "backend/cpu/memory.h"

#include <cblas.h>
#include <dinor1/error.h>
#include <string.h>

typedef struct {
    DinoR1Backend base;
    DinoR1Pool *pool;
    DinoR1CpuMemory *memory;
    DinoR1CpuFlags flags;
    DinoR1CpuKernels kernels;
} CpuBackend;

static void
cpu_free(DinoR1Backend *backend)
{
    CpuBackend *self = (CpuBackend *)backend;
    dinor1_pool_free(self->pool);
    dinor1_cpu_memory_free(self->memory);
    g_free(self);
}

static gpointer
cpu_alloc(DinoR1Backend *backend, gsize size, GError **error)
{
    gpointer memory = dinor1_cpu_memory_take(((CpuBackend *)backend)->memory, size);

    if (!memory) {
        g_autofree gchar *text = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY, "cpu: not enough memory for %s", text);
    }
    return memory;
}

static void
cpu_release(DinoR1Backend *backend, gpointer memory)
{
    dinor1_cpu_memory_give(((CpuBackend *)backend)->memory, memory);
}

static gboolean
cpu_copy(DinoR1Backend *backend, gpointer to, gconstpointer from, gsize size, GError **error)
{
    if (size > 0)
        memcpy(to, from, size);
    return TRUE;
}

static gboolean
cpu_download_many(DinoR1Backend *backend, const DinoR1Download *copies, guint n, GError **error)
{
    for (guint i = 0; i < n; i++)
        cpu_copy(backend, copies[i].to, copies[i].from, copies[i].size, error);
    return TRUE;
}

static gsize
cpu_workspace(DinoR1Backend *backend, DinoR1OpType op, const DinoR1KernelArgs *args)
{
    CpuBackend *self = (CpuBackend *)backend;
    DinoR1CpuWorkspaceFunc workspace = self->kernels.ops[op].workspace;
    DinoR1KernelArgs with_pool = *args;

    /* The rules ask the pool for its size: every thread may want its own slice. */
    with_pool.pool = self->pool;
    return workspace ? workspace(&with_pool) : 0;
}

static gboolean
cpu_run(DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, GError **error)
{
    CpuBackend *self = (CpuBackend *)backend;
    args->pool = self->pool;
    self->kernels.ops[op].run(args);
    return TRUE;
}

static gboolean
cpu_sync(DinoR1Backend *backend, GError **error)
{
    return TRUE;
}

static const DinoR1BackendClass cpu_class = {
    .name = "cpu",
    .free = cpu_free,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .download_many = cpu_download_many,
    .workspace = cpu_workspace,
    .run = cpu_run,
    .sync = cpu_sync,
};

DinoR1Backend *
dinor1_cpu_backend_new(guint n_threads, DinoR1CpuFlags flags)
{
    CpuBackend *self = g_new0(CpuBackend, 1);

    self->base.klass = &cpu_class;
    self->base.host_memory = TRUE;
    self->pool = dinor1_pool_new(n_threads);
    self->memory = dinor1_cpu_memory_new();
    self->flags = flags;
    dinor1_cpu_kernels_init(&self->kernels, flags);
    /* Our pool splits the work and calls BLAS from its threads, so BLAS must not split it again. The setting is the
     * whole process's: OpenBLAS has no other. */
    openblas_set_num_threads(1);
    return &self->base;
}

guint
dinor1_cpu_backend_get_n_threads(DinoR1Backend *backend)
{
    return dinor1_pool_get_n_threads(((CpuBackend *)backend)->pool);
}

DinoR1Pool *
dinor1_cpu_backend_get_pool(DinoR1Backend *backend)
{
    return backend->klass == &cpu_class ? ((CpuBackend *)backend)->pool : NULL;
}

static const gchar *
kernels_name(DinoR1CpuFlags flags)
{
    if (flags & DINOR1_CPU_AVX512)
        return "AVX-512";
    if (flags & DINOR1_CPU_AVX2)
        return "AVX2";
    return flags & DINOR1_CPU_FAST ? "generic" : "reference";
}

gchar *
dinor1_cpu_backend_describe(DinoR1Backend *backend)
{
    guint n_threads = dinor1_cpu_backend_get_n_threads(backend);
    return g_strdup_printf(
        "cpu, %u thread%s, %s", n_threads, n_threads == 1 ? "" : "s", kernels_name(((CpuBackend *)backend)->flags));
}
