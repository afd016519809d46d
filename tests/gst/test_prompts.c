/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

/* Prompts and settings that change while frames flow. */

/* Pushes the next frame and returns what it carries; the buffer goes to @out. */
static GArray *
next(GstHarness *harness, GstBuffer **out)
{
    g_autoptr(GstCaps) caps = test_caps("RGB", 96, 80);

    *out = gst_harness_push_and_pull(harness, test_frame(caps, gst_harness_buffers_received(harness)));
    fail_unless(*out != NULL);
    return test_regions(*out);
}

static GstHarness *
rgb_harness(GstElement *detect, GstBus **bus)
{
    GstHarness *harness = test_harness(detect, bus);

    gst_harness_set_src_caps(harness, test_caps("RGB", 96, 80));
    return harness;
}

static guint
count(GstHarness *harness)
{
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) found = next(harness, &out);

    return found->len;
}

static void
assert_label(GstHarness *harness, const gchar *label)
{
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) found = next(harness, &out);

    fail_unless_equals_int(found->len, 5);
    for (guint i = 0; i < found->len; i++)
        fail_unless_equals_string(g_array_index(found, TestRegion, i).type, label);
}

static gboolean
add_prompt(GstHarness *harness, const gchar *label, gint x, gint y, gint width, gint height)
{
    gboolean ok = FALSE;

    g_signal_emit_by_name(harness->element, "add-prompt", label, x, y, width, height, &ok);
    return ok;
}

GST_START_TEST(runs_without_prompts)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);

    for (guint i = 0; i < 3; i++)
        fail_unless_equals_int(count(harness), 0);
    test_assert_message(bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "no prompts");
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING) == NULL, "warned more than once");
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(prompt_box_at_start)
{
    g_autoptr(GstBus) bus = NULL;
    GstElement *detect = test_detect();
    GstHarness *harness;

    g_object_set(detect, "prompt-box", "10,10,30,30.5", "prompt-label", "thing", NULL);
    harness = rgb_harness(detect, &bus);
    assert_label(harness, "thing");
    assert_label(harness, "thing");
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING) == NULL);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(prompt_box_while_playing)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);

    fail_unless_equals_int(count(harness), 0);
    g_object_set(harness->element, "prompt-box", "10,10,30,30", "prompt-label", "late", NULL);
    assert_label(harness, "late");
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(add_prompt_signal)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) found = NULL;
    guint seen[2] = {0, 0};

    fail_unless(add_prompt(harness, "a", 5, 5, 20, 20));
    assert_label(harness, "a");
    fail_unless(add_prompt(harness, "b", 40, 30, 40, 40));
    fail_unless(add_prompt(harness, "a", 20, 5, 20, 20));
    g_object_set(harness->element, "max-detections", 40, NULL);
    found = next(harness, &out);
    for (guint i = 0; i < found->len; i++)
        seen[g_array_index(found, TestRegion, i).label_id]++;
    fail_unless(seen[0] > 0 && seen[1] > 0, "%u of a, %u of b", seen[0], seen[1]);
    fail_if(add_prompt(harness, "", 5, 5, 20, 20));
    fail_if(add_prompt(harness, NULL, 5, 5, 20, 20));
    fail_if(add_prompt(harness, "a", 5, 5, 0, 20));
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(bad_prompts_are_warnings)
{
    g_autoptr(GstBus) bus = NULL;
    g_autofree gchar *bank = test_bank(test_model()), *garbage = test_path("garbage");
    GstElement *detect = test_detect();
    GstHarness *harness;

    g_object_set(detect, "prompts", bank, NULL);
    harness = rgb_harness(detect, &bus);
    fail_unless_equals_int(count(harness), 5);

    fail_unless(add_prompt(harness, "outside", 500, 500, 20, 20));
    fail_unless_equals_int(count(harness), 5);
    test_assert_message(bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "500");

    g_object_set(harness->element, "prompt-box", "nonsense", NULL);
    fail_unless_equals_int(count(harness), 5);
    test_assert_message(bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "nonsense");

    fail_unless(g_file_set_contents(garbage, "garbage", -1, NULL));
    g_object_set(harness->element, "prompts", garbage, NULL);
    fail_unless_equals_int(count(harness), 5);
    test_assert_message(bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "garbage");
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(bank_replaces_all)
{
    g_autoptr(GstBus) bus = NULL;
    g_autofree gchar *bank = test_bank(test_model());
    GstElement *detect = test_detect();
    GstHarness *harness;
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) found = NULL;

    g_object_set(detect, "prompt-box", "10,10,30,30", "prompt-label", "drawn", NULL);
    harness = rgb_harness(detect, &bus);
    assert_label(harness, "drawn");
    g_object_set(harness->element, "prompts", bank, NULL);
    found = next(harness, &out);
    fail_unless_equals_int(found->len, 5);
    for (guint i = 0; i < found->len; i++) {
        const gchar *type = g_array_index(found, TestRegion, i).type;

        fail_unless(g_str_equal(type, "red") || g_str_equal(type, "blue"));
    }
    g_object_set(harness->element, "prompts", NULL, NULL);
    fail_unless_equals_int(count(harness), 0);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(limits_while_playing)
{
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) found = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);
    gdouble middle;

    add_prompt(harness, "a", 5, 5, 60, 60);
    found = next(harness, &out);
    fail_unless_equals_int(found->len, 5);
    g_object_set(harness->element, "max-detections", 2, NULL);
    fail_unless_equals_int(count(harness), 2);
    g_object_set(harness->element, "max-detections", 5, "threshold", 1.0f, NULL);
    fail_unless_equals_int(count(harness), 0);
    middle = g_array_index(found, TestRegion, 2).confidence;
    g_object_set(harness->element, "threshold", (gfloat)middle / 2, NULL);
    fail_unless(count(harness) > 0);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(inference_interval)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);
    g_autoptr(GArray) last = NULL;
    g_autoptr(GstBuffer) last_out = NULL;

    g_object_set(harness->element, "inference-interval", 3, NULL);
    add_prompt(harness, "a", 5, 5, 60, 60);
    for (guint i = 0; i < 9; i++) {
        g_autoptr(GstBuffer) out = NULL;
        g_autoptr(GArray) found = next(harness, &out);

        for (guint k = 0; k < found->len; k++)
            fail_unless_equals_int(g_array_index(found, TestRegion, k).stale, i % 3 != 0);
        if (i % 3)
            test_assert_same(found, last, 0, 0);
        g_clear_pointer(&last, g_array_unref);
        gst_clear_buffer(&last_out);
        last = g_steal_pointer(&found);
        last_out = g_steal_pointer(&out);
    }
    /* A new prompt does not wait for its turn. */
    count(harness);
    add_prompt(harness, "b", 15, 5, 60, 60);
    {
        g_autoptr(GstBuffer) out = NULL;
        g_autoptr(GArray) found = next(harness, &out);

        fail_if(g_array_index(found, TestRegion, 0).stale);
    }
    test_harness_free(harness);
}
GST_END_TEST

