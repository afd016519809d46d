/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1frame.h"
#include "support.h"

#include <math.h>

/* Any format, size, stride and colorimetry: the same picture gives the same detections. */

static GstHarness *
harness_with_bank(GstBus **bus)
{
    GstElement *detect = test_detect();
    g_autofree gchar *bank = test_bank(test_model());

    g_object_set(detect, "prompts", bank, NULL);
    return test_harness(detect, bus);
}

/* What is found in the picture as @buffer (taken over) shows it. */
static GArray *
find(GstHarness *harness, GstCaps *caps, GstBuffer *buffer, GstBuffer **out)
{
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    *out = gst_harness_push_and_pull(harness, buffer);
    fail_unless(*out != NULL);
    return test_regions(*out);
}

static GArray *
find_in(GstHarness *harness, const gchar *format, const gchar *colorimetry)
{
    g_autoptr(GstCaps) plain = test_caps(format, 96, 80), labelled = test_caps(format, 96, 80);
    g_autoptr(GstBuffer) out = NULL;

    gst_caps_set_simple(labelled, "colorimetry", G_TYPE_STRING, colorimetry, NULL);
    return find(harness, labelled, test_frame(plain, 0), &out);
}

/* The region that was there before the detections is still the first. */
static void
remove_upstream_region(GstBuffer *buffer)
{
    gpointer state = NULL;
    GstMeta *meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);

    fail_unless(meta != NULL);
    fail_unless_equals_string(g_quark_to_string(((GstVideoRegionOfInterestMeta *)meta)->roi_type), "upstream");
    gst_buffer_remove_meta(buffer, meta);
}

GST_START_TEST(values_and_order)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GstCaps) caps = test_caps("RGB", 96, 80);
    g_autoptr(GstBuffer) in = test_frame(caps, 3), out = NULL;
    g_autoptr(GstBuffer) original = gst_buffer_copy_deep(in);
    g_autoptr(GArray) found = NULL;
    GstMapInfo a, b;

    gst_buffer_add_video_region_of_interest_meta(in, "upstream", 1, 2, 3, 4);
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    out = gst_harness_push_and_pull(harness, g_steal_pointer(&in));
    remove_upstream_region(out);
    found = test_regions(out);
    fail_unless_equals_int(found->len, 5);
    for (guint i = 0; i < found->len; i++) {
        const TestRegion *region = &g_array_index(found, TestRegion, i);

        fail_unless_equals_string(region->type, region->label);
        fail_unless_equals_string(region->label, region->label_id ? "blue" : "red");
        fail_unless(region->confidence >= 0 && region->confidence <= 1 && !region->stale);
        fail_unless(!i || region->confidence <= g_array_index(found, TestRegion, i - 1).confidence);
        fail_unless(region->x_min >= 0 && region->x_min < region->x_max && region->x_max <= 1);
        fail_unless(region->y_min >= 0 && region->y_min < region->y_max && region->y_max <= 1);
        fail_unless_equals_int(region->x, (gint)floor(region->x_min * 96 + 1e-4));
        fail_unless_equals_int(region->y, (gint)floor(region->y_min * 80 + 1e-4));
        fail_unless_equals_int(region->x + region->width, (gint)ceil(region->x_max * 96 - 1e-4));
        fail_unless_equals_int(region->y + region->height, (gint)ceil(region->y_max * 80 - 1e-4));
    }
    fail_unless(GST_BUFFER_PTS(out) == GST_BUFFER_PTS(original));
    gst_buffer_map(out, &a, GST_MAP_READ);
    gst_buffer_map(original, &b, GST_MAP_READ);
    fail_unless(a.size == b.size && !memcmp(a.data, b.data, a.size));
    gst_buffer_unmap(out, &a);
    gst_buffer_unmap(original, &b);
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(packed_formats)
{
    static const gchar *const packed[] = {"BGR", "RGBA", "BGRA", "RGBx", "BGRx", "ARGB", "xRGB", "ABGR", "xBGR"};
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GstCaps) caps = test_caps("RGB", 96, 80);
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) expected = find(harness, caps, test_frame(caps, 0), &out);

    for (guint i = 0; i < G_N_ELEMENTS(packed); i++) {
        g_autoptr(GstCaps) other_caps = test_caps(packed[i], 96, 80);
        g_autoptr(GstBuffer) other_out = NULL;
        g_autoptr(GArray) found = find(harness, other_caps, test_frame(other_caps, 0), &other_out);

        test_assert_same(found, expected, 0, 0);
    }
    test_harness_free(harness);
}
GST_END_TEST

/* The same bytes in both formats, and what their caps say about colour reaches the model. */
GST_START_TEST(yuv_formats)
{
    static const gchar *const standards[] = {"bt601", "bt709", "bt2020", "1:4:0:0"};
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    gdouble best[G_N_ELEMENTS(standards)];

    for (guint i = 0; i < G_N_ELEMENTS(standards); i++) {
        g_autoptr(GArray) i420 = find_in(harness, "I420", standards[i]);
        g_autoptr(GArray) nv12 = find_in(harness, "NV12", standards[i]);

        test_assert_same(i420, nv12, 0, 0);
        best[i] = g_array_index(i420, TestRegion, 0).confidence;
        for (guint k = 0; k < i; k++)
            fail_unless(best[k] != best[i], "%s is taken for %s", standards[i], standards[k]);
    }
    test_harness_free(harness);
}
GST_END_TEST

