/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dinor1/error.h>
#include <dinor1/image.h>

static guint8 pixels[64];

static DinoR1Image
nv12(void)
{
    DinoR1Image image = {DINOR1_PIXEL_NV12, 5, 3, {pixels, pixels + 15}, {5, 6}};

    return image;
}

static void
assert_refused(const DinoR1Image *image, const gchar *pattern)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_image_check(image, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    if (!g_pattern_match_simple(pattern, error->message))
        g_error("'%s' is not like '%s'", error->message, pattern);
}

static void
test_accepts(void)
{
    static const gint row_bytes[DINOR1_PIXEL_N_FORMATS][3] = {
        [DINOR1_PIXEL_RGB] = {15},
        [DINOR1_PIXEL_BGR] = {15},
        [DINOR1_PIXEL_RGBX] = {20},
        [DINOR1_PIXEL_BGRX] = {20},
        [DINOR1_PIXEL_XRGB] = {20},
        [DINOR1_PIXEL_XBGR] = {20},
        [DINOR1_PIXEL_NV12] = {5, 6},
        [DINOR1_PIXEL_I420] = {5, 3, 3},
        [DINOR1_PIXEL_GRAY8] = {5},
    };

    for (guint format = 0; format < DINOR1_PIXEL_N_FORMATS; format++) {
        g_autoptr(GError) error = NULL;
        DinoR1Image image = {(DinoR1PixelFormat)format, 5, 3, {NULL}, {0}};

        for (guint plane = 0; plane < 3 && row_bytes[format][plane]; plane++) {
            assert_refused(&image, "*plane*");
            image.planes[plane] = pixels;
            image.strides[plane] = row_bytes[format][plane] - 1;
            assert_refused(&image, "*5x3*stride*");
            image.strides[plane]++;
        }
        dinor1_image_check(&image, &error);
        g_assert_no_error(error);
    }
}

static void
test_sizes(void)
{
    DinoR1Image image = nv12();

    assert_refused(NULL, "*no image*");
    image.width = 0;
    assert_refused(&image, "NV12 image of 0x3*1 to 16384");
    image.width = -5;
    assert_refused(&image, "*-5x3*");
    image.width = DINOR1_IMAGE_MAX_SIDE + 1;
    assert_refused(&image, "*16385x3*");
    image = nv12();
    image.height = 0;
    assert_refused(&image, "*5x0*");
    image.height = G_MAXINT;
    assert_refused(&image, "*2147483647*");
}

static void
test_fields(void)
{
    g_autoptr(GError) error = NULL;
    DinoR1Image image = nv12();

    image.format = DINOR1_PIXEL_N_FORMATS;
    assert_refused(&image, "*format 9*");
    image.format = (DinoR1PixelFormat)-1;
    assert_refused(&image, "*format -1*");
    image = nv12();
    image.matrix = (DinoR1ColorMatrix)3;
    assert_refused(&image, "*matrix 3*");
    image = nv12();
    image.planes[1] = NULL;
    assert_refused(&image, "*plane 1 is missing*");
    image = nv12();
    image.strides[1] = 5;
    assert_refused(&image, "*plane 1*stride of 5*need 6*");
    image.strides[1] = -6;
    assert_refused(&image, "*plane 1*stride of -6*need 6*");
    image.strides[1] = G_MAXINT;
    if (GLIB_SIZEOF_SIZE_T > 4)
        g_assert_true(dinor1_image_check(&image, &error));
    else
        assert_refused(&image, "*memory*");
    /* Not read for RGB. */
    image = (DinoR1Image){DINOR1_PIXEL_GRAY8, 8, 8, {pixels}, {8}, (DinoR1ColorMatrix)7};
    g_assert_true(dinor1_image_check(&image, &error));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/accepts", test_accepts);
    g_test_add_func("/image/sizes", test_sizes);
    g_test_add_func("/image/fields", test_fields);
    return g_test_run();
}
