/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/resample.h"

#include <math.h>

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

static void
set_weights(const DinoR1ResampleTable *table, gint output)
{
    Window window = window_of(table->n_inputs, table->n_outputs, output);
    gint start = MIN(window.start, table->n_inputs - table->n_taps);
    gfloat *weights = table->weights + (gsize)output * (gsize)table->n_taps;
    gdouble sum = 0;

    for (gint i = window.start; i < window.start + window.n; i++)
        sum += triangle(&window, i);
    for (gint k = 0; k < table->n_taps; k++)
        weights[k] = (gfloat)(triangle(&window, start + k) / sum);
    table->starts[output] = start;
}

void
dinor1_resample_table_clear(DinoR1ResampleTable *table)
{
    g_free(table->starts);
    g_free(table->weights);
    *table = (DinoR1ResampleTable){0};
}

void
dinor1_resample_table_set(DinoR1ResampleTable *table, gint n_inputs, gint n_outputs)
{
    if (table->n_inputs == n_inputs && table->n_outputs == n_outputs)
        return;

    dinor1_resample_table_clear(table);
    table->n_inputs = n_inputs;
    table->n_outputs = n_outputs;
    for (gint output = 0; output < n_outputs; output++)
        table->n_taps = MAX(table->n_taps, window_of(n_inputs, n_outputs, output).n);
    table->starts = g_new(gint, n_outputs);
    table->weights = g_new(gfloat, (gsize)n_outputs * (gsize)table->n_taps);
    for (gint output = 0; output < n_outputs; output++)
        set_weights(table, output);
}

/* Inlined with a constant @n_taps, the inner loop unrolls. */
static inline __attribute__((always_inline)) void
resample(const DinoR1ResampleTable *table, gint n_taps, const DinoR1Float4 *row, DinoR1Float4 scale,
    DinoR1Float4 offset, gfloat *out)
{
    const gint n_outputs = table->n_outputs, *starts = table->starts;
    const gfloat *weights = table->weights;

    for (gint x = 0; x < n_outputs; x++, weights += n_taps) {
        const DinoR1Float4 *in = row + starts[x];
        DinoR1Float4 sum = weights[0] * in[0];

        for (gint k = 1; k < n_taps; k++)
            sum += weights[k] * in[k];
        /* The unused lane lands where the next pixel goes. */
        *(DinoR1Float4 *)(out + 3 * (gsize)x) = sum * scale + offset;
    }
}

void
dinor1_resample_row(
    const DinoR1ResampleTable *table, const DinoR1Float4 *row, DinoR1Float4 scale, DinoR1Float4 offset, gfloat *out)
{
    switch (table->n_taps) {
    case 1:
        resample(table, 1, row, scale, offset, out);
        break;
    case 2:
        resample(table, 2, row, scale, offset, out);
        break;
    case 3:
        resample(table, 3, row, scale, offset, out);
        break;
    case 4:
        resample(table, 4, row, scale, offset, out);
        break;
    default:
        resample(table, table->n_taps, row, scale, offset, out);
        break;
    }
}
