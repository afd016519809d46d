/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dinor1/error.h>

G_DEFINE_QUARK(dinor1 - error - quark, dinor1_error)
