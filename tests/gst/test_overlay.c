/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

/* Boxes in the video: where the regions are, nowhere else, in every format. */

#define WIDTH  160
#define HEIGHT 120

/* Adds what dinor1detect would add for a box in pixels. */
static void
add_region(GstBuffer *buffer, guint x, guint y, guint width, guint height, gboolean stale)
{
    GstVideoRegionOfInterestMeta *meta =
        gst_buffer_add_video_region_of_interest_meta(buffer, "cup", x, y, width, height);

    gst_video_region_of_interest_meta_add_param(meta,
        gst_structure_new("detection", "x_min", G_TYPE_DOUBLE, (gdouble)x / WIDTH, "x_max", G_TYPE_DOUBLE,
            (gdouble)(x + width) / WIDTH, "y_min", G_TYPE_DOUBLE, (gdouble)y / HEIGHT, "y_max", G_TYPE_DOUBLE,
            (gdouble)(y + height) / HEIGHT, "confidence", G_TYPE_DOUBLE, 0.5, "stale", G_TYPE_BOOLEAN, stale, NULL));
}

static GstHarness *
overlay(GstCaps *caps, GstBus **bus)
{
    GstHarness *harness = test_harness(gst_element_factory_make("dinor1overlay", NULL), bus);

    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    return harness;
}

/* The picture as RGBA, for looking at it. */
static guint8 *
to_rgba(GstBuffer *buffer, GstCaps *caps)
{
    GstVideoInfo from, to;
    GstVideoFrame in, out;
    GstVideoConverter *converter;
    guint8 *pixels = g_malloc(4 * WIDTH * HEIGHT);
    GstBuffer *rgba = gst_buffer_new_wrapped_full(0, pixels, 4 * WIDTH * HEIGHT, 0, 4 * WIDTH * HEIGHT, NULL, NULL);

    fail_unless(gst_video_info_from_caps(&from, caps));
    gst_video_info_set_format(&to, GST_VIDEO_FORMAT_RGBA, WIDTH, HEIGHT);
    to.fps_n = from.fps_n;
    to.fps_d = from.fps_d;
    fail_unless(gst_video_frame_map(&in, &from, buffer, GST_MAP_READ));
    fail_unless(gst_video_frame_map(&out, &to, rgba, GST_MAP_WRITE));
    converter = gst_video_converter_new(&from, &to, NULL);
    gst_video_converter_frame(converter, &in, &out);
    gst_video_converter_free(converter);
    gst_video_frame_unmap(&in);
    gst_video_frame_unmap(&out);
    gst_buffer_unref(rgba);
    return pixels;
}

static guint
count_changed(const guint8 *a, const guint8 *b, guint left, guint top, guint right, guint bottom)
{
    guint count = 0;

    for (guint y = top; y < bottom; y++)
        for (guint x = left; x < right; x++)
            count += memcmp(a + 4 * (y * WIDTH + x), b + 4 * (y * WIDTH + x), 3) != 0;
    return count;
}

/* A box at 40,50 of 60×40: its edges changed, its inside did not, and nothing farther than its label did. */
static void
assert_box(GstBuffer *before, GstBuffer *after, GstCaps *caps)
{
    g_autofree guint8 *a = to_rgba(before, caps), *b = to_rgba(after, caps);

    fail_unless(count_changed(a, b, 40, 50, 100, 51) == 60, "top edge");
    fail_unless(count_changed(a, b, 40, 89, 100, 90) == 60, "bottom edge");
    fail_unless(count_changed(a, b, 40, 50, 41, 90) == 40, "left edge");
    fail_unless(count_changed(a, b, 99, 50, 100, 90) == 40, "right edge");
    /* Halved chroma bleeds over the neighbouring pixels. */
    fail_unless_equals_int(count_changed(a, b, 44, 54, 96, 86), 0);
    fail_unless_equals_int(count_changed(a, b, 0, 94, WIDTH, HEIGHT), 0);
    fail_unless_equals_int(count_changed(a, b, 0, 0, WIDTH, 30), 0);
    fail_unless_equals_int(count_changed(a, b, 0, 0, 36, HEIGHT), 0);
}

