/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/device.h"

#include "backend/cpu/cpu.h"
#include "backend/module.h"
#include "backend/module_dir.h"
#include "backend/resident.h"

#include <dinor1/error.h>
#include <gmodule.h>
#include <string.h>

/* Where modules are looked for, separated by colons. */
static const gchar *
module_path(void)
{
    const gchar *path = g_getenv("DINOR1_MODULE_PATH");
    return path && *path ? path : DINOR1_MODULE_DIR;
}

/* The file of module @name in the first folder that has it (transfer full); NULL with an error that names all. */
static gchar *
find_module(const gchar *name, GError **error)
{
    g_autofree gchar *file = g_strdup_printf("libdinor1-%s.so", name);
    g_auto(GStrv) folders = g_strsplit(module_path(), G_SEARCHPATH_SEPARATOR_S, -1);

    for (guint i = 0; folders[i]; i++) {
        g_autofree gchar *path = g_build_filename(folders[i], file, NULL);

        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
    }
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "%s: no module %s in %s", name, file, module_path());
    return NULL;
}

/* NULL, or (transfer full) why @module is not one for this library. */
static gchar *
find_misfit(const DinoR1BackendModule *module)
{
    if (module->abi != DINOR1_BACKEND_ABI)
        return g_strdup_printf("its interface is version %u, this library's %u", module->abi, DINOR1_BACKEND_ABI);
    if (module->n_ops != DINOR1_N_OPS || module->args_size != sizeof(DinoR1KernelArgs))
        return g_strdup_printf("its op table has %u rows, this library's %u", module->n_ops, (guint)DINOR1_N_OPS);
    return NULL;
}

/* A module stays loaded until the process ends: the CUDA runtime in it cannot be unloaded safely. */
static const DinoR1BackendModule *
load_module(const gchar *name, GError **error)
{
    g_autofree gchar *file = find_module(name, error);
    g_autofree gchar *misfit = NULL;
    gpointer symbol = NULL;
    GModule *module;

    if (!file)
        return NULL;
    module = g_module_open(file, G_MODULE_BIND_LOCAL);
    if (!module) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_DEVICE, "%s: %s", name, g_module_error());
        return NULL;
    }
    g_module_make_resident(module);
    if (!g_module_symbol(module, DINOR1_BACKEND_MODULE_SYMBOL, &symbol))
        misfit = g_strdup("no symbol " DINOR1_BACKEND_MODULE_SYMBOL);
    else
        misfit = find_misfit(symbol);
    if (misfit) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "%s: %s: %s", name, file, misfit);
        return NULL;
    }
    return symbol;
}

static DinoR1Backend *
open_module(const gchar *name, guint index, gchar **description, GError **error)
{
    const DinoR1BackendModule *module = load_module(name, error);
    DinoR1Backend *backend = module ? module->open(index, description, error) : NULL;

    if (backend)
        backend->residents = dinor1_residents_new();
    return backend;
}

/* The device that was asked for by name cannot be had: what its user can do. */
static void
add_advice(GError **error)
{
    const gchar *advice =
        "nvidia-smi must list the GPU and CUDA's libraries must be installed; the device cpu needs none";
    gchar *message;

    if (!error)
        return;
    if ((*error)->code == DINOR1_ERROR_UNSUPPORTED)
        advice = "build and install it (meson's option -Dcuda=enabled), or use the device cpu";
    message = g_strdup_printf("%s: %s", (*error)->message, advice);
    g_free((*error)->message);
    (*error)->message = message;
}

static DinoR1Backend *
open_cpu(guint n_threads, gchar **description)
{
    DinoR1Backend *backend = dinor1_cpu_backend_new(n_threads, dinor1_cpu_detect());

    *description = dinor1_cpu_backend_describe(backend);
    return backend;
}

static DinoR1Backend *
open_auto(guint n_threads, gchar **description)
{
    g_autoptr(GError) reason = NULL;
    g_autofree gchar *text = NULL;
    DinoR1Backend *backend = open_module("cuda", 0, &text, &reason);

    if (backend) {
        *description = g_strdup_printf("%s (auto: the first CUDA device)", text);
        return backend;
    }
    backend = open_cpu(n_threads, &text);
    *description = g_strdup_printf("%s (auto: %s)", text, reason->message);
    return backend;
}

/* "NAME" or "NAME:N" of a module. */
static gboolean
parse_device(const gchar *device, gchar **name, guint *index)
{
    const gchar *colon = strchr(device, ':');
    guint64 number = 0;

    if (colon && !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXINT, &number, NULL))
        return FALSE;
    *name = colon ? g_strndup(device, (gsize)(colon - device)) : g_strdup(device);
    *index = (guint)number;
    return g_str_equal(*name, "cuda") || g_str_equal(*name, "cuda-host");
}

DinoR1Backend *
dinor1_backend_open(const gchar *device, guint n_threads, gchar **description, GError **error)
{
    g_autofree gchar *name = NULL, *text = NULL;
    DinoR1Backend *backend = NULL;
    guint index;

    if (g_str_equal(device, "auto"))
        backend = open_auto(n_threads, &text);
    else if (g_str_equal(device, "cpu"))
        backend = open_cpu(n_threads, &text);
    else if (parse_device(device, &name, &index)) {
        backend = open_module(name, index, &text, error);
        if (!backend)
            add_advice(error);
    } else
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "device '%s': not auto, cpu, cuda or cuda:N", device);
    if (backend && description)
        *description = g_steal_pointer(&text);
    return backend;
}
