/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/host/stream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dinor1/api.h>
#include <set>

#define MAX_WORKERS 4u
/* What a block may have on the smallest device that we build for. */
#define MAX_SHARED ((size_t)99 << 10)
#define MAX_GRID   65535u

extern "C" DINOR1_API DinoR1EmulatedGpu dinor1_emulated_gpu;
DinoR1EmulatedGpu dinor1_emulated_gpu;

namespace dinor1_emu
{

static thread_local Stream *capturing_stream;
static std::mutex streams_mutex;
static std::set<Stream *> streams;

bool
strikes(unsigned *countdown)
{
    return *countdown > 0 && --*countdown == 0;
}

Workers::Workers()
{
    const unsigned n = std::min(std::max(std::thread::hardware_concurrency(), 1u), MAX_WORKERS);

    for (unsigned i = 0; i < n; i++)
        threads_.emplace_back([this] { work(); });
}

Workers::~Workers()
{
    {
        std::lock_guard<std::mutex> lock(mutex_);
        quit_ = true;
    }
    wake_.notify_all();
    for (std::thread &thread : threads_)
        thread.join();
}

void
Workers::run_blocks(Block &block)
{
    for (size_t i = next_++; i < n_blocks_; i = next_++) {
        const std::string why = block.run(*job_, i);

        if (!why.empty()) {
            std::fprintf(stderr, "emulated kernel failed, %s\n", why.c_str());
            std::lock_guard<std::mutex> lock(mutex_);
            failed_ = true;
            next_ = n_blocks_;
        }
    }
}

void
Workers::work()
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
Workers::run(const Launch &launch)
{
    std::unique_lock<std::mutex> lock(mutex_);

    job_ = &launch;
    n_blocks_ = (size_t)launch.blocks.x * launch.blocks.y * launch.blocks.z;
    next_ = 0;
    working_ = (unsigned)threads_.size();
    generation_++;
    wake_.notify_all();
    done_.wait(lock, [&] { return working_ == 0; });
    return failed_ ? cudaErrorLaunchFailure : cudaSuccess;
}

Stream::Stream()
{
    const char *fault = std::getenv("DINOR1_EMULATOR_FAULT");

    until_fault_ = fault ? (unsigned)std::strtoul(fault, nullptr, 10) : 0;
    std::lock_guard<std::mutex> lock(streams_mutex);
    streams.insert(this);
}

Stream::~Stream()
{
    {
        std::lock_guard<std::mutex> lock(streams_mutex);
        streams.erase(this);
    }
    if (capturing_stream == this)
        capturing_stream = nullptr;
    run_all();
}

cudaError_t
Stream::submit(Work work)
{
    if (error_ != cudaSuccess)
        return error_;
    if (captured_) {
        if (!invalid_)
            captured_->nodes.push_back(std::move(work));
        return invalid_ ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    }
    std::lock_guard<std::mutex> lock(queue_mutex_);
    queue_.push_back(std::move(work));
    submitted_++;
    return cudaSuccess;
}

cudaError_t
Stream::launch(const Launch &launch)
{
    const dim3 &blocks = launch.blocks, &threads = launch.threads;
    const size_t n_threads = (size_t)threads.x * threads.y * threads.z;

    if (!blocks.x || !blocks.y || !blocks.z || blocks.x > 0x7fffffff || blocks.y > MAX_GRID || blocks.z > MAX_GRID ||
        n_threads == 0 || n_threads > 1024 || threads.z > 64 || launch.shared_size > MAX_SHARED ||
        strikes(&dinor1_emulated_gpu.refuse_launch))
        return cudaErrorInvalidConfiguration;
    dinor1_emulated_gpu.n_launches++;
    return submit([this, launch] { return strikes(&until_fault_) ? cudaErrorLaunchFailure : workers_.run(launch); });
}

cudaError_t
Stream::run_until(uint64_t ticket)
{
    std::lock_guard<std::mutex> running(run_mutex_);

    for (;;) {
        Work work;
        {
            std::lock_guard<std::mutex> lock(queue_mutex_);
            if (done_ >= ticket || queue_.empty())
                return error_;
            work = std::move(queue_.front());
            queue_.pop_front();
            done_++;
        }
        if (error_ == cudaSuccess)
            error_ = strikes(&dinor1_emulated_gpu.fault) ? cudaErrorIllegalAddress : work();
    }
}

cudaError_t
Stream::run_all()
{
    return run_until(UINT64_MAX);
}

uint64_t
Stream::ticket()
{
    std::lock_guard<std::mutex> lock(queue_mutex_);
    return submitted_;
}

bool
Stream::is_done(uint64_t ticket)
{
    std::lock_guard<std::mutex> lock(queue_mutex_);
    return done_ >= ticket;
}

cudaError_t
Stream::begin_capture()
{
    if (captured_ || capturing_stream)
        return cudaErrorIllegalState;
    if (error_ != cudaSuccess)
        return error_;
    captured_.reset(new Graph);
    invalid_ = strikes(&dinor1_emulated_gpu.refuse_capture);
    capturing_stream = this;
    return cudaSuccess;
}

cudaError_t
Stream::end_capture(cudaGraph_t *graph)
{
    *graph = nullptr;
    if (!captured_)
        return cudaErrorIllegalState;
    capturing_stream = nullptr;
    std::unique_ptr<Graph> captured = std::move(captured_);
    if (invalid_)
        return cudaErrorStreamCaptureInvalidated;
    *graph = captured.release();
    return cudaSuccess;
}

cudaError_t
Stream::replay(const Graph &graph)
{
    for (const Work &node : graph.nodes) {
        const cudaError_t error = submit(node);
        if (error != cudaSuccess)
            return error;
    }
    return error_;
}

Stream *
capturing()
{
    return capturing_stream;
}

cudaError_t
refuse_while_capturing()
{
    if (!capturing_stream)
        return cudaSuccess;
    capturing_stream->invalidate_capture();
    return cudaErrorStreamCaptureUnsupported;
}

void
run_all_streams()
{
    std::lock_guard<std::mutex> lock(streams_mutex);

    for (Stream *stream : streams)
        stream->run_all();
}

void
launch(Stream *stream, dim3 blocks, dim3 threads, size_t shared_size, Kernel kernel)
{
    remember(stream->launch({blocks, threads, shared_size, kernel}));
}

cudaError_t
submit(Stream *stream, std::function<void()> work)
{
    dinor1_emulated_gpu.n_launches++;
    return stream->submit([work] {
        work();
        return cudaSuccess;
    });
}

} // namespace dinor1_emu
