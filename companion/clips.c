/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "clips.h"

#include <string.h>

#define MAX_OPEN 4  /* clips that nobody reads at the moment */
#define FAR      48 /* frames: going that far forwards, a key frame is worth looking for */

/* By what a frame is known again. */
typedef struct {
    gint64 pts;
    guint64 hash; /* of its pixels */
} Mark;

/* What is known of a file. Shared by all that read it; guarded by the mutex. */
typedef struct {
    GArray *marks;      /* Mark, of the frames from 0 as far as anybody read */
    gboolean is_whole;  /* there are no more frames */
    gboolean is_unsure; /* what follows a key frame is not what it is when read from the beginning */
} Index;

struct _Clip {
    Source *source; /* the whole file */
    FrameReader *reader;
    Index *index;       /* NULL = a picture: nothing follows */
    const Frame *frame; /* the current one; NULL = none yet, or at the end */
    gint64 position;    /* its number; -1 = unknown, or none yet */
};

struct _Clips {
    GMutex mutex;
    GHashTable *indices; /* name → Index */
    GQueue idle;         /* Clip, the one used last at the head */
};

static void
index_free(gpointer data)
{
    Index *index = data;

    g_array_unref(index->marks);
    g_free(index);
}

static void
clip_free(gpointer data)
{
    Clip *clip = data;

    g_clear_pointer(&clip->reader, frame_reader_free);
    source_free(clip->source);
    g_free(clip);
}

Clips *
clips_new(void)
{
    Clips *clips = g_new0(Clips, 1);

    g_mutex_init(&clips->mutex);
    g_queue_init(&clips->idle);
    clips->indices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, index_free);
    return clips;
}

void
clips_free(Clips *clips)
{
    g_queue_clear_full(&clips->idle, clip_free);
    g_hash_table_unref(clips->indices);
    g_mutex_clear(&clips->mutex);
    g_free(clips);
}

const Frame *
clip_get_frame(const Clip *clip)
{
    return clip->frame;
}

static Index *
find_index(Clips *clips, const gchar *name)
{
    Index *index = g_hash_table_lookup(clips->indices, name);

    if (!index) {
        index = g_new0(Index, 1);
        index->marks = g_array_new(FALSE, FALSE, sizeof(Mark));
        g_hash_table_insert(clips->indices, g_strdup(name), index);
    }
    return index;
}

/* Takes an open clip of the file: the one that is nearest before the frame. */
static Clip *
take_idle(Clips *clips, const gchar *name, gint64 frame)
{
    GList *best = NULL;
    Clip *clip;

    for (GList *item = clips->idle.head; item; item = item->next) {
        const Clip *candidate = item->data, *chosen = best ? best->data : NULL;

        if (strcmp(candidate->source->name, name))
            continue;
        if (!chosen ||
            (candidate->position <= frame && (chosen->position > frame || candidate->position > chosen->position)))
            best = item;
    }
    if (!best)
        return NULL;
    clip = best->data;
    g_queue_delete_link(&clips->idle, best);
    return clip;
}

static Clip *
clip_new(const Source *wanted, Index *index)
{
    Clip *clip = g_new0(Clip, 1);

    clip->position = -1;
    clip->index = index;
    clip->source = g_new(Source, 1);
    *clip->source = (Source){.text = g_strdup(wanted->name),
        .name = g_strdup(wanted->name),
        .uri = g_strdup(wanted->uri),
        .is_local = wanted->is_local,
        .frame = -1,
        .time = -1};
    return clip;
}

/* The number of the frame shown at @time; if that is not known yet, of the last frame that is. */
static gboolean
find_time(const Index *index, gint64 time, gint64 *number)
{
    for (guint i = 0; i < index->marks->len; i++)
        if (g_array_index(index->marks, Mark, i).pts > time) {
            *number = MAX((gint64)i - 1, 0);
            return TRUE;
        }
    *number = MAX((gint64)index->marks->len - 1, 0);
    return index->is_whole;
}

