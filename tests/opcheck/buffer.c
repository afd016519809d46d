/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BAND   ((gsize)1024)
#define CANARY 0x5a

/* @size bytes of pages and one more that faults. */
static OpBuffer
map_pages(gsize size)
{
    gsize page = (gsize)sysconf(_SC_PAGESIZE), usable = (size + page - 1) / page * page;
    OpBuffer buffer = {.mapped = usable + page};

    buffer.mapping = mmap(NULL, buffer.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer.mapping == MAP_FAILED || mprotect(buffer.mapping + usable, page, PROT_NONE) != 0)
        g_error("cannot map %" G_GSIZE_FORMAT " bytes", buffer.mapped);
    buffer.data = buffer.mapping + usable - size;
    return buffer;
}

OpBuffer
opcheck_buffer_input(gsize size)
{
    OpBuffer buffer = map_pages(size);
    buffer.size = size;
    return buffer;
}

OpBuffer
opcheck_buffer_output(gsize size)
{
    gsize rounded = (size + 63) / 64 * 64;
    OpBuffer buffer = map_pages(rounded + 2 * BAND);

    memset(buffer.data, CANARY, rounded + 2 * BAND);
    buffer.data += BAND;
    buffer.size = size;
    memset(buffer.data, 0xff, size);
    return buffer;
}

const gchar *
opcheck_buffer_damage(const OpBuffer *buffer)
{
    for (gsize i = 0; i < BAND; i++) {
        if (buffer->data[-1 - (gssize)i] != CANARY)
            return "before its start";
        if (buffer->data[buffer->size + i] != CANARY)
            return "past its end";
    }
    return NULL;
}

void
opcheck_buffer_free(OpBuffer *buffer)
{
    if (buffer->mapping)
        munmap(buffer->mapping, buffer->mapped);
    *buffer = (OpBuffer){0};
}
