/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copies between the host and the device through pinned memory, so that the host waits for none of its uploads.
 */
#pragma once

#include "backend/cuda/cuda.h"

typedef struct DinoR1CudaStaging DinoR1CudaStaging;

DinoR1CudaStaging *dinor1_cuda_staging_new(void);
/* What was enqueued may still run: freeing waits for it. */
void dinor1_cuda_staging_free(DinoR1CudaStaging *staging);

/* Enqueues the copy; @from may be reused when this returns. */
cudaError_t dinor1_cuda_staging_upload(
    DinoR1CudaStaging *staging, gpointer to, gconstpointer from, gsize size, cudaStream_t stream);
/* The same of rows, which may be a device's. */
cudaError_t dinor1_cuda_staging_copy_rows(DinoR1CudaStaging *staging, const DinoR1RowCopy *copy, cudaStream_t stream);
/* Enqueues the copies and waits for the stream, once for every 32 MiB. */
cudaError_t dinor1_cuda_staging_download(
    DinoR1CudaStaging *staging, const DinoR1Download *copies, guint n, cudaStream_t stream);
