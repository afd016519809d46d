/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/image.h>
#include <glib.h>

G_BEGIN_DECLS

/* A box that the application drew and that waits for the next frame. */
typedef struct {
    gchar *label; /* NULL: the element's prompt-label when the frame comes */
    DinoR1Box box;
} GstDinoR1BoxPrompt;

GstDinoR1BoxPrompt *gst_dinor1_box_prompt_new(const gchar *label, const DinoR1Box *box);
void gst_dinor1_box_prompt_free(GstDinoR1BoxPrompt *prompt);

/**
 * gst_dinor1_box_parse:
 * @text: "x,y,width,height" in pixels
 *
 * Returns: TRUE; FALSE with DINOR1_ERROR_ARGUMENT and a message that quotes @text.
 */
gboolean gst_dinor1_box_parse(const gchar *text, DinoR1Box *box, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstDinoR1BoxPrompt, gst_dinor1_box_prompt_free)

G_END_DECLS
