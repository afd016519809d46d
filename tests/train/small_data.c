/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "small_data.h"

#include <dinor1/error.h>
#include <glib/gstdio.h>
#include <math.h>
#include <unistd.h>

/* Large enough that the coarsest of the four levels has several places even after a crop. Where it has one or two, a
 * group norm over a channel of its own makes them constants: their weights' gradients are rounding alone, and AdamW
 * turns that into whole steps. */
#define PREPROCESS "{\"size\": {\"shortest_edge\": 160, \"longest_edge\": 224}}"

/* Stripes under noise, other ones in every picture: no two places look alike, so that rounding seldom decides between
 * two proposals. */
gboolean
small_decode(gpointer user_data, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error)
{
    const guint number = (guint)g_ascii_strtoull(file_name + 1, NULL, 10);
    const gint width = 72 + 8 * (gint)(number % 3), height = 64 + 6 * (gint)(number % 4);
    guint32 noise = 2654435761u * (number + 1);
    guint8 *pixels;

    if (user_data)
        g_string_append_c(user_data, file_name[0]);
    if (file_name[0] == 'x') {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "%s: this picture is bad", file_name);
        return FALSE;
    }
    pixels = g_malloc((gsize)width * (gsize)height * 3);
    for (gint i = 0; i < width * height * 3; i++) {
        const gdouble x = i / 3 % width, y = i / 3 / width;

        noise = noise * 1664525u + 1013904223u;
        pixels[i] = (guint8)(127 + 80 * sin(x * (0.1 + 0.03 * number) + y * 0.13 * (i % 3 + 1) + number) +
                             (gdouble)(noise >> 26) - 32);
    }
    *image = (DinoR1Image){.format = DINOR1_PIXEL_RGB, .width = width, .height = height};
    image->planes[0] = pixels;
    image->strides[0] = width * 3;
    *memory = pixels;
    return TRUE;
}

DinoR1Coco *
small_data(const gchar *kinds)
{
    const gchar *names[] = {"cup", "a red car", "dog"};
    DinoR1Coco *coco = dinor1_coco_new();

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        dinor1_coco_add_category(coco, names[i]);
    for (guint i = 0; kinds[i]; i++) {
        g_autofree gchar *file = g_strdup_printf("%c%u", kinds[i], i);

        dinor1_coco_add_image(coco, file, 72 + 8 * (gint)(i % 3), 64 + 6 * (gint)(i % 4));
        for (guint k = 0; kinds[i] == 'b' && k < 1 + i % 3; k++) {
            const DinoR1CocoBox box = {4 + 9 * k, 6 + 7 * (i % 4), 30 + 4 * k, 24 + 3 * i % 10};

            g_assert_true(dinor1_coco_add_annotation(coco, (i + k) % 3, &box, NULL));
        }
    }
    return coco;
}

gchar *
small_model(const gchar *model)
{
    g_autofree gchar *from = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", model, NULL);
    g_autofree gchar *absolute = g_canonicalize_filename(from, NULL);
    gchar *to = g_dir_make_tmp("dinor1-test-XXXXXX", NULL);
    g_autofree gchar *preprocess = g_build_filename(to, "preprocessor_config.json", NULL);
    g_autoptr(GDir) entries = g_dir_open(absolute, 0, NULL);
    const gchar *name;

    g_assert_nonnull(entries);
    while ((name = g_dir_read_name(entries))) {
        g_autofree gchar *target = g_build_filename(absolute, name, NULL), *link = g_build_filename(to, name, NULL);

        g_assert_cmpint(symlink(target, link), ==, 0);
    }
    g_assert_true(g_file_set_contents(preprocess, PREPROCESS, -1, NULL));
    return to;
}

void
small_model_remove(const gchar *directory)
{
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name(entries))) {
        g_autofree gchar *path = g_build_filename(directory, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}
