/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/host/runtime.h"

#include "backend/cuda/host/sanitizer.h"
#include "backend/cuda/host/scheduler.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#define MAX_WORKERS  4u
#define TOTAL_MEMORY ((size_t)8 << 30)
/* What a block may have on the smallest device that we build for. */
#define MAX_SHARED ((size_t)99 << 10)
#define MAX_GRID   65535u

namespace dinor1_emu
{

/* As in CUDA, the last error is the thread's and the memory the process's. */
static thread_local cudaError_t last_error = cudaSuccess;
static std::atomic<size_t> used_memory{0};

static cudaError_t
remember(cudaError_t error)
{
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

/* Some OS threads that share the blocks of one launch. */
class Stream
{
  public:
    Stream();
    ~Stream();
    cudaError_t launch(const Launch &launch);
    cudaError_t error() const
    {
        return error_;
    }

  private:
    void work();
    void run_blocks(Block &block);

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> workers_;
    Launch job_{};
    size_t n_blocks_ = 0;
    std::atomic<size_t> next_{0};
    unsigned generation_ = 0, working_ = 0;
    bool quit_ = false;
    cudaError_t error_ = cudaSuccess;
    unsigned long until_fault_ = 0; /* launches; 0 = none is planned */
};

Stream::Stream()
{
    const unsigned n = std::min(std::max(std::thread::hardware_concurrency(), 1u), MAX_WORKERS);
    const char *fault = std::getenv("DINOR1_EMULATOR_FAULT");

    until_fault_ = fault ? std::strtoul(fault, nullptr, 10) : 0;
    for (unsigned i = 0; i < n; i++)
        workers_.emplace_back([this] { work(); });
}

Stream::~Stream()
{
    {
        std::lock_guard<std::mutex> lock(mutex_);
        quit_ = true;
    }
    wake_.notify_all();
    for (std::thread &worker : workers_)
        worker.join();
}

void
Stream::run_blocks(Block &block)
{
    for (size_t i = next_++; i < n_blocks_; i = next_++) {
        const std::string why = block.run(job_, i);

        if (!why.empty()) {
            std::fprintf(stderr, "emulated kernel failed, %s\n", why.c_str());
            std::lock_guard<std::mutex> lock(mutex_);
            error_ = cudaErrorLaunchFailure;
            next_ = n_blocks_;
        }
    }
}

void
Stream::work()
{
    Block block;
    unsigned seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);

    for (;;) {
        wake_.wait(lock, [&] { return quit_ || generation_ != seen; });
        if (quit_)
            return;
        seen = generation_;
        lock.unlock();
        run_blocks(block);
        lock.lock();
        if (--working_ == 0)
            done_.notify_one();
    }
}

cudaError_t
Stream::launch(const Launch &launch)
{
    const dim3 &blocks = launch.blocks, &threads = launch.threads;
    const size_t n_threads = (size_t)threads.x * threads.y * threads.z;

    if (error_ != cudaSuccess)
        return error_;
    if (!blocks.x || !blocks.y || !blocks.z || blocks.x > 0x7fffffff || blocks.y > MAX_GRID || blocks.z > MAX_GRID ||
        n_threads == 0 || n_threads > 1024 || threads.z > 64 || launch.shared_size > MAX_SHARED)
        return cudaErrorInvalidConfiguration;
    /* As a kernel that faults: the launch itself is fine, whatever comes next is told. */
    if (until_fault_ && --until_fault_ == 0) {
        error_ = cudaErrorLaunchFailure;
        return cudaSuccess;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = launch;
    n_blocks_ = (size_t)blocks.x * blocks.y * blocks.z;
    next_ = 0;
    working_ = (unsigned)workers_.size();
    generation_++;
    wake_.notify_all();
    done_.wait(lock, [&] { return working_ == 0; });
    return error_;
}

void
launch(Stream *stream, dim3 blocks, dim3 threads, size_t shared_size, Kernel kernel)
{
    remember(stream->launch({blocks, threads, shared_size, kernel}));
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
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
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
    *properties = {"emulated on the host", TOTAL_MEMORY, MAX_SHARED, 8, 6, 4};
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
    *total = TOTAL_MEMORY;
    *free = TOTAL_MEMORY - used_memory;
    return cudaSuccess;
}

/* The size stands in front: 64 bytes, so that what follows keeps its alignment and ends where it was asked to. */
#define HEADER ((size_t)64)

cudaError_t
cudaMalloc(void **memory, size_t size)
{
    void *block = nullptr;

    *memory = nullptr;
    if (size > TOTAL_MEMORY - used_memory || posix_memalign(&block, HEADER, size + HEADER) != 0)
        return remember(cudaErrorMemoryAllocation);
    used_memory += size;
    *static_cast<size_t *>(block) = size;
    *memory = static_cast<char *>(block) + HEADER;
    ASAN_POISON_MEMORY_REGION(block, HEADER);
    std::memset(*memory, 0xff, size);
    return cudaSuccess;
}

cudaError_t
cudaFree(void *memory)
{
    if (memory) {
        void *block = static_cast<char *>(memory) - HEADER;
        ASAN_UNPOISON_MEMORY_REGION(block, HEADER);
        used_memory -= *static_cast<size_t *>(block);
        std::free(block);
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
    return remember(stream->error());
}

cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind, cudaStream_t stream)
{
    if (stream->error() == cudaSuccess && size > 0)
        std::memcpy(to, from, size);
    return remember(stream->error());
}

cudaError_t
cudaMemsetAsync(void *memory, int value, size_t size, cudaStream_t stream)
{
    if (stream->error() == cudaSuccess && size > 0)
        std::memset(memory, value, size);
    return remember(stream->error());
}
