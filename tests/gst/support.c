/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

#include <glib/gstdio.h>
#include <math.h>

static gchar *folder;

const gchar *
test_model(void)
{
    return g_getenv("DINOR1_TEST_MODEL");
}

const gchar *
test_other_model(void)
{
    return g_getenv("DINOR1_TEST_OTHER_MODEL");
}

void
test_setup(void)
{
    folder = g_dir_make_tmp("dinor1-gst-XXXXXX", NULL);
    fail_unless(folder != NULL);
}

static void
remove_folder(const gchar *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const gchar *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree gchar *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_folder(child);
        else
            g_unlink(child);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(path);
}

void
test_teardown(void)
{
    remove_folder(folder);
    g_clear_pointer(&folder, g_free);
}

gchar *
test_path(const gchar *name)
{
    return g_build_filename(folder, name, NULL);
}

gchar *
test_bank(const gchar *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, &error);
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1PromptBank) bank = NULL;
    DinoR1DetectorOptions options;
    guint8 pixels[64 * 64 * 3];
    DinoR1Image image = {DINOR1_PIXEL_RGB, 64, 64, {pixels}, {64 * 3}, DINOR1_MATRIX_BT601, TRUE};
    const DinoR1Box red = {4, 4, 24, 24}, blue = {32, 20, 30, 40};
    gchar *file = test_path("bank.safetensors");

    g_assert_no_error(error);
    for (guint i = 0; i < sizeof pixels; i++)
        pixels[i] = (guint8)((i % 3 == 0) == (i / 3 % 64 < 32) ? 200 : 30);
    dinor1_detector_options_init(&options);
    options.n_threads = 1;
    options.shortest_edge = options.longest_edge = 64;
    detector = dinor1_detector_new(model, &options, &error);
    g_assert_no_error(error);
    bank = dinor1_prompt_bank_new(model);
    fail_unless(dinor1_detector_add_prompt(detector, bank, "red", &image, &red, NULL, &error));
    fail_unless(dinor1_detector_add_prompt(detector, bank, "blue", &image, &blue, NULL, &error));
    fail_unless(dinor1_prompt_bank_save(bank, file, &error));
    g_assert_no_error(error);
    return file;
}

GstElement *
test_detect(void)
{
    GstElement *detect = gst_element_factory_make("dinor1detect", NULL);

    fail_unless(detect != NULL);
    g_object_set(detect, "model", test_model(), "threshold", 0.0f, "max-detections", 5, "threads", 1, "shortest-edge",
        48, "longest-edge", 64, NULL);
    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "every-frame");
    return detect;
}

GstHarness *
test_harness(GstElement *element, GstBus **bus)
{
    GstHarness *harness;

    *bus = gst_bus_new();
    gst_element_set_bus(element, *bus);
    harness = gst_harness_new_with_element(element, "sink", "src");
    gst_object_unref(element);
    return harness;
}

void
test_harness_free(GstHarness *harness)
{
    GstBus *bus = gst_element_get_bus(harness->element);

    gst_bus_set_flushing(bus, TRUE);
    gst_object_unref(bus);
    gst_harness_teardown(harness);
}

GstCaps *
test_caps(const gchar *format, gint width, gint height)
{
    return gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT, width, "height",
        G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);
}

/* Blocks of 16 pixels, so that halved chroma loses nothing. */
static void
paint(GstVideoFrame *frame, guint number)
{
    for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT(frame); y++) {
        guint8 *row =
            (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(frame, 0) + (gsize)y * GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);

        for (gint x = 0; x < GST_VIDEO_FRAME_WIDTH(frame); x++) {
            guint block = (guint)(x / 16 * 7 + y / 16 * 13) + number;

            row[4 * x] = (guint8)(40 + block * 37 % 160);
            row[4 * x + 1] = (guint8)(40 + block * 71 % 160);
            row[4 * x + 2] = (guint8)(40 + block * 113 % 160);
            row[4 * x + 3] = 255;
        }
    }
}

