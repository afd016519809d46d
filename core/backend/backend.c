/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/backend.h"

#include "backend/resident.h"

void
dinor1_backend_free(DinoR1Backend *backend)
{
    if (!backend)
        return;
    dinor1_residents_free(backend);
    backend->klass->free(backend);
}
