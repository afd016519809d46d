/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "samples.h"

#include "draw.h"
#include "writer.h"

#include <dinor1/error.h>
#include <errno.h>
#include <glib/gstdio.h>

#define MAX_SAMPLES 4
#define MAX_SIDE    480 /* pixels */
#define MAX_BOXES   50  /* of a picture */

static const gchar *const states[] = {SAMPLES_TRUTH, SAMPLES_BEFORE, SAMPLES_AFTER};

static guint
count_boxes(const DinoR1Coco *coco, guint image)
{
    return MIN(dinor1_coco_count_objects(coco, image), MAX_BOXES);
}

/* Images with boxes, spread over the set. */
static GArray *
choose(const DinoR1Coco *coco)
{
    g_autoptr(GArray) with_boxes = g_array_new(FALSE, FALSE, sizeof(guint));
    GArray *chosen = g_array_new(FALSE, FALSE, sizeof(guint));
    guint n;

    for (guint i = 0; i < dinor1_coco_get_n_images(coco); i++)
        if (count_boxes(coco, i) > 0)
            g_array_append_val(with_boxes, i);
    n = MIN(with_boxes->len, MAX_SAMPLES);
    for (guint i = 0; i < n; i++)
        g_array_append_val(chosen, g_array_index(with_boxes, guint, i * with_boxes->len / n));
    return chosen;
}

static void
add_item(const DinoR1Coco *coco, guint category, const DinoR1CocoBox *box, gdouble score, gdouble scale_x,
    gdouble scale_y, GArray *items)
{
    const DinoR1DrawItem item = {
        .label = dinor1_coco_get_category(coco, category)->name,
        .score = (gfloat)score,
        .box = {(gfloat)(box->x * scale_x), (gfloat)(box->y * scale_y), (gfloat)(box->width * scale_x),
            (gfloat)(box->height * scale_y)},
    };

    g_array_append_val(items, item);
}

static gint
compare_scores(gconstpointer a, gconstpointer b)
{
    const gfloat score_a = ((const DinoR1DrawItem *)a)->score, score_b = ((const DinoR1DrawItem *)b)->score;

    return score_a > score_b ? -1 : score_a < score_b;
}

/* The boxes of one image, by falling score. Annotations have none. */
static GArray *
list_boxes(const DinoR1Coco *coco, const DinoR1CocoResults *results, guint image, gdouble scale_x, gdouble scale_y)
{
    GArray *items = g_array_new(FALSE, FALSE, sizeof(DinoR1DrawItem));
    guint n;

    if (results) {
        const DinoR1CocoResult *found = dinor1_coco_results_get(results, &n);

        for (guint i = 0; i < n; i++)
            if (found[i].image == image)
                add_item(coco, found[i].category, &found[i].box, found[i].score, scale_x, scale_y, items);
        g_array_sort(items, compare_scores);
    } else {
        const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(coco, image, &n);

        for (guint i = 0; i < n; i++)
            if (dinor1_coco_is_object(&annotations[i]))
                add_item(coco, annotations[i].category, &annotations[i].box, -1, scale_x, scale_y, items);
    }
    g_array_set_size(items, MIN(items->len, count_boxes(coco, image)));
    return items;
}

