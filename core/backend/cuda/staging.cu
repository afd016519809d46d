/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/staging.h"

#include <string.h>
#include <vector>

/* Pinned memory cannot be swapped out: a larger copy goes in parts. A frame of 1080x1920 floats is 24 MiB. */
#define LARGEST  ((gsize)32 << 20)
#define SMALLEST ((gsize)64 << 10)
#define ALIGN(n) (((n) + 63) & ~(gsize)63)

/* The host fills one upload buffer while the device reads the other. */
struct DinoR1CudaStaging {
    struct Buffer {
        char *memory = NULL;
        gsize size = 0, used = 0;
    };
    /* Where a part of a download goes when it has come. */
    struct Part {
        char *to;
        const char *from;
        gsize size;
    };

    Buffer uploads[2], download;
    cudaEvent_t read[2] = {NULL, NULL}; /* by upload buffer: everything in it has been copied */
    guint current = 0;
    std::vector<Part> parts;
};

/* Nothing may be on its way through @buffer. */
static cudaError_t
grow(DinoR1CudaStaging::Buffer *buffer, gsize size)
{
    void *memory = NULL;

    if (buffer->size >= size)
        return cudaSuccess;
    cudaFreeHost(buffer->memory);
    buffer->memory = NULL;
    buffer->size = 0;
    const gsize wanted = MAX(ALIGN(size), SMALLEST);
    cudaError_t status = cudaHostAlloc(&memory, wanted, cudaHostAllocDefault);
    if (status != cudaSuccess)
        return status;
    buffer->memory = static_cast<char *>(memory);
    buffer->size = wanted;
    return cudaSuccess;
}

DinoR1CudaStaging *
dinor1_cuda_staging_new(void)
{
    return new DinoR1CudaStaging();
}

void
dinor1_cuda_staging_free(DinoR1CudaStaging *staging)
{
    if (!staging)
        return;
    for (guint i = 0; i < 2; i++) {
        cudaFreeHost(staging->uploads[i].memory);
        if (staging->read[i])
            cudaEventDestroy(staging->read[i]);
    }
    cudaFreeHost(staging->download.memory);
    delete staging;
}

/* Turns to the other buffer, as soon as the device has read it, and makes it large enough. */
static cudaError_t
turn(DinoR1CudaStaging *staging, gsize size, cudaStream_t stream)
{
    cudaError_t status = cudaSuccess;

    for (guint i = 0; i < 2 && status == cudaSuccess; i++)
        if (!staging->read[i])
            status = cudaEventCreateWithFlags(&staging->read[i], cudaEventDisableTiming);
    if (status == cudaSuccess)
        status = cudaEventRecord(staging->read[staging->current], stream);
    if (status != cudaSuccess)
        return status;
    staging->current = 1 - staging->current;
    status = cudaEventSynchronize(staging->read[staging->current]);
    staging->uploads[staging->current].used = 0;
    return status == cudaSuccess ? grow(&staging->uploads[staging->current], size) : status;
}

/* Room for @size bytes, LARGEST at most, until they are read. */
static cudaError_t
reserve(DinoR1CudaStaging *staging, gsize size, cudaStream_t stream, char **staged)
{
    DinoR1CudaStaging::Buffer *buffer = &staging->uploads[staging->current];

    if (buffer->size - buffer->used < size) {
        cudaError_t status = turn(staging, size, stream);
        if (status != cudaSuccess)
            return status;
        buffer = &staging->uploads[staging->current];
    }
    *staged = buffer->memory + buffer->used;
    buffer->used = MIN(buffer->used + ALIGN(size), buffer->size);
    return cudaSuccess;
}

