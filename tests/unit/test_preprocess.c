/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/preprocess.h"

#include <dinor1/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const gfloat zeros[3] = {0, 0, 0}, ones[3] = {1, 1, 1};
static const gfloat mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};

/* The picture of golden/generate_preprocess.py, tightly packed RGB in a buffer of exactly its size. */
static guint8 *
picture(gint width, gint height)
{
    guint8 *rgb = g_malloc((gsize)(width * height * 3));

    for (guint32 y = 0; y < (guint32)height; y++) {
        for (guint32 x = 0; x < (guint32)width; x++) {
            for (guint32 c = 0; c < 3; c++) {
                guint32 value = ((x * 2654435761u ^ y * 2246822519u ^ c * 3266489917u) * 668265263u) >> 24;

                if (((x >> 3) + (y >> 3)) & 1)
                    value = value > 127 ? 255 : 0;
                rgb[(y * (guint32)width + x) * 3 + c] = (guint8)value;
            }
        }
    }
    return rgb;
}

static DinoR1Image
rgb_image(const guint8 *rgb, gint width, gint height)
{
    return (DinoR1Image){DINOR1_PIXEL_RGB, width, height, {rgb}, {3 * width}};
}

/* Runs in levels 0 … 255, into a buffer of exactly the output's size. */
static gfloat *
run_levels(DinoR1Preprocess *preprocess, const DinoR1Image *image, gint out_width, gint out_height, DinoR1Pool *pool)
{
    g_autoptr(GError) error = NULL;
    gfloat *out = g_new(gfloat, out_width * out_height * 3);

    dinor1_preprocess_run(preprocess, image, out_width, out_height, 1, zeros, ones, pool, out, &error);
    g_assert_no_error(error);
    return out;
}

/* The lines of a golden file without comments, each split at tabs. */
static GPtrArray *
read_golden(const gchar *name, guint n_columns)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "preprocess", name, NULL);
    g_autofree gchar *text = NULL;
    g_autoptr(GError) error = NULL;
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (lines[i][0] == '#' || lines[i][0] == '\0')
            continue;
        gchar **cells = g_strsplit(lines[i], "\t", -1);

        g_assert_cmpuint(g_strv_length(cells), ==, n_columns);
        g_ptr_array_add(rows, cells);
    }
    g_assert_cmpuint(rows->len, >, 0);
    return rows;
}

static gint
cell(const GPtrArray *rows, guint row, guint column)
{
    return atoi(((gchar **)g_ptr_array_index(rows, row))[column]);
}

static guchar *
cell_bytes(const GPtrArray *rows, guint row, guint column, gsize expected_size)
{
    gsize size = 0;
    guchar *bytes = g_base64_decode(((gchar **)g_ptr_array_index(rows, row))[column], &size);

    g_assert_cmpuint(size, ==, expected_size);
    return bytes;
}

/* PIL rounds to 8 bits twice, half a level at most each time: variance 1/12 each. */
static void
test_pil(void)
{
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    g_autoptr(GPtrArray) rows = read_golden("resize.tsv", 5);
    gdouble worst = 0;

    for (guint i = 0; i < rows->len; i++) {
        gint width = cell(rows, i, 0), height = cell(rows, i, 1);
        gint out_width = cell(rows, i, 2), out_height = cell(rows, i, 3);
        gsize n = (gsize)(out_width * out_height * 3);
        g_autofree guint8 *rgb = picture(width, height);
        DinoR1Image image = rgb_image(rgb, width, height);
        g_autofree gfloat *out = run_levels(preprocess, &image, out_width, out_height, NULL);
        g_autofree guchar *expected = cell_bytes(rows, i, 4, n);
        gdouble squares = 0;

        for (gsize k = 0; k < n; k++) {
            gdouble difference = (gdouble)out[k] - expected[k];

            worst = MAX(worst, fabs(difference));
            squares += difference * difference;
        }
        if (worst > 1 + 1e-4) /* float rounding on top, where both of its roundings are ties */
            g_error("%dx%d to %dx%d: %g levels from PIL", width, height, out_width, out_height, worst);
        if (n >= 1000)
            g_assert_cmpfloat(sqrt(squares / (gdouble)n), <, sqrt(2.0 / 12));
    }
    g_test_message("worst difference from PIL: %g levels", worst);
}

