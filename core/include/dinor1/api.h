/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* Everything else in libdinor1 is hidden. */
#if defined(__GNUC__)
#define DINOR1_API __attribute__((visibility("default")))
#else
#define DINOR1_API
#endif
