/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A fixed set of threads that share the tasks of one call. The calling thread is thread 0 and works too. */
typedef struct _DinoR1Pool DinoR1Pool;

/* @thread < dinor1_pool_get_n_threads(): which thread runs the task, to pick its slice of a workspace. */
typedef void (*DinoR1PoolFunc)(gpointer user_data, gsize task, guint thread);

/* @n_threads: 0 = one per processor this process may use. */
DinoR1Pool *dinor1_pool_new(guint n_threads);
void dinor1_pool_free(DinoR1Pool *pool);
guint dinor1_pool_get_n_threads(const DinoR1Pool *pool);

/* Runs @func for every task 0 … n_tasks-1, each once, and returns when all are done. Allocates nothing. Not reentrant:
 * one call at a time, and never from inside a task. */
void dinor1_pool_run(DinoR1Pool *pool, gsize n_tasks, DinoR1PoolFunc func, gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Pool, dinor1_pool_free)

G_END_DECLS
