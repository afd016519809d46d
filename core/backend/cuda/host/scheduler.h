/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/host/emulator.h"
#include "backend/cuda/host/fibre.h"

#include <memory>
#include <string>
#include <vector>

namespace dinor1_emu
{

struct Launch {
    dim3 blocks, threads;
    size_t shared_size;
    Kernel kernel;
};

/* Runs one block at a time on one OS thread.
 *
 * A fibre takes one thread of the block after the other and runs it to its end; at a barrier it stays with its thread
 * and the next fibre goes on. Fibres wake in the opposite order of their arrival, so that from barrier to barrier the
 * threads run forwards and backwards: a missing barrier gives wrong numbers. */
class Block
{
  public:
    Block();
    ~Block();
    /* Returns what went wrong; empty = nothing. */
    std::string run(const Launch &launch, size_t index);

    int barrier(int predicate);
    const uint64_t *exchange(unsigned mask, uint64_t value);
    void *shared(const void *site, size_t size);
    void *dynamic_shared()
    {
        return dynamic_.get();
    }

  private:
    struct Runner {
        Block *block;
        Thread thread;
        std::unique_ptr<Fibre> fibre;
    };
    static constexpr unsigned MAX_WARPS = 32;
    /* The collectives of one warp with one mask. */
    struct Collective {
        unsigned mask, arrived, round;
        uint64_t values[2][32];
        Runner *waiting[32];
    };
    struct Shared {
        const void *site;
        std::unique_ptr<unsigned char[]> memory;
    };

    static void run_threads(void *runner);
    void begin(const Launch &launch, size_t index);
    void schedule();
    bool take_thread(Runner *runner);
    Runner *idle_runner();
    void resume(Runner *runner);
    void park();
    void release_barrier();
    Collective *find_collective(unsigned warp, unsigned mask);
    std::string waiting_for() const;
    void fail(const std::string &why);

    Fibre scheduler_;
    std::vector<std::unique_ptr<Runner>> runners_;
    std::vector<Runner *> idle_, ready_, at_barrier_;
    Runner *current_ = nullptr;
    const Launch *launch_ = nullptr;
    uint3 position_ = {0, 0, 0};
    unsigned n_threads_ = 0, next_ = 0, done_ = 0;
    int predicates_ = 0, released_predicates_ = 0;
    std::vector<std::unique_ptr<Collective>> collectives_[MAX_WARPS];
    std::vector<Shared> shared_;
    std::unique_ptr<unsigned char[]> dynamic_;
    std::string failure_;
    bool quit_ = false;
};

} // namespace dinor1_emu
