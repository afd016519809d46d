/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco.h"
#include "io/file.h"

/* The shortest of two forms that reads back as the same double: 15 digits are enough for what people type. */
static void
append_number(GString *json, gdouble value)
{
    gchar text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof text, "%.15g", value);
    if (g_ascii_strtod(text, NULL) != value)
        g_ascii_formatd(text, sizeof text, "%.17g", value);
    g_string_append(json, text);
}

static void
append_integer(GString *json, const gchar *before, gint64 value)
{
    g_string_append(json, before);
    g_string_append_printf(json, "%" G_GINT64_FORMAT, value);
}

static void
append_box(GString *json, const DinoR1CocoBox *box)
{
    const gdouble values[] = {box->x, box->y, box->width, box->height};

    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        g_string_append(json, i == 0 ? ",\"bbox\":[" : ",");
        append_number(json, values[i]);
    }
    g_string_append_c(json, ']');
}

static void
append_ids(GString *json, const DinoR1Coco *coco, const gchar *key, const guint *categories, guint n)
{
    g_string_append(json, key);
    for (guint i = 0; i < n; i++)
        append_integer(json, i > 0 ? "," : "", dinor1_coco_get_category(coco, categories[i])->id);
    g_string_append_c(json, ']');
}

static void
append_image(GString *json, const DinoR1Coco *coco, const DinoR1CocoImage *image)
{
    append_integer(json, "{\"id\":", image->id);
    g_string_append(json, ",\"file_name\":");
    dinor1_json_append_string(json, image->file_name);
    append_integer(json, ",\"width\":", image->width);
    append_integer(json, ",\"height\":", image->height);
    if (image->federated) {
        append_ids(json, coco, ",\"neg_category_ids\":[", image->negative, image->n_negative);
        append_ids(json, coco, ",\"not_exhaustive_category_ids\":[", image->not_exhaustive, image->n_not_exhaustive);
    }
    g_string_append_c(json, '}');
}

static void
append_category(GString *json, const DinoR1CocoCategory *category)
{
    append_integer(json, "{\"id\":", category->id);
    g_string_append(json, ",\"name\":");
    dinor1_json_append_string(json, category->name);
    if (category->frequency)
        g_string_append_printf(json, ",\"frequency\":\"%c\"", category->frequency);
    g_string_append_c(json, '}');
}

static void
append_annotation(GString *json, const DinoR1Coco *coco, const DinoR1CocoAnnotation *annotation)
{
    append_integer(json, "{\"id\":", annotation->id);
    append_integer(json, ",\"image_id\":", dinor1_coco_get_image(coco, annotation->image)->id);
    append_integer(json, ",\"category_id\":", dinor1_coco_get_category(coco, annotation->category)->id);
    append_box(json, &annotation->box);
    g_string_append(json, ",\"area\":");
    append_number(json, annotation->area);
    append_integer(json, ",\"iscrowd\":", annotation->crowd);
    g_string_append(json, ",\"segmentation\":[]"); /* what CVAT takes for a box */
    if (annotation->ignore)
        g_string_append(json, ",\"ignore\":1");
    g_string_append_c(json, '}');
}

/* Before entry @i of a list. */
static void
append_separator(GString *json, guint i)
{
    g_string_append(json, i > 0 ? ",\n" : "\n");
}

static gboolean
replace_file(const gchar *path, const GString *json, GError **error)
{
    const DinoR1FilePart part = {json->str, json->len};

    return dinor1_file_replace(path, &part, 1, error);
}

GString *
dinor1_coco_format_annotations(const DinoR1Coco *coco)
{
    GString *json = g_string_new("{\"images\":[");

    for (guint i = 0; i < coco->images->len; i++) {
        append_separator(json, i);
        append_image(json, coco, &g_array_index(coco->images, DinoR1CocoImage, i));
    }
    g_string_append(json, "],\n\"categories\":[");
    for (guint i = 0; i < coco->categories->len; i++) {
        append_separator(json, i);
        append_category(json, &g_array_index(coco->categories, DinoR1CocoCategory, i));
    }
    g_string_append(json, "],\n\"annotations\":[");
    for (guint i = 0; i < coco->annotations->len; i++) {
        append_separator(json, i);
        append_annotation(json, coco, &g_array_index(coco->annotations, DinoR1CocoAnnotation, i));
    }
    g_string_append(json, "]}\n");
    return json;
}

gboolean
dinor1_coco_write_annotations(const DinoR1Coco *coco, const gchar *path, GError **error)
{
    g_autoptr(GString) json = dinor1_coco_format_annotations(coco);

    return replace_file(path, json, error);
}

static void
append_result(GString *json, const DinoR1Coco *coco, const DinoR1CocoResult *result)
{
    append_integer(json, "{\"image_id\":", dinor1_coco_get_image(coco, result->image)->id);
    append_integer(json, ",\"category_id\":", dinor1_coco_get_category(coco, result->category)->id);
    append_box(json, &result->box);
    g_string_append(json, ",\"score\":");
    append_number(json, result->score);
    g_string_append_c(json, '}');
}

GString *
dinor1_coco_format_results(const DinoR1CocoResults *results)
{
    GString *json = g_string_new("[");
    guint n;
    const DinoR1CocoResult *list = dinor1_coco_results_get(results, &n);

    for (guint i = 0; i < n; i++) {
        append_separator(json, i);
        append_result(json, dinor1_coco_results_get_coco(results), &list[i]);
    }
    g_string_append(json, "]\n");
    return json;
}

gboolean
dinor1_coco_write_results(const DinoR1CocoResults *results, const gchar *path, GError **error)
{
    g_autoptr(GString) json = dinor1_coco_format_results(results);

    return replace_file(path, json, error);
}