GST_START_TEST(every_format)
{
    static const gchar *const formats[] = {
        "BGRx", "BGRA", "RGBA", "xRGB", "ARGB", "RGB", "BGR", "I420", "NV12", "YUY2", "GRAY8", "Y444"};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GstCaps) caps = test_caps(formats[i], WIDTH, HEIGHT);
        g_autoptr(GstBus) bus = NULL;
        GstHarness *harness = overlay(caps, &bus);
        g_autoptr(GstBuffer) before = test_frame(caps, 0);
        GstBuffer *in = test_frame(caps, 0);
        g_autoptr(GstBuffer) after = NULL;

        add_region(in, 40, 50, 60, 40, FALSE);
        after = gst_harness_push_and_pull(harness, in);
        fail_unless(after != NULL);
        assert_box(before, after, caps);
        test_harness_free(harness);
    }
}
GST_END_TEST

/* A frame that somebody else still holds is not drawn on: a copy is. */
GST_START_TEST(shared_frame)
{
    g_autoptr(GstCaps) caps = test_caps("BGRx", WIDTH, HEIGHT);
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = overlay(caps, &bus);
    g_autoptr(GstBuffer) in = test_frame(caps, 0), original = test_frame(caps, 0), after = NULL;

    add_region(in, 40, 50, 60, 40, FALSE);
    after = gst_harness_push_and_pull(harness, gst_buffer_ref(in));
    assert_box(in, after, caps);
    assert_box(original, after, caps);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(without_detections_untouched)
{
    g_autoptr(GstCaps) caps = test_caps("I420", WIDTH, HEIGHT);
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = overlay(caps, &bus);
    g_autoptr(GstBuffer) in = test_frame(caps, 0), before = test_frame(caps, 0), after = NULL;
    g_autofree guint8 *a = NULL, *b = NULL;

    /* Somebody else's region. */
    gst_buffer_add_video_region_of_interest_meta(in, "face", 10, 10, 50, 50);
    after = gst_harness_push_and_pull(harness, gst_buffer_ref(in));
    fail_unless(gst_buffer_peek_memory(after, 0) == gst_buffer_peek_memory(in, 0), "the frame was copied");
    a = to_rgba(before, caps);
    b = to_rgba(after, caps);
    fail_unless_equals_int(count_changed(a, b, 0, 0, WIDTH, HEIGHT), 0);
    test_harness_free(harness);
}
GST_END_TEST

/* @buffer (taken over) with other rows and another start. */
static GstBuffer *
laid_out(GstBuffer *buffer, GstCaps *caps, gsize offset, gint stride)
{
    gsize offsets[GST_VIDEO_MAX_PLANES] = {offset};
    gint strides[GST_VIDEO_MAX_PLANES] = {stride};
    GstBuffer *result = gst_buffer_new_allocate(NULL, offset + (gsize)stride * HEIGHT, NULL);
    GstVideoFrame from, to;
    GstVideoInfo info;

    fail_unless(gst_video_info_from_caps(&info, caps));
    gst_buffer_add_video_meta_full(
        result, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info), WIDTH, HEIGHT, 1, offsets, strides);
    fail_unless(gst_video_frame_map(&from, &info, buffer, GST_MAP_READ));
    fail_unless(gst_video_frame_map(&to, &info, result, GST_MAP_WRITE));
    fail_unless(gst_video_frame_copy(&to, &from));
    gst_video_frame_unmap(&from);
    gst_video_frame_unmap(&to);
    gst_buffer_unref(buffer);
    return result;
}

GST_START_TEST(strides_and_offsets)
{
    static const struct {
        const gchar *format;
        gsize offset;
        gint stride;
    } cases[] = {{"BGRx", 64, 4 * WIDTH + 20}, {"RGBA", 12, 4 * WIDTH + 4}, {"RGB", 1, 3 * WIDTH + 7},
        {"GRAY8", 3, WIDTH + 1}, {"YUY2", 4, 2 * WIDTH + 8}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GstCaps) caps = test_caps(cases[i].format, WIDTH, HEIGHT);
        g_autoptr(GstBus) bus = NULL;
        GstHarness *harness = overlay(caps, &bus);
        g_autoptr(GstBuffer) before = test_frame(caps, 0), after = NULL;
        GstBuffer *in = laid_out(test_frame(caps, 0), caps, cases[i].offset, cases[i].stride);

        add_region(in, 40, 50, 60, 40, FALSE);
        after = gst_harness_push_and_pull(harness, in);
        assert_box(before, after, caps);
        test_harness_free(harness);
    }
}
GST_END_TEST

