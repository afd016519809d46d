/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/program.h"
#include "model/frame.h"
#include <dinor1/model.h>

G_BEGIN_DECLS

/* The planned graphs of one detector, one per kind and input shape. The last few used are kept. */
typedef struct _DinoR1Programs DinoR1Programs;

typedef enum {
    DINOR1_PROGRAM_DETECTOR,
    DINOR1_PROGRAM_PROMPT_ENCODER,
    DINOR1_PROGRAM_TEXT_ENCODER, /* width and height are 0 */
} DinoR1ProgramKind;

typedef struct {
    DinoR1ProgramKind kind;
    gint width, height;
    gint n_tokens;        /* U, M or T (model/build.h) */
    guint batch;          /* B; 0 = 1 */
    DinoR1FrameRoom room; /* that the picture needs: a plan with more will do. Ignored where plans start from pixels */
} DinoR1ProgramKey;

/* Borrows @model and @backend. On a device, detectors and text encoders are planned for dinor1_token_bucket() tokens; a
 * detector has the input "token_padding" there, and what sees a picture starts from its bytes. @dtype: f32, or the half
 * type of weights and activations. */
DinoR1Programs *dinor1_programs_new(DinoR1Model *model, DinoR1Backend *backend, DinoR1DType dtype);
void dinor1_programs_free(DinoR1Programs *programs);

/* How many tokens the program for @n of them has. */
guint dinor1_programs_round_tokens(const DinoR1Programs *programs, guint n);

/* Returns: (transfer none): the program, valid until the next call; NULL with an error.
 * @is_new: (out): TRUE if it was just planned, so that its inputs hold nothing yet. Allocates nothing otherwise. */
DinoR1Program *dinor1_programs_get(
    DinoR1Programs *programs, const DinoR1ProgramKey *key, gboolean *is_new, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Programs, dinor1_programs_free)

G_END_DECLS
