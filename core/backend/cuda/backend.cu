/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/blas.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/staging.h"
#include "backend/module.h"

#include <dinor1/api.h>
#include <dinor1/error.h>
#include <string.h>

struct _DinoR1Recording {
    cudaGraphExec_t graph;
};

namespace
{

/* After a failure in a kernel or a transfer nothing on the device can be trusted: the backend is dead and says why
 * again at every call. Out of memory is not such a failure. */
struct CudaBackend {
    DinoR1Backend base;
    guint index;
    cudaStream_t stream;
    DinoR1CudaBlas *blas;
    DinoR1CudaStaging *staging;
    DinoR1CudaKernels kernels;
    gboolean sync_ops;  /* wait after every op, so that a failure names the right one */
    gboolean recording; /* what fails now did not reach the device */
    gchar last[64];     /* the last op or recording that was started */
    gchar *death;
};

gboolean
die(CudaBackend *self, const gchar *what, const gchar *why, GError **error)
{
    if (!self->death)
        self->death = g_strdup_printf("cuda:%u: %s: %s", self->index, what, why);
    cudaGetLastError(); /* it is the thread's, which may use other devices */
    g_set_error_literal(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE, self->death);
    return FALSE;
}

gchar *
error_text(cudaError_t error)
{
    return g_strdup_printf("%s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
}

/* Every call begins with this: the current device belongs to the thread. */
gboolean
enter(CudaBackend *self, GError **error)
{
    if (self->death)
        return die(self, "", "", error);
    cudaError_t status = cudaSetDevice((int)self->index);
    if (status == cudaSuccess)
        return TRUE;
    g_autofree gchar *text = error_text(status);
    return die(self, "cannot be used", text, error);
}

/* The result of a call that may report what an earlier kernel did. */
gboolean
check(CudaBackend *self, cudaError_t status, const gchar *what, GError **error)
{
    if (status == cudaSuccess)
        return TRUE;
    g_autofree gchar *text = error_text(status);
    g_autofree gchar *where = *self->last ? g_strdup_printf("%s after %s", what, self->last) : g_strdup(what);
    g_autofree gchar *why =
        self->sync_ops ? g_strdup(text) : g_strdup_printf("%s; with DINOR1_CUDA_SYNC=1 the message names the op", text);
    return die(self, where, why, error);
}

void
cuda_free(DinoR1Backend *backend)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    cudaSetDevice((int)self->index);
    dinor1_cuda_blas_free(self->blas);
    dinor1_cuda_staging_free(self->staging);
    if (self->stream)
        cudaStreamDestroy(self->stream);
    g_free(self->death);
    g_free(self);
}

void
set_out_of_memory(CudaBackend *self, gsize size, GError **error)
{
    size_t free_size = 0, total = 0;

    cudaGetLastError();
    cudaMemGetInfo(&free_size, &total);
    g_autofree gchar *asked = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree gchar *left = g_format_size_full(free_size, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree gchar *all = g_format_size_full(total, G_FORMAT_SIZE_IEC_UNITS);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY, "cuda:%u: out of memory: asked for %s, %s of %s are free",
        self->index, asked, left, all);
}

gpointer
cuda_alloc(DinoR1Backend *backend, gsize size, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);
    gpointer memory = NULL;

    if (!enter(self, error))
        return NULL;
    cudaError_t status = cudaMalloc(&memory, MAX(size, 1));
    if (status == cudaErrorMemoryAllocation)
        set_out_of_memory(self, size, error);
    else if (!check(self, status, "allocation", error))
        return NULL;
    return memory;
}

void
cuda_release(DinoR1Backend *backend, gpointer memory)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    cudaSetDevice((int)self->index);
    cudaFree(memory);
}

gboolean
cuda_get_memory(DinoR1Backend *backend, gsize *free, gsize *total, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    return enter(self, error) && check(self, cudaMemGetInfo(free, total), "memory", error);
}

/* Pinned memory may be short without harm to the device. */
gboolean
check_copy(CudaBackend *self, cudaError_t status, const gchar *what, GError **error)
{
    if (status != cudaErrorMemoryAllocation)
        return check(self, status, what, error);
    cudaGetLastError();
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY, "cuda:%u: %s: no pinned host memory", self->index, what);
    return FALSE;
}

