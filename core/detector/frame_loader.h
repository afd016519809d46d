/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/pool.h"
#include "graph/program.h"
#include "model/config.h"
#include <dinor1/image.h>

G_BEGIN_DECLS

/* Puts pictures into programs: as pixels that the host resized and normalised, or as bytes with the tables of
 * PREPROCESS, whichever the program takes. The tables go to the device only when a picture of another kind comes.
 * Allocates nothing for a picture like the last one. */
typedef struct _DinoR1FrameLoader DinoR1FrameLoader;

/* Borrows all three. */
DinoR1FrameLoader *dinor1_frame_loader_new(const DinoR1Config *config, DinoR1Backend *backend, DinoR1Pool *pool);
void dinor1_frame_loader_free(DinoR1FrameLoader *loader);

/* The program is new, or somebody else wrote its inputs. */
void dinor1_frame_loader_forget(DinoR1FrameLoader *loader);

/* @images: as many as @program's batch, DINOR1_FRAME_MAX_BATCH at most. @width, @height: what @program was planned for,
 * with room for each of them. A picture in a device's memory must stay as it is until the program was run and its
 * results read. FALSE with UNSUPPORTED if one is in a device's memory and @program runs on the host. */
gboolean dinor1_frame_loader_load(DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *images,
    guint n_images, gint width, gint height, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1FrameLoader, dinor1_frame_loader_free)

G_END_DECLS