/* A clip of the whole file that @wanted names, open or not yet. */
static Clip *
take(Clips *clips, const Source *wanted)
{
    gint64 number = wanted->frame;
    Index *index;
    Clip *clip;

    if (wanted->frame < 0 && wanted->time < 0)
        return clip_new(wanted, NULL);
    g_mutex_lock(&clips->mutex);
    index = find_index(clips, wanted->name);
    if (wanted->time >= 0)
        find_time(index, wanted->time, &number);
    clip = take_idle(clips, wanted->name, number);
    g_mutex_unlock(&clips->mutex);
    return clip ? clip : clip_new(wanted, index);
}

void
clips_return(Clips *clips, Clip *clip)
{
    Clip *oldest = NULL;

    if (!clip->index) {
        clip_free(clip);
        return;
    }
    g_mutex_lock(&clips->mutex);
    g_queue_push_head(&clips->idle, clip);
    if (g_queue_get_length(&clips->idle) > MAX_OPEN)
        oldest = g_queue_pop_tail(&clips->idle);
    g_mutex_unlock(&clips->mutex);
    if (oldest)
        clip_free(oldest);
}

/* FNV-1a over words instead of bytes, which is enough to tell frames apart. */
static guint64
add_row(guint64 hash, const guint8 *row, gsize size)
{
    for (gsize i = 0; i < size; i += sizeof hash) {
        guint64 word = 0;

        memcpy(&word, row + i, MIN(sizeof word, size - i));
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Plane i of every format here begins with component i. */
static guint64
hash_pixels(const GstVideoFrame *video)
{
    guint64 hash = 0xcbf29ce484222325u;

    for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(video); i++) {
        const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA(video, i);
        const gsize size = (gsize)GST_VIDEO_FRAME_COMP_WIDTH(video, i) * (gsize)GST_VIDEO_FRAME_COMP_PSTRIDE(video, i);

        for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(video, i); y++, row += GST_VIDEO_FRAME_PLANE_STRIDE(video, i))
            hash = add_row(hash, row, size);
    }
    return hash;
}

static Mark
mark_frame(const Frame *frame)
{
    return (Mark){frame->pts, hash_pixels(&frame->video)};
}

/* What is known of frame @number. */
static gboolean
find_mark(Clips *clips, const Index *index, gint64 number, Mark *mark)
{
    gboolean known;

    g_mutex_lock(&clips->mutex);
    known = number < (gint64)index->marks->len && !index->is_unsure;
    if (known)
        *mark = g_array_index(index->marks, Mark, number);
    g_mutex_unlock(&clips->mutex);
    return known;
}

static void
add_mark(Clips *clips, const Clip *clip)
{
    GArray *marks = clip->index ? clip->index->marks : NULL;
    gboolean is_new;

    if (!marks)
        return;
    g_mutex_lock(&clips->mutex);
    is_new = clip->position == (gint64)marks->len;
    g_mutex_unlock(&clips->mutex);
    if (is_new) {
        const Mark mark = mark_frame(clip->frame);

        g_mutex_lock(&clips->mutex);
        if (clip->position == (gint64)marks->len)
            g_array_append_val(marks, mark);
        g_mutex_unlock(&clips->mutex);
    }
}

static gboolean
restart(Clip *clip, GError **error)
{
    g_clear_pointer(&clip->reader, frame_reader_free);
    clip->frame = NULL;
    clip->position = -1;
    clip->reader = frame_reader_new(clip->source, error);
    if (clip->reader)
        frame_reader_ignore_signals(clip->reader);
    return clip->reader != NULL;
}

/* Goes to a known frame by way of a key frame. FALSE if that does not lead to exactly this frame. */
static gboolean
jump(Clip *clip, const Mark *mark)
{
    Mark found;

    clip->position = -1;
    clip->frame = NULL;
    if (mark->pts < 0 || !frame_reader_seek(clip->reader, mark->pts))
        return FALSE;
    do {
        if (!frame_reader_next(clip->reader, &clip->frame, NULL) || !clip->frame)
            return FALSE;
    } while (clip->frame->pts < mark->pts);
    found = mark_frame(clip->frame);
    return found.pts == mark->pts && found.hash == mark->hash;
}

