/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* Runs an op and gives the time it takes. Where the backend can record, that is a share of a recording of many runs, as
 * what a launch costs the host and the wait for the device are longer than most kernels; their data is then in the
 * device's cache if it fits there. @seconds: (out) */
gboolean dinor1_time_op(
    DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, gdouble *seconds, GError **error);

G_END_DECLS
