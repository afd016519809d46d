/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* The emulated GPU: what it computes, and that it notices what a kernel does wrong. */
#include "backend/cuda/host/sanitizer.h"
#include "backend/cuda/launch.h"

#include <glib.h>

namespace
{

/* A run without an op, on a stream of its own. */
struct Rig {
    DinoR1CudaRun run = {};

    Rig()
    {
        cudaStreamCreateWithFlags(&run.stream, cudaStreamNonBlocking);
    }
    /* Waits: what was launched is not done before. */
    cudaError_t finish()
    {
        return cudaStreamSynchronize(run.stream);
    }
    ~Rig()
    {
        cudaStreamDestroy(run.stream);
        g_free(run.failure);
    }
};

/* out[b] = sum of x[b * blockDim ...], by shuffles inside warps and shared memory between them. */
void
sum_blocks(const float *x, float *out)
{
    DINOR1_SHARED(float, sums, [32]);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float value = x[blockIdx.x * blockDim.x + threadIdx.x];

    for (int bit = 16; bit > 0; bit /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, bit);
    if (lane == 0)
        sums[warp] = value;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (unsigned i = 1; i < blockDim.x / 32; i++)
            value += sums[i];
        out[blockIdx.x] = value;
    }
}

void
test_sum()
{
    Rig rig;
    float x[7 * 96], out[7];

    for (int i = 0; i < 7 * 96; i++)
        x[i] = (float)(i % 13);
    DINOR1_LAUNCH(&rig.run, sum_blocks, 7, 96, 0, x, out);
    g_assert_null(rig.run.failure);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (int b = 0; b < 7; b++) {
        float expected = 0;
        for (int i = 0; i < 96; i++)
            expected += x[b * 96 + i];
        g_assert_cmpfloat(out[b], ==, expected);
    }
}

/* Every lane of a warp of 20 brings its number to each kind of exchange. */
void
use_lanes(int *up, int *down, int *broadcast, unsigned *ballot, unsigned *halves)
{
    const int lane = (int)threadIdx.x;
    const unsigned mask = (1u << 20) - 1;

    up[lane] = __shfl_up_sync(mask, lane, 3);
    down[lane] = __shfl_down_sync(mask, lane, 2, 4);
    broadcast[lane] = __shfl_sync(mask, lane, 5);
    ballot[lane] = __ballot_sync(mask, lane % 3 == 0);
    /* Both halves meet on their own. */
    if (lane < 10)
        halves[lane] = __reduce_add_sync(0x3ffu, (unsigned)lane);
    else
        halves[lane] = __reduce_max_sync(0xffc00u, (unsigned)lane);
}

void
test_lanes()
{
    Rig rig;
    int up[20], down[20], broadcast[20];
    unsigned ballot[20], halves[20];

    DINOR1_LAUNCH(&rig.run, use_lanes, 1, 20, 0, up, down, broadcast, ballot, halves);
    g_assert_null(rig.run.failure);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (int i = 0; i < 20; i++) {
        g_assert_cmpint(up[i], ==, i < 3 ? i : i - 3);
        g_assert_cmpint(down[i], ==, i % 4 < 2 ? i + 2 : i);
        g_assert_cmpint(broadcast[i], ==, 5);
        g_assert_cmphex(ballot[i], ==, 0x49249);
        g_assert_cmpuint(halves[i], ==, i < 10 ? 45 : 19);
    }
}

void
count(int *total, float *sum, unsigned *largest, int *positions)
{
    const int index = (int)(blockIdx.x * blockDim.x + threadIdx.x);

    atomicAdd(sum, 0.5f);
    atomicMax(largest, (unsigned)index);
    positions[atomicAdd(total, 1)] = index;
}

void
test_atomics()
{
    Rig rig;
    int total = 0, positions[600];
    float sum = 0;
    unsigned largest = 0;
    gint64 checksum = 0;

    DINOR1_LAUNCH(&rig.run, count, 6, 100, 0, &total, &sum, &largest, positions);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (int position : positions)
        checksum += position;
    g_assert_cmpint(total, ==, 600);
    g_assert_cmpfloat(sum, ==, 300);
    g_assert_cmpuint(largest, ==, 599);
    g_assert_cmpint(checksum, ==, 599 * 600 / 2);
}

