/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Host data in a backend's memory: one copy for all that use the same data, there from the first one's take to the last
 * one's give. Where the backend's memory is the host's, the data itself is what is used. Thread-safe.
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* The copy, of @size bytes, of the @dtype at @data, which must stay at its address until it is given back; what is
 * written there later does not reach the copy. @data of a half type is f32, which the copy rounds. NULL with MEMORY
 * when there is not enough. */
gpointer dinor1_resident_take(
    DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size, GError **error);
/* The same, but a copy that nobody has taken yet is not filled: for those who write it on the device. */
gpointer dinor1_resident_take_unset(
    DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size, GError **error);
/* Ends one take. */
void dinor1_resident_give(DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size);

/* Bytes of all copies; 0 where there are none. */
gsize dinor1_resident_get_size(DinoR1Backend *backend);

/* For who opens and frees backends: NULL where host_memory. */
DinoR1Residents *dinor1_residents_new(void);
/* Releases what was not given back, too. */
void dinor1_residents_free(DinoR1Backend *backend);

G_END_DECLS