GST_START_TEST(unaligned_is_an_error)
{
    static const gsize layouts[][2] = {{1, 4 * WIDTH}, {2, 4 * WIDTH}, {0, 4 * WIDTH + 2}};
    static const gchar *const formats[] = {"BGRx", "RGBA"};

    for (guint i = 0; i < G_N_ELEMENTS(layouts) * G_N_ELEMENTS(formats); i++) {
        g_autoptr(GstCaps) caps = test_caps(formats[i % 2], WIDTH, HEIGHT);
        g_autoptr(GstBus) bus = NULL;
        GstHarness *harness = overlay(caps, &bus);
        GstBuffer *in = gst_buffer_new_allocate(NULL, 8 * WIDTH * HEIGHT, NULL);
        gsize offsets[GST_VIDEO_MAX_PLANES] = {layouts[i / 2][0]};
        gint strides[GST_VIDEO_MAX_PLANES] = {(gint)layouts[i / 2][1]};

        gst_buffer_add_video_meta_full(in, GST_VIDEO_FRAME_FLAG_NONE, gst_video_format_from_string(formats[i % 2]),
            WIDTH, HEIGHT, 1, offsets, strides);
        add_region(in, 40, 50, 60, 40, FALSE);
        fail_unless_equals_int(gst_harness_push(harness, in), GST_FLOW_ERROR);
        test_assert_message(bus, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "aligned");
        test_harness_free(harness);
    }
}
GST_END_TEST

GST_START_TEST(stale_boxes_differ)
{
    g_autoptr(GstCaps) caps = test_caps("I420", WIDTH, HEIGHT);
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = overlay(caps, &bus);
    g_autoptr(GstBuffer) before = test_frame(caps, 0), after = NULL;
    g_autofree guint8 *a = NULL, *b = NULL;
    GstBuffer *in = test_frame(caps, 0);

    add_region(in, 40, 50, 60, 40, TRUE);
    after = gst_harness_push_and_pull(harness, in);
    a = to_rgba(before, caps);
    b = to_rgba(after, caps);
    fail_unless(count_changed(a, b, 40, 89, 100, 90) > 15);
    fail_unless(count_changed(a, b, 40, 89, 100, 90) < 60);
    test_harness_free(harness);
}
GST_END_TEST

/* The size changes, and the canvas with it. */
GST_START_TEST(caps_change)
{
    static const gint sizes[][2] = {{WIDTH, HEIGHT}, {1, 1}, {641, 37}, {WIDTH, HEIGHT}};
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstCaps) caps = test_caps("NV12", WIDTH, HEIGHT);
    GstHarness *harness = overlay(caps, &bus);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GstCaps) other = test_caps(i == 1 ? "RGB" : "NV12", sizes[i][0], sizes[i][1]);
        g_autoptr(GstBuffer) before = test_frame(other, 0), after = NULL;
        GstBuffer *in = test_frame(other, 0);

        add_region(in, 40, 50, 60, 40, FALSE);
        gst_harness_set_src_caps(harness, gst_caps_ref(other));
        after = gst_harness_push_and_pull(harness, in);
        fail_unless(after != NULL);
        if (sizes[i][0] == WIDTH)
            assert_box(before, after, other);
    }
    test_harness_free(harness);
}
GST_END_TEST

static Suite *
overlay_suite(void)
{
    Suite *suite = suite_create("overlay");
    TCase *tests = tcase_create("overlay");

    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, every_format);
    tcase_add_test(tests, shared_frame);
    tcase_add_test(tests, without_detections_untouched);
    tcase_add_test(tests, strides_and_offsets);
    tcase_add_test(tests, unaligned_is_an_error);
    tcase_add_test(tests, stale_boxes_differ);
    tcase_add_test(tests, caps_change);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(overlay)
