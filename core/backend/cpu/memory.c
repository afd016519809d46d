/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

/* From this size on a block is kept when it is given back, and asks for pages of this size. */
#define HUGE_PAGE ((gsize)2 << 20)
/* Spare room, so that the next plan of about this size fits: untouched it costs addresses only. */
#define SPARE(size) ((size) / 8)
/* Blocks at rest: the arenas and the constants of a training step and of its reference model. */
#define MAX_KEPT 4

typedef struct {
    gpointer data;
    gsize size;
    gboolean taken;
} Block;

struct _DinoR1CpuMemory {
    GArray *blocks; /* Block, large ones only */
};

DinoR1CpuMemory *
dinor1_cpu_memory_new(void)
{
    DinoR1CpuMemory *memory = g_new0(DinoR1CpuMemory, 1);

    memory->blocks = g_array_new(FALSE, FALSE, sizeof(Block));
    return memory;
}

/* Frees the blocks at rest from the oldest on until @n_kept are left. */
static void
trim(DinoR1CpuMemory *memory, guint n_kept)
{
    guint n_resting = 0;

    for (guint i = 0; i < memory->blocks->len; i++)
        n_resting += !g_array_index(memory->blocks, Block, i).taken;
    for (guint i = 0; n_resting > n_kept && i < memory->blocks->len;) {
        const Block *block = &g_array_index(memory->blocks, Block, i);

        if (block->taken) {
            i++;
            continue;
        }
        free(block->data);
        g_array_remove_index(memory->blocks, i);
        n_resting--;
    }
}

void
dinor1_cpu_memory_free(DinoR1CpuMemory *memory)
{
    if (!memory)
        return;
    trim(memory, 0);
    g_array_unref(memory->blocks);
    g_free(memory);
}

static gpointer
allocate(gsize size, gsize alignment)
{
    gsize rounded;

    /* aligned_alloc() wants a multiple of the alignment; no object is larger than a difference of pointers can say. */
    if (!g_size_checked_add(&rounded, size, alignment - 1) || rounded > G_MAXSSIZE)
        return NULL;
    return aligned_alloc(alignment, rounded & ~(alignment - 1));
}

static gpointer
allocate_large(DinoR1CpuMemory *memory, gsize size)
{
    Block block = {NULL, size, TRUE};

    if (!g_size_checked_add(&block.size, size, SPARE(size)))
        return NULL;
    block.data = allocate(block.size, HUGE_PAGE);
    if (!block.data)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(block.data, block.size, MADV_HUGEPAGE); /* a hint: where it is refused, small pages serve */
#endif
    g_array_append_val(memory->blocks, block);
    return block.data;
}

/* The smallest block at rest that is large enough, but not so large that it is wasted; NULL if there is none. */
static Block *
find_resting(DinoR1CpuMemory *memory, gsize size)
{
    Block *best = NULL;

    for (guint i = 0; i < memory->blocks->len; i++) {
        Block *block = &g_array_index(memory->blocks, Block, i);

        if (!block->taken && block->size >= size && block->size / 2 <= size && (!best || block->size < best->size))
            best = block;
    }
    return best;
}

gpointer
dinor1_cpu_memory_take(DinoR1CpuMemory *memory, gsize size)
{
    Block *block;

    if (size < HUGE_PAGE)
        return allocate(MAX(size, 1), DINOR1_CPU_ALIGNMENT);
    block = find_resting(memory, size);
    if (block) {
        block->taken = TRUE;
        return block->data;
    }
    trim(memory, 0);
    return allocate_large(memory, size);
}

void
dinor1_cpu_memory_give(DinoR1CpuMemory *memory, gpointer data)
{
    for (guint i = 0; i < memory->blocks->len; i++) {
        Block *block = &g_array_index(memory->blocks, Block, i);

        if (block->data == data) {
            block->taken = FALSE;
            trim(memory, MAX_KEPT);
            return;
        }
    }
    free(data);
}
