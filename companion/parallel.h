/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Processes that train together, started by mpirun. A program that was not, is alone: rank 0 of 1, and nothing here
 * waits. Otherwise every process must make the same calls in the same order.
 */
#pragma once

#include <dinor1/train.h>

G_BEGIN_DECLS

/* Before anything else. All processes but the one that leads then say nothing more. FALSE with UNSUPPORTED: started by
 * mpirun, but built without MPI; or with FAILED. */
gboolean parallel_begin(GError **error);
/* After everything else; also if parallel_begin() failed. */
void parallel_end(void);

/* Whether this process speaks for all: writes the files, and tells the user. */
gboolean parallel_leads(void);

/* For DinoR1TrainOptions; NULL if this process is alone. */
const DinoR1TrainRanks *parallel_get_ranks(void);

/* This process's number among those on its machine: the device that is its own. */
guint parallel_get_local_rank(void);

/* A fair share of this machine's processors, for the threads of one of its processes. */
guint parallel_get_n_threads(void);

/**
 * parallel_agree:
 * @well: whether this process is well
 * @error: (inout): its error if it is not; set if another one is not
 *
 * Returns: TRUE if all are well; else FALSE on all, with the error of the first that is not.
 */
gboolean parallel_agree(gboolean well, GError **error);

/* @all: (out) (transfer full): what all processes bring, in their order. */
gboolean parallel_share(const gchar *mine, gchar **all, GError **error);

/* The largest of all processes' numbers, which must be less than 2^24. */
guint parallel_largest(guint number);

G_END_DECLS
