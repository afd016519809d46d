/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/cuda/host/probe.h"

#include <glib.h>
#include <gmodule.h>

/* What the emulated GPU counts, and where it is told to fail. */
static inline DinoR1EmulatedGpu *
find_gpu(void)
{
    g_autofree gchar *file = g_build_filename(g_getenv("DINOR1_MODULE_PATH"), "libdinor1-cuda-host.so", NULL);
    GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
    gpointer symbol = NULL;

    if (!module || !g_module_symbol(module, DINOR1_EMULATED_GPU_SYMBOL, &symbol))
        g_error("%s", g_module_error());
    g_module_make_resident(module);
    return symbol;
}
