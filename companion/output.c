/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "output.h"

#include "command.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct _OutputFile {
    gchar *final_path;
    gchar *path; /* of the temporary file; the final path where there is none */
    gboolean is_temporary;
};

static void
set_errno(GError **error, const gchar *what, const gchar *path, int code)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "cannot %s '%s': %s", what, path, g_strerror(code));
}

OutputFile *
output_file_new(const gchar *path, GError **error)
{
    g_autoptr(OutputFile) file = g_new0(OutputFile, 1);
    g_autofree gchar *directory = g_path_get_dirname(path);
    g_autofree gchar *name = g_path_get_basename(path);
    int descriptor;

    file->final_path = g_strdup(path);
    if (source_is_directory(path)) {
        set_errno(error, "write", path, EISDIR);
        return NULL;
    }
    if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        file->path = g_strdup(path);
        return g_steal_pointer(&file);
    }
    file->path = g_strdup_printf("%s/.%s.XXXXXX", directory, name);
    descriptor = g_mkstemp_full(file->path, O_WRONLY, 0666);
    if (descriptor < 0) {
        set_errno(error, "write", path, errno);
        return NULL;
    }
    file->is_temporary = TRUE;
    close(descriptor);
    return g_steal_pointer(&file);
}

const gchar *
output_file_get_path(const OutputFile *file)
{
    return file->path;
}

const gchar *
output_file_get_final_path(const OutputFile *file)
{
    return file->final_path;
}

static gboolean
sync_file(const OutputFile *file, GError **error)
{
    const int descriptor = g_open(file->path, O_RDONLY, 0);
    const gboolean synced = descriptor >= 0 && !fsync(descriptor);

    if (!synced)
        set_errno(error, "write", file->final_path, errno);
    if (descriptor >= 0)
        close(descriptor);
    return synced;
}

gboolean
output_file_commit(OutputFile *file, GError **error)
{
    if (!file->is_temporary)
        return TRUE;
    if (!sync_file(file, error))
        return FALSE;
    if (g_rename(file->path, file->final_path)) {
        set_errno(error, "write", file->final_path, errno);
        return FALSE;
    }
    file->is_temporary = FALSE;
    return TRUE;
}

void
output_file_free(OutputFile *file)
{
    if (file->is_temporary)
        g_unlink(file->path);
    g_free(file->path);
    g_free(file->final_path);
    g_free(file);
}

gboolean
output_check_not_source(const gchar *path, const GPtrArray *sources, GError **error)
{
    GStatBuf output, input;

    if (!path || g_stat(path, &output) || !S_ISREG(output.st_mode))
        return TRUE;
    for (guint i = 0; i < sources->len; i++) {
        const Source *source = sources->pdata[i];

        if (source->is_local && !g_stat(source->name, &input) && input.st_dev == output.st_dev &&
            input.st_ino == output.st_ino) {
            g_set_error(error, USAGE_ERROR, 0, "'%s' is an input; it would be overwritten", path);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
output_make_directory(const gchar *path, GError **error)
{
    if (!g_mkdir_with_parents(path, 0777))
        return TRUE;
    set_errno(error, "make directory", path, errno);
    return FALSE;
}

struct _TextOutput {
    OutputFile *file; /* NULL for standard output */
    FILE *stream;
};

static const gchar *
get_name(const TextOutput *output)
{
    return output->file ? output->file->final_path : "standard output";
}

TextOutput *
text_output_new(const gchar *path, GError **error)
{
    g_autoptr(TextOutput) output = g_new0(TextOutput, 1);

    if (!strcmp(path, "-")) {
        output->stream = stdout;
        return g_steal_pointer(&output);
    }
    output->file = output_file_new(path, error);
    if (!output->file)
        return NULL;
    output->stream = g_fopen(output->file->path, "we");
    if (!output->stream) {
        set_errno(error, "write", path, errno);
        return NULL;
    }
    return g_steal_pointer(&output);
}

/* Every text goes out at once, so that a reader at the other end of a pipe sees a frame when it is done. */
gboolean
text_output_write(TextOutput *output, const gchar *text, gsize length, GError **error)
{
    if (fwrite(text, 1, length, output->stream) == length && !fflush(output->stream))
        return TRUE;
    set_errno(error, "write", get_name(output), errno);
    return FALSE;
}

gboolean
text_output_commit(TextOutput *output, GError **error)
{
    FILE *stream = g_steal_pointer(&output->stream);

    if (!output->file)
        return TRUE;
    if (fclose(stream)) {
        set_errno(error, "write", get_name(output), errno);
        return FALSE;
    }
    return output_file_commit(output->file, error);
}

void
text_output_free(TextOutput *output)
{
    if (output->file && output->stream)
        fclose(output->stream);
    g_clear_pointer(&output->file, output_file_free);
    g_free(output);
}