static void
test_published(void)
{
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    g_autoptr(GPtrArray) rows = read_golden("published.tsv", 7);

    for (guint i = 0; i < rows->len; i++) {
        gint width = cell(rows, i, 0), height = cell(rows, i, 1), out_width, out_height;
        g_autofree guint8 *rgb = picture(width, height);
        DinoR1Image image = rgb_image(rgb, width, height);
        g_autoptr(GError) error = NULL;

        dinor1_resize_rule(width, height, cell(rows, i, 2), cell(rows, i, 3), &out_width, &out_height);
        g_assert_cmpint(out_width, ==, cell(rows, i, 4));
        g_assert_cmpint(out_height, ==, cell(rows, i, 5));
        gsize n = (gsize)(out_width * out_height * 3);
        g_autofree guchar *bytes = cell_bytes(rows, i, 6, n * 4);
        g_autofree gfloat *out = g_new(gfloat, n);

        dinor1_preprocess_run(preprocess, &image, out_width, out_height, 1 / 255.0f, mean, std, NULL, out, &error);
        g_assert_no_error(error);
        for (gsize k = 0; k < n; k++) {
            gfloat expected;

            memcpy(&expected, bytes + 4 * k, 4);
            g_assert_cmpfloat_with_epsilon(out[k], expected, 1.0f / 255 / std[k % 3]);
        }
    }
}

static void
test_rule(void)
{
    g_autoptr(GPtrArray) rows = read_golden("rule.tsv", 6);

    g_assert_cmpuint(rows->len, >=, 300);
    for (guint i = 0; i < rows->len; i++) {
        gint out_width, out_height;

        dinor1_resize_rule(
            cell(rows, i, 0), cell(rows, i, 1), cell(rows, i, 2), cell(rows, i, 3), &out_width, &out_height);
        g_assert_cmpint(out_width, ==, cell(rows, i, 4));
        g_assert_cmpint(out_height, ==, cell(rows, i, 5));
    }
}

/* At the same size nothing is resampled: the affine map alone, to float precision. */
static void
test_normalise(void)
{
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    g_autofree guint8 *rgb = picture(13, 9);
    DinoR1Image image = rgb_image(rgb, 13, 9);
    gfloat out[13 * 9 * 3];

    g_assert_true(dinor1_preprocess_run(preprocess, &image, 13, 9, 1 / 255.0f, mean, std, NULL, out, NULL));
    for (guint k = 0; k < 13 * 9 * 3; k++)
        g_assert_cmpfloat_with_epsilon(out[k], (rgb[k] / 255.0f - mean[k % 3]) / std[k % 3], 1e-6f);
}

/* Every packed format holds the same picture, in rows with a gap and a last row without one. */
static void
test_packed(void)
{
    static const struct {
        DinoR1PixelFormat format;
        gint step, offset[3];
    } cases[] = {
        {DINOR1_PIXEL_RGB, 3, {0, 1, 2}},
        {DINOR1_PIXEL_BGR, 3, {2, 1, 0}},
        {DINOR1_PIXEL_RGBX, 4, {0, 1, 2}},
        {DINOR1_PIXEL_BGRX, 4, {2, 1, 0}},
        {DINOR1_PIXEL_XRGB, 4, {1, 2, 3}},
        {DINOR1_PIXEL_XBGR, 4, {3, 2, 1}},
        {DINOR1_PIXEL_GRAY8, 1, {0, 0, 0}},
    };
    const gint width = 11, height = 6, gap = 7;
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    g_autofree guint8 *rgb = picture(width, height);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint stride = width * cases[i].step + gap;
        gsize size = (gsize)(stride * height - gap);
        g_autofree guint8 *bytes = g_malloc(size);
        DinoR1Image image = {cases[i].format, width, height, {bytes}, {stride}};

        memset(bytes, 0xa5, size);
        for (gint k = 0; k < width * height * 3; k++) {
            gint x = k / 3 % width, y = k / 3 / width;

            bytes[y * stride + x * cases[i].step + cases[i].offset[k % 3]] = rgb[k];
        }
        g_autofree gfloat *out = run_levels(preprocess, &image, width, height, NULL);
        for (gint k = 0; k < width * height * 3; k++) {
            gint expected = cases[i].step == 1 ? rgb[k / 3 * 3 + 2] : rgb[k];

            g_assert_cmpfloat(out[k], ==, (gfloat)expected);
        }
    }
}

