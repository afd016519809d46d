/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/ref.h"
#include "graph/frame.h"

static gdouble
level_of(const DinoR1KernelArgs *args, gint c, gint64 y, gint64 x)
{
    const guint8 *frame = args->inputs[0].data;
    const DinoR1FrameGeometry *geometry = args->inputs[1].data;
    const real *colour = (const real *)args->inputs[2].data + 4 * c;
    gdouble level = colour[3];

    for (gint k = 0; k < 3; k++) {
        const gint64 row = y >> geometry->components[k].shift, column = x >> geometry->components[k].shift;

        level += (gdouble)colour[k] * frame[geometry->components[k].offset + row * geometry->components[k].stride +
                                            column * geometry->components[k].step];
    }
    return CLAMP(level, 0, 255);
}

void
dinor1_ref_preprocess(const DinoR1KernelArgs *args)
{
    const DinoR1FrameGeometry *geometry = args->inputs[1].data;
    const real *colour = args->inputs[2].data, *column_weights = args->inputs[4].data;
    const real *row_weights = args->inputs[6].data;
    const gint32 *columns = args->inputs[3].data, *rows = args->inputs[5].data;
    const gint64 *dims = args->outputs[0].shape.dims; /* 1, Ho, Wo, 3 */
    const gint64 kx = args->inputs[4].shape.dims[1], ky = args->inputs[6].shape.dims[1];
    real *out = args->outputs[0].data;

    for (gint64 i = 0; i < dims[1]; i++) {
        for (gint64 j = 0; j < dims[2]; j++) {
            for (gint c = 0; c < 3; c++) {
                gdouble sum = 0;
                for (gint u = 0; u < geometry->row_taps; u++)
                    for (gint v = 0; v < geometry->column_taps; v++)
                        sum += (gdouble)row_weights[i * ky + u] * column_weights[j * kx + v] *
                               level_of(args, c, rows[i] + u, columns[j] + v);
                *out++ = (real)(sum * colour[12 + c] + colour[16 + c]);
            }
        }
    }
}
