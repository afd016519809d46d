/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "support.h"

#include <draw.h>
#include <math.h>

/* The drawing itself, on a canvas with a margin that must stay empty. */

#define MARGIN 40

typedef struct {
    gint width, height; /* of the picture, without the margin */
    cairo_surface_t *surface;
} Canvas;

static Canvas
draw(gint width, gint height, const DinoR1DrawItem *items, guint n_items)
{
    Canvas canvas = {
        width, height, cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width + 2 * MARGIN, height + 2 * MARGIN)};
    cairo_t *cr = cairo_create(canvas.surface);

    cairo_translate(cr, MARGIN, MARGIN);
    dinor1_draw_detections(cr, width, height, items, n_items);
    fail_unless_equals_int(cairo_status(cr), CAIRO_STATUS_SUCCESS);
    cairo_destroy(cr);
    cairo_surface_flush(canvas.surface);
    return canvas;
}

/* In pixels of the picture; the margin has coordinates below 0. */
static guint32
pixel(const Canvas *canvas, gint x, gint y)
{
    const guint8 *data = cairo_image_surface_get_data(canvas->surface);
    gint stride = cairo_image_surface_get_stride(canvas->surface);

    return *(const guint32 *)(data + (gsize)(y + MARGIN) * stride + 4 * (gsize)(x + MARGIN));
}

static guint
count_painted(const Canvas *canvas, gint left, gint top, gint right, gint bottom)
{
    guint count = 0;

    for (gint y = top; y < bottom; y++)
        for (gint x = left; x < right; x++)
            count += pixel(canvas, x, y) != 0;
    return count;
}

static void
assert_margin_empty(const Canvas *canvas)
{
    gint right = canvas->width, bottom = canvas->height;

    fail_unless_equals_int(count_painted(canvas, -MARGIN, -MARGIN, right + MARGIN, 0), 0);
    fail_unless_equals_int(count_painted(canvas, -MARGIN, bottom, right + MARGIN, bottom + MARGIN), 0);
    fail_unless_equals_int(count_painted(canvas, -MARGIN, -MARGIN, 0, bottom + MARGIN), 0);
    fail_unless_equals_int(count_painted(canvas, right, -MARGIN, right + MARGIN, bottom + MARGIN), 0);
}

GST_START_TEST(box_and_label)
{
    const DinoR1DrawItem item = {"cup", 0.75f, {100, 100, 80, 60}, FALSE};
    Canvas canvas = draw(320, 240, &item, 1);
    guint32 colour = pixel(&canvas, 100, 130);

    fail_unless(colour >> 24 == 0xff);
    for (gint x = 100; x < 180; x++)
        fail_unless(pixel(&canvas, x, 100) == colour && pixel(&canvas, x, 159) == colour);
    for (gint y = 100; y < 160; y++)
        fail_unless(pixel(&canvas, 100, y) == colour && pixel(&canvas, 179, y) == colour);
    fail_unless_equals_int(count_painted(&canvas, 102, 102, 178, 158), 0);
    fail_unless(count_painted(&canvas, 100, 80, 180, 100) > 200, "no label above the box");
    fail_unless_equals_int(count_painted(&canvas, 0, 0, 320, 75), 0);
    fail_unless_equals_int(count_painted(&canvas, 0, 160, 320, 240), 0);
    cairo_surface_destroy(canvas.surface);
}
GST_END_TEST

/* Half of a dashed line is missing. */
GST_START_TEST(stale_is_dashed)
{
    DinoR1DrawItem item = {"", -1, {20, 20, 280, 200}, FALSE};
    Canvas solid = draw(320, 240, &item, 1), dashed;
    guint full = count_painted(&solid, 0, 0, 320, 240), part;

    item.stale = TRUE;
    dashed = draw(320, 240, &item, 1);
    part = count_painted(&dashed, 0, 0, 320, 240);
    fail_unless(part > full / 3 && part < full * 4 / 5, "%u of %u pixels", part, full);
    cairo_surface_destroy(solid.surface);
    cairo_surface_destroy(dashed.surface);
}
GST_END_TEST

