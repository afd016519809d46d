/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A GPU on the host, as far as our kernels use one: what each piece means is in CUDA's programming guide, what it
 * does not do is in ../README.md.
 */
#pragma once

#include "backend/cuda/host/runtime.h"
#include "backend/cuda/host/types.h"

#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__ __restrict
#define __launch_bounds__(...)

namespace dinor1_emu
{

class Block;

/* What a thread of the kernel knows of itself. */
struct Thread {
    uint3 thread, block;
    dim3 threads, blocks;
    unsigned index; /* within its block */
    Block *owner;
};

extern thread_local Thread *self __attribute__((tls_model("initial-exec")));

/* A bound kernel: call(closure) runs one thread. */
struct Kernel {
    void (*call)(const void *closure);
    std::shared_ptr<const void> closure;
};

void launch(Stream *stream, dim3 blocks, dim3 threads, size_t shared_size, Kernel kernel);
/* Anything else that a device does in the stream's order. */
cudaError_t submit(Stream *stream, std::function<void()> work);

/* The block's memory for one declaration (@site), made by the first thread to come; every byte 0xff. */
void *shared(const void *site, size_t size);
void *dynamic_shared();

/* Waits for the block; returns how many threads brought @predicate. */
int barrier(int predicate);
/* Waits for the lanes of @mask; returns what each lane brought (64 bits a lane; absent ones are all ones). */
const uint64_t *exchange(unsigned mask, uint64_t value);

template <typename T>
uint64_t
to_bits(T value)
{
    static_assert(sizeof(T) <= 8, "a lane brings up to 8 bytes");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}

template <typename T>
T
from_bits(uint64_t bits)
{
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline unsigned
lane()
{
    return self->index % 32;
}

/* Lane @source of this lane's group of @width, or itself when that is outside. */
template <typename T>
T
shuffle(unsigned mask, T value, int source, bool inside)
{
    const uint64_t *values = exchange(mask, to_bits(value));
    return from_bits<T>(values[inside ? (unsigned)source : lane()]);
}

template <typename... P, size_t... I>
void
call_with(void (*kernel)(P...), const std::tuple<P...> &arguments, std::index_sequence<I...>)
{
    kernel(std::get<I>(arguments)...);
}

template <typename... P, typename... A>
void
launch(Stream *stream, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared_size, A... arguments)
{
    struct Closure {
        void (*kernel)(P...);
        std::tuple<P...> arguments;
    };
    launch(stream, blocks, threads, shared_size,
        Kernel{[](const void *data) {
                   const Closure *bound = static_cast<const Closure *>(data);
                   call_with(bound->kernel, bound->arguments, std::index_sequence_for<P...>{});
               },
            std::make_shared<Closure>(Closure{kernel, std::tuple<P...>(arguments...)})});
}

template <typename T, typename F>
T
atomic_update(T *address, F next)
{
    T old, wanted;

    __atomic_load(address, &old, __ATOMIC_RELAXED);
    do
        wanted = next(old);
    while (!__atomic_compare_exchange(address, &old, &wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}

} // namespace dinor1_emu

#define threadIdx (dinor1_emu::self->thread)
#define blockIdx  (dinor1_emu::self->block)
#define blockDim  (dinor1_emu::self->threads)
#define gridDim   (dinor1_emu::self->blocks)
#define warpSize  32

static inline void
__syncthreads()
{
    dinor1_emu::barrier(0);
}

static inline int
__syncthreads_count(int predicate)
{
    return dinor1_emu::barrier(predicate != 0);
}

static inline int
__syncthreads_or(int predicate)
{
    return dinor1_emu::barrier(predicate != 0) != 0;
}

static inline int
__syncthreads_and(int predicate)
{
    return dinor1_emu::barrier(predicate == 0) == 0;
}

static inline void
__syncwarp(unsigned mask = 0xffffffffu)
{
    dinor1_emu::exchange(mask, 0);
}

template <typename T>
T
__shfl_sync(unsigned mask, T value, int source, int width = 32)
{
    const int first = (int)dinor1_emu::lane() & ~(width - 1);
    return dinor1_emu::shuffle(mask, value, first + (source & (width - 1)), true);
}

template <typename T>
T
__shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32)
{
    const int lane = (int)dinor1_emu::lane(), source = lane - (int)delta;
    return dinor1_emu::shuffle(mask, value, source, source >= (lane & ~(width - 1)));
}

template <typename T>
T
__shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32)
{
    const int lane = (int)dinor1_emu::lane(), source = lane + (int)delta;
    return dinor1_emu::shuffle(mask, value, source, source < (lane & ~(width - 1)) + width);
}

template <typename T>
T
__shfl_xor_sync(unsigned mask, T value, int bits, int width = 32)
{
    const int lane = (int)dinor1_emu::lane(), source = lane ^ bits;
    return dinor1_emu::shuffle(mask, value, source, source < (lane & ~(width - 1)) + width);
}

static inline unsigned
__ballot_sync(unsigned mask, int predicate)
{
    const uint64_t *values = dinor1_emu::exchange(mask, predicate != 0);
    unsigned ballot = 0;

    for (unsigned lane = 0; lane < 32; lane++)
        ballot |= mask >> lane & 1 && values[lane] ? 1u << lane : 0;
    return ballot;
}

static inline int
__any_sync(unsigned mask, int predicate)
{
    return __ballot_sync(mask, predicate) != 0;
}

static inline int
__all_sync(unsigned mask, int predicate)
{
    return __ballot_sync(mask, predicate) == mask;
}

#define DINOR1_EMU_WARP_REDUCE(name, type, expression)                                                                 \
    static inline type name(unsigned mask, type value)                                                                 \
    {                                                                                                                  \
        const uint64_t *values = dinor1_emu::exchange(mask, dinor1_emu::to_bits(value));                               \
        bool first = true;                                                                                             \
        type a = value;                                                                                                \
        for (unsigned lane = 0; lane < 32; lane++) {                                                                   \
            const type b = dinor1_emu::from_bits<type>(values[lane]);                                                  \
            if (mask >> lane & 1)                                                                                      \
                a = first ? b : (expression);                                                                          \
            first = first && !(mask >> lane & 1);                                                                      \
        }                                                                                                              \
        return a;                                                                                                      \
    }
DINOR1_EMU_WARP_REDUCE(__reduce_add_sync, unsigned, a + b)
DINOR1_EMU_WARP_REDUCE(__reduce_min_sync, unsigned, a < b ? a : b)
DINOR1_EMU_WARP_REDUCE(__reduce_max_sync, unsigned, a > b ? a : b)
DINOR1_EMU_WARP_REDUCE(__reduce_min_sync, int, a < b ? a : b)
DINOR1_EMU_WARP_REDUCE(__reduce_max_sync, int, a > b ? a : b)
DINOR1_EMU_WARP_REDUCE(__reduce_or_sync, unsigned, a | b)
DINOR1_EMU_WARP_REDUCE(__reduce_and_sync, unsigned, a &b)

static inline float
atomicAdd(float *address, float value)
{
    return dinor1_emu::atomic_update(address, [=](float old) { return old + value; });
}

#define DINOR1_EMU_ATOMICS(type)                                                                                       \
    static inline type atomicAdd(type *address, type value)                                                            \
    {                                                                                                                  \
        return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);                                                   \
    }                                                                                                                  \
    static inline type atomicExch(type *address, type value)                                                           \
    {                                                                                                                  \
        return __atomic_exchange_n(address, value, __ATOMIC_RELAXED);                                                  \
    }                                                                                                                  \
    static inline type atomicCAS(type *address, type compare, type value)                                              \
    {                                                                                                                  \
        __atomic_compare_exchange_n(address, &compare, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);              \
        return compare;                                                                                                \
    }                                                                                                                  \
    static inline type atomicMin(type *address, type value)                                                            \
    {                                                                                                                  \
        return dinor1_emu::atomic_update(address, [=](type old) { return old < value ? old : value; });                \
    }                                                                                                                  \
    static inline type atomicMax(type *address, type value)                                                            \
    {                                                                                                                  \
        return dinor1_emu::atomic_update(address, [=](type old) { return old > value ? old : value; });                \
    }
