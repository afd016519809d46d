/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/host/runtime.h"

#include "backend/cuda/host/sanitizer.h"
#include "backend/cuda/host/stream.h"

#include <cstdlib>
#include <map>

#define TOTAL_MEMORY ((size_t)8 << 30)
#define SHARED_SIZE  ((size_t)99 << 10)

namespace dinor1_emu
{

struct Event {
    Stream *stream;
    uint64_t ticket;
};

/* As in CUDA, the last error is the thread's. */
static thread_local cudaError_t last_error = cudaSuccess;
/* Pinned memory: where it starts and its size. */
static std::mutex pinned_mutex;
static std::map<const char *, size_t> pinned;

cudaError_t
remember(cudaError_t error)
{
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

static size_t
total_memory()
{
    return dinor1_emulated_gpu.memory ? dinor1_emulated_gpu.memory : TOTAL_MEMORY;
}

static size_t
free_memory()
{
    return total_memory() -
           std::min(total_memory(), __atomic_load_n(&dinor1_emulated_gpu.used_memory, __ATOMIC_RELAXED));
}

static bool
is_pinned(const void *memory, size_t size)
{
    const char *address = static_cast<const char *>(memory);
    std::lock_guard<std::mutex> lock(pinned_mutex);
    auto next = pinned.upper_bound(address);

    if (next == pinned.begin())
        return false;
    --next;
    return address + size <= next->first + next->second;
}

} // namespace dinor1_emu

using namespace dinor1_emu;

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
        "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
        "operation failed due to a previous error during capture"},
};

const char *
cudaGetErrorString(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error)
            return row.text;
    return "unrecognized error code";
}

const char *
cudaGetErrorName(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error)
            return row.name;
    return "unrecognized error code";
}

cudaError_t
cudaGetLastError()
{
    const cudaError_t error = last_error;

    last_error = cudaSuccess;
    return error;
}

cudaError_t
cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t
cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    if (device != 0)
        return remember(cudaErrorInvalidDevice);
    *properties = {"emulated on the host", total_memory(), SHARED_SIZE, 8, 6, 4};
    return cudaSuccess;
}

