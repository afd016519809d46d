/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/precision.h"

#include <dinor1/error.h>

static const struct {
    DinoR1Precision precision;
    gboolean tf32;
} choices[] = {
    {{"fp32", DINOR1_F32}, FALSE},
    {{"tf32", DINOR1_F32}, TRUE},
    {{"fp16", DINOR1_F16}, FALSE},
    {{"bf16", DINOR1_BF16}, FALSE},
};

static gboolean
has(const DinoR1Backend *backend, guint choice)
{
    const DinoR1DType dtype = choices[choice].precision.dtype;

    return (!choices[choice].tf32 || backend->has_tf32) &&
           (!dinor1_dtype_is_half(dtype) || backend->half_types & 1u << dtype);
}

/* "fp32, fp16" (transfer full) */
static gchar *
list_choices(const DinoR1Backend *backend)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(choices); i++)
        if (!backend || has(backend, i))
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", choices[i].precision.name);
    return g_string_free(text, FALSE);
}

static void
say_precision(const DinoR1Backend *backend, const gchar *name, gchar **device)
{
    g_autofree gchar *before = *device;

    *device = backend->half_types ? g_strdup_printf("%s, %s", before, name) : g_steal_pointer(&before);
}

gboolean
dinor1_precision_choose(
    DinoR1Backend *backend, gchar **device, const gchar *name, DinoR1Precision *precision, GError **error)
{
    g_autofree gchar *list = NULL;

    if (!name || g_str_equal(name, "auto"))
        name = "fp32";
    for (guint i = 0; i < G_N_ELEMENTS(choices); i++) {
        if (!g_str_equal(name, choices[i].precision.name))
            continue;
        if (!has(backend, i)) {
            list = list_choices(backend);
            g_set_error(
                error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "precision '%s': %s has only %s", name, *device, list);
            return FALSE;
        }
        backend->tf32 = choices[i].tf32;
        *precision = choices[i].precision;
        say_precision(backend, name, device);
        return TRUE;
    }
    list = list_choices(NULL);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "precision '%s' is unknown: use auto, %s", name, list);
    return FALSE;
}
