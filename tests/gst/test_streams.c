/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

/* Time: live and late pipelines, seeks, flushes, ends and starts. */

static GstElement *
detect_with_box(void)
{
    GstElement *detect = test_detect();

    g_object_set(detect, "prompt-box", "10,10,30,30", NULL);
    return detect;
}

/* A detector so slow that no frame can wait for it: it makes pictures of many pixels out of small ones. */
static GstElement *
slow_detect(void)
{
    GstElement *detect = detect_with_box();

    g_object_set(detect, "shortest-edge", 1600, "longest-edge", 1600, NULL);
    return detect;
}

static GstHarness *
rgb_harness(GstElement *detect, GstBus **bus)
{
    GstHarness *harness = test_harness(detect, bus);

    gst_harness_set_src_caps(harness, test_caps("RGB", 96, 80));
    return harness;
}

/* How many regions the next frame carries, and whether they are stale. */
static guint
next(GstHarness *harness, gboolean *stale)
{
    g_autoptr(GstCaps) caps = test_caps("RGB", 96, 80);
    g_autoptr(GstBuffer) out =
        gst_harness_push_and_pull(harness, test_frame(caps, gst_harness_buffers_received(harness)));
    g_autoptr(GArray) found = test_regions(out);

    *stale = FALSE;
    for (guint i = 0; i < found->len; i++)
        *stale |= g_array_index(found, TestRegion, i).stale;
    return found->len;
}

/* The harness answers LATENCY as a live source does. */
GST_START_TEST(live_frames_do_not_wait)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = slow_detect();
    GstHarness *harness;
    gboolean stale;
    guint found = 0;

    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "auto");
    harness = rgb_harness(detect, &bus);
    fail_unless_equals_int(next(harness, &stale), 0);
    for (guint i = 0; i < 3000 && !found; i++) {
        found = next(harness, &stale);
        fail_if(found && !stale, "a frame waited for its boxes");
        g_usleep(10000);
    }
    fail_unless_equals_int(found, 5);
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) == NULL);
    test_harness_free(harness);
}
GST_END_TEST

/* Stopping with a job at hand. */
GST_START_TEST(live_stop_in_the_middle)
{
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GstBus) bus = NULL;
        GstElement *detect = slow_detect();
        GstHarness *harness;
        gboolean stale;

        gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "live");
        harness = rgb_harness(detect, &bus);
        fail_unless_equals_int(next(harness, &stale), 0);
        test_harness_free(harness);
    }
}
GST_END_TEST

/* What was found in a picture of before the caps changed is not attached to one of after. */
GST_START_TEST(live_job_outlives_its_caps)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = slow_detect();
    g_autoptr(GstCaps) caps = test_caps("RGB", 20, 16);
    GstHarness *harness;
    gboolean stale;
    guint found = 0;

    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "live");
    harness = rgb_harness(detect, &bus);
    fail_unless_equals_int(next(harness, &stale), 0);
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    for (guint i = 1; i < 3000 && !found; i++) {
        g_autoptr(GstBuffer) out = gst_harness_push_and_pull(harness, test_frame(caps, i));
        g_autoptr(GArray) regions = test_regions(out);

        found = regions->len;
        for (guint k = 0; k < found; k++)
            fail_unless(g_array_index(regions, TestRegion, k).x_max <= 1);
        g_usleep(10000);
    }
    fail_unless_equals_int(found, 5);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(latency_is_answered)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = detect_with_box();
    GstHarness *harness;

    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "auto");
    harness = rgb_harness(detect, &bus);
    gst_harness_set_upstream_latency(harness, 7 * GST_MSECOND);
    fail_unless_equals_uint64(gst_harness_query_latency(harness), 27 * GST_MSECOND);
    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "every-frame");
    fail_unless_equals_uint64(gst_harness_query_latency(harness), 7 * GST_MSECOND);
    test_harness_free(harness);
}
GST_END_TEST

static gboolean
answer_not_live(GstPad *pad, GstObject *parent, GstQuery *query)
{
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
        return gst_pad_query_default(pad, parent, query);
    gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
    return TRUE;
}

static void
report_qos(GstHarness *harness, GstClockTimeDiff jitter, guint frame)
{
    gst_harness_push_upstream_event(
        harness, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, jitter, frame * GST_SECOND / 25));
}

