/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/preprocess.h"

#include "backend/cpu/fast/preprocess.h"
#include "model/image.h"
#include "model/pixels.h"
#include "model/resample.h"

#include <dinor1/error.h>
#include <math.h>

/* The resize of one axis. */
typedef struct {
    gint n_inputs, n_outputs, n_taps;
    gsize pitch;
    gint32 *starts;
    gfloat *weights;
} Axis;

struct _DinoR1Preprocess {
    Axis columns, rows;
    gpointer scratch;
    gsize scratch_size;
};

DinoR1Preprocess *
dinor1_preprocess_new(void)
{
    return g_new0(DinoR1Preprocess, 1);
}

static void
axis_clear(Axis *axis)
{
    g_free(axis->starts);
    g_free(axis->weights);
    *axis = (Axis){0};
}

void
dinor1_preprocess_free(DinoR1Preprocess *preprocess)
{
    if (!preprocess)
        return;

    axis_clear(&preprocess->columns);
    axis_clear(&preprocess->rows);
    g_aligned_free(preprocess->scratch);
    g_free(preprocess);
}

static DinoR1Resampling
axis_set(Axis *axis, gint n_inputs, gint n_outputs)
{
    if (axis->n_inputs != n_inputs || axis->n_outputs != n_outputs) {
        axis_clear(axis);
        axis->n_inputs = n_inputs;
        axis->n_outputs = n_outputs;
        axis->pitch = (gsize)dinor1_resample_max_taps(n_inputs, n_outputs);
        axis->starts = g_new(gint32, n_outputs);
        axis->weights = g_new(gfloat, (gsize)n_outputs * axis->pitch);
        axis->n_taps = dinor1_resample_fill(n_inputs, n_outputs, axis->pitch, axis->starts, axis->weights);
    }
    return (DinoR1Resampling){n_outputs, axis->n_taps, axis->pitch, axis->starts, axis->weights};
}

static void
set_scratch(DinoR1Preprocess *preprocess, gsize size)
{
    if (size <= preprocess->scratch_size)
        return;
    g_aligned_free(preprocess->scratch);
    preprocess->scratch = g_aligned_alloc(size, 1, 64);
    preprocess->scratch_size = size;
}

gboolean
dinor1_preprocess_run(DinoR1Preprocess *preprocess, const DinoR1Image *image, gint out_width, gint out_height,
    gfloat rescale, const gfloat mean[3], const gfloat std[3], DinoR1Pool *pool, gfloat *out, GError **error)
{
    const guint n_threads = pool ? dinor1_pool_get_n_threads(pool) : 1;
    gfloat colour[DINOR1_COLOUR_SIZE];
    DinoR1Picture picture = {.colour = colour, .out = out};

    if (!dinor1_image_check(image, error))
        return FALSE;
    if (image->memory != DINOR1_MEMORY_HOST) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
            "the picture is in a device's memory, which the CPU cannot read");
        return FALSE;
    }
    if (out_width < 1 || out_height < 1 || out_width > DINOR1_IMAGE_MAX_SIDE || out_height > DINOR1_IMAGE_MAX_SIDE) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "cannot resize to %dx%d: width and height must be from 1 to %d", out_width, out_height,
            DINOR1_IMAGE_MAX_SIDE);
        return FALSE;
    }
    picture.width = image->width;
    picture.height = image->height;
    for (guint k = 0; k < 3; k++) {
        const DinoR1PixelLayout *layout = dinor1_pixel_layout(image->format);
        const guint plane = layout->components[k].plane;

        picture.components[k] = (DinoR1PictureComponent){
            .bytes = image->planes[plane] + layout->components[k].offset,
            .stride = (gsize)image->strides[plane],
            .step = layout->planes[plane].step,
            .shift = layout->planes[plane].shift,
        };
    }
    dinor1_pixels_colour(image, rescale, mean, std, colour);
    picture.columns = axis_set(&preprocess->columns, image->width, out_width);
    picture.rows = axis_set(&preprocess->rows, image->height, out_height);
    set_scratch(preprocess, dinor1_fast_picture_scratch(image->width, out_width, n_threads));
    dinor1_fast_picture(&picture, pool, preprocess->scratch);
    return TRUE;
}

void
dinor1_resize_rule(gint width, gint height, gint shortest, gint longest, gint *out_w, gint *out_h)
{
    gdouble min = MIN(width, height), max = MAX(width, height);
    gdouble raw = shortest; /* the shortest side before rounding */
    gint size = shortest;

    if (max / min * shortest > longest) {
        raw = longest * min / max;
        size = (gint)rint(raw); /* Python's round(): halves to even */
    }
    if (min == size) {
        *out_w = width;
        *out_h = height;
    } else {
        *out_w = width < height ? size : (gint)(raw * width / height);
        *out_h = width < height ? (gint)(raw * height / width) : size;
    }
    *out_w = MAX(*out_w, 1);
    *out_h = MAX(*out_h, 1);
}