GstBuffer *
test_frame(GstCaps *caps, guint number)
{
    GstVideoInfo from, to;
    GstVideoFrame in, out;
    GstVideoConverter *converter;
    GstBuffer *rgba, *buffer;

    fail_unless(gst_video_info_from_caps(&to, caps));
    gst_video_info_set_format(&from, GST_VIDEO_FORMAT_RGBA, (guint)to.width, (guint)to.height);
    from.fps_n = to.fps_n;
    from.fps_d = to.fps_d;
    rgba = gst_buffer_new_allocate(NULL, from.size, NULL);
    buffer = gst_buffer_new_allocate(NULL, to.size, NULL);
    GST_BUFFER_PTS(buffer) = number * GST_SECOND / 25;
    GST_BUFFER_DURATION(buffer) = GST_SECOND / 25;
    fail_unless(gst_video_frame_map(&in, &from, rgba, GST_MAP_READWRITE));
    fail_unless(gst_video_frame_map(&out, &to, buffer, GST_MAP_WRITE));
    paint(&in, number);
    converter = gst_video_converter_new(&from, &to, NULL);
    gst_video_converter_frame(converter, &in, &out);
    gst_video_converter_free(converter);
    gst_video_frame_unmap(&in);
    gst_video_frame_unmap(&out);
    gst_buffer_unref(rgba);
    return buffer;
}

GstBuffer *
test_push(GstHarness *harness, GstCaps *caps, guint number)
{
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    return gst_harness_push_and_pull(harness, test_frame(caps, number));
}

GArray *
test_regions(GstBuffer *buffer)
{
    GArray *regions = g_array_new(FALSE, TRUE, sizeof(TestRegion));
    gpointer state = NULL;
    GstMeta *meta;

    while ((meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
        GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;
        GstStructure *detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
        TestRegion region = {
            .type = g_quark_to_string(roi->roi_type), .x = roi->x, .y = roi->y, .width = roi->w, .height = roi->h};

        fail_unless(detection != NULL);
        region.label = gst_structure_get_string(detection, "label");
        fail_unless(gst_structure_get(detection, "x_min", G_TYPE_DOUBLE, &region.x_min, "x_max", G_TYPE_DOUBLE,
            &region.x_max, "y_min", G_TYPE_DOUBLE, &region.y_min, "y_max", G_TYPE_DOUBLE, &region.y_max, "confidence",
            G_TYPE_DOUBLE, &region.confidence, "label_id", G_TYPE_INT, &region.label_id, NULL));
        gst_structure_get_boolean(detection, "stale", &region.stale);
        g_array_append_val(regions, region);
    }
    return regions;
}

void
test_assert_same(GArray *a, GArray *b, gdouble score, gdouble side)
{
    fail_unless_equals_int(a->len, b->len);
    for (guint i = 0; i < a->len; i++) {
        const TestRegion *x = &g_array_index(a, TestRegion, i), *y = &g_array_index(b, TestRegion, i);

        fail_unless_equals_string(x->type, y->type);
        fail_unless_equals_int(x->label_id, y->label_id);
        fail_unless(fabs(x->confidence - y->confidence) <= score, "scores %g and %g", x->confidence, y->confidence);
        fail_unless(fabs(x->x_min - y->x_min) <= side && fabs(x->x_max - y->x_max) <= side &&
                        fabs(x->y_min - y->y_min) <= side && fabs(x->y_max - y->y_max) <= side,
            "box %u: %g…%g, %g…%g and %g…%g, %g…%g", i, x->x_min, x->x_max, x->y_min, x->y_max, y->x_min, y->x_max,
            y->y_min, y->y_max);
    }
}

void
test_assert_message(GstBus *bus, GstMessageType type, GQuark domain, gint code, const gchar *part)
{
    GstMessage *message = gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, type);
    g_autoptr(GError) error = NULL;

    fail_unless(message != NULL, "no message about \"%s\"", part);
    if (type == GST_MESSAGE_ERROR)
        gst_message_parse_error(message, &error, NULL);
    else
        gst_message_parse_warning(message, &error, NULL);
    fail_unless(error->domain == domain && error->code == code && strstr(error->message, part),
        "expected %s %d \"%s\", got %s %d: %s", g_quark_to_string(domain), code, part, g_quark_to_string(error->domain),
        error->code, error->message);
    gst_message_unref(message);
}

void
test_run(GstElement *pipeline)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    GstMessage *message;

    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(bus, 120 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    fail_unless(message != NULL, "the pipeline neither ended nor failed");
    fail_unless_equals_string(GST_MESSAGE_TYPE_NAME(message), "eos");
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
}
