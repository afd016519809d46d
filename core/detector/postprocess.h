/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "detector/tokens.h"
#include <dinor1/detector.h>

G_BEGIN_DECLS

/* How the tokens of a text class make one score: the mean of their sigmoids (mmdetection's MM-Grounding-DINO) or the
 * largest (the published post-processing of grounding-dino). A visual class has one token. */
typedef enum {
    DINOR1_TOKEN_SCORE_MEAN,
    DINOR1_TOKEN_SCORE_MAX,
} DinoR1TokenScore;

typedef struct {
    const gfloat *logits; /* [Q, U] */
    const gfloat *boxes;  /* [Q, 4]: cx, cy, w, h, 0 … 1 */
    guint n_queries;
    const DinoR1TokenSet *tokens;
    DinoR1TokenScore token_score;
    gint width, height; /* of the frame, pixels */
    gfloat threshold, nms;
} DinoR1RawDetections;

/* The @max_detections best (query, class) pairs at or above the threshold, by falling score, equal scores in query
 * order; clipped to the frame, those of no area dropped, class-wise NMS if nms > 0. @items has room for
 * max_detections. Allocates nothing. Returns: their number. */
guint dinor1_postprocess(const DinoR1RawDetections *raw, DinoR1Detection *items, guint max_detections);

G_END_DECLS
