/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * input_proj_vision of GroundingDinoModel.
 */
#include "model/build.h"

#define PREFIX             "model.input_proj_vision"
#define GROUPS             32
#define GROUP_NORM_EPSILON 1e-5f

/* x [B, h, w, C] -> [B, h*w, D], a 1x1 convolution */
static DinoR1Tensor *
project_level(DinoR1Graph *graph, gint level, DinoR1Tensor *x, gint64 d)
{
    const gint64 channels = dinor1_shape_dim(&x->shape, 3);
    DinoR1Tensor *weight = dinor1_nn_weight(graph, DINOR1_SHAPE(d, channels, 1, 1), PREFIX ".%d.0.weight", level);
    DinoR1Tensor *bias = dinor1_nn_weight(graph, DINOR1_SHAPE(d), PREFIX ".%d.0.bias", level);

    x = dinor1_reshape(graph, x, DINOR1_SHAPE(x->shape.dims[0], -1, channels));
    return dinor1_linear(
        graph, x, dinor1_reshape(graph, weight, DINOR1_SHAPE(d, channels)), bias, DINOR1_ACT_NONE, NULL);
}

static DinoR1Tensor *
normalise(DinoR1Graph *graph, gint level, DinoR1Tensor *x, gint64 d)
{
    DinoR1Tensor *gamma = dinor1_nn_weight(graph, DINOR1_SHAPE(d), PREFIX ".%d.1.weight", level);
    DinoR1Tensor *beta = dinor1_nn_weight(graph, DINOR1_SHAPE(d), PREFIX ".%d.1.bias", level);

    return dinor1_group_norm(graph, x, gamma, beta, GROUPS, GROUP_NORM_EPSILON);
}

/* x [B, h, w, C] -> [B, ceil(h/2), ceil(w/2), D] */
static DinoR1Tensor *
extra_level(DinoR1Graph *graph, gint level, DinoR1Tensor *x, gint64 d)
{
    const gint64 channels = dinor1_shape_dim(&x->shape, 3);
    DinoR1Tensor *weight = dinor1_nn_weight(graph, DINOR1_SHAPE(d, channels, 3, 3), PREFIX ".%d.0.weight", level);
    DinoR1Tensor *bias = dinor1_nn_weight(graph, DINOR1_SHAPE(d), PREFIX ".%d.0.bias", level);
    DinoR1Tensor *map = dinor1_conv2d(graph, x, weight, bias, 2, 1, 1, 1, 1);

    if (!map)
        return NULL;
    x = dinor1_reshape(graph, map, DINOR1_SHAPE(map->shape.dims[0], -1, d));
    return dinor1_reshape(graph, normalise(graph, level, x, d), map->shape);
}

DinoR1Tensor *
dinor1_build_neck(DinoR1Graph *graph, const DinoR1GraphSpec *spec, DinoR1Tensor *const *maps)
{
    const gint64 d = spec->config->d_model;
    const gint n_maps = spec->config->backbone.n_outputs;
    DinoR1Tensor *levels[DINOR1_MAX_LEVELS], *map = maps[n_maps - 1], *feat;

    dinor1_graph_set_module(graph, "neck");
    if (!map)
        return NULL;
    for (gint i = 0; i < n_maps; i++)
        levels[i] = normalise(graph, i, project_level(graph, i, maps[i], d), d);
    for (gint i = n_maps; map && i < spec->config->num_feature_levels; i++) {
        /* The first extra level reads the backbone, the next ones the level before. */
        map = extra_level(graph, i, map, d);
        levels[i] = map ? dinor1_reshape(graph, map, DINOR1_SHAPE(map->shape.dims[0], -1, d)) : NULL;
    }
    feat = dinor1_concat(graph, levels, (guint)spec->config->num_feature_levels, 1);
    dinor1_build_tap(graph, spec, feat, "feat");
    return feat;
}
