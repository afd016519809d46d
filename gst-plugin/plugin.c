/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config.h"

#include "gstdinor1detect.h"
#include "gstdinor1json.h"
#include "gstdinor1overlay.h"

#define PACKAGE "gst-dinor1"

static gboolean
plugin_init(GstPlugin *plugin)
{
    return GST_ELEMENT_REGISTER(dinor1detect, plugin) & GST_ELEMENT_REGISTER(dinor1json, plugin) &
           GST_ELEMENT_REGISTER(dinor1overlay, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, dinor1,
    "Finds in video what looks like an example (DINO-R1 visual-prompted detection)", plugin_init, DINOR1_VERSION,
    "LGPL", "gst-dinor1", "Unknown package origin")
