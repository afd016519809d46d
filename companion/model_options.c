/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model_options.h"

#include "command.h"

gboolean
model_options_check(const ModelOptions *options, GError **error)
{
    return command_require("--model", options->model, error) &&
           command_check_range("--threads", options->threads, 0, 1024, error) &&
           command_check_range("--size", options->size, 0, DINOR1_IMAGE_MAX_SIDE, error);
}

DinoR1Detector *
model_options_open(const ModelOptions *options, DinoR1DetectorOptions *detector, GError **error)
{
    g_autoptr(DinoR1Model) model = dinor1_model_load(options->model, error);

    detector->device = options->device ? options->device : detector->device;
    detector->precision = options->precision;
    detector->n_threads = (guint)options->threads;
    detector->shortest_edge = options->size;
    return model ? dinor1_detector_new(model, detector, error) : NULL;
}

void
model_options_clear(ModelOptions *options)
{
    g_free(options->model);
    g_free(options->device);
    g_free(options->precision);
}
