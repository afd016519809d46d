/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1error.h"

#include <dinor1/error.h>

static gint
resource_code(const GError *error)
{
    if (error->domain != DINOR1_ERROR)
        return GST_RESOURCE_ERROR_FAILED;
    switch ((DinoR1Error)error->code) {
    case DINOR1_ERROR_IO:
        return GST_RESOURCE_ERROR_OPEN_READ;
    case DINOR1_ERROR_FORMAT:
    case DINOR1_ERROR_CONFIG:
    case DINOR1_ERROR_WEIGHTS:
        return GST_RESOURCE_ERROR_READ;
    case DINOR1_ERROR_ARGUMENT:
    case DINOR1_ERROR_MISMATCH:
    case DINOR1_ERROR_UNSUPPORTED:
        return GST_RESOURCE_ERROR_SETTINGS;
    case DINOR1_ERROR_MEMORY:
        return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    case DINOR1_ERROR_FAILED:
    case DINOR1_ERROR_DEVICE:
        break;
    }
    return GST_RESOURCE_ERROR_FAILED;
}

void
gst_dinor1_post(GstElement *element, GstMessageType type, const GError *error)
{
    gchar *debug = g_strdup_printf("%s, code %d", g_quark_to_string(error->domain), error->code);

    gst_element_message_full(element, type, GST_RESOURCE_ERROR, resource_code(error), g_strdup(error->message), debug,
        __FILE__, GST_FUNCTION, __LINE__);
}
