/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/**
 * dinor1_backend_open:
 * @device: "cpu", "cuda", "cuda:N", or "auto": CUDA's first device if there is one, else the CPU. The tests have
 *   "cuda-host" too, the CUDA kernels built for the host.
 * @n_threads: of the CPU backend; 0 = one per processor
 * @description: (out) (optional) (transfer full): which one it took and why, for people
 *
 * The module of a device is looked for in the folders that the environment variable DINOR1_MODULE_PATH names (a list
 * separated by colons), else where it was installed.
 */
DinoR1Backend *dinor1_backend_open(const gchar *device, guint n_threads, gchar **description, GError **error);

G_END_DECLS
