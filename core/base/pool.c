/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/pool.h"

#include <sched.h>
#include <stdatomic.h>

/* How often a thread looks for work before it sleeps: about 20 us, the gap between two ops of a frame. */
#define SPIN_ROUNDS 4000

struct _DinoR1Pool {
    guint n_threads;
    GThread **workers; /* n_threads - 1 */
    GMutex mutex;
    GCond start; /* generation changed or quit */
    GCond done;  /* busy became 0 */
    atomic_uint generation;
    atomic_uint busy; /* workers that have not finished this generation */
    atomic_bool quit;
    atomic_size_t next_task;
    gsize n_tasks;
    DinoR1PoolFunc func;
    gpointer user_data;
};

typedef struct {
    DinoR1Pool *pool;
    guint index;
} Worker;

static inline void
cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void
work(DinoR1Pool *pool, guint thread)
{
    const gsize n_tasks = pool->n_tasks;

    for (gsize task; (task = atomic_fetch_add_explicit(&pool->next_task, 1, memory_order_relaxed)) < n_tasks;)
        pool->func(pool->user_data, task, thread);
}

static void
wait_for_start(DinoR1Pool *pool, guint seen)
{
    for (guint i = 0; i < SPIN_ROUNDS; i++) {
        if (atomic_load(&pool->generation) != seen || atomic_load(&pool->quit))
            return;
        cpu_relax();
    }
    g_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->quit))
        g_cond_wait(&pool->start, &pool->mutex);
    g_mutex_unlock(&pool->mutex);
}

static void
finish(DinoR1Pool *pool)
{
    if (atomic_fetch_sub(&pool->busy, 1) != 1)
        return;
    g_mutex_lock(&pool->mutex);
    g_cond_signal(&pool->done);
    g_mutex_unlock(&pool->mutex);
}

static gpointer
worker_main(gpointer data)
{
    g_autofree Worker *worker = data;
    DinoR1Pool *pool = worker->pool;
    guint seen = 0;

    for (;;) {
        wait_for_start(pool, seen);
        if (atomic_load(&pool->quit))
            return NULL;
        seen = atomic_load(&pool->generation);
        work(pool, worker->index);
        finish(pool);
    }
}

static guint
count_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (guint)CPU_COUNT(&set);
    return MAX(g_get_num_processors(), 1);
}

DinoR1Pool *
dinor1_pool_new(guint n_threads)
{
    DinoR1Pool *pool = g_new0(DinoR1Pool, 1);

    pool->n_threads = n_threads ? n_threads : count_processors();
    pool->workers = g_new0(GThread *, pool->n_threads);
    g_mutex_init(&pool->mutex);
    g_cond_init(&pool->start);
    g_cond_init(&pool->done);
    for (guint i = 1; i < pool->n_threads; i++) {
        Worker *worker = g_new(Worker, 1);
        g_autoptr(GError) error = NULL;

        *worker = (Worker){pool, i};
        pool->workers[i - 1] = g_thread_try_new("dinor1-pool", worker_main, worker, &error);
        if (!pool->workers[i - 1]) {
            /* The system has no more threads: work with those that started. */
            g_free(worker);
            pool->n_threads = i;
        }
    }
    return pool;
}

void
dinor1_pool_free(DinoR1Pool *pool)
{
    if (!pool)
        return;
    g_mutex_lock(&pool->mutex);
    atomic_store(&pool->quit, TRUE);
    g_cond_broadcast(&pool->start);
    g_mutex_unlock(&pool->mutex);
    for (guint i = 1; i < pool->n_threads; i++)
        g_thread_join(pool->workers[i - 1]);
    g_mutex_clear(&pool->mutex);
    g_cond_clear(&pool->start);
    g_cond_clear(&pool->done);
    g_free(pool->workers);
    g_free(pool);
}

guint
dinor1_pool_get_n_threads(const DinoR1Pool *pool)
{
    return pool->n_threads;
}

static void
start_workers(DinoR1Pool *pool)
{
    atomic_store(&pool->busy, pool->n_threads - 1);
    g_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->generation, 1);
    g_cond_broadcast(&pool->start);
    g_mutex_unlock(&pool->mutex);
}

static void
wait_for_workers(DinoR1Pool *pool)
{
    for (guint i = 0; i < SPIN_ROUNDS; i++) {
        if (atomic_load(&pool->busy) == 0)
            break;
        cpu_relax();
    }
    /* Also when nothing is left to wait for: the last worker may still hold the mutex to signal. */
    g_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->busy) != 0)
        g_cond_wait(&pool->done, &pool->mutex);
    g_mutex_unlock(&pool->mutex);
}

void
dinor1_pool_run(DinoR1Pool *pool, gsize n_tasks, DinoR1PoolFunc func, gpointer user_data)
{
    if (pool->n_threads == 1 || n_tasks <= 1) {
        for (gsize task = 0; task < n_tasks; task++)
            func(user_data, task, 0);
        return;
    }
    pool->func = func;
    pool->user_data = user_data;
    pool->n_tasks = n_tasks;
    atomic_store(&pool->next_task, 0);
    start_workers(pool);
    work(pool, 0);
    wait_for_workers(pool);
}
