/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"

G_BEGIN_DECLS

/* A backend in a library of its own, opened at run time. It exports one symbol, DINOR1_BACKEND_MODULE_SYMBOL, a
 * DinoR1BackendModule; abi and the sizes must be the loader's own. */
#define DINOR1_BACKEND_ABI           5
#define DINOR1_BACKEND_MODULE_SYMBOL "dinor1_backend_module"

typedef struct {
    guint abi, n_ops;
    gsize args_size; /* sizeof(DinoR1KernelArgs) */
    /* Opens device @index. @description: (out) (transfer full): for people, "cuda:0, NVIDIA H200, 139.8 GiB". */
    DinoR1Backend *(*open)(guint index, gchar **description, GError **error);
} DinoR1BackendModule;

G_END_DECLS