/* The grid's third dimension and the block's second, and dynamic shared memory. */
void
transpose(const int *x, int *out)
{
    DINOR1_DYNAMIC_SHARED(int, tile);
    const unsigned page = blockIdx.z * 12;

    tile[threadIdx.y * 4 + threadIdx.x] = x[page + threadIdx.y * 4 + threadIdx.x];
    __syncthreads();
    const unsigned index = threadIdx.y * 4 + threadIdx.x;
    out[page + index] = tile[index % 3 * 4 + index / 3];
}

void
test_grid()
{
    Rig rig;
    int x[5 * 12], out[5 * 12];

    for (int i = 0; i < 60; i++)
        x[i] = i;
    DINOR1_LAUNCH(&rig.run, transpose, dim3(1, 1, 5), dim3(4, 3), 12 * sizeof(int), x, out);
    g_assert_null(rig.run.failure);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (int page = 0; page < 5; page++)
        for (int row = 0; row < 4; row++)
            for (int column = 0; column < 3; column++)
                g_assert_cmpint(out[page * 12 + row * 3 + column], ==, page * 12 + column * 4 + row);
}

void
read_unset(float *out)
{
    DINOR1_SHARED(float, unset, [4]);
    out[threadIdx.x] = unset[threadIdx.x];
}

void
test_unset()
{
    Rig rig;
    float out[4] = {0};

    DINOR1_LAUNCH(&rig.run, read_unset, 1, 4, 0, out);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (float value : out)
        g_assert_true(isnan(value));
}

/* Reads a neighbour's number; @wait: after all have written theirs. */
void
rotate(int *out, int turns, bool wait)
{
    DINOR1_SHARED(int, numbers, [64]);
    int value = (int)threadIdx.x;

    for (int turn = 0; turn < turns; turn++) {
        numbers[threadIdx.x] = value;
        __syncthreads();
        value = numbers[(threadIdx.x + 1) % 64];
        if (wait)
            __syncthreads();
    }
    out[threadIdx.x] = value;
}

int
count_wrong(bool wait)
{
    Rig rig;
    int out[64], wrong = 0;

    DINOR1_LAUNCH(&rig.run, rotate, 1, 64, 0, out, 4, wait);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    for (int i = 0; i < 64; i++)
        wrong += out[i] != (i + 4) % 64;
    return wrong;
}

void
test_missing_barrier()
{
    g_assert_cmpint(count_wrong(true), ==, 0);
    g_assert_cmpint(count_wrong(false), >, 0);
}

/* Lane 7 never comes. */
void
lose_lane(int *out)
{
    if (threadIdx.x != 7)
        out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (int)threadIdx.x, 1);
}

void
test_deadlock()
{
    Rig rig;
    int out[32];

    DINOR1_LAUNCH(&rig.run, lose_lane, 3, 32, 0, out);
    g_assert_null(rig.run.failure);
    g_assert_cmpint(rig.finish(), ==, cudaErrorLaunchFailure);
    /* As on a device the failure stays. */
    DINOR1_LAUNCH(&rig.run, lose_lane, 1, 1, 0, out);
    g_assert_nonnull(
        strstr(rig.run.failure, "unspecified launch failure (cudaErrorLaunchFailure) at test_emulator.cc:"));
}

void
test_limits()
{
    Rig many, shared;
    int out[1];

    DINOR1_LAUNCH(&many.run, lose_lane, 1, 1025, 0, out);
    g_assert_nonnull(strstr(many.run.failure, "invalid configuration"));
    DINOR1_LAUNCH(&shared.run, lose_lane, 1, 32, 1 << 20, out);
    g_assert_nonnull(strstr(shared.run.failure, "invalid configuration"));
}

