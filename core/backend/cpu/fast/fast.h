/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cpu/cpu.h"

G_BEGIN_DECLS

/* Work is cut into blocks by shape alone, never by the number of threads, so results do not depend on that number. */
typedef struct {
    gint64 count; /* blocks */
    gint64 size;  /* of each block; the last one may be smaller */
} DinoR1Blocks;

/* @total (>= 1) in blocks of about @target, sizes a multiple of @multiple and as equal as that allows. */
DinoR1Blocks dinor1_fast_blocks(gint64 total, gint64 target, gint64 multiple);

/* Where block @index begins, and in @size how long it is. */
static inline gint64
dinor1_fast_block(DinoR1Blocks blocks, gint64 total, gint64 index, gint64 *size)
{
    *size = MIN(blocks.size, total - index * blocks.size);
    return index * blocks.size;
}

/* Runs the tasks on the pool, or on this thread alone where waking the others would cost more than it saves.
 * @nanoseconds: about what all tasks cost together on one thread. */
void dinor1_fast_run(
    const DinoR1KernelArgs *args, gsize n_tasks, gdouble nanoseconds, DinoR1PoolFunc func, gpointer user_data);

/* Slices of a workspace: @size bytes rounded up to whole cache lines, one per thread. */
gsize dinor1_fast_slice_size(gsize size);
gsize dinor1_fast_slices_size(const DinoR1KernelArgs *args, gsize size);

/* @rows pieces of @n floats each; strides are in floats. */
typedef struct {
    const gfloat *from; /* NULL: zeros */
    gfloat *to;
    gint64 rows, n;
    gint64 from_stride, to_stride;
} DinoR1Copy;

void dinor1_fast_copy(const DinoR1KernelArgs *args, const DinoR1Copy *copy);

/* Kernels that are the same for every instruction set. */
void dinor1_fast_permute(const DinoR1KernelArgs *args);
void dinor1_fast_slice(const DinoR1KernelArgs *args);
void dinor1_fast_concat(const DinoR1KernelArgs *args);
void dinor1_fast_expand(const DinoR1KernelArgs *args);
void dinor1_fast_gather(const DinoR1KernelArgs *args);
void dinor1_fast_patch_merge(const DinoR1KernelArgs *args);
void dinor1_fast_slice_grad(const DinoR1KernelArgs *args);
void dinor1_fast_gather_grad(const DinoR1KernelArgs *args);
void dinor1_fast_patch_split(const DinoR1KernelArgs *args);
void dinor1_fast_preprocess(const DinoR1KernelArgs *args);
gsize dinor1_fast_preprocess_workspace(const DinoR1KernelArgs *args);
void dinor1_fast_sum_squares(const DinoR1KernelArgs *args);
void dinor1_fast_blend(const DinoR1KernelArgs *args);
void dinor1_fast_adamw(const DinoR1KernelArgs *args);
void dinor1_fast_topk(const DinoR1KernelArgs *args);
gsize dinor1_fast_topk_workspace(const DinoR1KernelArgs *args);

G_END_DECLS