typedef struct {
    GstHarness *harness;
    gchar *bank;
    gint running;
} Meddler;

static gpointer
meddle(gpointer data)
{
    Meddler *meddler = data;
    GstElement *detect = meddler->harness->element;

    for (guint i = 0; i < 12; i++) {
        g_autofree gchar *text = NULL;

        add_prompt(meddler->harness, i % 2 ? "a" : "b", (gint)(i % 50), 5, 30, 30);
        g_object_set(detect, "threshold", (i % 10) / 100.0f, "max-detections", 1 + i % 7, "prompt-box", "1,1,9,9",
            "prompt-label", i % 3 ? "c" : "d", NULL);
        g_object_get(detect, "prompts", &text, NULL);
        if (i % 5 == 0)
            g_object_set(detect, "prompts", i % 10 ? meddler->bank : NULL, NULL);
        g_usleep(10000);
    }
    g_atomic_int_dec_and_test(&meddler->running);
    return NULL;
}

GST_START_TEST(changes_from_other_threads)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = rgb_harness(test_detect(), &bus);
    Meddler meddler = {harness, test_bank(test_model()), 2};
    GThread *threads[2] = {g_thread_new("one", meddle, &meddler), g_thread_new("two", meddle, &meddler)};

    while (g_atomic_int_get(&meddler.running))
        fail_unless(count(harness) <= 7);
    g_thread_join(threads[0]);
    g_thread_join(threads[1]);
    fail_unless(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR) == NULL);
    test_harness_free(harness);
    g_free(meddler.bank);
}
GST_END_TEST

static Suite *
prompts_suite(void)
{
    Suite *suite = suite_create("prompts");
    TCase *tests = tcase_create("prompts");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, runs_without_prompts);
    tcase_add_test(tests, prompt_box_at_start);
    tcase_add_test(tests, prompt_box_while_playing);
    tcase_add_test(tests, add_prompt_signal);
    tcase_add_test(tests, bad_prompts_are_warnings);
    tcase_add_test(tests, bank_replaces_all);
    tcase_add_test(tests, limits_while_playing);
    tcase_add_test(tests, inference_interval);
    tcase_add_test(tests, changes_from_other_threads);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(prompts)
