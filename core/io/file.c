/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/file.h"

#include <dinor1/error.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
fail(GError **error, const gchar *path, const gchar *what)
{
    gint saved_errno = errno;

    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: %s: %s", path, what, g_strerror(saved_errno));
    return FALSE;
}

static void
close_file(gint *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTO_FD __attribute__((cleanup(close_file)))

/* Never waits, whatever @path is: a FIFO is refused like a directory. */
static gint
open_regular(const gchar *path, gsize *size, GError **error)
{
    AUTO_FD gint fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    gint result = fd;

    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(error, path, "cannot open");
        return -1;
    }
    if (!S_ISREG(info.st_mode)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: is %s, not a file", path,
            S_ISDIR(info.st_mode) ? "a directory" : "a device or pipe");
        return -1;
    }
    *size = info.st_size;
    fd = -1;
    return result;
}

guint8 *
dinor1_file_map(const gchar *path, gsize *size, GError **error)
{
    AUTO_FD gint fd = open_regular(path, size, error);
    gpointer data;

    if (fd < 0)
        return NULL;
    if (*size == 0) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: is empty", path);
        return NULL;
    }
    data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        fail(error, path, "cannot map");
        return NULL;
    }
    return data;
}

void
dinor1_file_unmap(guint8 *data, gsize size)
{
    munmap(data, size);
}

/* Reads until @capacity bytes or the end of the file. Returns the bytes read, -1 with errno. */
static gssize
read_all(gint fd, gchar *data, gsize capacity)
{
    gsize done = 0;

    while (done < capacity) {
        gssize n = read(fd, data + done, capacity - done);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        done += MAX(n, 0);
    }
    return done;
}

gchar *
dinor1_file_read(const gchar *path, gsize max_size, gsize *size, GError **error)
{
    gsize expected = 0;
    AUTO_FD gint fd = open_regular(path, &expected, error);
    g_autofree gchar *data = NULL;
    gssize n;

    if (fd < 0)
        return NULL;
    if (expected > max_size) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
            "%s: is %" G_GSIZE_FORMAT " bytes long, at most %" G_GSIZE_FORMAT " are read", path, expected, max_size);
        return NULL;
    }
    data = g_malloc(expected + 1);
    n = read_all(fd, data, expected);
    if (n < 0) {
        fail(error, path, "cannot read");
        return NULL;
    }
    data[n] = 0;
    *size = n;
    return g_steal_pointer(&data);
}

static gboolean
write_all(gint fd, const DinoR1FilePart *part)
{
    const gchar *data = part->data;
    gsize left = part->size;

    while (left > 0) {
        gssize n = write(fd, data, left);
        if (n < 0 && errno != EINTR)
            return FALSE;
        data += MAX(n, 0);
        left -= MAX(n, 0);
    }
    return TRUE;
}

static gboolean
write_parts(gint fd, const gchar *path, const DinoR1FilePart *parts, guint n_parts, GError **error)
{
    for (guint i = 0; i < n_parts; i++)
        if (!write_all(fd, &parts[i]))
            return fail(error, path, "cannot write");
    return fsync(fd) == 0 || fail(error, path, "cannot sync");
}

/* Makes a rename in it durable. Some file systems cannot sync directories (EINVAL); they have nothing more to offer. */
static gboolean
sync_directory(const gchar *path, GError **error)
{
    g_autofree gchar *directory = g_path_get_dirname(path);
    AUTO_FD gint fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return (fd >= 0 && (fsync(fd) == 0 || errno == EINVAL)) || fail(error, directory, "cannot sync");
}

gboolean
dinor1_file_replace(const gchar *path, const DinoR1FilePart *parts, guint n_parts, GError **error)
{
    g_autofree gchar *temporary = g_strconcat(path, ".XXXXXX", NULL);
    gint fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC, 0666);
    gboolean ok;

    if (fd < 0)
        return fail(error, path, "cannot create a temporary file beside it");
    ok = write_parts(fd, path, parts, n_parts, error);
    if (close(fd) != 0 && ok)
        ok = fail(error, path, "cannot close");
    if (ok && g_rename(temporary, path) != 0)
        ok = fail(error, path, "cannot rename the temporary file to it");
    if (!ok) {
        g_unlink(temporary);
        return FALSE;
    }
    return sync_directory(path, error);
}
