/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* From here on the first SIGINT, SIGTERM or SIGHUP is only noted, so that files can be finished; a second one kills. */
void interrupt_catch(void);

/* The number of the signal that was noted, or 0. */
int interrupt_get_signal(void);

G_END_DECLS