/* A Y'CbCr picture of odd size in buffers that end with the last sample, and what each pixel must become. */
typedef struct {
    gint width, height, chroma_width, chroma_height;
    guint8 *y, *cb, *cr, *cbcr;
} YCbCr;

static guint8 *
random_bytes(GRand *random, gint n)
{
    guint8 *bytes = g_malloc((gsize)n);

    for (gint i = 0; i < n; i++)
        bytes[i] = (guint8)g_rand_int_range(random, 0, 256);
    return bytes;
}

static YCbCr
ycbcr_new(GRand *random, gint width, gint height)
{
    YCbCr p = {.width = width, .height = height, .chroma_width = (width + 1) / 2, .chroma_height = (height + 1) / 2};
    gint n = p.chroma_width * p.chroma_height;

    p.y = random_bytes(random, width * height);
    p.cb = random_bytes(random, n);
    p.cr = random_bytes(random, n);
    p.cbcr = g_malloc((gsize)n * 2);
    for (gint i = 0; i < n; i++) {
        p.cbcr[2 * i] = p.cb[i];
        p.cbcr[2 * i + 1] = p.cr[i];
    }
    return p;
}

static void
ycbcr_clear(YCbCr *p)
{
    g_free(p->y);
    g_free(p->cb);
    g_free(p->cr);
    g_free(p->cbcr);
}

