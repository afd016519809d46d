/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/dinor1.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

/* What the tests of the elements share. The model is the golden data's smallest that takes visual prompts, with random
 * weights: what it finds means nothing but is always the same. */

/* Folders of two models with visual prompts whose weights differ. */
const gchar *test_model(void);
const gchar *test_other_model(void);

/* (transfer full): a path in a folder that is removed at the end of the test. */
gchar *test_path(const gchar *name);
void test_setup(void);
void test_teardown(void);

/* (transfer full): the path of a new bank with the classes "red" and "blue", made with the model. */
gchar *test_bank(const gchar *model);

/* A dinor1detect that finds 5 things in every frame, fast; without prompts. */
GstElement *test_detect(void);

/* A harness around @element, taken over, whose messages go to @bus. */
GstHarness *test_harness(GstElement *element, GstBus **bus);

/* Frees it with its element: the messages left on the bus would keep each other alive. */
void test_harness_free(GstHarness *harness);

/* (transfer full): caps of a format that the harness is to be fed with. 25 frames a second. */
GstCaps *test_caps(const gchar *format, gint width, gint height);

/* A picture of coloured blocks in any format, the @number-th of a stream; the caps may carry colorimetry. */
GstBuffer *test_frame(GstCaps *caps, guint number);

/* Sets @caps, pushes a picture and returns what comes out. */
GstBuffer *test_push(GstHarness *harness, GstCaps *caps, guint number);

/* What a region of interest with a "detection" says. */
typedef struct {
    const gchar *type, *label;
    gint label_id;
    guint x, y, width, height;
    gdouble x_min, x_max, y_min, y_max, confidence;
    gboolean stale;
} TestRegion;

/* (transfer full): of TestRegion, in the order of the buffer; strings are static or the buffer's. */
GArray *test_regions(GstBuffer *buffer);

/* Fails unless both hold the same regions in the same order with scores that differ by @score at most and sides by
 * @side of the picture at most. */
void test_assert_same(GArray *a, GArray *b, gdouble score, gdouble side);

/* Waits for an error (warning) message and fails unless it is of this domain and code and its text contains @part. */
void test_assert_message(GstBus *bus, GstMessageType type, GQuark domain, gint code, const gchar *part);

/* Runs a pipeline to its end and fails unless it is the end of the stream. */
void test_run(GstElement *pipeline);
