/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/host/sanitizer.h"

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace dinor1_emu
{

/* A stack and where its owner stands on it. One without a stack of its own is the OS thread that starts the others.
 * All of them stay on one OS thread. */
class Fibre
{
  public:
    Fibre() = default;
    Fibre(void (*entry)(void *), void *data);
    ~Fibre();
    Fibre(const Fibre &) = delete;
    Fibre &operator=(const Fibre &) = delete;

    /* Leaves this fibre, which is running, for @to. @last: this one is never resumed. */
    void switch_to(Fibre &to, bool last = false);

  private:
    static void start();
    void arrive();

    void (*entry_)(void *) = nullptr;
    void *data_ = nullptr;
    char *stack_ = nullptr; /* mapped, a guard page first */
    const void *bottom_ = nullptr;
    size_t size_ = 0;
#ifdef WITH_ASAN
    void *fake_stack_ = nullptr; /* the sanitizer's */
#endif
    Fibre *from_ = nullptr; /* who switched to this one */
#if defined(__x86_64__)
    void *pointer_ = nullptr;
#else
    ucontext_t context_;
#endif
};

} // namespace dinor1_emu