/* RGB as cairo has it: native-endian words 0x00RRGGBB. */
static cairo_surface_t *
make_surface(const DinoR1Image *image)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
    guint8 *row = cairo_image_surface_get_data(surface);
    const gint stride = cairo_image_surface_get_stride(surface);

    for (gint y = 0; row && y < image->height; y++, row += stride) {
        const guint8 *from = (const guint8 *)image->planes[0] + (gsize)y * (gsize)image->strides[0];
        guint32 *to = (guint32 *)(gpointer)row;

        for (gint x = 0; x < image->width; x++, from += 3)
            to[x] = (guint32)from[0] << 16 | (guint32)from[1] << 8 | from[2];
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

/* The picture, reduced to @width x @height. */
static cairo_surface_t *
reduce(const DinoR1Image *image, gint width, gint height)
{
    cairo_surface_t *whole = make_surface(image);
    cairo_surface_t *small = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(small);

    cairo_scale(cr, (gdouble)width / image->width, (gdouble)height / image->height);
    cairo_set_source_surface(cr, whole, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_paint(cr);
    cairo_destroy(cr);
    cairo_surface_destroy(whole);
    return small;
}

static gboolean
write_jpeg(cairo_surface_t *surface, const gchar *path, GError **error)
{
    const gsize size = (gsize)cairo_image_surface_get_stride(surface) * (gsize)cairo_image_surface_get_height(surface);
    g_autoptr(Writer) writer = writer_new(path, error);
    GstVideoInfo info;

    if (!writer)
        return FALSE;
    gst_video_info_set_format(&info, G_BYTE_ORDER == G_LITTLE_ENDIAN ? GST_VIDEO_FORMAT_BGRx : GST_VIDEO_FORMAT_xRGB,
        (guint)cairo_image_surface_get_width(surface), (guint)cairo_image_surface_get_height(surface));
    return writer_push(writer, &info, gst_buffer_new_memdup(cairo_image_surface_get_data(surface), size), error) &&
           writer_finish(writer, error);
}

static gboolean
draw_sample(const EvaluationSet *set, const DinoR1CocoResults *results, guint image, const gchar *path, GError **error)
{
    g_auto(CocoPicture) picture = {.memory = NULL};
    g_autoptr(GArray) items = NULL;
    cairo_surface_t *surface;
    gdouble scale;
    gint width, height;
    cairo_t *cr;
    gboolean done;

    if (!coco_picture_load(set->pictures, set->coco, image, &picture, error))
        return FALSE;
    scale = MIN(1, (gdouble)MAX_SIDE / MAX(picture.image.width, picture.image.height));
    width = MAX((gint)(picture.image.width * scale), 1);
    height = MAX((gint)(picture.image.height * scale), 1);
    surface = reduce(&picture.image, width, height);
    items = list_boxes(set->coco, results, image, picture.scale_x * scale, picture.scale_y * scale);
    cr = cairo_create(surface);
    dinor1_draw_detections(cr, width, height, (const DinoR1DrawItem *)(gconstpointer)items->data, items->len);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    done = write_jpeg(surface, path, error);
    cairo_surface_destroy(surface);
    return done;
}

static gchar *
make_path(const gchar *folder, const gchar *state, guint number)
{
    return g_strdup_printf("%s/%s-%u.jpg", folder, state, number + 1);
}

gboolean
samples_write(
    const EvaluationSet *set, const DinoR1CocoResults *results, const gchar *folder, const gchar *state, GError **error)
{
    g_autoptr(GArray) chosen = choose(set->coco);

    if (g_mkdir_with_parents(folder, 0777)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_IO, "cannot make the folder '%s': %s", folder, g_strerror(errno));
        return FALSE;
    }
    for (guint i = 0; i < chosen->len; i++) {
        const guint image = g_array_index(chosen, guint, i);
        g_autofree gchar *path = make_path(folder, state, i);

        if (!coco_pictures_is_skipped(set->pictures, set->coco, image) &&
            !draw_sample(set, results, image, path, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
append_cell(const gchar *path, const gchar *state, GString *page, GError **error)
{
    g_autofree gchar *content = NULL, *encoded = NULL;
    gsize length;

    g_string_append(page, "<td>");
    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        if (!g_file_get_contents(path, &content, &length, error))
            return FALSE;
        encoded = g_base64_encode((const guchar *)content, length);
        g_string_append_printf(page, "<img alt=\"%s\" src=\"data:image/jpeg;base64,%s\">", state, encoded);
    }
    g_string_append(page, "</td>");
    return TRUE;
}

static gboolean
has_sample(const gchar *folder, guint number)
{
    gboolean found = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree gchar *path = make_path(folder, states[i], number);

        found |= g_file_test(path, G_FILE_TEST_EXISTS);
    }
    return found;
}

static gboolean
append_row(const gchar *folder, guint number, GString *page, GError **error)
{
    g_string_append(page, "<tr>");
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree gchar *path = make_path(folder, states[i], number);

        if (!append_cell(path, states[i], page, error))
            return FALSE;
    }
    g_string_append(page, "</tr>\n");
    return TRUE;
}

gboolean
samples_append_html(const gchar *folder, GString *page, GError **error)
{
    gboolean begun = FALSE;

    for (guint i = 0; i < MAX_SAMPLES; i++) {
        if (!has_sample(folder, i))
            continue;
        if (!begun)
            g_string_append(page, "<h2>Samples of the validation set</h2>\n<p>Of what was found, as many boxes as "
                                  "are annotated: those with the best scores.</p>\n<table class=\"samples\">\n"
                                  "<tr><th>annotated</th><th>before training</th><th>after</th></tr>\n");
        begun = TRUE;
        if (!append_row(folder, i, page, error))
            return FALSE;
    }
    if (begun)
        g_string_append(page, "</table>\n");
    return TRUE;
}
