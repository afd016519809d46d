/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"
#include "graph/graph.h"

G_BEGIN_DECLS

/**
 * DinoR1Program:
 *
 * A graph planned for a backend: every activation and workspace has its place in one arena, computed from lifetimes.
 * Nodes that depend on constants only are run once, when the program is made. Running allocates nothing. Constants are
 * shared with all programs of the backend (backend/resident.h).
 */
typedef struct _DinoR1Program DinoR1Program;

/* Takes ownership of @graph, also on failure; borrows @backend, which must outlive it. */
DinoR1Program *dinor1_program_new(DinoR1Graph *graph, DinoR1Backend *backend, GError **error);
void dinor1_program_free(DinoR1Program *program);

DinoR1Graph *dinor1_program_get_graph(DinoR1Program *program);

/* Copies host data into an input, which takes effect before the next run; @data may be reused at once. */
gboolean dinor1_program_set(DinoR1Program *program, const gchar *name, gconstpointer data, gsize size, GError **error);
/* Copies host data out of an output, after everything that was run before. */
gboolean dinor1_program_get(DinoR1Program *program, const gchar *name, gpointer data, gsize size, GError **error);

typedef struct {
    const gchar *name;
    gpointer data;
    gsize size;
} DinoR1ProgramRead;

/* The same for several outputs, with a single wait. */
#define DINOR1_MAX_READS 128
gboolean dinor1_program_get_many(DinoR1Program *program, const DinoR1ProgramRead *reads, guint n, GError **error);
/* The memory of an input or output itself when the backend's memory is the host's; NULL otherwise. */
gpointer dinor1_program_map(DinoR1Program *program, const gchar *name);
/* The same in the backend's memory, whatever it is; NULL if there is no such input or output. */
gpointer dinor1_program_locate(DinoR1Program *program, const gchar *name);

/* Host memory for an input or output on every backend: the tensor's own if the host can reach it, else a copy that is
 * allocated by the first call (so make that when planning) and lives as long as the program. Filling an input's takes
 * effect with a push. */
gpointer dinor1_program_stage(DinoR1Program *program, const gchar *name, GError **error);
gboolean dinor1_program_push(DinoR1Program *program, const gchar *name, GError **error);
/* Returns: the output in its staging memory, valid until the next run. */
gconstpointer dinor1_program_pull(DinoR1Program *program, const gchar *name, GError **error);
/* The same for several outputs, with a single wait. @data: (out): [n] */
gboolean dinor1_program_pull_many(
    DinoR1Program *program, const gchar *const *names, gconstpointer *data, guint n, GError **error);

/* Runs the ops, or has them run: the host may go on before a device is done. Where the backend can record, a run after
 * the first is recorded, with the nodes' parameters as they are then, and replayed from then on. */
gboolean dinor1_program_run(DinoR1Program *program, GError **error);
/* One stage of a run; the stages must be run in order. */
gboolean dinor1_program_run_stage(DinoR1Program *program, guint stage, GError **error);

/* Like run, op by op, and adds the time of each node (graph/op_timer.h) to @seconds (one entry per node). */
gboolean dinor1_program_run_timed(DinoR1Program *program, gdouble *seconds, GError **error);

/* FALSE for a node that a run skips: nothing reads it, or it depends on constants only. */
gboolean dinor1_program_is_run(const DinoR1Program *program, guint node);

gsize dinor1_program_get_arena_size(const DinoR1Program *program);
gsize dinor1_program_get_unplanned_size(const DinoR1Program *program); /* the same without sharing */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Program, dinor1_program_free)

G_END_DECLS
