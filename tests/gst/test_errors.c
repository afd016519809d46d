/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

/* What a user sees when something is missing or broken: the domain, the code and a text that names the culprit. */

static void
assert_start_fails(GstElement *detect, gint code, const gchar *part)
{
    g_autoptr(GstBus) bus = gst_bus_new();

    gst_element_set_bus(detect, bus);
    fail_unless_equals_int(gst_element_set_state(detect, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    fail_unless_equals_int(gst_element_set_state(detect, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, code, part);
    gst_element_set_state(detect, GST_STATE_NULL);
    gst_element_set_bus(detect, NULL);
    gst_object_unref(detect);
}

static void
write_file(const gchar *path, const gchar *text, gssize length)
{
    fail_unless(g_file_set_contents(path, text, length, NULL));
}

/* A copy of the model's folder in which @name has the first @length bytes of @text, or of itself. */
static gchar *
broken_model(const gchar *name, const gchar *text, gsize length)
{
    static const gchar *const files[] = {"config.json", "model.safetensors"};
    gchar *folder = test_path("model");

    g_mkdir_with_parents(folder, 0700);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree gchar *from = g_build_filename(test_model(), files[i], NULL);
        g_autofree gchar *to = g_build_filename(folder, files[i], NULL);
        g_autofree gchar *content = NULL;
        gsize size;

        fail_unless(g_file_get_contents(from, &content, &size, NULL));
        if (!g_str_equal(files[i], name))
            write_file(to, content, (gssize)size);
        else
            write_file(to, text ? text : content, (gssize)length);
    }
    return folder;
}

GST_START_TEST(registers_without_model)
{
    static const gchar *const names[] = {"dinor1detect", "dinor1overlay", "dinor1json"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        GstElement *element = gst_element_factory_make(names[i], NULL);

        fail_unless(element != NULL, "no element %s", names[i]);
        fail_unless_equals_int(gst_element_set_state(element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
        gst_element_set_state(element, GST_STATE_NULL);
        gst_object_unref(element);
    }
}
GST_END_TEST

GST_START_TEST(flags_tell_what_may_change)
{
    static const gchar *const playing[] = {
        "threshold", "max-detections", "inference-interval", "prompts", "prompt-box", "prompt-label", "sync-mode"};
    static const gchar *const ready[] = {"model", "device", "threads", "nms", "shortest-edge", "longest-edge"};
    GstElement *detect = gst_element_factory_make("dinor1detect", NULL);
    GObjectClass *klass = G_OBJECT_GET_CLASS(detect);

    for (guint i = 0; i < G_N_ELEMENTS(playing); i++)
        fail_unless(g_object_class_find_property(klass, playing[i])->flags & GST_PARAM_MUTABLE_PLAYING);
    for (guint i = 0; i < G_N_ELEMENTS(ready); i++)
        fail_unless(g_object_class_find_property(klass, ready[i])->flags & GST_PARAM_MUTABLE_READY);
    gst_object_unref(detect);
}
GST_END_TEST

GST_START_TEST(properties_keep_their_values)
{
    GstElement *detect = gst_element_factory_make("dinor1detect", NULL);
    g_autofree gchar *model = NULL, *label = NULL, *device = NULL;
    gfloat threshold;
    guint interval;
    gint edge;

    g_object_get(detect, "threshold", &threshold, "inference-interval", &interval, "device", &device, NULL);
    fail_unless(threshold == 0.3f && interval == 1);
    fail_unless_equals_string(device, "auto");
    g_object_set(detect, "model", "a/b", "prompt-label", "", "threshold", 0.5f, "inference-interval", 3,
        "shortest-edge", 320, NULL);
    g_object_get(detect, "model", &model, "prompt-label", &label, "threshold", &threshold, "inference-interval",
        &interval, "shortest-edge", &edge, NULL);
    fail_unless_equals_string(model, "a/b");
    fail_unless_equals_string(label, "object");
    fail_unless(threshold == 0.5f && interval == 3 && edge == 320);
    gst_object_unref(detect);
}
GST_END_TEST

GST_START_TEST(no_model)
{
    GstElement *detect = test_detect();

    g_object_set(detect, "model", NULL, NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_SETTINGS, "model=");
}
GST_END_TEST

GST_START_TEST(missing_model)
{
    GstElement *detect = test_detect();

    g_object_set(detect, "model", "/nowhere/model", NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_OPEN_READ, "/nowhere/model");
}
GST_END_TEST

GST_START_TEST(broken_config)
{
    GstElement *detect = test_detect();
    g_autofree gchar *model = broken_model("config.json", "{ \"model_type\": ", 16);

    g_object_set(detect, "model", model, NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_READ, "model/config.json");
}
GST_END_TEST

GST_START_TEST(truncated_weights)
{
    GstElement *detect = test_detect();
    g_autofree gchar *model = broken_model("model.safetensors", NULL, 100000);

    g_object_set(detect, "model", model, NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_READ, "model/model.safetensors");
}
GST_END_TEST

GST_START_TEST(missing_device)
{
    GstElement *detect = test_detect();

    g_object_set(detect, "device", "toaster", NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_SETTINGS, "toaster");
}
GST_END_TEST

GST_START_TEST(missing_bank)
{
    GstElement *detect = test_detect();

    g_object_set(detect, "prompts", "/nowhere/bank.safetensors", NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_OPEN_READ, "/nowhere/bank.safetensors");
}
GST_END_TEST

GST_START_TEST(broken_bank)
{
    GstElement *detect = test_detect();
    g_autofree gchar *bank = test_path("broken.safetensors");

    write_file(bank, "no bank at all", -1);
    g_object_set(detect, "prompts", bank, NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_READ, "broken.safetensors");
}
GST_END_TEST

GST_START_TEST(bank_of_another_model)
{
    GstElement *detect = test_detect();
    g_autofree gchar *bank = test_bank(test_other_model());

    g_object_set(detect, "prompts", bank, NULL);
    assert_start_fails(detect, GST_RESOURCE_ERROR_SETTINGS, "bank.safetensors");
}
GST_END_TEST

GST_START_TEST(bad_prompt_box)
{
    static const gchar *const boxes[] = {"1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,0,4", "1,2,3,nan", "1;2;3;4"};

    for (guint i = 0; i < G_N_ELEMENTS(boxes); i++) {
        GstElement *detect = test_detect();

        g_object_set(detect, "prompt-box", boxes[i], NULL);
        assert_start_fails(detect, GST_RESOURCE_ERROR_SETTINGS, boxes[i]);
    }
}
GST_END_TEST

/* A failed start leaves nothing behind: with the fault mended the same element works. */
GST_START_TEST(starts_after_a_failure)
{
    GstElement *detect = test_detect();
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps("RGB", 64, 48);
    GstHarness *harness;

    g_object_set(detect, "model", "/nowhere", NULL);
    fail_unless_equals_int(gst_element_set_state(detect, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(detect, GST_STATE_NULL);
    g_object_set(detect, "model", test_model(), NULL);
    harness = test_harness(detect, &bus);
    gst_buffer_unref(test_push(harness, caps, 0));
    test_harness_free(harness);
}
GST_END_TEST

static Suite *
errors_suite(void)
{
    Suite *suite = suite_create("errors");
    TCase *tests = tcase_create("errors");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, registers_without_model);
    tcase_add_test(tests, flags_tell_what_may_change);
    tcase_add_test(tests, properties_keep_their_values);
    tcase_add_test(tests, no_model);
    tcase_add_test(tests, missing_model);
    tcase_add_test(tests, broken_config);
    tcase_add_test(tests, truncated_weights);
    tcase_add_test(tests, missing_device);
    tcase_add_test(tests, missing_bank);
    tcase_add_test(tests, broken_bank);
    tcase_add_test(tests, bank_of_another_model);
    tcase_add_test(tests, bad_prompt_box);
    tcase_add_test(tests, starts_after_a_failure);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(errors)
