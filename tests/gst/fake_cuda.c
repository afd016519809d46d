/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_cuda.h"

#include <string.h>

#define MAP_CUDA (GST_MAP_FLAG_LAST << 1)

typedef struct {
    GstMemory base;
    guint8 *device, *host;
} FakeMemory;

typedef struct {
    GstAllocator base;
} FakeAllocator;

typedef struct {
    GstAllocatorClass base;
} FakeAllocatorClass;

GType fake_allocator_get_type(void);
G_DEFINE_TYPE(FakeAllocator, fake_allocator, GST_TYPE_ALLOCATOR)

static GstMemory *
fake_alloc(GstAllocator *allocator, gsize size, GstAllocationParams *params G_GNUC_UNUSED)
{
    FakeMemory *memory = g_new0(FakeMemory, 1);

    gst_memory_init(GST_MEMORY_CAST(memory), 0, allocator, NULL, size, 0, 0, size);
    memory->device = g_malloc0(size);
    memory->host = g_malloc(size);
    memset(memory->host, 99, size);
    return GST_MEMORY_CAST(memory);
}

static void
fake_free(GstAllocator *allocator G_GNUC_UNUSED, GstMemory *memory)
{
    g_free(((FakeMemory *)memory)->device);
    g_free(((FakeMemory *)memory)->host);
    g_free(memory);
}

static gpointer
fake_map(GstMemory *memory, GstMapInfo *info, gsize size G_GNUC_UNUSED)
{
    return info->flags & MAP_CUDA ? ((FakeMemory *)memory)->device : ((FakeMemory *)memory)->host;
}

static void
fake_unmap(GstMemory *memory G_GNUC_UNUSED, GstMapInfo *info G_GNUC_UNUSED)
{
}

static GstMemory *
fake_copy(GstMemory *memory, gssize offset G_GNUC_UNUSED, gssize size G_GNUC_UNUSED)
{
    GstMemory *copy = fake_alloc(memory->allocator, memory->maxsize, NULL);

    memcpy(((FakeMemory *)copy)->device, ((FakeMemory *)memory)->device, memory->maxsize);
    return copy;
}

static void
fake_allocator_class_init(FakeAllocatorClass *klass)
{
    GST_ALLOCATOR_CLASS(klass)->alloc = fake_alloc;
    GST_ALLOCATOR_CLASS(klass)->free = fake_free;
}

static void
fake_allocator_init(FakeAllocator *self)
{
    GstAllocator *allocator = GST_ALLOCATOR_CAST(self);

    allocator->mem_type = "CUDAMemory";
    allocator->mem_map_full = fake_map;
    allocator->mem_unmap_full = fake_unmap;
    allocator->mem_copy = fake_copy;
    GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

/* Planes one after the other. Returns the size. */
static gsize
lay_out(const GstVideoInfo *info, gint padding, gsize offsets[GST_VIDEO_MAX_PLANES], gint strides[GST_VIDEO_MAX_PLANES])
{
    gsize size = 0;

    for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(info); plane++) {
        gint components[GST_VIDEO_MAX_COMPONENTS];

        gst_video_format_info_component(info->finfo, plane, components);
        strides[plane] = GST_VIDEO_INFO_PLANE_STRIDE(info, plane) + padding;
        offsets[plane] = size;
        size += (gsize)strides[plane] * (gsize)GST_VIDEO_INFO_COMP_HEIGHT(info, components[0]);
    }
    return size;
}

GstBuffer *
fake_cuda_buffer(GstBuffer *buffer, const GstVideoInfo *info, gint padding)
{
    GstAllocator *allocator = g_object_new(fake_allocator_get_type(), NULL);
    gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
    gint strides[GST_VIDEO_MAX_PLANES] = {0};
    GstMemory *memory = fake_alloc(allocator, lay_out(info, padding, offsets, strides), NULL);
    GstBuffer *copy = gst_buffer_new();
    GstVideoFrame from;

    gst_object_unref(allocator); /* the memory holds it */
    gst_video_frame_map(&from, info, buffer, GST_MAP_READ);
    for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&from); plane++) {
        const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(&from, plane);
        const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(&from, plane);
        gint components[GST_VIDEO_MAX_COMPONENTS];

        gst_video_format_info_component(info->finfo, plane, components);
        for (gint row = 0; row < GST_VIDEO_FRAME_COMP_HEIGHT(&from, components[0]); row++)
            memcpy(((FakeMemory *)memory)->device + offsets[plane] + (gsize)row * (gsize)strides[plane],
                data + (gsize)row * (gsize)stride, (gsize)stride);
    }
    gst_video_frame_unmap(&from);
    gst_buffer_append_memory(copy, memory);
    gst_buffer_copy_into(copy, buffer, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
    gst_buffer_add_video_meta_full(copy, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(info),
        (guint)GST_VIDEO_INFO_WIDTH(info), (guint)GST_VIDEO_INFO_HEIGHT(info), GST_VIDEO_INFO_N_PLANES(info), offsets,
        strides);
    return copy;
}
