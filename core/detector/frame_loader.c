/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/frame_loader.h"

#include "model/build.h"
#include "model/pixels.h"
#include "model/preprocess.h"
#include "model/resample.h"

struct _DinoR1FrameLoader {
    const DinoR1Config *config;
    DinoR1Backend *backend;
    DinoR1Pool *pool;
    DinoR1Preprocess *preprocess;
    const DinoR1Program *program; /* whose tables are those of @last; only compared */
    DinoR1Image last;
};

DinoR1FrameLoader *
dinor1_frame_loader_new(const DinoR1Config *config, DinoR1Backend *backend, DinoR1Pool *pool)
{
    DinoR1FrameLoader *loader = g_new0(DinoR1FrameLoader, 1);

    loader->config = config;
    loader->backend = backend;
    loader->pool = pool;
    loader->preprocess = dinor1_preprocess_new();
    return loader;
}

void
dinor1_frame_loader_free(DinoR1FrameLoader *loader)
{
    if (!loader)
        return;
    dinor1_preprocess_free(loader->preprocess);
    g_free(loader);
}

void
dinor1_frame_loader_forget(DinoR1FrameLoader *loader)
{
    loader->program = NULL;
}

static gboolean
load_pixels(DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *image, gint width, gint height,
    GError **error)
{
    const DinoR1Config *config = loader->config;
    gfloat *pixels = dinor1_program_stage(program, "pixel_values", error);

    return pixels &&
           dinor1_preprocess_run(loader->preprocess, image, width, height, config->rescale_factor, config->image_mean,
               config->image_std, loader->pool, pixels, error) &&
           dinor1_program_push(program, "pixel_values", error);
}

/* One axis of the resize, from @n_inputs to @n_outputs. */
static gboolean
load_axis(DinoR1Program *program, const gchar *starts_name, const gchar *weights_name, gint n_inputs, gint n_outputs,
    gint32 *n_taps, GError **error)
{
    const DinoR1Tensor *tensor = dinor1_graph_find(dinor1_program_get_graph(program), weights_name);
    gint32 *starts = dinor1_program_stage(program, starts_name, error);
    gfloat *weights = starts ? dinor1_program_stage(program, weights_name, error) : NULL;

    if (!weights)
        return FALSE;
    *n_taps = dinor1_resample_fill(n_inputs, n_outputs, (gsize)tensor->shape.dims[1], starts, weights);
    return dinor1_program_push(program, starts_name, error) && dinor1_program_push(program, weights_name, error);
}

static gboolean
load_tables(const DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *image,
    const DinoR1FrameLayout *layout, gint width, gint height, GError **error)
{
    const DinoR1Config *config = loader->config;
    DinoR1FrameGeometry geometry = dinor1_frame_geometry(image, layout);
    gfloat colour[DINOR1_COLOUR_SIZE];

    dinor1_pixels_colour(image, config->rescale_factor, config->image_mean, config->image_std, colour);
    return load_axis(program, DINOR1_FRAME_COLUMNS, DINOR1_FRAME_COLUMN_WEIGHTS, image->width, width,
               &geometry.column_taps, error) &&
           load_axis(program, DINOR1_FRAME_ROWS, DINOR1_FRAME_ROW_WEIGHTS, image->height, height, &geometry.row_taps,
               error) &&
           dinor1_program_set(program, DINOR1_FRAME_COLOUR, colour, sizeof colour, error) &&
           dinor1_program_set(program, DINOR1_FRAME_GEOMETRY_INPUT, &geometry, sizeof geometry, error);
}

static gboolean
copy_planes(const DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *image,
    const DinoR1FrameLayout *layout, GError **error)
{
    guint8 *frame = dinor1_program_locate(program, DINOR1_FRAME_BYTES);

    for (guint p = 0; p < layout->n_planes; p++) {
        const DinoR1RowCopy copy = {
            .to = frame + layout->planes[p].offset,
            .from = image->planes[p],
            .to_stride = layout->planes[p].stride,
            .from_stride = (gsize)image->strides[p],
            .row_bytes = layout->planes[p].row_bytes,
            .n_rows = layout->planes[p].n_rows,
            .from_device = image->memory == DINOR1_MEMORY_DEVICE,
        };

        if (!loader->backend->klass->copy_rows(loader->backend, &copy, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_alike(const DinoR1Image *a, const DinoR1Image *b)
{
    return a->format == b->format && a->width == b->width && a->height == b->height && a->matrix == b->matrix &&
           a->full_range == b->full_range;
}

gboolean
dinor1_frame_loader_load(DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *image, gint width,
    gint height, GError **error)
{
    DinoR1FrameLayout layout;

    if (!dinor1_program_locate(program, DINOR1_FRAME_BYTES))
        return load_pixels(loader, program, image, width, height, error);
    layout = dinor1_frame_layout(image);
    if (loader->program != program || !is_alike(&loader->last, image)) {
        loader->program = NULL;
        if (!load_tables(loader, program, image, &layout, width, height, error))
            return FALSE;
        loader->program = program;
        loader->last = *image;
    }
    return copy_planes(loader, program, image, &layout, error);
}