gboolean
cuda_upload(DinoR1Backend *backend, gpointer to, gconstpointer from, gsize size, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    return enter(self, error) &&
           check_copy(self, dinor1_cuda_staging_upload(self->staging, to, from, size, self->stream), "upload", error);
}

gboolean
cuda_copy_rows(DinoR1Backend *backend, const DinoR1RowCopy *copy, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    return enter(self, error) &&
           check_copy(self, dinor1_cuda_staging_copy_rows(self->staging, copy, self->stream), "copy of rows", error);
}

gboolean
cuda_download_many(DinoR1Backend *backend, const DinoR1Download *copies, guint n, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    return enter(self, error) &&
           check_copy(self, dinor1_cuda_staging_download(self->staging, copies, n, self->stream), "download", error);
}

gboolean
cuda_download(DinoR1Backend *backend, gpointer to, gconstpointer from, gsize size, GError **error)
{
    const DinoR1Download copy = {to, from, size};

    return cuda_download_many(backend, &copy, 1, error);
}

gsize
cuda_workspace(DinoR1Backend *backend, DinoR1OpType op, const DinoR1KernelArgs *args)
{
    DinoR1CudaWorkspaceFunc workspace = reinterpret_cast<CudaBackend *>(backend)->kernels.ops[op].workspace;
    return workspace ? workspace(args) : 0;
}

gboolean
cuda_sync(DinoR1Backend *backend, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);
    return enter(self, error) && check(self, cudaStreamSynchronize(self->stream), "failure", error);
}

/* The stream and the device are as they were: nothing dies of it. */
gboolean
refuse_recording(CudaBackend *self, const gchar *what, const gchar *why, GError **error)
{
    cudaGetLastError();
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE, "cuda:%u: recording: %s: %s", self->index, what, why);
    return FALSE;
}

gboolean
cuda_run(DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);
    DinoR1CudaRun run = {args, self->stream, self->blas, self->base.tf32, NULL};

    if (!enter(self, error))
        return FALSE;
    if (!self->kernels.ops[op].run) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "cuda:%u: no kernel for %s", self->index,
            dinor1_op_name(op));
        return FALSE;
    }
    self->kernels.ops[op].run(&run);
    if (run.failure) {
        g_autofree gchar *failure = run.failure;
        return self->recording ? refuse_recording(self, dinor1_op_name(op), failure, error)
                               : die(self, dinor1_op_name(op), failure, error);
    }
    if (!self->recording)
        g_strlcpy(self->last, dinor1_op_name(op), sizeof self->last);
    return self->sync_ops ? cuda_sync(backend, error) : TRUE;
}

gboolean
cuda_record_begin(DinoR1Backend *backend, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    if (!enter(self, error))
        return FALSE;
    /* Other threads may allocate meanwhile. */
    cudaError_t status = cudaStreamBeginCapture(self->stream, cudaStreamCaptureModeThreadLocal);
    self->recording = status == cudaSuccess;
    if (self->recording)
        return TRUE;
    g_autofree gchar *text = error_text(status);
    return refuse_recording(self, "begin", text, error);
}

