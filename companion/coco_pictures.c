/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "coco_pictures.h"

#include "clips.h"

#include <dinor1/error.h>

struct _CocoPictures {
    gchar *directory;
    Clips *clips;
    Skipped *skipped; /* NULL = nothing is */
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

static gboolean
read_rgb(CocoPictures *pictures, const gchar *path, DinoR1Image *image, gpointer *memory, GError **error)
{
    Clip *clip = clips_read(pictures->clips, path, error);
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
    if (read_rgb(pictures, path, image, memory, &reason))
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
    return pictures;
}

void
coco_pictures_free(CocoPictures *pictures)
{
    clips_free(pictures->clips);
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

static gboolean
check_file(const gchar *directory, const gchar *file_name, GError **error)
{
    g_autofree gchar *whole = g_build_filename(directory, file_name, NULL);
    g_autofree gchar *part = NULL, *path = NULL;
    gint64 frame, time;

    if (g_file_test(whole, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    if (!dinor1_coco_split_file_name(file_name, &part, &frame, &time, error))
        return FALSE;
    path = g_build_filename(directory, part, NULL);
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "there is no file '%s'", path);
        return FALSE;
    }
    return TRUE;
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

        if (check_file(pictures->directory, image->file_name, &reason))
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
