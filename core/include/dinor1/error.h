/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <glib.h>

G_BEGIN_DECLS

/**
 * DINOR1_ERROR:
 *
 * The domain of every #GError that libdinor1 sets. The message names the file, the key or tensor and the reason,
 * and is meant to be shown to the user as it is.
 */
#define DINOR1_ERROR (dinor1_error_quark())

typedef enum {
    DINOR1_ERROR_FAILED,      /* anything without a better code */
    DINOR1_ERROR_IO,          /* a file cannot be opened, read, written or renamed */
    DINOR1_ERROR_FORMAT,      /* a file's content breaks its format */
    DINOR1_ERROR_CONFIG,      /* config.json asks for something impossible or unknown */
    DINOR1_ERROR_WEIGHTS,     /* a tensor is unknown, missing, wrong-shaped or of a wrong type */
    DINOR1_ERROR_ARGUMENT,    /* the caller passed an impossible value (box, image, label, text) */
    DINOR1_ERROR_MISMATCH,    /* a prompt bank was made by other weights */
    DINOR1_ERROR_UNSUPPORTED, /* the model or the build lacks what was asked for */
    DINOR1_ERROR_DEVICE,      /* the compute device is missing or failed */
    DINOR1_ERROR_MEMORY,      /* the compute device has not enough memory; it goes on working */
} DinoR1Error;

DINOR1_API GQuark dinor1_error_quark(void);

G_END_DECLS
