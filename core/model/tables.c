/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/build.h"

#include <math.h>

static DinoR1Tensor *
table(DinoR1Graph *graph, const gfloat *data, gint64 batch, gint64 n, gint64 columns)
{
    return dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(batch, n, columns), data);
}

/* Sine of the coordinates plus the level's embedding, [b, N, D]. Depends on constants only: computed once. */
static DinoR1Tensor *
position_embedding(DinoR1Graph *graph, const DinoR1Config *config, const DinoR1Geometry *geometry)
{
    const gint64 d = config->d_model;
    DinoR1Tensor *coordinates = table(graph, geometry->coordinates, geometry->batch, geometry->n_positions, 2);
    DinoR1Tensor *index =
        dinor1_graph_constant(graph, DINOR1_I32, DINOR1_SHAPE(geometry->n_positions), geometry->level_index);
    DinoR1Tensor *levels = dinor1_nn_weight(graph, DINOR1_SHAPE(geometry->levels.n_levels, d), "model.level_embed");
    DinoR1Tensor *sine = dinor1_sine_embed(
        graph, coordinates, config->d_model / 2, config->positional_embedding_temperature, (gfloat)(2 * G_PI));

    return dinor1_add(graph, sine, dinor1_gather(graph, levels, index));
}

/* [b, 1, N]: -inf on padding. */
static DinoR1Tensor *
padding_mask(DinoR1Graph *graph, const DinoR1Geometry *geometry)
{
    const gint64 n = geometry->batch * geometry->n_positions;
    g_autofree gfloat *mask = g_new(gfloat, (gsize)n);

    for (gint64 i = 0; i < n; i++)
        mask[i] = geometry->valid[i] > 0 ? 0 : -INFINITY;
    return table(graph, mask, geometry->batch, 1, geometry->n_positions);
}

void
dinor1_build_tables(
    DinoR1Graph *graph, const DinoR1GraphSpec *spec, const DinoR1Geometry *geometry, DinoR1Tables *tables)
{
    const gint64 batch = geometry->batch, n = geometry->n_positions, n_levels = geometry->levels.n_levels;

    dinor1_graph_set_module(graph, "tables");
    *tables = (DinoR1Tables){.geometry = geometry};
    tables->position = position_embedding(graph, spec->config, geometry);
    tables->reference = dinor1_graph_constant(
        graph, DINOR1_F32, DINOR1_SHAPE(batch, n, geometry->padded ? n_levels : 1, 2), geometry->reference);
    tables->proposals = table(graph, geometry->proposals, batch, n, 4);
    tables->proposal_ok = table(graph, geometry->proposal_ok, batch, n, 1);
    dinor1_build_tap(graph, spec, tables->position, "pos");
    if (!geometry->padded)
        return;
    tables->valid = table(graph, geometry->valid, batch, n, 1);
    tables->valid_mask = padding_mask(graph, geometry);
    tables->ratios = dinor1_graph_constant(graph, DINOR1_F32, DINOR1_SHAPE(batch, 1, n_levels, 2), geometry->ratios);
    tables->ratios4 = dinor1_concat(graph, (DinoR1Tensor *[]){tables->ratios, tables->ratios}, 2, 3);
}

DinoR1Tensor *
dinor1_build_box_reference(DinoR1Graph *graph, const DinoR1Tables *tables, DinoR1Tensor *boxes)
{
    if (!boxes)
        return NULL;
    boxes = dinor1_reshape(graph, boxes, DINOR1_SHAPE(boxes->shape.dims[0], boxes->shape.dims[1], 1, 4));
    return tables->ratios4 ? dinor1_mul(graph, boxes, tables->ratios4) : boxes;
}

void
dinor1_build_tap(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *x, const gchar *format, ...)
{
    g_autofree gchar *name = NULL;
    va_list args;

    if (!spec->taps)
        return;
    va_start(args, format);
    name = g_strdup_vprintf(format, args);
    va_end(args);
    dinor1_graph_output(graph, name, x);
}
