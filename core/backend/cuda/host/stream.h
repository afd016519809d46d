/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/host/probe.h"
#include "backend/cuda/host/runtime.h"
#include "backend/cuda/host/scheduler.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

extern "C" DinoR1EmulatedGpu dinor1_emulated_gpu;

namespace dinor1_emu
{

/* Keeps an error as the thread's last one. */
cudaError_t remember(cudaError_t error);

/* Counts one of the probe's countdowns down; true when it gets to 0. */
bool strikes(unsigned *countdown);

/* One thing for a stream to do. */
using Work = std::function<cudaError_t()>;

struct Graph {
    std::vector<Work> nodes;
};

/* Some OS threads that share the blocks of one launch. */
class Workers
{
  public:
    Workers();
    ~Workers();
    cudaError_t run(const Launch &launch);

  private:
    void work();
    void run_blocks(Block &block);

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> threads_;
    const Launch *job_ = nullptr;
    size_t n_blocks_ = 0;
    std::atomic<size_t> next_{0};
    unsigned generation_ = 0, working_ = 0;
    bool quit_ = false, failed_ = false;
};

/* What is submitted runs as late as CUDA allows: when the host waits for it. Memory that is reused or freed too early
 * therefore gives wrong numbers. While a stream captures, work becomes nodes of a graph and does not run. */
class Stream
{
  public:
    Stream();
    ~Stream();
    cudaError_t submit(Work work);
    cudaError_t launch(const Launch &launch);
    /* Runs what was submitted before @ticket. */
    cudaError_t run_until(uint64_t ticket);
    cudaError_t run_all();
    uint64_t ticket();
    bool is_done(uint64_t ticket);
    cudaError_t begin_capture();
    cudaError_t end_capture(cudaGraph_t *graph);
    cudaError_t replay(const Graph &graph);
    bool is_capturing() const
    {
        return captured_ != nullptr;
    }
    void invalidate_capture()
    {
        invalid_ = true;
    }
    cudaError_t error() const
    {
        return error_;
    }

  private:
    Workers workers_;
    std::mutex queue_mutex_, run_mutex_;
    std::deque<Work> queue_;
    uint64_t submitted_ = 0, done_ = 0;
    std::unique_ptr<Graph> captured_;
    bool invalid_ = false;
    unsigned until_fault_ = 0; /* kernels; 0 = none is planned */
    std::atomic<cudaError_t> error_{cudaSuccess};
};

/* The stream that this thread captures; NULL = none. What must not be called meanwhile ends the capture's hopes. */
Stream *capturing();
cudaError_t refuse_while_capturing();

/* Runs everything of every stream: what freeing memory does. */
void run_all_streams();

} // namespace dinor1_emu