cudaError_t
cudaSetDevice(int device)
{
    return remember(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t
cudaMemGetInfo(size_t *free, size_t *total)
{
    *total = total_memory();
    *free = free_memory();
    return cudaSuccess;
}

/* The size stands in front: 64 bytes, so that what follows keeps its alignment and ends where it was asked to. */
#define HEADER ((size_t)64)

static void *
new_block(size_t size)
{
    void *block = nullptr;

    if (posix_memalign(&block, HEADER, size + HEADER) != 0)
        return nullptr;
    *static_cast<size_t *>(block) = size;
    ASAN_POISON_MEMORY_REGION(block, HEADER);
    return std::memset(static_cast<char *>(block) + HEADER, 0xff, size);
}

static size_t
free_block(void *memory)
{
    void *block = static_cast<char *>(memory) - HEADER;

    ASAN_UNPOISON_MEMORY_REGION(block, HEADER);
    const size_t size = *static_cast<size_t *>(block);
    std::free(block);
    return size;
}

cudaError_t
cudaMalloc(void **memory, size_t size)
{
    *memory = nullptr;
    if (capturing())
        return remember(refuse_while_capturing());
    dinor1_emulated_gpu.n_allocations++;
    if (size <= free_memory())
        *memory = new_block(size);
    if (!*memory)
        return remember(cudaErrorMemoryAllocation);
    __atomic_fetch_add(&dinor1_emulated_gpu.used_memory, size, __ATOMIC_RELAXED);
    return cudaSuccess;
}

cudaError_t
cudaFree(void *memory)
{
    if (capturing())
        return remember(refuse_while_capturing());
    if (memory) {
        dinor1_emulated_gpu.n_waits++;
        run_all_streams();
        __atomic_fetch_sub(&dinor1_emulated_gpu.used_memory, free_block(memory), __ATOMIC_RELAXED);
    }
    return cudaSuccess;
}

cudaError_t
cudaHostAlloc(void **memory, size_t size, unsigned)
{
    *memory = nullptr;
    if (capturing())
        return remember(refuse_while_capturing());
    dinor1_emulated_gpu.n_host_allocations++;
    *memory = new_block(size);
    if (!*memory)
        return remember(cudaErrorMemoryAllocation);
    std::lock_guard<std::mutex> lock(pinned_mutex);
    pinned[static_cast<const char *>(*memory)] = size;
    return cudaSuccess;
}

cudaError_t
cudaFreeHost(void *memory)
{
    if (capturing())
        return remember(refuse_while_capturing());
    if (memory) {
        dinor1_emulated_gpu.n_waits++;
        run_all_streams();
        {
            std::lock_guard<std::mutex> lock(pinned_mutex);
            pinned.erase(static_cast<const char *>(memory));
        }
        free_block(memory);
    }
    return cudaSuccess;
}

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = new Stream;
    return cudaSuccess;
}

cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
    delete stream;
    return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize(cudaStream_t stream)
{
    if (capturing())
        return remember(refuse_while_capturing());
    dinor1_emulated_gpu.n_waits++;
    return remember(stream->run_all());
}

static cudaError_t
submit_copy(void *to, const void *from, size_t size, cudaStream_t stream)
{
    return submit(stream, [=] {
        if (size > 0)
            std::memcpy(to, from, size);
    });
}

cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind kind, cudaStream_t stream)
{
    const void *host = kind == cudaMemcpyHostToDevice ? from : to;

    if (kind == cudaMemcpyDeviceToDevice || is_pinned(host, size))
        return remember(submit_copy(to, from, size, stream));
    if (capturing())
        return remember(refuse_while_capturing());
    dinor1_emulated_gpu.n_waits++;
    const cudaError_t error = submit_copy(to, from, size, stream);
    return remember(error == cudaSuccess ? stream->run_all() : error);
}

cudaError_t
cudaMemcpy2DAsync(void *to, size_t to_stride, const void *from, size_t from_stride, size_t row_bytes, size_t n_rows,
    cudaMemcpyKind kind, cudaStream_t stream)
{
    if (kind != cudaMemcpyDeviceToDevice || row_bytes > to_stride || row_bytes > from_stride)
        return remember(cudaErrorInvalidValue);
    return remember(submit(stream, [=] {
        for (size_t i = 0; i < n_rows && row_bytes > 0; i++)
            std::memcpy((char *)to + i * to_stride, (const char *)from + i * from_stride, row_bytes);
    }));
}

cudaError_t
cudaMemsetAsync(void *memory, int value, size_t size, cudaStream_t stream)
{
    return remember(submit(stream, [=] {
        if (size > 0)
            std::memset(memory, value, size);
    }));
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new Event{nullptr, 0};
    return cudaSuccess;
}

cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}

cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (capturing())
        return remember(refuse_while_capturing());
    *event = {stream, stream->ticket()};
    return remember(stream->error());
}

cudaError_t
cudaEventSynchronize(cudaEvent_t event)
{
    if (capturing())
        return remember(refuse_while_capturing());
    if (!event->stream || event->stream->is_done(event->ticket))
        return cudaSuccess;
    dinor1_emulated_gpu.n_waits++;
    return remember(event->stream->run_until(event->ticket));
}

cudaError_t
cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    return remember(stream->begin_capture());
}

cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    return remember(stream->end_capture(graph));
}

cudaError_t
cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long)
{
    *executable = new Graph(*graph);
    return cudaSuccess;
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    if (capturing())
        return remember(refuse_while_capturing());
    dinor1_emulated_gpu.n_graph_launches++;
    return remember(stream->replay(*executable));
}

cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    delete executable;
    return cudaSuccess;
}
