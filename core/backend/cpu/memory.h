/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory for arenas. A program that is planned anew, as in training for nearly every batch, gets the memory of the one
 * before it: its pages are already there, where fresh ones cost a fault and a clearing each. Not thread-safe.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DINOR1_CPU_ALIGNMENT ((gsize)64)

typedef struct _DinoR1CpuMemory DinoR1CpuMemory;

DinoR1CpuMemory *dinor1_cpu_memory_new(void);
/* Everything taken must have been given back. */
void dinor1_cpu_memory_free(DinoR1CpuMemory *memory);

/* Returns: @size bytes, aligned, of any content; NULL if there is not enough. */
gpointer dinor1_cpu_memory_take(DinoR1CpuMemory *memory, gsize size);
/* @block: (nullable): */
void dinor1_cpu_memory_give(DinoR1CpuMemory *memory, gpointer block);

G_END_DECLS
