/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/host/fibre.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#ifdef WITH_ASAN
#define STACK_SIZE ((size_t)256 << 10)
#else
#define STACK_SIZE ((size_t)64 << 10)
#endif
#define GUARD_SIZE ((size_t)4096)

namespace dinor1_emu
{

static thread_local Fibre *starting; /* whose start() runs next */

#if defined(__x86_64__)
/* Pushes what a call must keep, stores the stack pointer in *save and pops the same from @load. */
extern "C" void dinor1_emu_switch(void **save, void *load) __attribute__((visibility("hidden")));
asm(R"(
    .text
    .type dinor1_emu_switch, @function
    .hidden dinor1_emu_switch
    .globl dinor1_emu_switch
dinor1_emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size dinor1_emu_switch, . - dinor1_emu_switch
)");
#endif

Fibre::Fibre(void (*entry)(void *), void *data) : entry_(entry), data_(data)
{
    void *memory = mmap(nullptr, STACK_SIZE + GUARD_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, GUARD_SIZE, PROT_NONE) != 0) {
        std::perror("emulator: no memory for a stack");
        std::abort();
    }
    stack_ = static_cast<char *>(memory);
    bottom_ = stack_ + GUARD_SIZE;
    size_ = STACK_SIZE;
#if defined(__x86_64__)
    /* What dinor1_emu_switch() pops: six registers and the way to start(); above it a return address of 0, so that
     * start() finds the stack aligned as after a call and unwinding ends there. */
    void **top = reinterpret_cast<void **>(stack_ + GUARD_SIZE + STACK_SIZE) - 8;
    for (int i = 0; i < 8; i++)
        top[i] = nullptr;
    top[6] = reinterpret_cast<void *>(&Fibre::start);
    pointer_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_ + GUARD_SIZE;
    context_.uc_stack.ss_size = STACK_SIZE;
    context_.uc_link = nullptr;
    makecontext(&context_, &Fibre::start, 0);
#endif
}

Fibre::~Fibre()
{
    if (!stack_)
        return;
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(bottom_, size_);
#endif
    munmap(stack_, STACK_SIZE + GUARD_SIZE);
}

/* The first or next step on this fibre's stack. */
void
Fibre::arrive()
{
#ifdef WITH_ASAN
    const void *bottom = nullptr;
    size_t size = 0;

    __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
    if (!from_->stack_) {
        from_->bottom_ = bottom;
        from_->size_ = size;
    }
#endif
}

void
Fibre::start()
{
    Fibre *fibre = starting;

    fibre->arrive();
    fibre->entry_(fibre->data_);
    std::abort(); /* an entry leaves by switch_to() */
}

void
Fibre::switch_to(Fibre &to, bool last)
{
    to.from_ = this;
    starting = &to;
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack_, to.bottom_, to.size_);
#else
    (void)last;
#endif
#if defined(__x86_64__)
    dinor1_emu_switch(&pointer_, to.pointer_);
#else
    swapcontext(&context_, &to.context_);
#endif
    arrive();
}

} // namespace dinor1_emu
