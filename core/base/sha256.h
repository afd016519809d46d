/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DINOR1_SHA256_BLOCK 64 /* bytes */

/* SHA-256 (FIPS 180-4) with the processor's own instructions where it has them: GChecksum takes seconds for the weights
 * of a large model. */
typedef struct {
    guint32 state[8];
    guint8 rest[DINOR1_SHA256_BLOCK]; /* bytes of a block that is not full yet */
    guint64 size;                     /* bytes so far */
    void (*compress)(guint32 state[8], const guint8 *blocks, gsize n_blocks);
} DinoR1Sha256;

/* @plain: do not use the processor's instructions. (tests) */
void dinor1_sha256_init(DinoR1Sha256 *sha, gboolean plain);
void dinor1_sha256_update(DinoR1Sha256 *sha, gconstpointer data, gsize size);
/* Returns: (transfer full): 64 lower-case hex digits. */
gchar *dinor1_sha256_finish(DinoR1Sha256 *sha);

G_END_DECLS