DINOR1_EMU_ATOMICS(int)
DINOR1_EMU_ATOMICS(unsigned)
DINOR1_EMU_ATOMICS(unsigned long long)

static inline void
__threadfence()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

template <typename T>
T
__ldg(const T *address)
{
    return *address;
}

static inline int
__float_as_int(float value)
{
    return dinor1_emu::from_bits<int>(dinor1_emu::to_bits(value));
}

static inline unsigned
__float_as_uint(float value)
{
    return dinor1_emu::from_bits<unsigned>(dinor1_emu::to_bits(value));
}

static inline float
__int_as_float(int value)
{
    return dinor1_emu::from_bits<float>(dinor1_emu::to_bits(value));
}

static inline float
__uint_as_float(unsigned value)
{
    return dinor1_emu::from_bits<float>(dinor1_emu::to_bits(value));
}

static inline int
__popc(unsigned value)
{
    return __builtin_popcount(value);
}

static inline int
__clz(int value)
{
    return value == 0 ? 32 : __builtin_clz((unsigned)value);
}

static inline int
__ffs(int value)
{
    return __builtin_ffs(value);
}

static inline unsigned
__brev(unsigned value)
{
    unsigned reversed = 0;

    for (int bit = 0; bit < 32; bit++)
        reversed |= (value >> bit & 1u) << (31 - bit);
    return reversed;
}

static inline float
rsqrtf(float value)
{
    return 1 / sqrtf(value);
}

template <typename T>
T
min(T a, T b)
{
    return b < a ? b : a;
}

template <typename T>
T
max(T a, T b)
{
    return a < b ? b : a;
}
