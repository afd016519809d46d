/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/pool.h"

#include <stdatomic.h>

#define N_TASKS 1000

typedef struct {
    atomic_int runs[N_TASKS];
    atomic_int wrong_thread;
    guint n_threads;
} Count;

static void
count_task(gpointer data, gsize task, guint thread)
{
    Count *count = data;

    atomic_fetch_add(&count->runs[task], 1);
    if (thread >= count->n_threads)
        atomic_fetch_add(&count->wrong_thread, 1);
}

static void
test_every_task_once(gconstpointer data)
{
    g_autoptr(DinoR1Pool) pool = dinor1_pool_new(GPOINTER_TO_UINT(data));
    const gsize sizes[] = {0, 1, 2, 3, 7, N_TASKS};

    for (gint round = 0; round < 300; round++) {
        const gsize n = sizes[(guint)round % G_N_ELEMENTS(sizes)];
        Count count = {.n_threads = dinor1_pool_get_n_threads(pool)};

        dinor1_pool_run(pool, n, count_task, &count);
        for (gsize i = 0; i < N_TASKS; i++)
            g_assert_cmpint(count.runs[i], ==, i < n);
        g_assert_cmpint(count.wrong_thread, ==, 0);
        if (round % 100 == 99)
            g_usleep(2000); /* long enough for the workers to sleep */
    }
}

static void
test_sizes(void)
{
    g_autoptr(DinoR1Pool) one = dinor1_pool_new(1);
    g_autoptr(DinoR1Pool) all = dinor1_pool_new(0);

    g_assert_cmpuint(dinor1_pool_get_n_threads(one), ==, 1);
    g_assert_cmpuint(dinor1_pool_get_n_threads(all), >=, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/sizes", test_sizes);
    g_test_add_data_func("/pool/every-task-once/1", GUINT_TO_POINTER(1), test_every_task_once);
    g_test_add_data_func("/pool/every-task-once/2", GUINT_TO_POINTER(2), test_every_task_once);
    g_test_add_data_func("/pool/every-task-once/5", GUINT_TO_POINTER(5), test_every_task_once);
    return g_test_run();
}
