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
    DinoR1Image last[DINOR1_FRAME_MAX_BATCH];
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
load_pixels(DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *images, guint n_images, gint width,
    gint height, GError **error)
{
    const DinoR1Config *config = loader->config;
    gfloat *pixels = dinor1_program_stage(program, "pixel_values", error);

    if (!pixels)
        return FALSE;
    for (guint i = 0; i < n_images; i++)
        if (!dinor1_preprocess_run(loader->preprocess, &images[i], width, height, config->rescale_factor,
                config->image_mean, config->image_std, loader->pool,
                pixels + (gsize)i * (gsize)width * (gsize)height * 3, error))
            return FALSE;
    return dinor1_program_push(program, "pixel_values", error);
}

/* Where one picture of a batch goes. */
typedef struct {
    DinoR1Program *program;
    guint index;
    gint width, height;
    DinoR1FrameLayout layout;
} Place;

/* One axis of the resize, from @n_inputs to @n_outputs. */
static gboolean
load_axis(const Place *place, const gchar *starts, const gchar *weights, gint n_inputs, gint n_outputs, gint32 *n_taps,
    GError **error)
{
    gchar starts_name[DINOR1_FRAME_NAME_SIZE], weights_name[DINOR1_FRAME_NAME_SIZE];
    const DinoR1Tensor *tensor = dinor1_graph_find(
        dinor1_program_get_graph(place->program), dinor1_frame_input_name(weights_name, weights, place->index));
    gint32 *first =
        dinor1_program_stage(place->program, dinor1_frame_input_name(starts_name, starts, place->index), error);
    gfloat *values = first ? dinor1_program_stage(place->program, weights_name, error) : NULL;

    if (!values)
        return FALSE;
    *n_taps = dinor1_resample_fill(n_inputs, n_outputs, (gsize)tensor->shape.dims[1], first, values);
    return dinor1_program_push(place->program, starts_name, error) &&
           dinor1_program_push(place->program, weights_name, error);
}

static gboolean
set_input(const Place *place, const gchar *input, gconstpointer data, gsize size, GError **error)
{
    gchar name[DINOR1_FRAME_NAME_SIZE];

    return dinor1_program_set(place->program, dinor1_frame_input_name(name, input, place->index), data, size, error);
}

static gboolean
load_tables(const DinoR1FrameLoader *loader, const Place *place, const DinoR1Image *image, GError **error)
{
    const DinoR1Config *config = loader->config;
    DinoR1FrameGeometry geometry = dinor1_frame_geometry(image, &place->layout);
    gfloat colour[DINOR1_COLOUR_SIZE];

    dinor1_pixels_colour(image, config->rescale_factor, config->image_mean, config->image_std, colour);
    return load_axis(place, DINOR1_FRAME_COLUMNS, DINOR1_FRAME_COLUMN_WEIGHTS, image->width, place->width,
               &geometry.column_taps, error) &&
           load_axis(place, DINOR1_FRAME_ROWS, DINOR1_FRAME_ROW_WEIGHTS, image->height, place->height,
               &geometry.row_taps, error) &&
           set_input(place, DINOR1_FRAME_COLOUR, colour, sizeof colour, error) &&
           set_input(place, DINOR1_FRAME_GEOMETRY_INPUT, &geometry, sizeof geometry, error);
}

static gboolean
copy_planes(const DinoR1FrameLoader *loader, const Place *place, const DinoR1Image *image, GError **error)
{
    const DinoR1FrameLayout *layout = &place->layout;
    gchar name[DINOR1_FRAME_NAME_SIZE];
    guint8 *frame =
        dinor1_program_locate(place->program, dinor1_frame_input_name(name, DINOR1_FRAME_BYTES, place->index));

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
dinor1_frame_loader_load(DinoR1FrameLoader *loader, DinoR1Program *program, const DinoR1Image *images, guint n_images,
    gint width, gint height, GError **error)
{
    const gboolean has_tables = loader->program == program;

    if (!dinor1_program_locate(program, DINOR1_FRAME_BYTES))
        return load_pixels(loader, program, images, n_images, width, height, error);
    loader->program = NULL; /* until all tables are there */
    for (guint i = 0; i < n_images; i++) {
        const Place place = {program, i, width, height, dinor1_frame_layout(&images[i])};

        if (!(has_tables && is_alike(&loader->last[i], &images[i])) && !load_tables(loader, &place, &images[i], error))
            return FALSE;
        loader->last[i] = images[i];
        if (!copy_planes(loader, &place, &images[i], error))
            return FALSE;
    }
    loader->program = program;
    return TRUE;
}
