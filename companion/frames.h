/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "source.h"

#include <dinor1/image.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* One decoded picture. It belongs to its reader and is valid until the reader's next call. */
typedef struct {
    DinoR1Image image;
    GstVideoFrame video; /* the same memory */
    gint64 number;       /* from 0; -1 after seeking to "#t=" */
    gint64 pts;          /* stream time in nanoseconds, -1 if unknown */
} Frame;

/* Decodes a source frame by frame. Holds a handful of frames at a time, however long the source is. */
typedef struct _FrameReader FrameReader;

/* Borrows @source, which must outlive the reader. Returns: (transfer full): the reader, or NULL with an error. */
FrameReader *frame_reader_new(const Source *source, GError **error);
void frame_reader_free(FrameReader *reader);

/* From here on signals do not end the source. */
void frame_reader_ignore_signals(FrameReader *reader);

/**
 * frame_reader_next:
 * @frame: (out): the next frame, or NULL at the end of the source and after a signal (interrupt_get_signal())
 *
 * A source with "#frame=" or "#t=" gives that one frame. A source without any frame is an error, and so is a frame or
 * time beyond the end.
 *
 * Returns: TRUE; FALSE with an error that names the source.
 */
gboolean frame_reader_next(FrameReader *reader, const Frame **frame, GError **error);

/**
 * frame_reader_seek:
 * @time: stream time in nanoseconds
 *
 * Makes the key frame before @time the next frame. Works after the first frame, and after the last.
 *
 * Returns: FALSE where the format cannot; the next frame is then what it was.
 */
gboolean frame_reader_seek(FrameReader *reader, gint64 time);

/* Whether a frame's time is known, as it must be to look for one by time; else an error that says so. */
gboolean frame_reader_check_time(const FrameReader *reader, gint64 pts, GError **error);

/* Whether the source goes on at @time, as far as its duration is known; else an error that says when it ends. For who
 * has seen its last frame begin before @time. */
gboolean frame_reader_check_end(FrameReader *reader, gint64 time, GError **error);

/* The source's duration in nanoseconds, -1 if unknown. */
gint64 frame_reader_get_duration(FrameReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FrameReader, frame_reader_free)

G_END_DECLS