#ifdef WITH_ASAN
/* Reads number @at of four, from the tensor @x or, without one, from shared memory. */
void
read_one(const float *x, int at, float *out)
{
    DINOR1_DYNAMIC_SHARED(float, tile);

    tile[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = (x ? x : tile)[at];
}

void
read_from(bool of_tensor, int at)
{
    Rig rig;
    void *x = nullptr;
    float out[4];

    cudaMalloc(&x, 4 * sizeof(float));
    DINOR1_LAUNCH(&rig.run, read_one, 1, 4, 4 * sizeof(float), of_tensor ? static_cast<float *>(x) : nullptr, at, out);
    g_assert_cmpint(rig.finish(), ==, cudaSuccess);
    cudaFree(x);
}

struct Place {
    const char *name; /* of the process that reads there and, unless it is @inside, ends there */
    bool of_tensor, inside;
    int at;
};

const Place places[] = {
    {"/emulator/bounds/subprocess/tensor", true, true, 3},
    {"/emulator/bounds/subprocess/before-tensor", true, false, -1},
    {"/emulator/bounds/subprocess/past-tensor", true, false, 4},
    {"/emulator/bounds/subprocess/shared", false, true, 3},
    {"/emulator/bounds/subprocess/before-shared", false, false, -1},
    {"/emulator/bounds/subprocess/past-shared", false, false, 4},
};

void
test_bounds_at(gconstpointer data)
{
    const Place *place = static_cast<const Place *>(data);

    read_from(place->of_tensor, place->at);
}

void
test_bounds()
{
    for (const Place &place : places) {
        g_test_trap_subprocess(place.name, 0, GTestSubprocessFlags(0));
        if (place.inside)
            g_test_trap_assert_passed();
        else
            g_test_trap_assert_stderr("*AddressSanitizer*read_one*");
    }
}
#endif

void
test_halves()
{
    /* Ties to even, the largest, infinity. */
    g_assert_cmphex(__float2bfloat16_rn(1.00390625f).bits, ==, 0x3f80);
    g_assert_cmphex(__float2bfloat16_rn(1.01171875f).bits, ==, 0x3f82);
    g_assert_cmphex(__float2bfloat16_rn(-INFINITY).bits, ==, 0xff80);
    g_assert_true(isnan(__bfloat162float(__float2bfloat16_rn(NAN))));
    g_assert_cmpfloat(__half2float(__float2half_rn(65519)), ==, 65504);
    g_assert_cmpfloat(__bfloat1622float2(__floats2bfloat162_rn(3, -4)).y, ==, -4);
}

void
add_one(int *x)
{
    *x += 1;
}

/* Work waits for the host to wait: a staging buffer that is filled again too early is noticed. */
void
test_late()
{
    Rig rig;
    void *pinned = NULL;
    int plain = 3, x = 0;

    g_assert_cmpint(cudaHostAlloc(&pinned, sizeof x, cudaHostAllocDefault), ==, cudaSuccess);
    int *staged = static_cast<int *>(pinned);
    *staged = 1;
    cudaMemcpyAsync(&x, staged, sizeof x, cudaMemcpyHostToDevice, rig.run.stream);
    *staged = 2;
    g_assert_cmpint(x, ==, 0);
    rig.finish();
    g_assert_cmpint(x, ==, 2);
    /* Memory that is not pinned is read at once. */
    cudaMemcpyAsync(&x, &plain, sizeof x, cudaMemcpyHostToDevice, rig.run.stream);
    plain = 4;
    rig.finish();
    g_assert_cmpint(x, ==, 3);
    cudaFreeHost(pinned);
}

/* An event waits for what was before it, not for more. */
void
test_events()
{
    Rig rig;
    int x = 0, y = 0;
    cudaEvent_t event = NULL;

    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    g_assert_cmpint(cudaEventSynchronize(event), ==, cudaSuccess); /* never recorded */
    DINOR1_LAUNCH(&rig.run, add_one, 1, 1, 0, &x);
    cudaEventRecord(event, rig.run.stream);
    DINOR1_LAUNCH(&rig.run, add_one, 1, 1, 0, &y);
    g_assert_cmpint(cudaEventSynchronize(event), ==, cudaSuccess);
    g_assert_cmpint(x, ==, 1);
    g_assert_cmpint(y, ==, 0);
    rig.finish();
    g_assert_cmpint(y, ==, 1);
    cudaEventDestroy(event);
}

/* A capture keeps the arguments as they are, does nothing, and is replayed as often as one likes. */
void
test_capture()
{
    Rig rig;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    int x = 0, *argument = &x;

    g_assert_cmpint(cudaStreamBeginCapture(rig.run.stream, cudaStreamCaptureModeThreadLocal), ==, cudaSuccess);
    DINOR1_LAUNCH(&rig.run, add_one, 1, 1, 0, argument);
    argument = NULL;
    g_assert_cmpint(cudaStreamEndCapture(rig.run.stream, &graph), ==, cudaSuccess);
    g_assert_cmpint(cudaGraphInstantiate(&executable, graph, 0), ==, cudaSuccess);
    cudaGraphDestroy(graph);
    rig.finish();
    g_assert_cmpint(x, ==, 0);
    for (int i = 0; i < 3; i++)
        g_assert_cmpint(cudaGraphLaunch(executable, rig.run.stream), ==, cudaSuccess);
    rig.finish();
    g_assert_cmpint(x, ==, 3);
    cudaGraphExecDestroy(executable);
}

enum Forbidden { ALLOCATE, ALLOCATE_HOST, FREE, WAIT, COPY, READ, N_FORBIDDEN };

cudaError_t
do_forbidden(Forbidden what, cudaStream_t stream)
{
    int plain[2] = {0, 0};
    void *memory = NULL;

    switch (what) {
    case ALLOCATE:
        return cudaMalloc(&memory, 4);
    case ALLOCATE_HOST:
        return cudaHostAlloc(&memory, 4, cudaHostAllocDefault);
    case FREE:
        return cudaFree(memory);
    case WAIT:
        return cudaStreamSynchronize(stream);
    case COPY:
        return cudaMemcpyAsync(plain, plain + 1, sizeof plain[0], cudaMemcpyHostToDevice, stream);
    case READ:
        return cudaMemcpyAsync(plain, plain + 1, sizeof plain[0], cudaMemcpyDeviceToHost, stream);
    case N_FORBIDDEN:
        break;
    }
    return cudaSuccess;
}

void
test_forbidden()
{
    for (int what = 0; what < N_FORBIDDEN; what++) {
        Rig rig;
        cudaGraph_t graph = NULL;
        int x = 0;

        g_assert_cmpint(cudaStreamBeginCapture(rig.run.stream, cudaStreamCaptureModeThreadLocal), ==, cudaSuccess);
        g_assert_cmpint(
            do_forbidden(static_cast<Forbidden>(what), rig.run.stream), ==, cudaErrorStreamCaptureUnsupported);
        DINOR1_LAUNCH(&rig.run, add_one, 1, 1, 0, &x);
        g_assert_nonnull(strstr(rig.run.failure, "cudaErrorStreamCaptureInvalidated"));
        g_assert_cmpint(cudaStreamEndCapture(rig.run.stream, &graph), ==, cudaErrorStreamCaptureInvalidated);
        g_assert_null(graph);
        cudaGetLastError();
        /* The stream itself is well. */
        g_clear_pointer(&rig.run.failure, g_free);
        DINOR1_LAUNCH(&rig.run, add_one, 1, 1, 0, &x);
        g_assert_cmpint(rig.finish(), ==, cudaSuccess);
        g_assert_cmpint(x, ==, 1);
    }
}

} // namespace

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/emulator/sum", test_sum);
    g_test_add_func("/emulator/lanes", test_lanes);
    g_test_add_func("/emulator/atomics", test_atomics);
    g_test_add_func("/emulator/grid", test_grid);
    g_test_add_func("/emulator/unset", test_unset);
    g_test_add_func("/emulator/missing-barrier", test_missing_barrier);
    g_test_add_func("/emulator/deadlock", test_deadlock);
    g_test_add_func("/emulator/limits", test_limits);
#ifdef WITH_ASAN
    g_test_add_func("/emulator/bounds", test_bounds);
    for (const Place &place : places)
        g_test_add_data_func(place.name, &place, test_bounds_at);
#endif
    g_test_add_func("/emulator/halves", test_halves);
    g_test_add_func("/emulator/late", test_late);
    g_test_add_func("/emulator/events", test_events);
    g_test_add_func("/emulator/capture", test_capture);
    g_test_add_func("/emulator/forbidden", test_forbidden);
    return g_test_run();
}
