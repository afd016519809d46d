/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/host/scheduler.h"

#include <cstdio>

namespace dinor1_emu
{

thread_local Thread *self __attribute__((tls_model("initial-exec")));

int
barrier(int predicate)
{
    return self->owner->barrier(predicate);
}

const uint64_t *
exchange(unsigned mask, uint64_t value)
{
    return self->owner->exchange(mask, value);
}

void *
shared(const void *site, size_t size)
{
    return self->owner->shared(site, size);
}

void *
dynamic_shared()
{
    return self->owner->dynamic_shared();
}

Block::Block() = default;

/* Lets every fibre that waits for work leave its stack. One that a failed kernel left in the middle is just freed. */
Block::~Block()
{
    quit_ = true;
    for (Runner *runner : idle_)
        resume(runner);
}

static std::unique_ptr<unsigned char[]>
unset_memory(size_t size)
{
    std::unique_ptr<unsigned char[]> memory(new unsigned char[size]);

    std::memset(memory.get(), 0xff, size);
    return memory;
}

void
Block::begin(const Launch &launch, size_t index)
{
    launch_ = &launch;
    position_.x = (unsigned)(index % launch.blocks.x);
    position_.y = (unsigned)(index / launch.blocks.x % launch.blocks.y);
    position_.z = (unsigned)(index / launch.blocks.x / launch.blocks.y);
    n_threads_ = launch.threads.x * launch.threads.y * launch.threads.z;
    next_ = done_ = 0;
    predicates_ = 0;
    shared_.clear();
    dynamic_ = unset_memory(launch.shared_size);
    failure_.clear();
}

std::string
Block::run(const Launch &launch, size_t index)
{
    begin(launch, index);
    schedule();
    if (!failure_.empty()) {
        char where[80];
        std::snprintf(where, sizeof where, "block (%u, %u, %u): ", position_.x, position_.y, position_.z);
        failure_ = where + failure_;
        /* The fibres of a block that cannot go on are lost with their stacks. */
        idle_.clear();
        ready_.clear();
        at_barrier_.clear();
        for (auto &warp : collectives_)
            warp.clear();
        runners_.clear();
    }
    return failure_;
}

void
Block::schedule()
{
    while (failure_.empty()) {
        if (!ready_.empty()) {
            Runner *runner = ready_.back();
            ready_.pop_back();
            resume(runner);
        } else if (next_ < n_threads_) {
            resume(idle_runner());
        } else if (done_ == n_threads_) {
            return;
        } else if (at_barrier_.size() == n_threads_ - done_) {
            release_barrier();
        } else {
            fail(waiting_for());
        }
    }
}

void
Block::release_barrier()
{
    released_predicates_ = predicates_;
    predicates_ = 0;
    ready_.swap(at_barrier_);
    at_barrier_.clear();
}

std::string
Block::waiting_for() const
{
    char text[160];

    for (unsigned warp = 0; warp < MAX_WARPS; warp++) {
        for (const auto &collective : collectives_[warp]) {
            if (collective->arrived) {
                std::snprintf(text, sizeof text, "warp %u: a collective of lanes %08x waits for lanes %08x", warp,
                    collective->mask, collective->mask & ~collective->arrived);
                return text;
            }
        }
    }
    return "threads wait for ever";
}

void
Block::fail(const std::string &why)
{
    if (failure_.empty())
        failure_ = why;
}

Block::Runner *
Block::idle_runner()
{
    if (idle_.empty()) {
        runners_.emplace_back(new Runner{this, {}, nullptr});
        Runner *runner = runners_.back().get();
        runner->fibre.reset(new Fibre(&Block::run_threads, runner));
        return runner;
    }
    Runner *runner = idle_.back();
    idle_.pop_back();
    return runner;
}

void
Block::resume(Runner *runner)
{
    current_ = runner;
    self = &runner->thread;
    scheduler_.switch_to(*runner->fibre);
}

/* Leaves the running fibre until it is resumed. */
void
Block::park()
{
    current_->fibre->switch_to(scheduler_);
}

/* Takes the block's next thread: rising in one block, falling in the next. */
bool
Block::take_thread(Runner *runner)
{
    if (next_ == n_threads_ || !failure_.empty())
        return false;
    const dim3 &size = launch_->threads;
    const unsigned turn = next_++;
    const unsigned index = (position_.x + position_.y) % 2 ? n_threads_ - 1 - turn : turn;

    runner->thread = {{index % size.x, index / size.x % size.y, index / size.x / size.y}, position_, size,
        launch_->blocks, index, this};
    return true;
}

void
Block::run_threads(void *data)
{
    Runner *runner = static_cast<Runner *>(data);
    Block *block = runner->block;

    while (!block->quit_) {
        while (block->take_thread(runner)) {
            block->launch_->kernel.call(block->launch_->kernel.closure.get());
            block->done_++;
        }
        block->idle_.push_back(runner);
        block->park();
    }
    runner->fibre->switch_to(block->scheduler_, true);
}

int
Block::barrier(int predicate)
{
    predicates_ += predicate;
    at_barrier_.push_back(current_);
    park();
    return released_predicates_;
}

Block::Collective *
Block::find_collective(unsigned warp, unsigned mask)
{
    for (auto &collective : collectives_[warp])
        if (collective->mask == mask)
            return collective.get();
    collectives_[warp].emplace_back(new Collective{mask, 0, 0, {}, {}});
    return collectives_[warp].back().get();
}

const uint64_t *
Block::exchange(unsigned mask, uint64_t value)
{
    const unsigned index = self->index, lane = index % 32;
    Collective *collective = find_collective(index / 32, mask);
    uint64_t *values = collective->values[collective->round & 1];

    if (!(mask >> lane & 1)) {
        fail("a lane takes part in a warp collective that does not name it");
        park();
    }
    if (collective->arrived == 0)
        std::memset(values, 0xff, sizeof collective->values[0]);
    values[lane] = value;
    collective->waiting[lane] = current_;
    collective->arrived |= 1u << lane;
    if (collective->arrived != mask) {
        park();
        return values;
    }
    collective->arrived = 0;
    collective->round++;
    for (unsigned other = 0; other < 32; other++)
        if (mask >> other & 1 && other != lane)
            ready_.push_back(collective->waiting[other]);
    return values;
}

void *
Block::shared(const void *site, size_t size)
{
    for (const Shared &known : shared_)
        if (known.site == site)
            return known.memory.get();
    shared_.push_back({site, unset_memory(size)});
    return shared_.back().memory.get();
}

} // namespace dinor1_emu