/* What the library is told about a frame. Its conversion has tests of its own. */
GST_START_TEST(colorimetry)
{
    static const struct {
        const gchar *format, *colorimetry;
        DinoR1PixelFormat pixels;
        DinoR1ColorMatrix matrix;
        gboolean full_range;
    } cases[] = {
        {"I420", "bt601", DINOR1_PIXEL_I420, DINOR1_MATRIX_BT601, FALSE},
        {"NV12", "bt709", DINOR1_PIXEL_NV12, DINOR1_MATRIX_BT709, FALSE},
        {"I420", "bt2020", DINOR1_PIXEL_I420, DINOR1_MATRIX_BT2020, FALSE},
        {"NV12", "1:4:0:0", DINOR1_PIXEL_NV12, DINOR1_MATRIX_BT601, TRUE},
        {"I420", "1:3:5:1", DINOR1_PIXEL_I420, DINOR1_MATRIX_BT709, TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GstCaps) caps = test_caps(cases[i].format, 96, 80);
        g_autoptr(GstBuffer) buffer = NULL;
        g_autoptr(GError) error = NULL;
        GstVideoInfo info;
        GstVideoFrame frame;
        DinoR1Image image;

        gst_caps_set_simple(caps, "colorimetry", G_TYPE_STRING, cases[i].colorimetry, NULL);
        buffer = test_frame(caps, 0);
        fail_unless(gst_video_info_from_caps(&info, caps));
        fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
        fail_unless(gst_dinor1_frame_to_image(&frame, FALSE, &image, &error));
        fail_unless(image.format == cases[i].pixels && image.matrix == cases[i].matrix &&
                        image.full_range == cases[i].full_range,
            "%s %s", cases[i].format, cases[i].colorimetry);
        fail_unless(dinor1_image_check(&image, &error));
        gst_video_frame_unmap(&frame);
    }
}
GST_END_TEST

/* A gray picture is the same picture in RGB. */
GST_START_TEST(gray)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GstCaps) gray_caps = test_caps("GRAY8", 96, 80), rgb_caps = test_caps("RGB", 96, 80);
    g_autoptr(GstBuffer) rgb = gst_buffer_new_allocate(NULL, 96 * 80 * 3, NULL), out = NULL, rgb_out = NULL;
    g_autoptr(GArray) found = find(harness, gray_caps, test_frame(gray_caps, 0), &out);
    g_autoptr(GArray) expected = NULL;
    GstMapInfo from, to;

    gst_buffer_map(out, &from, GST_MAP_READ);
    gst_buffer_map(rgb, &to, GST_MAP_WRITE);
    for (guint i = 0; i < to.size; i++)
        to.data[i] = from.data[i / 3];
    gst_buffer_unmap(out, &from);
    gst_buffer_unmap(rgb, &to);
    expected = find(harness, rgb_caps, g_steal_pointer(&rgb), &rgb_out);
    test_assert_same(found, expected, 0, 0);
    test_harness_free(harness);
}
GST_END_TEST

/* The same picture in rows of more bytes than needed, after a gap at the front. */
static GstBuffer *
padded(GstBuffer *buffer, GstCaps *caps, guint padding, guint gap)
{
    GstVideoInfo tight, loose;
    GstVideoAlignment alignment;
    GstVideoFrame in, out;
    GstBuffer *result;

    gst_video_info_from_caps(&tight, caps);
    loose = tight;
    gst_video_alignment_reset(&alignment);
    alignment.padding_right = padding;
    alignment.padding_bottom = 3;
    fail_unless(gst_video_info_align(&loose, &alignment));
    for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES(&loose); i++)
        loose.offset[i] += gap;
    result = gst_buffer_new_allocate(NULL, loose.size + gap, NULL);
    gst_buffer_memset(result, 0, 0xa5, loose.size + gap);
    gst_buffer_add_video_meta_full(result, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&loose),
        (guint)GST_VIDEO_INFO_WIDTH(&loose), (guint)GST_VIDEO_INFO_HEIGHT(&loose), GST_VIDEO_INFO_N_PLANES(&loose),
        loose.offset, loose.stride);
    fail_unless(gst_video_frame_map(&in, &tight, buffer, GST_MAP_READ));
    fail_unless(gst_video_frame_map(&out, &tight, result, GST_MAP_WRITE));
    fail_unless(gst_video_frame_copy(&out, &in));
    gst_video_frame_unmap(&in);
    gst_video_frame_unmap(&out);
    gst_buffer_unref(buffer);
    return result;
}

