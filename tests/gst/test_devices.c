/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_cuda.h"
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
keep_regions(GstBuffer *buffer)
{
    GArray *regions = test_regions(buffer);

    for (guint i = 0; i < regions->len; i++) {
        TestRegion *region = &g_array_index(regions, TestRegion, i);

        /* They belong to the buffer. */
        region->type = g_intern_string(region->type);
        region->label = g_intern_string(region->label);
    }
    return regions;
}

static GArray *
find_in(const gchar *device, const gchar *format)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps(format, 64, 48);
    GstHarness *harness = test_harness(detect_on(device), &bus);
    g_autoptr(GstBuffer) out = test_push(harness, caps, 0);
    GArray *regions;

    fail_unless(out != NULL);
    regions = keep_regions(out);
    test_harness_free(harness);
    return regions;
}

static GArray *
find_on(const gchar *device)
{
    return find_in(device, "RGB");
}

static GstCaps *
cuda_caps(const gchar *format)
{
    GstCaps *caps = test_caps(format, 64, 48);

    gst_caps_set_features(caps, 0, gst_caps_features_new("memory:CUDAMemory", NULL));
    return caps;
}

/* The same where the frame is on the GPU. @live: the worker gets a copy. */
static GArray *
find_in_cuda_memory(const gchar *format, gboolean live)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = cuda_caps(format);
    GstElement *detect = detect_on("cuda-host");
    GstHarness *harness = test_harness(detect, &bus);
    g_autoptr(GstBuffer) frame = test_frame(caps, 0);
    g_autoptr(GstBuffer) out = NULL;
    GArray *regions;
    GstVideoInfo info;

    fail_unless(gst_video_info_from_caps(&info, caps));
    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", live ? "live" : "every-frame");
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    do { /* a live frame does not wait for its boxes */
        gst_clear_buffer(&out);
        out = gst_harness_push_and_pull(harness, fake_cuda_buffer(frame, &info, 20));
        fail_unless(out != NULL);
        regions = keep_regions(out);
    } while (live && regions->len == 0 && (g_array_unref(regions), TRUE));
    fail_unless(gst_memory_is_type(gst_buffer_peek_memory(out, 0), "CUDAMemory"));
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

GST_START_TEST(frames_on_the_device)
{
    const gchar *formats[] = {"NV12", "I420", "BGRx"};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GArray) expected = find_in("cuda-host", formats[i]);
        g_autoptr(GArray) actual = find_in_cuda_memory(formats[i], FALSE);
        g_autoptr(GArray) live = find_in_cuda_memory(formats[i], TRUE);

        fail_unless_equals_int(expected->len, 5);
        test_assert_same(actual, expected, 0, 0);
        for (guint k = 0; k < live->len; k++)
            g_array_index(live, TestRegion, k).stale = FALSE;
        test_assert_same(live, expected, 0, 0);
    }
}
GST_END_TEST

/* The CPU does not take them, and says so before the first frame. */
GST_START_TEST(frames_on_another_device)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = cuda_caps("NV12");
    GstElement *detect = detect_on("cpu");
    GstHarness *harness = test_harness(detect, &bus);
    g_autoptr(GstPad) sink = gst_element_get_static_pad(detect, "sink");
    g_autoptr(GstBuffer) frame = test_frame(caps, 0);
    GstVideoInfo info;

    fail_if(gst_pad_query_accept_caps(sink, caps));
    fail_unless(gst_video_info_from_caps(&info, caps));
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    fail_unless_equals_int(gst_harness_push(harness, fake_cuda_buffer(frame, &info, 0)), GST_FLOW_NOT_NEGOTIATED);
    test_harness_free(harness);
}
GST_END_TEST

/* Caps that promise what the memory is not. */
GST_START_TEST(other_memory_than_promised)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = cuda_caps("NV12");
    GstHarness *harness = test_harness(detect_on("cuda-host"), &bus);

    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    fail_unless_equals_int(gst_harness_push(harness, test_frame(caps, 0)), GST_FLOW_ERROR);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "memory of another kind");
    test_harness_free(harness);
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
    tcase_add_test(tests, frames_on_the_device);
    tcase_add_test(tests, frames_on_another_device);
    tcase_add_test(tests, other_memory_than_promised);
    tcase_add_test(tests, missing_module);
    tcase_add_test(tests, dies_while_playing);
    tcase_add_test(tests, dies_of_a_prompt);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(devices)
