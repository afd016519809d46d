/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Frames that show their number: in binary, as a row of blocks that any encoder leaves readable, above something that
 * moves.
 */
#pragma once

#include <gst/gst.h>
#include <string.h>

#define NUMBERED_WIDTH  96
#define NUMBERED_HEIGHT 64
#define NUMBERED_BITS   8
#define NUMBERED_BLOCK  (NUMBERED_WIDTH / NUMBERED_BITS)
#define NUMBERED_LIMIT  128 /* black below, white above, in luma as in RGB */

/* An I420 frame. */
static inline void
numbered_frame_draw(guint8 *pixels, guint number)
{
    memset(pixels, 128, NUMBERED_WIDTH * NUMBERED_HEIGHT * 3 / 2);
    for (guint y = 0; y < NUMBERED_HEIGHT; y++)
        for (guint x = 0; x < NUMBERED_WIDTH; x++) {
            const guint bit = number >> (x / NUMBERED_BLOCK) & 1;

            pixels[y * NUMBERED_WIDTH + x] =
                (guint8)(y < NUMBERED_BLOCK ? (bit ? 235 : 16) : 64 + ((x + 3 * number) % 32) * 4 + y % 16);
        }
}

/* Reads the number back. @row: of the first component, through the middle of the blocks; @step: bytes from pixel to
 * pixel. */
static inline guint
numbered_frame_read(const guint8 *row, guint step)
{
    guint number = 0;

    for (guint bit = 0; bit < NUMBERED_BITS; bit++)
        number |= (guint)(row[(bit * NUMBERED_BLOCK + NUMBERED_BLOCK / 2) * step] > NUMBERED_LIMIT) << bit;
    return number;
}

/* When the frame begins. @variable: each of five lasts 20, 60, 100, 40, 80 ms; else all 40 ms. */
static inline GstClockTime
numbered_frame_time(guint number, gboolean variable)
{
    static const guint begins[] = {0, 20, 80, 180, 220};

    return (variable ? number / 5 * 300 + begins[number % 5] : number * 40) * GST_MSECOND;
}