DinoR1Recording *
cuda_record_end(DinoR1Backend *backend, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    cudaError_t status = cudaStreamEndCapture(self->stream, &graph);

    self->recording = FALSE;
    if (status == cudaSuccess)
        status = cudaGraphInstantiate(&executable, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    if (status != cudaSuccess) {
        g_autofree gchar *text = error_text(status);
        refuse_recording(self, "end", text, error);
        return NULL;
    }
    DinoR1Recording *recording = g_new0(DinoR1Recording, 1);
    recording->graph = executable;
    return recording;
}

gboolean
cuda_replay(DinoR1Backend *backend, DinoR1Recording *recording, const gchar *name, GError **error)
{
    CudaBackend *self = reinterpret_cast<CudaBackend *>(backend);

    if (!enter(self, error))
        return FALSE;
    cudaError_t status = cudaGraphLaunch(recording->graph, self->stream);
    g_snprintf(self->last, sizeof self->last, "the recorded run of %s", name);
    return check(self, status, "failure", error);
}

void
cuda_recording_free(DinoR1Backend *backend, DinoR1Recording *recording)
{
    cudaSetDevice((int)reinterpret_cast<CudaBackend *>(backend)->index);
    cudaGraphExecDestroy(recording->graph);
    g_free(recording);
}

const DinoR1BackendClass cuda_class = {
    "cuda",
    cuda_free,
    cuda_alloc,
    cuda_release,
    cuda_get_memory,
    cuda_upload,
    cuda_copy_rows,
    cuda_download,
    cuda_download_many,
    cuda_workspace,
    cuda_run,
    cuda_sync,
    cuda_record_begin,
    cuda_record_end,
    cuda_replay,
    cuda_recording_free,
};

/* NULL, or (transfer full) why device @index cannot be had. */
gchar *
find_device(guint index, cudaDeviceProp *properties)
{
    int n = 0;
    cudaError_t status = cudaGetDeviceCount(&n);

    if (status == cudaSuccess && index >= (guint)n)
        return g_strdup_printf("there is no such device, only %d", n);
    if (status == cudaSuccess)
        status = cudaGetDeviceProperties(properties, (int)index);
    if (status == cudaSuccess)
        status = cudaSetDevice((int)index);
    if (status == cudaErrorInsufficientDriver) /* what CUDA says where there is none at all */
        return g_strdup("NVIDIA's driver is missing, or too old for this CUDA (cudaErrorInsufficientDriver)");
    return status == cudaSuccess ? NULL : error_text(status);
}

gchar *
prepare(CudaBackend *self)
{
    gchar *why = NULL;
    cudaError_t status = cudaStreamCreateWithFlags(&self->stream, cudaStreamNonBlocking);

    if (status != cudaSuccess)
        return error_text(status);
    self->staging = dinor1_cuda_staging_new();
    self->blas = dinor1_cuda_blas_new(&why);
    return why;
}

/* Tensor cores multiply f16 from compute capability 7 on, bf16 and TF32 from 8 on. */
void
set_precisions(DinoR1Backend *backend, int major)
{
    backend->half_types = (major >= 7 ? 1u << DINOR1_F16 : 0) | (major >= 8 ? 1u << DINOR1_BF16 : 0);
    backend->has_tf32 = major >= 8;
}

DinoR1Backend *
cuda_open(guint index, gchar **description, GError **error)
{
    CudaBackend *self = g_new0(CudaBackend, 1);
    cudaDeviceProp properties;

    self->base.klass = &cuda_class;
    self->index = index;
    self->sync_ops = g_strcmp0(g_getenv("DINOR1_CUDA_SYNC"), "1") == 0;
    self->base.can_record = !self->sync_ops;
    g_autofree gchar *why = find_device(index, &properties);
    if (!why)
        why = prepare(self);
    if (why) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE, "cuda:%u: %s", index, why);
        cuda_free(&self->base);
        return NULL;
    }
    set_precisions(&self->base, properties.major);
#define INIT(family) dinor1_cuda_init_##family(&self->kernels);
    DINOR1_CUDA_FAMILIES(INIT)
#undef INIT
    g_autofree gchar *memory = g_format_size_full(properties.totalGlobalMem, G_FORMAT_SIZE_IEC_UNITS);
    *description = g_strdup_printf("cuda:%u, %s, %s, compute capability %d.%d", index, properties.name, memory,
        properties.major, properties.minor);
    return &self->base;
}

} // namespace

void
dinor1_cuda_fail(DinoR1CudaRun *run, const char *text, const char *file, int line)
{
    const char *slash = strrchr(file, '/');

    if (!run->failure)
        run->failure = g_strdup_printf("%s at %s:%d", text, slash ? slash + 1 : file, line);
}

void
dinor1_cuda_check(DinoR1CudaRun *run, cudaError_t error, const char *file, int line)
{
    if (error == cudaSuccess)
        return;
    g_autofree gchar *text = error_text(error);
    dinor1_cuda_fail(run, text, file, line);
}

extern "C" DINOR1_API const DinoR1BackendModule dinor1_backend_module;
const DinoR1BackendModule dinor1_backend_module = {
    DINOR1_BACKEND_ABI,
    DINOR1_N_OPS,
    sizeof(DinoR1KernelArgs),
    cuda_open,
};