/* TRUE if the clip is at frame @wanted now. */
static gboolean
try_jump(Clips *clips, Clip *clip, gint64 wanted)
{
    Mark mark;

    if (!clip->reader || (clip->position >= 0 && clip->position <= wanted && wanted - clip->position < FAR) ||
        !find_mark(clips, clip->index, wanted, &mark))
        return FALSE;
    if (jump(clip, &mark)) {
        clip->position = wanted;
        return TRUE;
    }
    clip->position = -1;
    g_mutex_lock(&clips->mutex);
    clip->index->is_unsure = TRUE;
    g_mutex_unlock(&clips->mutex);
    return FALSE;
}

/* Reads the next frame in order; at the end there is none. */
static gboolean
step(Clips *clips, Clip *clip, GError **error)
{
    const gint64 next = clip->position + 1;

    clip->position = -1;
    if (!frame_reader_next(clip->reader, &clip->frame, error))
        return FALSE;
    if (clip->frame) {
        clip->position = next;
        add_mark(clips, clip);
    }
    return TRUE;
}

static gboolean
go_to_number(Clips *clips, Clip *clip, gint64 wanted, GError **error)
{
    gint64 n_read;

    if ((clip->frame && clip->position == wanted) || try_jump(clips, clip, wanted))
        return TRUE;
    if ((!clip->frame || clip->position < 0 || clip->position > wanted) && !restart(clip, error))
        return FALSE;
    for (n_read = clip->position + 1; n_read <= wanted; n_read++) {
        if (!step(clips, clip, error))
            return FALSE;
        if (!clip->frame) {
            g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                "'%s' has no frame %" G_GINT64_FORMAT ": it has %" G_GINT64_FORMAT ", counted from 0",
                clip->source->name, wanted, n_read);
            return FALSE;
        }
    }
    return TRUE;
}

/* Reads on from the last frame that is known until the one shown at @time is. */
static gboolean
extend_to_time(Clips *clips, Clip *clip, gint64 time, gint64 *number, GError **error)
{
    gboolean known;

    g_mutex_lock(&clips->mutex);
    known = find_time(clip->index, time, number);
    g_mutex_unlock(&clips->mutex);
    if (known)
        return TRUE;
    if (!go_to_number(clips, clip, *number, error))
        return FALSE;
    while (clip->frame && clip->frame->pts <= time)
        if (!frame_reader_check_time(clip->reader, clip->frame->pts, error) || !step(clips, clip, error))
            return FALSE;
    g_mutex_lock(&clips->mutex);
    clip->index->is_whole |= !clip->frame;
    find_time(clip->index, time, number);
    g_mutex_unlock(&clips->mutex);
    return TRUE;
}

static gboolean
go_to_time(Clips *clips, Clip *clip, gint64 time, GError **error)
{
    gint64 number;
    gboolean is_last;

    if (!extend_to_time(clips, clip, time, &number, error) || !go_to_number(clips, clip, number, error))
        return FALSE;
    g_mutex_lock(&clips->mutex);
    is_last = number + 1 == (gint64)clip->index->marks->len;
    g_mutex_unlock(&clips->mutex);
    return !is_last || frame_reader_check_end(clip->reader, time, error);
}

Clip *
clips_read(Clips *clips, const gchar *text, GError **error)
{
    g_autoptr(Source) source = source_parse(text, error);
    Clip *clip = source ? take(clips, source) : NULL;

    if (!clip)
        return NULL;
    if (source->time >= 0 ? go_to_time(clips, clip, source->time, error)
                          : go_to_number(clips, clip, MAX(source->frame, 0), error))
        return clip;
    clip_free(clip);
    return NULL;
}
