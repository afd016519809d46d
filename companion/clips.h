/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "frames.h"

G_BEGIN_DECLS

/* Single frames of many clips, in any order and from any number of threads. The clips that were read last stay open:
 * going on forwards restarts nothing. Going back starts at a key frame, and is checked: a frame is the same, bit for
 * bit, as when the clip is read from its beginning. */
typedef struct _Clips Clips;

/* An open clip at the frame that was asked for. */
typedef struct _Clip Clip;

Clips *clips_new(void);
void clips_free(Clips *clips);

/**
 * clips_read:
 * @text: as for source_parse(); without "#frame=" and "#t=" the first frame
 *
 * Signals do not end it.
 *
 * Returns: (transfer full): the clip, for clips_return(); NULL with an error that names the file.
 */
Clip *clips_read(Clips *clips, const gchar *text, GError **error);

/* (transfer none): valid until the clip is returned. */
const Frame *clip_get_frame(const Clip *clip);

/* Takes @clip, which stays open for the next frames. */
void clips_return(Clips *clips, Clip *clip);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Clips, clips_free)

G_END_DECLS
