/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <unistd.h>

/* One line per frame that says what the frame's regions say. */

static GstHarness *
json(const gchar *location, gboolean flush, GstBus **bus)
{
    GstElement *element = gst_element_factory_make("dinor1json", NULL);

    g_object_set(element, "location", location, "flush", flush, NULL);
    return test_harness(element, bus);
}

/* (transfer full): the file's lines, without an empty one at the end. */
static gchar **
lines(const gchar *path)
{
    g_autofree gchar *text = NULL;
    gsize length;

    fail_unless(g_file_get_contents(path, &text, &length, NULL));
    if (!length)
        return g_new0(gchar *, 1);
    fail_unless(text[length - 1] == '\n', "the last line is cut off");
    text[length - 1] = '\0';
    return g_strsplit(text, "\n", -1);
}

static JsonObject *
parse(const gchar *line, JsonParser *parser)
{
    g_autoptr(GError) error = NULL;

    fail_unless(json_parser_load_from_data(parser, line, -1, &error), "%s: %s", line, error ? error->message : "");
    return json_node_get_object(json_parser_get_root(parser));
}

static void
assert_line(const gchar *line, gint64 frame, gint64 pts, gint width, gint height, GArray *regions)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object = parse(line, parser);
    JsonArray *found = json_object_get_array_member(object, "detections");

    fail_unless_equals_string(json_object_get_string_member(object, "schema"), "dinor1.detections/1");
    fail_unless_equals_int64(json_object_get_int_member(object, "frame"), frame);
    fail_unless_equals_int64(json_object_get_int_member(object, "pts"), pts);
    fail_unless_equals_int64(json_object_get_int_member(object, "width"), width);
    fail_unless_equals_int64(json_object_get_int_member(object, "height"), height);
    fail_unless_equals_int(json_array_get_length(found), regions->len);
    for (guint i = 0; i < regions->len; i++) {
        const TestRegion *region = &g_array_index(regions, TestRegion, i);
        JsonObject *item = json_array_get_object_element(found, i);
        JsonArray *box = json_object_get_array_member(item, "box");

        fail_unless_equals_string(json_object_get_string_member(item, "label"), region->type);
        fail_unless(fabs(json_object_get_double_member(item, "score") - region->confidence) <= 1e-4);
        fail_unless(fabs(json_array_get_double_element(box, 0) - region->x_min * width) <= 0.011);
        fail_unless(fabs(json_array_get_double_element(box, 1) - region->y_min * height) <= 0.011);
        fail_unless(fabs(json_array_get_double_element(box, 2) - (region->x_max - region->x_min) * width) <= 0.011);
        fail_unless(fabs(json_array_get_double_element(box, 3) - (region->y_max - region->y_min) * height) <= 0.011);
    }
}

/* What dinor1detect attached is what dinor1json writes. */
GST_START_TEST(lines_match_regions)
{
    g_autofree gchar *path = test_path("out.jsonl");
    g_autoptr(GstBus) detect_bus = NULL, bus = NULL;
    GstElement *detect = test_detect();
    GstHarness *detector, *writer = json(path, TRUE, &bus);
    static const gint sizes[][2] = {{96, 80}, {96, 80}, {50, 70}};

    g_object_set(detect, "prompt-box", "10,10,30,30", "prompt-label", "a \"quoted\" läbel", NULL);
    detector = test_harness(detect, &detect_bus);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GstCaps) caps = test_caps("RGB", sizes[i][0], sizes[i][1]);
        GstBuffer *buffer = test_push(detector, caps, i);
        g_autoptr(GArray) regions = test_regions(buffer);
        g_auto(GStrv) written = NULL;

        gst_buffer_add_video_region_of_interest_meta(buffer, "of somebody else", 1, 2, 3, 4);
        gst_harness_set_src_caps(writer, gst_caps_ref(caps));
        buffer = gst_harness_push_and_pull(writer, buffer);
        written = lines(path);
        fail_unless_equals_int(g_strv_length(written), i + 1);
        assert_line(written[i], i, (gint64)(i * GST_SECOND / 25), sizes[i][0], sizes[i][1], regions);
        gst_buffer_unref(buffer);
    }
    test_harness_free(detector);
    test_harness_free(writer);
}
GST_END_TEST

