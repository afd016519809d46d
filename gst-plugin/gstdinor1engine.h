/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/dinor1.h>
#include <glib.h>

G_BEGIN_DECLS

/* A loaded model with its prompts. For one thread at a time. */
typedef struct _GstDinoR1Engine GstDinoR1Engine;

/* @prompts: (nullable): the bank's file, NULL = no prompts yet. */
GstDinoR1Engine *gst_dinor1_engine_new(
    const gchar *model, const gchar *prompts, const DinoR1DetectorOptions *options, GError **error);
void gst_dinor1_engine_free(GstDinoR1Engine *engine);

const gchar *gst_dinor1_engine_get_device(const GstDinoR1Engine *engine);
gboolean gst_dinor1_engine_is_dead(const GstDinoR1Engine *engine); /* its device failed for good */
gboolean gst_dinor1_engine_has_prompts(const GstDinoR1Engine *engine);
void gst_dinor1_engine_set_limits(GstDinoR1Engine *engine, gfloat threshold, guint max_detections);

/* Replaces all prompts by those of the file, or by none if @path is NULL. On failure the old ones stay. */
gboolean gst_dinor1_engine_load_prompts(GstDinoR1Engine *engine, const gchar *path, GError **error);

/* Adds what @box shows to the class @label, which is made if it is new. On failure the old prompts stay. */
gboolean gst_dinor1_engine_add_prompt(
    GstDinoR1Engine *engine, const gchar *label, const DinoR1Image *image, const DinoR1Box *box, GError **error);

/**
 * gst_dinor1_engine_detect:
 * @objects: of GstDinoR1Object; emptied, then filled by falling score
 *
 * Looks for the prompts in @image.
 */
gboolean gst_dinor1_engine_detect(GstDinoR1Engine *engine, const DinoR1Image *image, GArray *objects, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GstDinoR1Engine, gst_dinor1_engine_free)

G_END_DECLS