cudaError_t
dinor1_cuda_staging_upload(DinoR1CudaStaging *staging, gpointer to, gconstpointer from, gsize size, cudaStream_t stream)
{
    cudaError_t status = cudaSuccess;
    gsize part;

    for (gsize done = 0; done < size && status == cudaSuccess; done += part) {
        char *staged;

        part = MIN(size - done, LARGEST);
        status = reserve(staging, part, stream, &staged);
        if (status != cudaSuccess)
            return status;
        memcpy(staged, static_cast<const char *>(from) + done, part);
        status = cudaMemcpyAsync(static_cast<char *>(to) + done, staged, part, cudaMemcpyHostToDevice, stream);
    }
    return status;
}

static cudaError_t
upload_rows(DinoR1CudaStaging *staging, const DinoR1RowCopy *copy, cudaStream_t stream)
{
    const gsize rows_at_once = MAX(LARGEST / copy->to_stride, 1);
    char *to = static_cast<char *>(copy->to);
    const char *from = static_cast<const char *>(copy->from);
    cudaError_t status = cudaSuccess;

    for (gsize first = 0; first < copy->n_rows && status == cudaSuccess; first += rows_at_once) {
        const gsize n = MIN(copy->n_rows - first, rows_at_once), size = (n - 1) * copy->to_stride + copy->row_bytes;
        char *staged;

        status = reserve(staging, size, stream, &staged);
        if (status != cudaSuccess)
            return status;
        for (gsize r = 0; r < n; r++)
            memcpy(staged + r * copy->to_stride, from + (first + r) * copy->from_stride, copy->row_bytes);
        status = cudaMemcpyAsync(to + first * copy->to_stride, staged, size, cudaMemcpyHostToDevice, stream);
    }
    return status;
}

cudaError_t
dinor1_cuda_staging_copy_rows(DinoR1CudaStaging *staging, const DinoR1RowCopy *copy, cudaStream_t stream)
{
    if (!copy->from_device)
        return upload_rows(staging, copy, stream);
    return cudaMemcpy2DAsync(copy->to, copy->to_stride, copy->from, copy->from_stride, copy->row_bytes, copy->n_rows,
        cudaMemcpyDeviceToDevice, stream);
}

/* Waits for the stream: what was downloaded goes to its place, and all staging is free again. */
static cudaError_t
flush(DinoR1CudaStaging *staging, cudaStream_t stream)
{
    cudaError_t status = cudaStreamSynchronize(stream);

    for (const DinoR1CudaStaging::Part &part : staging->parts)
        if (status == cudaSuccess)
            memcpy(part.to, part.from, part.size);
    staging->parts.clear();
    staging->download.used = staging->uploads[0].used = staging->uploads[1].used = 0;
    return status;
}

static cudaError_t
enqueue_download(DinoR1CudaStaging *staging, const DinoR1Download *copy, cudaStream_t stream)
{
    DinoR1CudaStaging::Buffer *buffer = &staging->download;
    cudaError_t status = cudaSuccess;
    gsize part;

    for (gsize done = 0; done < copy->size && status == cudaSuccess; done += part) {
        part = MIN(copy->size - done, buffer->size - buffer->used);
        char *staged = buffer->memory + buffer->used;
        if (part == 0) {
            status = flush(staging, stream);
            continue;
        }
        status =
            cudaMemcpyAsync(staged, static_cast<const char *>(copy->from) + done, part, cudaMemcpyDeviceToHost, stream);
        staging->parts.push_back({static_cast<char *>(copy->to) + done, staged, part});
        buffer->used = MIN(buffer->used + ALIGN(part), buffer->size);
    }
    return status;
}

cudaError_t
dinor1_cuda_staging_download(DinoR1CudaStaging *staging, const DinoR1Download *copies, guint n, cudaStream_t stream)
{
    gsize total = 0;

    for (guint i = 0; i < n; i++)
        total += ALIGN(copies[i].size);
    cudaError_t status = grow(&staging->download, MIN(total, LARGEST));
    for (guint i = 0; i < n && status == cudaSuccess; i++)
        status = enqueue_download(staging, &copies[i], stream);
    if (status == cudaSuccess)
        return flush(staging, stream);
    staging->parts.clear();
    return status;
}
