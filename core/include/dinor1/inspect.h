/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/detector.h>
#include <dinor1/model.h>

G_BEGIN_DECLS

/* One tensor of a model's files. */
typedef struct {
    const gchar *name;  /* lives as long as the model */
    const gchar *dtype; /* as stored: "F32", "F16", "BF16" */
    guint n_dims;
    gint64 dims[8];
} DinoR1TensorInfo;

DINOR1_API guint dinor1_model_get_n_tensors(const DinoR1Model *model);
/* @index < n_tensors, in name order. */
DINOR1_API void dinor1_model_get_tensor(const DinoR1Model *model, guint index, DinoR1TensorInfo *info);

/* One module (backbone, neck, …) or one kind of op of a planned forward pass. */
typedef struct {
    const gchar *name; /* static string */
    gdouble gmac;      /* multiply-accumulates, 1e9 */
    gdouble bytes;     /* the fewest that its nodes can move: inputs and outputs, each once */
    gdouble seconds;   /* measured, 0 unless asked for */
    guint n_nodes;
} DinoR1ProfileEntry;

typedef struct {
    DinoR1ProfileEntry *modules; /* in order of execution */
    guint n_modules;
    DinoR1ProfileEntry *ops; /* by falling time or GMAC */
    guint n_ops;
    gsize arena_bytes;     /* activations after the memory plan */
    gsize unplanned_bytes; /* the same without sharing */
    gsize weight_bytes;
    gint input_width, input_height;
} DinoR1Profile;

/**
 * dinor1_detector_profile:
 * @width: @height: the picture's size; @n_prompts: prompt tokens, >= 1
 * @runs: how many timed forward passes on random input to take the fastest of; 0 = do not run
 *
 * Returns: (transfer full): the plan's figures, or NULL with an error.
 */
DINOR1_API DinoR1Profile *dinor1_detector_profile(
    DinoR1Detector *detector, gint width, gint height, guint n_prompts, guint runs, GError **error);
DINOR1_API void dinor1_profile_free(DinoR1Profile *profile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Profile, dinor1_profile_free)

G_END_DECLS