GST_START_TEST(strides_and_offsets)
{
    static const gchar *const formats[] = {"RGB", "BGRx", "I420", "NV12", "GRAY8"};
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GstCaps) caps = test_caps(formats[i], 95, 81);
        g_autoptr(GstBuffer) out = NULL, padded_out = NULL;
        g_autoptr(GArray) expected = find(harness, caps, test_frame(caps, 0), &out);
        g_autoptr(GArray) found = find(harness, caps, padded(test_frame(caps, 0), caps, 37, 64), &padded_out);

        test_assert_same(found, expected, 0, 0);
    }
    test_harness_free(harness);
}
GST_END_TEST

/* A GstVideoMeta that promises more than there is. */
GST_START_TEST(malformed_buffers)
{
    g_autoptr(GstCaps) caps = test_caps("I420", 96, 80);

    for (guint bad = 0; bad < 3; bad++) {
        g_autoptr(GstBus) bus = NULL;
        GstHarness *harness = harness_with_bank(&bus);
        GstBuffer *buffer = test_frame(caps, 0);
        gsize offsets[GST_VIDEO_MAX_PLANES] = {0, 96 * 80, 96 * 80 + 48 * 40};
        gint strides[GST_VIDEO_MAX_PLANES] = {96, 48, 48};

        if (bad == 0)
            strides[0] = 400;
        else if (bad == 1)
            strides[2] = 40;
        else
            offsets[2] += 1000;
        gst_buffer_add_video_meta_full(
            buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 96, 80, 3, offsets, strides);
        gst_harness_set_src_caps(harness, gst_caps_ref(caps));
        fail_unless_equals_int(gst_harness_push(harness, buffer), GST_FLOW_ERROR);
        test_assert_message(bus, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "plane");
        test_harness_free(harness);
    }
}
GST_END_TEST

GST_START_TEST(too_small_buffer)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GstCaps) caps = test_caps("RGB", 96, 80);

    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    fail_unless_equals_int(gst_harness_push(harness, gst_buffer_new_allocate(NULL, 1000, NULL)), GST_FLOW_ERROR);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "96×80");
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(caps_change)
{
    static const gint sizes[][2] = {{96, 80}, {64, 200}, {321, 17}, {96, 80}};
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GArray) first = NULL;
    g_autoptr(GstBuffer) first_out = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GstCaps) caps = test_caps(i == 1 ? "NV12" : "RGB", sizes[i][0], sizes[i][1]);
        GstBuffer *out;
        GArray *found = find(harness, caps, test_frame(caps, 0), &out);

        for (guint k = 0; k < found->len; k++) {
            const TestRegion *region = &g_array_index(found, TestRegion, k);

            fail_unless(region->x + region->width <= (guint)sizes[i][0]);
            fail_unless(region->y + region->height <= (guint)sizes[i][1]);
        }
        if (i == 3)
            test_assert_same(found, first, 0, 0);
        if (i == 0) {
            first = found;
            first_out = out;
        } else {
            g_array_unref(found);
            gst_buffer_unref(out);
        }
    }
    test_harness_free(harness);
}
GST_END_TEST

GST_START_TEST(extreme_sizes)
{
    static const gint sizes[][2] = {{1, 1}, {1, 300}, {8192, 8192}, {16000, 2}};
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GstCaps) caps = test_caps("GRAY8", sizes[i][0], sizes[i][1]);
        g_autoptr(GstBuffer) out = NULL;
        g_autoptr(GArray) found = NULL;
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, GST_ROUND_UP_4(sizes[i][0]) * (gsize)sizes[i][1], NULL);

        gst_buffer_memset(buffer, 0, 100, -1);
        found = find(harness, caps, buffer, &out);
        fail_unless_equals_int(found->len, 5);
    }
    test_harness_free(harness);
}
GST_END_TEST

/* Wider than the library takes. */
GST_START_TEST(too_wide)
{
    g_autoptr(GstBus) bus = NULL;
    GstHarness *harness = harness_with_bank(&bus);
    g_autoptr(GstCaps) caps = test_caps("GRAY8", 20000, 1);

    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    fail_unless_equals_int(gst_harness_push(harness, test_frame(caps, 0)), GST_FLOW_ERROR);
    test_assert_message(bus, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "20000");
    test_harness_free(harness);
}
GST_END_TEST

static Suite *
frames_suite(void)
{
    Suite *suite = suite_create("frames");
    TCase *tests = tcase_create("frames");

    tcase_set_timeout(tests, 0);
    tcase_add_checked_fixture(tests, test_setup, test_teardown);
    tcase_add_test(tests, values_and_order);
    tcase_add_test(tests, packed_formats);
    tcase_add_test(tests, yuv_formats);
    tcase_add_test(tests, colorimetry);
    tcase_add_test(tests, gray);
    tcase_add_test(tests, strides_and_offsets);
    tcase_add_test(tests, malformed_buffers);
    tcase_add_test(tests, too_small_buffer);
    tcase_add_test(tests, caps_change);
    tcase_add_test(tests, extreme_sizes);
    tcase_add_test(tests, too_wide);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(frames)