/* ITU-R BT.601-7, BT.709-6 and BT.2020-2: quantised E'Y, E'Cb, E'Cr to E'R, E'G, E'B. */
static void
expected_rgb(const YCbCr *p, gint x, gint y, DinoR1ColorMatrix matrix, gboolean full, gdouble rgb[3])
{
    static const gdouble r_weight[] = {0.299, 0.2126, 0.2627}, b_weight[] = {0.114, 0.0722, 0.0593};
    gint chroma = y / 2 * p->chroma_width + x / 2;
    gdouble luma = p->y[y * p->width + x], cb = p->cb[chroma] - 128.0, cr = p->cr[chroma] - 128.0;
    gdouble kr = r_weight[matrix], kb = b_weight[matrix];

    luma = full ? luma / 255 : (luma - 16) / 219;
    cb /= full ? 255 : 224;
    cr /= full ? 255 : 224;
    rgb[0] = luma + cr * (2 - 2 * kr);
    rgb[2] = luma + cb * (2 - 2 * kb);
    rgb[1] = (luma - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
    for (guint c = 0; c < 3; c++)
        rgb[c] = 255 * CLAMP(rgb[c], 0, 1);
}

static void
check_ycbcr(DinoR1Preprocess *preprocess, const YCbCr *p, const DinoR1Image *image)
{
    g_autofree gfloat *out = run_levels(preprocess, image, p->width, p->height, NULL);

    for (gint i = 0; i < p->width * p->height; i++) {
        gdouble rgb[3];

        expected_rgb(p, i % p->width, i / p->width, image->matrix, image->full_range, rgb);
        for (guint c = 0; c < 3; c++)
            g_assert_cmpfloat_with_epsilon((gdouble)out[3 * i + (gint)c], rgb[c], 2e-4);
    }
}

static void
test_ycbcr(void)
{
    static const gint sizes[][2] = {{1, 1}, {2, 2}, {1, 7}, {7, 1}, {9, 5}, {16, 12}, {33, 21}};
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    g_autoptr(GRand) random = g_rand_new_with_seed(7);

    for (guint i = 0; i < G_N_ELEMENTS(sizes) * 6; i++) {
        YCbCr p = ycbcr_new(random, sizes[i / 6][0], sizes[i / 6][1]);
        DinoR1ColorMatrix matrix = (DinoR1ColorMatrix)(i % 3);
        gboolean full = i / 3 % 2;
        DinoR1Image nv12 = {
            DINOR1_PIXEL_NV12, p.width, p.height, {p.y, p.cbcr}, {p.width, 2 * p.chroma_width}, matrix, full};
        DinoR1Image i420 = {DINOR1_PIXEL_I420, p.width, p.height, {p.y, p.cb, p.cr},
            {p.width, p.chroma_width, p.chroma_width}, matrix, full};

        check_ycbcr(preprocess, &p, &nv12);
        check_ycbcr(preprocess, &p, &i420);
        ycbcr_clear(&p);
    }
}

/* One object for many sizes and thread counts gives the bits of a fresh one. */
static void
test_threads(void)
{
    static const gint sizes[][4] = {{64, 48, 53, 40}, {37, 23, 64, 41}, {64, 48, 53, 1}, {5, 300, 9, 17}};
    g_autoptr(DinoR1Preprocess) reused = dinor1_preprocess_new();

    for (guint i = 0; i < G_N_ELEMENTS(sizes) * 3; i++) {
        const gint *size = sizes[i % 4];
        g_autoptr(DinoR1Pool) pool = dinor1_pool_new(1 + i % 3);
        g_autoptr(DinoR1Preprocess) fresh = dinor1_preprocess_new();
        g_autofree guint8 *rgb = picture(size[0], size[1]);
        DinoR1Image image = rgb_image(rgb, size[0], size[1]);
        g_autofree gfloat *alone = run_levels(fresh, &image, size[2], size[3], NULL);
        g_autofree gfloat *shared = run_levels(reused, &image, size[2], size[3], pool);

        g_assert_cmpmem(alone, (gsize)(size[2] * size[3]) * 12, shared, (gsize)(size[2] * size[3]) * 12);
    }
}

/* One object for pictures that differ in a single field gives the bits of a fresh one. */
static void
test_reuse(void)
{
    g_autoptr(DinoR1Preprocess) reused = dinor1_preprocess_new();
    g_autoptr(GRand) random = g_rand_new_with_seed(9);
    g_autofree guint8 *bytes = random_bytes(random, 16 * 12 * 3);
    DinoR1Image images[] = {
        {DINOR1_PIXEL_NV12, 16, 12, {bytes, bytes + 192}, {16, 16}, DINOR1_MATRIX_BT601, FALSE},
        {DINOR1_PIXEL_NV12, 16, 12, {bytes, bytes + 192}, {16, 16}, DINOR1_MATRIX_BT601, TRUE},
        {DINOR1_PIXEL_NV12, 16, 12, {bytes, bytes + 192}, {16, 16}, DINOR1_MATRIX_BT709, TRUE},
        {DINOR1_PIXEL_RGB, 16, 12, {bytes}, {48}, DINOR1_MATRIX_BT709, TRUE},
        {DINOR1_PIXEL_RGB, 15, 12, {bytes}, {48}, DINOR1_MATRIX_BT709, TRUE},
        {DINOR1_PIXEL_RGB, 15, 11, {bytes}, {48}, DINOR1_MATRIX_BT709, TRUE},
        {DINOR1_PIXEL_NV12, 15, 11, {bytes, bytes + 192}, {16, 16}, DINOR1_MATRIX_BT709, TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
        g_autoptr(DinoR1Preprocess) fresh = dinor1_preprocess_new();
        g_autofree gfloat *expected = run_levels(fresh, &images[i], 10, 9, NULL);
        g_autofree gfloat *out = run_levels(reused, &images[i], 10, 9, NULL);

        g_assert_cmpmem(out, 10 * 9 * 12, expected, 10 * 9 * 12);
    }
}

static void
test_refused(void)
{
    static const gint sizes[][2] = {{0, 1}, {1, -1}, {DINOR1_IMAGE_MAX_SIDE + 1, 1}, {1, G_MAXINT}};
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    guint8 rgb[3] = {1, 2, 3};
    gfloat out[3];
    DinoR1Image image = rgb_image(rgb, 1, 1);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(
            dinor1_preprocess_run(preprocess, &image, sizes[i][0], sizes[i][1], 1, zeros, ones, NULL, out, &error));
        g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
    }
    g_autoptr(GError) error = NULL;

    image.strides[0] = 2;
    g_assert_false(dinor1_preprocess_run(preprocess, &image, 1, 1, 1, zeros, ones, NULL, out, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/preprocess/pil", test_pil);
    g_test_add_func("/preprocess/published", test_published);
    g_test_add_func("/preprocess/rule", test_rule);
    g_test_add_func("/preprocess/normalise", test_normalise);
    g_test_add_func("/preprocess/packed", test_packed);
    g_test_add_func("/preprocess/ycbcr", test_ycbcr);
    g_test_add_func("/preprocess/threads", test_threads);
    g_test_add_func("/preprocess/reuse", test_reuse);
    g_test_add_func("/preprocess/refused", test_refused);
    return g_test_run();
}
