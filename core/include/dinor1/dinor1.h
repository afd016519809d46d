/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/dataset.h>
#include <dinor1/detector.h>
#include <dinor1/error.h>
#include <dinor1/eval.h>
#include <dinor1/image.h>
#include <dinor1/inspect.h>
#include <dinor1/model.h>
#include <dinor1/prompts.h>
#include <dinor1/report.h>
#include <dinor1/train.h>
