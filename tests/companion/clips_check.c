/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clips_check CLIP [READS [numbered|variable|untimed]]: frames of a clip in random order, by number and by time, from
 * two threads, must be the frames of reading it once from its beginning. Those of a clip of numbered_clip must show
 * their numbers, too, and come when it says; untimed: what reads them does not know when. Says how long that took.
 */
#include "companion/clips.h"
#include "numbered_frame.h"

#include <stdlib.h>

#define N_THREADS 2

typedef struct {
    gint64 pts;
    gchar *digest;
} Expected;

typedef struct {
    const gchar *path;
    Clips *clips;
    const GArray *expected;
    gboolean numbered, variable, untimed;
    guint seed, n_reads, n_wrong;
} Reads;

static gchar *
digest(const GstVideoFrame *video)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(video); i++) {
        const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA(video, i);
        const gint size = GST_VIDEO_FRAME_COMP_WIDTH(video, i) * GST_VIDEO_FRAME_COMP_PSTRIDE(video, i);

        for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(video, i); y++, row += GST_VIDEO_FRAME_PLANE_STRIDE(video, i))
            g_checksum_update(sum, row, size);
    }
    return g_strdup(g_checksum_get_string(sum));
}

static guint
read_number(const Frame *frame)
{
    const GstVideoFrame *video = &frame->video;
    const guint8 *plane = GST_VIDEO_FRAME_PLANE_DATA(video, 0);

    return numbered_frame_read(plane + NUMBERED_BLOCK / 2 * GST_VIDEO_FRAME_PLANE_STRIDE(video, 0),
        (guint)GST_VIDEO_FRAME_COMP_PSTRIDE(video, 0));
}

static GArray *
read_all(const gchar *path)
{
    GArray *expected = g_array_new(FALSE, FALSE, sizeof(Expected));
    g_autoptr(GError) error = NULL;
    g_autoptr(Source) source = source_parse(path, &error);
    g_autoptr(FrameReader) reader = source ? frame_reader_new(source, &error) : NULL;
    const Frame *frame = NULL;

    while (reader && frame_reader_next(reader, &frame, &error) && frame) {
        const Expected item = {frame->pts, digest(&frame->video)};

        g_array_append_val(expected, item);
    }
    if (error)
        g_printerr("%s\n", error->message);
    return expected;
}

/* The last frame that starts at @time or before. */
static guint
find_time(const GArray *expected, gint64 time)
{
    guint found = 0;

    for (guint i = 0; i < expected->len && g_array_index(expected, Expected, i).pts <= time; i++)
        found = i;
    return found;
}

/* The same by what is known of a numbered clip. */
static guint
find_number(const Reads *reads, gint64 time)
{
    guint number = 0;

    while (number + 1 < reads->expected->len && (gint64)numbered_frame_time(number + 1, reads->variable) <= time)
        number++;
    return number;
}

static void
check_number(Reads *reads, const Clip *clip, const gchar *text, guint number)
{
    const guint shown = clip ? read_number(clip_get_frame(clip)) : G_MAXUINT;

    if (!reads->numbered || shown == number)
        return;
    g_printerr("%s shows %u, not %u\n", text, shown, number);
    reads->n_wrong++;
}

static void
read_one(Reads *reads, GRand *random)
{
    guint number = (guint)g_rand_int_range(random, 0, (gint32)reads->expected->len);
    const gint64 pts = g_array_index(reads->expected, Expected, number).pts, milliseconds = pts / 1000000 + 1;
    const gboolean by_time = g_rand_boolean(random) && pts >= 0;
    g_autofree gchar *text = by_time ? g_strdup_printf("%s#t=%" G_GINT64_FORMAT ".%03d", reads->path,
                                           milliseconds / 1000, (gint)(milliseconds % 1000))
                                     : g_strdup_printf("%s#frame=%u", reads->path, number);
    g_autoptr(GError) error = NULL;
    Clip *clip = clips_read(reads->clips, text, &error);
    g_autofree gchar *found = clip ? digest(&clip_get_frame(clip)->video) : NULL;

    if (by_time)
        number = find_time(reads->expected, milliseconds * 1000000);
    if (g_strcmp0(found, g_array_index(reads->expected, Expected, number).digest)) {
        g_printerr("%s is not frame %u: %s\n", text, number, error ? error->message : "other pixels");
        reads->n_wrong++;
    }
    if (!by_time || !reads->untimed)
        check_number(reads, clip, text, by_time ? find_number(reads, milliseconds * 1000000) : number);
    if (clip)
        clips_return(reads->clips, clip);
}

static gpointer
read_some(gpointer data)
{
    Reads *reads = data;
    GRand *random = g_rand_new_with_seed(reads->seed);

    for (guint i = 0; i < reads->n_reads; i++)
        read_one(reads, random);
    g_rand_free(random);
    return NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GArray) expected = NULL;
    g_autoptr(Clips) clips = clips_new();
    Reads reads[N_THREADS];
    GThread *threads[N_THREADS];
    const gchar *kind = argc > 3 ? argv[3] : NULL;
    guint n_wrong = 0;
    gint64 start;

    gst_init(&argc, &argv);
    expected = argc > 1 ? read_all(argv[1]) : g_array_new(FALSE, FALSE, sizeof(Expected));
    if (expected->len == 0) {
        g_printerr("usage: clips_check CLIP [READS [numbered|variable|untimed]]\n");
        return 1;
    }
    start = g_get_monotonic_time();
    for (guint i = 0; i < N_THREADS; i++) {
        reads[i] = (Reads){argv[1], clips, expected, kind != NULL, !g_strcmp0(kind, "variable"),
            !g_strcmp0(kind, "untimed"), i, argc > 2 ? (guint)atoi(argv[2]) : 20, 0};
        threads[i] = g_thread_new("read", read_some, &reads[i]);
    }
    for (guint i = 0; i < N_THREADS; i++) {
        g_thread_join(threads[i]);
        n_wrong += reads[i].n_wrong;
    }
    g_print("%u frames, %u reads, %u wrong, %.2f s\n", expected->len, N_THREADS * reads[0].n_reads, n_wrong,
        (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    for (guint i = 0; i < expected->len; i++)
        g_free(g_array_index(expected, Expected, i).digest);
    return n_wrong > 0;
}
