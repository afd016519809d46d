/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/resample.h"

#include <math.h>
#include <string.h>

/* The pixels that one output's triangle covers: PIL's rounding, less the pixels at either end whose weight is 0. */
typedef struct {
    gint start, n;
    gdouble centre, support;
} Window;

static gdouble
triangle(const Window *window, gint input)
{
    return MAX(0, 1 - fabs((input + 0.5 - window->centre) / window->support));
}

static Window
window_of(gint n_inputs, gint n_outputs, gint output)
{
    gdouble scale = (gdouble)n_inputs / n_outputs;
    Window window = {.centre = (output + 0.5) * scale, .support = MAX(scale, 1)};
    gint end = (gint)MIN(window.centre + window.support + 0.5, n_inputs);

    window.start = (gint)MAX(window.centre - window.support + 0.5, 0);
    while (triangle(&window, window.start) <= 0)
        window.start++;
    while (triangle(&window, end - 1) <= 0)
        end--;
    window.n = end - window.start;
    return window;
}

/* The first @n_taps weights of @output; returns where its window starts. */
static gint
set_weights(gint n_inputs, gint n_outputs, gint output, gint n_taps, gfloat *weights)
{
    const Window window = window_of(n_inputs, n_outputs, output);
    const gint start = MIN(window.start, n_inputs - n_taps);
    gdouble sum = 0;

    for (gint i = window.start; i < window.start + window.n; i++)
        sum += triangle(&window, i);
    for (gint k = 0; k < n_taps; k++)
        weights[k] = (gfloat)(triangle(&window, start + k) / sum);
    return start;
}

gint
dinor1_resample_max_taps(gint n_inputs, gint n_outputs)
{
    return 2 * (gint)ceil(MAX((gdouble)n_inputs / n_outputs, 1)) + 1;
}

gint
dinor1_resample_fill(gint n_inputs, gint n_outputs, gsize pitch, gint32 *starts, gfloat *weights)
{
    gint n_taps = 0;

    for (gint output = 0; output < n_outputs; output++)
        n_taps = MAX(n_taps, window_of(n_inputs, n_outputs, output).n);
    memset(weights, 0, (gsize)n_outputs * pitch * sizeof *weights);
    for (gint output = 0; output < n_outputs; output++)
        starts[output] = set_weights(n_inputs, n_outputs, output, n_taps, weights + (gsize)output * pitch);
    return n_taps;
}
