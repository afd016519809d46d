/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <glib.h>

G_BEGIN_DECLS

/* Pixel layouts that the preprocessing reads directly. Byte order in memory, first byte first. */
typedef enum {
    DINOR1_PIXEL_RGB, /* R G B, 3 bytes a pixel */
    DINOR1_PIXEL_BGR,
    DINOR1_PIXEL_RGBX,  /* also RGBA: the fourth byte is ignored */
    DINOR1_PIXEL_BGRX,  /* also BGRA */
    DINOR1_PIXEL_XRGB,  /* also ARGB */
    DINOR1_PIXEL_XBGR,  /* also ABGR */
    DINOR1_PIXEL_NV12,  /* plane 0: Y, plane 1: U V interleaved, half size both ways (rounded up) */
    DINOR1_PIXEL_I420,  /* planes Y, U, V, chroma half size both ways (rounded up) */
    DINOR1_PIXEL_GRAY8, /* one byte a pixel */
    DINOR1_PIXEL_N_FORMATS
} DinoR1PixelFormat;

/* How the Y'CbCr formats map to R'G'B'. Ignored for the RGB formats. */
typedef enum {
    DINOR1_MATRIX_BT601,
    DINOR1_MATRIX_BT709,
    DINOR1_MATRIX_BT2020,
} DinoR1ColorMatrix;

/* Where a picture's planes are. */
typedef enum {
    DINOR1_MEMORY_HOST,
    DINOR1_MEMORY_DEVICE, /* of a CUDA device: only a detector on that device reads it, in place of a copy from the host
                           */
} DinoR1ImageMemory;

/**
 * DinoR1Image:
 *
 * A picture in memory that somebody else owns; the library reads it during the call and keeps no pointer to it. What is
 * in a device's memory must be complete, not on its way there in some stream.
 * A zero-filled struct with format, width, height, planes and strides set is valid.
 */
typedef struct {
    DinoR1PixelFormat format;
    gint width;  /* pixels, 1 … DINOR1_IMAGE_MAX_SIDE */
    gint height; /* pixels, 1 … DINOR1_IMAGE_MAX_SIDE */
    const guint8 *planes[3];
    gint strides[3]; /* bytes from one row to the next, >= the row's bytes */
    DinoR1ColorMatrix matrix;
    gboolean full_range; /* Y'CbCr only: TRUE = 0…255, FALSE = video range 16…235 */
    DinoR1ImageMemory memory;
} DinoR1Image;

#define DINOR1_IMAGE_MAX_SIDE 16384

/**
 * dinor1_image_check:
 *
 * Checks @image's sizes, planes and strides against its format.
 *
 * Returns: TRUE if it can be read; FALSE with %DINOR1_ERROR_ARGUMENT otherwise.
 */
DINOR1_API gboolean dinor1_image_check(const DinoR1Image *image, GError **error);

/* A rectangle in pixels of the picture it belongs to: left, top, width, height. */
typedef struct {
    gfloat x, y, width, height;
} DinoR1Box;

G_END_DECLS
