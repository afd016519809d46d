/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "detector/programs.h"
#include "detector/tokens.h"
#include <dinor1/prompts.h>

G_BEGIN_DECLS

/* The prompt tokens of @bank: one per visual class (the mean of its exemplars), then one text sequence for all text
 * classes, "phrase . phrase .", encoded here; the two kinds do not see each other.
 * Returns: (transfer full): NULL with MISMATCH, ARGUMENT or UNSUPPORTED. */
DinoR1TokenSet *dinor1_prompt_tokens_new(
    DinoR1Model *model, DinoR1Programs *programs, const DinoR1PromptBank *bank, GError **error);

G_END_DECLS
