/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For tests of what runs on the emulated GPU: the module's symbol DINOR1_EMULATED_GPU_SYMBOL.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DINOR1_EMULATED_GPU_SYMBOL "dinor1_emulated_gpu"

/* Of the whole process; tests use one thread. */
typedef struct {
    /* What the host did so far. */
    unsigned n_waits;            /* waited for the device: synchronised, freed, copied without pinned memory */
    unsigned n_allocations;      /* of device memory */
    unsigned n_host_allocations; /* of pinned memory */
    unsigned n_launches;         /* kernels, products, copies and fills, one by one */
    unsigned n_graph_launches;
    size_t used_memory; /* bytes of the device, now */
    /* What is to go wrong. Counted down to 0; 0 = nothing. */
    unsigned refuse_launch;  /* this launch is refused, as one with an impossible grid is */
    unsigned fault;          /* this piece of work fails when it runs, as a wild address does */
    unsigned refuse_capture; /* this capture does not end in a graph */
    size_t memory;           /* bytes of the device; 0 = its own */
} DinoR1EmulatedGpu;

#ifdef __cplusplus
}
#endif