GST_START_TEST(late_sink)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = detect_with_box();
    GstHarness *harness;
    gboolean stale;

    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "auto");
    harness = test_harness(detect, &bus);
    gst_pad_set_query_function(harness->srcpad, answer_not_live);
    gst_harness_set_src_caps(harness, test_caps("RGB", 96, 80));
    fail_unless(next(harness, &stale) == 5 && !stale);
    /* Frame 0 came 100 ms late: frames 1 and 2, at 40 and 80 ms, are late too, frame 3 is not. */
    report_qos(harness, 100 * GST_MSECOND, 0);
    fail_unless(next(harness, &stale) == 5 && stale);
    fail_unless(next(harness, &stale) == 5 && stale);
    fail_unless(next(harness, &stale) == 5 && !stale);
    report_qos(harness, 100 * GST_MSECOND, 3);
    report_qos(harness, -5 * GST_MSECOND, 3);
    fail_unless(next(harness, &stale) == 5 && !stale);
    /* A sink that is always late for other reasons: at least one inference a second. */
    report_qos(harness, 100 * GST_SECOND, 4);
    for (guint i = 5; i < 60; i++)
        fail_unless(next(harness, &stale) == 5 && stale == ((i - 4) % 25 != 0), "frame %u", i);
    gst_util_set_object_arg(G_OBJECT(detect), "sync-mode", "every-frame");
    fail_unless(next(harness, &stale) == 5 && !stale);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(flush_and_eos)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = detect_with_box();
    GstHarness *harness = rgb_harness(detect, &bus);
    GstSegment segment;
    gboolean stale;

    g_object_set(detect, "inference-interval", 10, NULL);
    fail_unless(next(harness, &stale) == 5 && !stale);
    fail_unless(next(harness, &stale) == 5 && stale);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    fail_unless(gst_harness_push_event(harness, gst_event_new_flush_start()));
    fail_unless(gst_harness_push_event(harness, gst_event_new_flush_stop(TRUE)));
    fail_unless(gst_harness_push_event(harness, gst_event_new_segment(&segment)));
    fail_unless(next(harness, &stale) == 5 && !stale);
    fail_unless(gst_harness_push_event(harness, gst_event_new_eos()));
    test_harness_free(harness);
}
GST_END_TEST

static GstElement *
pipeline(const gchar *source, const gchar *rest)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *text = g_strdup_printf("%s ! dinor1detect model=%s prompt-box=10,10,30,30 threshold=0 "
                                             "max-detections=5 threads=1 shortest-edge=48 longest-edge=64 ! %s",
        source, test_model(), rest);
    GstElement *element = gst_parse_launch(text, &error);

    g_assert_no_error(error);
    return element;
}

GST_START_TEST(state_cycles)
{
    GstElement *element = pipeline("videotestsrc ! video/x-raw,width=96,height=80", "fakesink name=sink");

    for (guint i = 0; i < 30; i++) {
        static const GstState down[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED};

        gst_element_set_state(element, i % 4 ? GST_STATE_PLAYING : GST_STATE_PAUSED);
        if (i % 2)
            fail_unless(gst_element_get_state(element, NULL, NULL, 60 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS);
        fail_unless(gst_element_set_state(element, down[i % 3]) != GST_STATE_CHANGE_FAILURE);
    }
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
}
GST_END_TEST

GST_START_TEST(seeks)
{
    GstElement *element = pipeline("videotestsrc num-buffers=3000 ! video/x-raw,width=96,height=80", "fakesink");

    gst_element_set_state(element, GST_STATE_PLAYING);
    for (guint i = 0; i < 10; i++) {
        fail_unless(gst_element_get_state(element, NULL, NULL, 60 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS);
        fail_unless(
            gst_element_seek_simple(element, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, (gint64)(i * 7 % 10) * GST_SECOND));
    }
    fail_unless(gst_element_seek(element, 1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 60 * GST_SECOND,
        GST_SEEK_TYPE_SET, 61 * GST_SECOND));
    test_run(element);
    gst_object_unref(element);
}
GST_END_TEST

static void
count_frame(GstElement *sink, GstBuffer *buffer, GstPad *pad, guint *frames)
{
    (*frames)++;
}

static guint
run_and_count(const gchar *source, const gchar *rest)
{
    GstElement *element = pipeline(source, rest);
    GstElement *sink = gst_bin_get_by_name(GST_BIN(element), "sink");
    guint frames = 0;

    g_signal_connect(sink, "handoff", G_CALLBACK(count_frame), &frames);
    test_run(element);
    gst_object_unref(sink);
    gst_object_unref(element);
    return frames;
}

GST_START_TEST(no_frame_is_lost)
{
    fail_unless_equals_int(
        run_and_count("videotestsrc num-buffers=40 ! video/x-raw,format=NV12,width=96,height=80",
            "dinor1overlay ! dinor1json location=/dev/null ! fakesink name=sink signal-handoffs=true"),
        40);
    fail_unless_equals_int(run_and_count("videotestsrc is-live=true num-buffers=30 ! video/x-raw,width=96,height=80",
                               "dinor1overlay ! fakesink name=sink sync=true signal-handoffs=true"),
        30);
}
GST_END_TEST

static Suite *
streams_suite(void)
{
    Suite *suite = suite_create("streams");
    TCase *tests = tcase_create("streams");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, live_frames_do_not_wait);
    tcase_add_test(tests, live_stop_in_the_middle);
    tcase_add_test(tests, live_job_outlives_its_caps);
    tcase_add_test(tests, latency_is_answered);
    tcase_add_test(tests, late_sink);
    tcase_add_test(tests, flush_and_eos);
    tcase_add_test(tests, state_cycles);
    tcase_add_test(tests, seeks);
    tcase_add_test(tests, no_frame_is_lost);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(streams)
