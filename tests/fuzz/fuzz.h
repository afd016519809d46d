/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* libFuzzer's entry: reads @data, any bytes at all, and returns 0. */
int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
