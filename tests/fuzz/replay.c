/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs a fuzz target over files, without libFuzzer: replay FILE|DIRECTORY…
 */
#include "fuzz.h"

#include <stdlib.h>

static gboolean
replay_file(const gchar *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *content = NULL;
    guint8 *exact;
    gsize size;

    if (!g_file_get_contents(path, &content, &size, &error)) {
        g_printerr("%s\n", error->message);
        return FALSE;
    }
    exact = malloc(size); /* ends where the input ends: sanitizers see a read past it */
    for (gsize i = 0; i < size; i++)
        exact[i] = content[i];
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return TRUE;
}

static gboolean
replay(const gchar *path, guint *n)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const gchar *name;

    if (!dir) {
        (*n)++;
        return replay_file(path);
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree gchar *child = g_build_filename(path, name, NULL);

        if (!replay(child, n))
            return FALSE;
    }
    return TRUE;
}

int
main(int argc, char **argv)
{
    guint n = 0;

    for (int i = 1; i < argc; i++)
        if (!replay(argv[i], &n))
            return 1;
    g_print("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
