/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/detector.h>

G_BEGIN_DECLS

/* What the user says about the model that a command runs. Zero-filled is the default. */
typedef struct {
    gchar *model, *device, *precision;
    gint threads, size;
} ModelOptions;

#define DEVICE_HELP    "auto (the first CUDA device, else the CPU), cpu, cuda or cuda:N (auto)"
#define PRECISION_HELP "fp32, tf32, fp16 or bf16 (auto: fp32)"

/* Their entries in a command's list of options. @o: the structure itself */
#define MODEL_OPTION_ENTRIES(o)                                                                                        \
    {"model", 'm', 0, G_OPTION_ARG_FILENAME, &(o).model, "model directory (required)", "DIR"},                         \
        {"size", 0, 0, G_OPTION_ARG_INT, &(o).size, "scale the picture's shortest side to this (0 = the model's)",     \
            "PIXELS"},                                                                                                 \
        {"device", 0, 0, G_OPTION_ARG_STRING, &(o).device, DEVICE_HELP, "DEVICE"},                                     \
        {"precision", 0, 0, G_OPTION_ARG_STRING, &(o).precision, PRECISION_HELP, "PRECISION"},                         \
    {                                                                                                                  \
        "threads", 0, 0, G_OPTION_ARG_INT, &(o).threads, "CPU threads (0 = all)", "N"                                  \
    }

/* FALSE with USAGE_ERROR. */
gboolean model_options_check(const ModelOptions *options, GError **error);

/**
 * model_options_open:
 * @detector: (inout): dinor1_detector_options_init() and what the command wants else; gets what @options says
 *
 * Returns: (transfer full): a detector, which holds the model; NULL with the error of the model or the device.
 */
DinoR1Detector *model_options_open(const ModelOptions *options, DinoR1DetectorOptions *detector, GError **error);

void model_options_clear(ModelOptions *options);

G_END_DECLS
