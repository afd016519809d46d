/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "source.h"

#include <dinor1/detector.h>

G_BEGIN_DECLS

/* Adds text classes to @bank from @texts, each 'LABEL=PHRASE' or just 'PHRASE'. @texts may be NULL. */
gboolean text_prompts_add(DinoR1PromptBank *bank, gchar **texts, GError **error);

/* What was typed as 'LABEL=X,Y,WIDTH,HEIGHT[@SOURCE][#frame=N|#t=SECONDS]': an object pointed at. */
typedef struct {
    gchar *text; /* as typed */
    gchar *label;
    DinoR1Box box; /* in pixels of the frame */
    Source *source;
} Exemplar;

/**
 * exemplars_parse:
 * @texts: (array zero-terminated=1) (nullable)
 * @default_source: (nullable): for those without @SOURCE; NULL makes it compulsory
 *
 * Returns: (transfer full) (element-type Exemplar): the exemplars, or NULL with USAGE_ERROR, or with the error of a
 * source that cannot be opened.
 */
GPtrArray *exemplars_parse(gchar **texts, const Source *default_source, GError **error);

/* Reads the frames, embeds the boxes (each frame once) and adds them to @bank in the order they were typed. */
gboolean exemplars_add(const GPtrArray *exemplars, DinoR1Detector *detector, DinoR1PromptBank *bank, GError **error);

G_END_DECLS
