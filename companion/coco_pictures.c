/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_pictures.h"

#include "clips.h"
#include "picture_names.h"

#include <dinor1/error.h>
#include <string.h>

struct _CocoPictures {
    gchar *directory;
    Clips *clips;
    Skipped *skipped; /* NULL = nothing is */
    GMutex lock;      /* of what follows */
    GHashTable *used; /* path → the file_name that it was found for */
};

/* Copies a frame as RGB. The memory belongs to the caller. */
static gboolean
copy_rgb(const Frame *frame, DinoR1Image *image, gpointer *memory, GError **error)
{
    GstVideoFrame source = frame->video, target;
    GstVideoConverter *converter;
    GstVideoInfo info;
    GstBuffer *buffer;

    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, (guint)frame->image.width, (guint)frame->image.height);
    /* A converter takes only the pixels' layout to differ. */
    info.fps_n = source.info.fps_n;
    info.fps_d = source.info.fps_d;
    info.interlace_mode = source.info.interlace_mode;
    converter = gst_video_converter_new(&source.info, &info, NULL);
    if (!converter) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "its pixels cannot be converted to RGB");
        return FALSE;
    }
    *memory = g_malloc0(info.size);
    buffer = gst_buffer_new_wrapped_full(0, *memory, info.size, 0, info.size, NULL, NULL);
    gst_video_frame_map(&target, &info, buffer, GST_MAP_WRITE);
    gst_video_converter_frame(converter, &source, &target);
    gst_video_frame_unmap(&target);
    gst_buffer_unref(buffer);
    gst_video_converter_free(converter);
    *image = (DinoR1Image){.format = DINOR1_PIXEL_RGB,
        .width = frame->image.width,
        .height = frame->image.height,
        .planes = {*memory},
        .strides = {info.stride[0]}};
    return TRUE;
}

/* Two names that would be the same picture are an error: boxes of one would be looked for in the other. */
static gboolean
claim(CocoPictures *pictures, const gchar *path, const gchar *file_name, GError **error)
{
    g_autofree gchar *other = NULL;

    g_mutex_lock(&pictures->lock);
    other = g_strdup(g_hash_table_lookup(pictures->used, path));
    if (!other)
        g_hash_table_insert(pictures->used, g_strdup(path), g_strdup(file_name));
    g_mutex_unlock(&pictures->lock);
    if (!other || !strcmp(other, file_name))
        return TRUE;
    g_set_error(
        error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "'%s' and '%s' would both be the file '%s'", other, file_name, path);
    return FALSE;
}

static gboolean
read_rgb(CocoPictures *pictures, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error)
{
    g_autofree gchar *path = picture_find(pictures->directory, file_name, error);
    Clip *clip = path && claim(pictures, path, file_name, error) ? clips_read(pictures->clips, path, error) : NULL;
    const gboolean done = clip && copy_rgb(clip_get_frame(clip), image, memory, error);

    if (clip && !done)
        g_prefix_error(error, "cannot read '%s': ", path);
    if (clip)
        clips_return(pictures->clips, clip);
    return done;
}

/* A picture that was bad once stays bad, so that every epoch leaves out the same ones. */
static gboolean
decode(gpointer user_data, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error)
{
    CocoPictures *pictures = user_data;
    g_autofree gchar *path = g_build_filename(pictures->directory, file_name, NULL);
    g_autofree gchar *known = pictures->skipped ? skipped_find(pictures->skipped, path) : NULL;
    g_autoptr(GError) reason = NULL;

    if (known) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s", known);
        return FALSE;
    }
    if (read_rgb(pictures, file_name, image, memory, &reason))
        return TRUE;
    if (pictures->skipped)
        skipped_add(pictures->skipped, path, reason->message);
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

CocoPictures *
coco_pictures_new(const gchar *directory)
{
    CocoPictures *pictures = g_new0(CocoPictures, 1);

    pictures->directory = g_strdup(directory);
    pictures->clips = clips_new();
    g_mutex_init(&pictures->lock);
    pictures->used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return pictures;
}

void
coco_pictures_free(CocoPictures *pictures)
{
    clips_free(pictures->clips);
    g_mutex_clear(&pictures->lock);
    g_hash_table_unref(pictures->used);
    g_free(pictures->directory);
    g_free(pictures);
}

void
coco_pictures_skip_bad(CocoPictures *pictures, Skipped *skipped)
{
    pictures->skipped = skipped;
}

gboolean
coco_pictures_is_skipped(const CocoPictures *pictures, const DinoR1Coco *coco, guint index)
{
    g_autofree gchar *path = g_build_filename(pictures->directory, dinor1_coco_get_image(coco, index)->file_name, NULL);
    g_autofree gchar *reason = pictures->skipped ? skipped_find(pictures->skipped, path) : NULL;

    return reason != NULL;
}

DinoR1FrameSource
coco_pictures_get_source(CocoPictures *pictures)
{
    return (DinoR1FrameSource){.decode = decode, .user_data = pictures};
}

gboolean
coco_pictures_check(const CocoPictures *pictures, const DinoR1Coco *coco, GError **error)
{
    const guint n = dinor1_coco_get_n_images(coco);
    guint n_bad = 0;

    for (guint i = 0; i < n; i++) {
        const DinoR1CocoImage *image = dinor1_coco_get_image(coco, i);
        g_autofree gchar *path = g_build_filename(pictures->directory, image->file_name, NULL);
        g_autoptr(GError) reason = NULL;
        g_autofree gchar *found = picture_find(pictures->directory, image->file_name, &reason);

        if (found)
            continue;
        if (!pictures->skipped || ++n_bad == n) {
            g_propagate_prefixed_error(error, g_steal_pointer(&reason), "image %" G_GINT64_FORMAT ": ", image->id);
            return FALSE;
        }
        skipped_add(pictures->skipped, path, reason->message);
    }
    return TRUE;
}

gboolean
coco_picture_load(CocoPictures *pictures, const DinoR1Coco *coco, guint index, CocoPicture *picture, GError **error)
{
    const DinoR1CocoImage *image = dinor1_coco_get_image(coco, index);

    if (!decode(pictures, image->file_name, &picture->image, &picture->memory, error)) {
        g_prefix_error(error, "image %" G_GINT64_FORMAT ": ", image->id);
        return FALSE;
    }
    picture->scale_x = image->width > 0 ? (gdouble)picture->image.width / image->width : 1;
    picture->scale_y = image->height > 0 ? (gdouble)picture->image.height / image->height : 1;
    return TRUE;
}

void
coco_picture_clear(CocoPicture *picture)
{
    g_clear_pointer(&picture->memory, g_free);
}
