/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A program planned anew gets the memory of the one before it.
 */
#include "backend/cpu/memory.h"

#include <string.h>

#define MEBIBYTE ((gsize)1 << 20)

static gpointer
take(DinoR1CpuMemory *memory, gsize size)
{
    gpointer block = dinor1_cpu_memory_take(memory, size);

    g_assert_nonnull(block);
    g_assert_cmpuint((gsize)block % DINOR1_CPU_ALIGNMENT, ==, 0);
    memset(block, 1, size);
    return block;
}

static void
test_reuse(void)
{
    DinoR1CpuMemory *memory = dinor1_cpu_memory_new();
    gpointer first = take(memory, 16 * MEBIBYTE), second = take(memory, 4 * MEBIBYTE);

    dinor1_cpu_memory_give(memory, first);
    dinor1_cpu_memory_give(memory, second);
    /* Each finds its own again, the first with a little more too. */
    g_assert_true(take(memory, 3 * MEBIBYTE) == second);
    g_assert_true(take(memory, 17 * MEBIBYTE) == first);
    dinor1_cpu_memory_give(memory, first);
    dinor1_cpu_memory_give(memory, second);
    dinor1_cpu_memory_free(memory);
}

static void
test_no_sharing(void)
{
    DinoR1CpuMemory *memory = dinor1_cpu_memory_new();
    gpointer blocks[6];

    for (guint round = 0; round < 2; round++) {
        for (guint i = 0; i < G_N_ELEMENTS(blocks); i++) {
            blocks[i] = take(memory, (2 + i) * MEBIBYTE);
            memset(blocks[i], (gint)i, (2 + i) * MEBIBYTE);
        }
        for (guint i = 0; i < G_N_ELEMENTS(blocks); i++)
            for (gsize k = 0; k < (2 + i) * MEBIBYTE; k++)
                if (((const guint8 *)blocks[i])[k] != i)
                    g_error("block %u overlaps another", i);
        for (guint i = 0; i < G_N_ELEMENTS(blocks); i++)
            dinor1_cpu_memory_give(memory, blocks[i]);
    }
    dinor1_cpu_memory_free(memory);
}

static void
test_sizes(void)
{
    DinoR1CpuMemory *memory = dinor1_cpu_memory_new();
    gpointer nothing = dinor1_cpu_memory_take(memory, 0);

    g_assert_nonnull(nothing);
    dinor1_cpu_memory_give(memory, nothing);
    dinor1_cpu_memory_give(memory, take(memory, 5));
    dinor1_cpu_memory_give(memory, NULL);
    g_assert_null(dinor1_cpu_memory_take(memory, G_MAXSIZE));
    g_assert_null(dinor1_cpu_memory_take(memory, G_MAXSIZE / 2));
    dinor1_cpu_memory_free(memory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-memory/reuse", test_reuse);
    g_test_add_func("/cpu-memory/no-sharing", test_no_sharing);
    g_test_add_func("/cpu-memory/sizes", test_sizes);
    return g_test_run();
}