GST_START_TEST(stays_inside)
{
    static const DinoR1DrawItem items[] = {
        {"a label that is much longer than the whole picture is wide, so that it has to be shortened", 1,
            {-50, -50, 400, 400}, FALSE},
        {"top right", 0.5f, {60, -5, 80, 20}, FALSE},
        {"bottom", 0.5f, {-20, 70, 30, 300}, TRUE},
        {"line\nbreak", 0.5f, {10, 30, 1e30f, 5}, FALSE},
        {"no size", 0.5f, {10, 30, 0, 5}, FALSE},
    };
    static const gint sizes[][2] = {{100, 80}, {1, 1}, {3, 200}, {200, 2}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Canvas canvas = draw(sizes[i][0], sizes[i][1], items, G_N_ELEMENTS(items));

        assert_margin_empty(&canvas);
        fail_unless(count_painted(&canvas, 0, 0, sizes[i][0], sizes[i][1]) > 0);
        cairo_surface_destroy(canvas.surface);
    }
}
GST_END_TEST

GST_START_TEST(nonsense_is_left_out)
{
    const DinoR1DrawItem items[] = {
        {"nan", 0.5f, {NAN, 0, 10, 10}, FALSE},
        {"infinite", 0.5f, {0, 0, INFINITY, 10}, FALSE},
        {"outside", 0.5f, {500, 500, 10, 10}, FALSE},
        {"left of it", 0.5f, {-500, 10, 10, 10}, FALSE},
        {"negative", 0.5f, {50, 50, -10, 10}, FALSE},
    };
    Canvas canvas = draw(320, 240, items, G_N_ELEMENTS(items));

    fail_unless_equals_int(count_painted(&canvas, -MARGIN, -MARGIN, 320 + MARGIN, 240 + MARGIN), 0);
    cairo_surface_destroy(canvas.surface);
}
GST_END_TEST

GST_START_TEST(any_label)
{
    static const gchar *const labels[] = {NULL, "", "\xff\xfe broken UTF-8", "行人 🚗", "a\tb"};

    for (guint i = 0; i < G_N_ELEMENTS(labels); i++) {
        const DinoR1DrawItem item = {labels[i], NAN, {100, 100, 80, 60}, FALSE};
        Canvas canvas = draw(320, 240, &item, 1);

        fail_unless(count_painted(&canvas, 0, 0, 320, 240) > 200);
        cairo_surface_destroy(canvas.surface);
    }
}
GST_END_TEST

/* Colours are part of what people remember: they must not change from one version to the next. */
GST_START_TEST(colours_stay)
{
    static const struct {
        const gchar *label;
        guint32 colour;
    } known[] = {{"person", 0xff0cff2d}, {"car", 0xffff59db}, {"cup", 0xff88ff59}};

    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        const DinoR1DrawItem item = {known[i].label, -1, {100, 100, 80, 60}, FALSE};
        Canvas canvas = draw(320, 240, &item, 1);

        fail_unless(
            pixel(&canvas, 100, 130) == known[i].colour, "%s is 0x%08x now", known[i].label, pixel(&canvas, 100, 130));
        cairo_surface_destroy(canvas.surface);
    }
}
GST_END_TEST

static Suite *
draw_suite(void)
{
    Suite *suite = suite_create("draw");
    TCase *tests = tcase_create("draw");

    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, box_and_label);
    tcase_add_test(tests, stale_is_dashed);
    tcase_add_test(tests, stays_inside);
    tcase_add_test(tests, nonsense_is_left_out);
    tcase_add_test(tests, any_label);
    tcase_add_test(tests, colours_stay);
    suite_add_tcase(suite, tests);
    return suite;
}

GST_CHECK_MAIN(draw)