GST_START_TEST(frames_without_detections)
{
    g_autofree gchar *path = test_path("out.jsonl");
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps("NV12", 96, 80);
    g_auto(GStrv) written = NULL;
    GstHarness *writer = json(path, TRUE, &bus);
    GstBuffer *buffer = test_frame(caps, 0);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object;

    GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
    gst_harness_set_src_caps(writer, gst_caps_ref(caps));
    gst_buffer_unref(gst_harness_push_and_pull(writer, buffer));
    written = lines(path);
    fail_unless_equals_int(g_strv_length(written), 1);
    object = parse(written[0], parser);
    fail_unless(json_object_get_null_member(object, "pts"));
    fail_unless_equals_int(json_array_get_length(json_object_get_array_member(object, "detections")), 0);
    test_harness_free(writer);
}
GST_END_TEST

/* In blocks nothing is written at once, and everything at the end. */
GST_START_TEST(blocks)
{
    g_autofree gchar *path = test_path("out.jsonl");

    for (guint stop = 0; stop < 2; stop++) {
        g_autoptr(GstBus) bus = NULL;
        g_autoptr(GstCaps) caps = test_caps("GRAY8", 16, 16);
        g_auto(GStrv) before = NULL, after = NULL;
        GstHarness *writer = json(path, FALSE, &bus);

        gst_harness_set_src_caps(writer, gst_caps_ref(caps));
        for (guint i = 0; i < 10; i++)
            gst_buffer_unref(gst_harness_push_and_pull(writer, test_frame(caps, i)));
        before = lines(path);
        fail_unless_equals_int(g_strv_length(before), 0);
        if (stop)
            gst_element_set_state(writer->element, GST_STATE_NULL);
        else
            gst_harness_push_event(writer, gst_event_new_eos());
        after = lines(path);
        fail_unless_equals_int(g_strv_length(after), 10);
        test_harness_free(writer);
    }
}
GST_END_TEST

GST_START_TEST(unwritable_location)
{
    GstElement *element = gst_element_factory_make("dinor1json", NULL);
    g_autoptr(GstBus) bus = gst_bus_new();

    gst_element_set_bus(element, bus);
    g_object_set(element, "location", "/nowhere/out.jsonl", NULL);
    fail_unless_equals_int(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    test_assert_message(
        bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE, "/nowhere/out.jsonl");
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}
GST_END_TEST

GST_START_TEST(full_disk)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps("GRAY8", 16, 16);
    GstHarness *writer = json("/dev/full", TRUE, &bus);

    gst_harness_set_src_caps(writer, gst_caps_ref(caps));
    fail_unless_equals_int(gst_harness_push(writer, test_frame(caps, 0)), GST_FLOW_ERROR);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, "/dev/full");
    test_harness_free(writer);
}
GST_END_TEST

/* Descriptor 1 is a file for as long as the writer runs. */
GST_START_TEST(standard_output)
{
    static const gchar *const locations[] = {NULL, "-"};
    g_autofree gchar *path = test_path("stdout");

    for (guint k = 0; k < G_N_ELEMENTS(locations); k++) {
        g_autoptr(GstBus) bus = NULL;
        g_autoptr(GstCaps) caps = test_caps("GRAY8", 16, 16);
        g_auto(GStrv) written = NULL;
        gint saved = dup(STDOUT_FILENO), file = g_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        GstHarness *writer = json(locations[k], TRUE, &bus);

        fail_unless(saved >= 0 && file >= 0);
        gst_harness_set_src_caps(writer, gst_caps_ref(caps));
        dup2(file, STDOUT_FILENO);
        for (guint i = 0; i < 4; i++)
            gst_buffer_unref(gst_harness_push_and_pull(writer, test_frame(caps, i)));
        test_harness_free(writer);
        fail_unless(fcntl(STDOUT_FILENO, F_GETFD) >= 0, "the element closed the standard output");
        dup2(saved, STDOUT_FILENO);
        close(saved);
        close(file);
        written = lines(path);
        fail_unless_equals_int(g_strv_length(written), 4);
    }
}
GST_END_TEST

static Suite *
json_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, lines_match_regions);
    tcase_add_test(tests, frames_without_detections);
    tcase_add_test(tests, blocks);
    tcase_add_test(tests, unwritable_location);
    tcase_add_test(tests, full_disk);
    tcase_add_test(tests, standard_output);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(json)
