/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/fast/windows.h"

DinoR1Windows
dinor1_fast_windows(const DinoR1KernelArgs *args)
{
    const gint64 *dims = args->inputs[0].shape.dims; /* B, H, W, C */
    const gint64 window = args->params->window.window;
    DinoR1Windows windows = {
        .height = dims[1],
        .width = dims[2],
        .channels = dims[3],
        .n_down = (dims[1] + window - 1) / window,
        .n_across = (dims[2] + window - 1) / window,
        .window = window,
        .shift = args->params->window.shift,
        .heads = args->params->window.heads,
        .n = (gsize)(window * window),
    };

    windows.n_windows = dims[0] * windows.n_down * windows.n_across;
    return windows;
}

static gint32
band(gint64 position, gint64 padded, const DinoR1Windows *windows)
{
    if (windows->shift == 0 || position < padded - windows->window)
        return 0;
    return position < padded - windows->shift ? 1 : 2;
}

gboolean
dinor1_fast_window_locate(const DinoR1Windows *windows, gint64 index, gint64 *offsets, gint32 *regions)
{
    const gint64 w = windows->window, image_windows = windows->n_down * windows->n_across;
    const gint64 image = index / image_windows * windows->height * windows->width * windows->channels;
    const gint64 down = index % image_windows / windows->n_across, across = index % windows->n_across;
    const gint64 padded_height = windows->n_down * w, padded_width = windows->n_across * w;

    for (gint64 row = down * w; row < (down + 1) * w; row++) {
        const gint64 y = (row + windows->shift) % padded_height;
        for (gint64 column = across * w; column < (across + 1) * w; column++) {
            const gint64 x = (column + windows->shift) % padded_width;
            const gboolean real = y < windows->height && x < windows->width;
            *offsets++ = real ? image + (y * windows->width + x) * windows->channels : -1;
            *regions++ = 3 * band(row, padded_height, windows) + band(column, padded_width, windows);
        }
    }
    return windows->shift > 0 && (down == windows->n_down - 1 || across == windows->n_across - 1);
}
