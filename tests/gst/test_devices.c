/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

/* The element on the emulated GPU, and on a device that is missing or fails. */

static GstElement *
detect_on(const gchar *device)
{
    GstElement *detect = test_detect();
    g_autofree gchar *bank = test_bank(test_model());

    g_object_set(detect, "device", device, "precision", "fp32", "prompts", bank, NULL);
    return detect;
}

static GArray *
find_on(const gchar *device)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps("RGB", 64, 48);
    GstHarness *harness = test_harness(detect_on(device), &bus);
    g_autoptr(GstBuffer) out = test_push(harness, caps, 0);
    GArray *regions;

    fail_unless(out != NULL);
    regions = test_regions(out);
    for (guint i = 0; i < regions->len; i++) {
        TestRegion *region = &g_array_index(regions, TestRegion, i);

        /* They belong to the buffer. */
        region->type = g_intern_string(region->type);
        region->label = g_intern_string(region->label);
    }
    test_harness_free(harness);
    return regions;
}

GST_START_TEST(same_as_on_the_cpu)
{
    g_autoptr(GArray) expected = find_on("cpu");
    g_autoptr(GArray) actual = find_on("cuda-host");

    fail_unless_equals_int(expected->len, 5);
    test_assert_same(actual, expected, 1e-4, 1e-3);
}
GST_END_TEST

GST_START_TEST(missing_module)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstElement *detect = detect_on("cuda");

    gst_element_set_bus(detect, bus);
    fail_unless_equals_int(gst_element_set_state(detect, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "-Dcuda=enabled");
    gst_element_set_bus(detect, NULL);
    gst_element_set_state(detect, GST_STATE_NULL);
    gst_object_unref(detect);
}
GST_END_TEST

/* @fault: the kernel that fails, counted from the start. */
static GstHarness *
faulty_harness(GstElement *detect, const gchar *fault, GstBus **bus)
{
    GstHarness *harness;

    g_setenv("DINOR1_EMULATOR_FAULT", fault, TRUE);
    harness = test_harness(detect, bus);
    g_unsetenv("DINOR1_EMULATOR_FAULT");
    gst_harness_set_src_caps(harness, test_caps("RGB", 64, 48));
    return harness;
}

static void
assert_dies(GstHarness *harness, GstBus *bus)
{
    g_autoptr(GstCaps) caps = test_caps("RGB", 64, 48);
    GstFlowReturn flow = GST_FLOW_OK;

    for (guint i = 0; i < 10 && flow == GST_FLOW_OK; i++)
        flow = gst_harness_push(harness, test_frame(caps, i));
    fail_unless_equals_int(flow, GST_FLOW_ERROR);
    test_assert_message(
        bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "cudaErrorLaunchFailure");
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING) == NULL, "a dead device is no warning");
}

/* On some later frame. The process lives: another element on a device that works is not disturbed. */
GST_START_TEST(dies_while_playing)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GArray) regions = NULL;
    GstHarness *harness = faulty_harness(detect_on("cuda-host"), "1000", &bus);

    assert_dies(harness, bus);
    fail_unless(gst_harness_buffers_received(harness) > 0, "died on the first frame");
    test_harness_free(harness);
    regions = find_on("cuda-host");
    fail_unless_equals_int(regions->len, 5);
}
GST_END_TEST

/* While a prompt is made, which is a warning for any other reason. */
GST_START_TEST(dies_of_a_prompt)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = test_detect();
    GstHarness *harness;

    g_object_set(detect, "device", "cuda-host", "prompt-box", "10,10,30,30", NULL);
    harness = faulty_harness(detect, "1", &bus);
    assert_dies(harness, bus);
    test_harness_free(harness);
}
GST_END_TEST

static Suite *
devices_suite(void)
{
    Suite *suite = suite_create("devices");
    TCase *tests = tcase_create("devices");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, same_as_on_the_cpu);
    tcase_add_test(tests, missing_module);
    tcase_add_test(tests, dies_while_playing);
    tcase_add_test(tests, dies_of_a_prompt);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(devices)
