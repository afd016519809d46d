/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define AMBIGUOUS G_MAXUINT

#define CATEGORY(coco, i)   g_array_index((coco)->categories, DinoR1CocoCategory, i)
#define IMAGE(coco, i)      g_array_index((coco)->images, DinoR1CocoImage, i)
#define ANNOTATION(coco, i) g_array_index((coco)->annotations, DinoR1CocoAnnotation, i)

const gchar *
dinor1_coco_bad_to_string(DinoR1CocoBad bad)
{
    static const gchar *const words[] = {
        [DINOR1_COCO_BAD_FIELD] = "a field is missing or wrong",
        [DINOR1_COCO_BAD_DUPLICATE] = "the id is used twice",
        [DINOR1_COCO_BAD_IMAGE] = "of an unknown image",
        [DINOR1_COCO_BAD_CATEGORY] = "of an unknown category",
        [DINOR1_COCO_BAD_NOT_FINITE] = "NaN or infinite",
        [DINOR1_COCO_BAD_SIZE] = "no or negative size",
        [DINOR1_COCO_BAD_OUTSIDE] = "outside the image",
        [DINOR1_COCO_BAD_TOO_MANY] = "too many in the image",
        [DINOR1_COCO_BAD_IMAGE_ENTRY] = "a broken image entry",
        [DINOR1_COCO_BAD_CATEGORY_ENTRY] = "a broken category",
        [DINOR1_COCO_GOOD] = "good",
    };

    return words[MIN(bad, DINOR1_COCO_GOOD)];
}

DinoR1Coco *
dinor1_coco_new(void)
{
    DinoR1Coco *coco = g_new0(DinoR1Coco, 1);

    g_atomic_ref_count_init(&coco->refs);
    coco->strings = g_string_chunk_new(4096);
    coco->categories = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoCategory));
    coco->images = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoImage));
    coco->annotations = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoAnnotation));
    coco->first = g_array_new(FALSE, FALSE, sizeof(guint));
    coco->reasons = g_ptr_array_new_with_free_func(g_free);
    coco->image_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    coco->category_ids = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    coco->category_names = g_hash_table_new(g_str_hash, g_str_equal);
    coco->file_names = g_hash_table_new(g_str_hash, g_str_equal);
    coco->base_names = g_hash_table_new(g_str_hash, g_str_equal);
    return coco;
}

DinoR1Coco *
dinor1_coco_ref(DinoR1Coco *coco)
{
    g_atomic_ref_count_inc(&coco->refs);
    return coco;
}

void
dinor1_coco_unref(DinoR1Coco *coco)
{
    if (!g_atomic_ref_count_dec(&coco->refs))
        return;
    g_hash_table_unref(coco->image_ids);
    g_hash_table_unref(coco->category_ids);
    g_hash_table_unref(coco->category_names);
    g_hash_table_unref(coco->file_names);
    g_hash_table_unref(coco->base_names);
    g_array_unref(coco->categories);
    g_array_unref(coco->images);
    g_array_unref(coco->annotations);
    g_array_unref(coco->first);
    g_ptr_array_unref(coco->reasons);
    g_string_chunk_free(coco->strings);
    g_free(coco->lists);
    g_free(coco);
}

guint
dinor1_coco_get_n_images(const DinoR1Coco *coco)
{
    return coco->images->len;
}

guint
dinor1_coco_get_n_categories(const DinoR1Coco *coco)
{
    return coco->categories->len;
}

guint
dinor1_coco_get_n_annotations(const DinoR1Coco *coco)
{
    return coco->annotations->len;
}

guint
dinor1_coco_get_n_bad(const DinoR1Coco *coco, DinoR1CocoBad bad)
{
    return coco->n_bad[bad];
}

const gchar *const *
dinor1_coco_get_reasons(const DinoR1Coco *coco, guint *n)
{
    *n = coco->reasons->len;
    return (const gchar *const *)coco->reasons->pdata;
}

const DinoR1CocoImage *
dinor1_coco_get_image(const DinoR1Coco *coco, guint image)
{
    return &IMAGE(coco, image);
}

const DinoR1CocoCategory *
dinor1_coco_get_category(const DinoR1Coco *coco, guint category)
{
    return &CATEGORY(coco, category);
}

const DinoR1CocoAnnotation *
dinor1_coco_get_annotations(const DinoR1Coco *coco, guint image, guint *n)
{
    guint begin = g_array_index(coco->first, guint, image);
    guint end = image + 1 < coco->images->len ? g_array_index(coco->first, guint, image + 1) : coco->annotations->len;

    *n = end - begin;
    return *n > 0 ? &ANNOTATION(coco, begin) : NULL;
}

gboolean
dinor1_coco_is_object(const DinoR1CocoAnnotation *annotation)
{
    return !annotation->crowd && !annotation->ignore;
}

guint
dinor1_coco_count_objects(const DinoR1Coco *coco, guint image)
{
    guint n, n_objects = 0;
    const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(coco, image, &n);

    for (guint i = 0; i < n; i++)
        n_objects += dinor1_coco_is_object(&annotations[i]);
    return n_objects;
}

static gboolean
find(GHashTable *table, gconstpointer key, guint *position)
{
    gpointer value;

    if (!g_hash_table_lookup_extended(table, key, NULL, &value) || GPOINTER_TO_UINT(value) == AMBIGUOUS)
        return FALSE;
    *position = GPOINTER_TO_UINT(value);
    return TRUE;
}

gboolean
dinor1_coco_find_image(const DinoR1Coco *coco, gint64 id, guint *image)
{
    return find(coco->image_ids, &id, image);
}

gboolean
dinor1_coco_find_category(const DinoR1Coco *coco, gint64 id, guint *category)
{
    return find(coco->category_ids, &id, category);
}

gboolean
dinor1_coco_find_category_name(const DinoR1Coco *coco, const gchar *name, guint *category)
{
    return find(coco->category_names, name, category);
}

static const gchar *
last_part(const gchar *file_name)
{
    const gchar *slash = strrchr(file_name, '/');

    return slash ? slash + 1 : file_name;
}

gboolean
dinor1_coco_find_file(const DinoR1Coco *coco, const gchar *path, gint64 frame, guint *image)
{
    g_autofree gchar *name = frame < 0 ? g_strdup(path) : g_strdup_printf("%s#frame=%" G_GINT64_FORMAT, path, frame);

    return find(coco->file_names, name, image) || find(coco->file_names, last_part(name), image) ||
           find(coco->base_names, last_part(name), image);
}

/* FALSE if @id has a position already. */
static gboolean
insert_id(GHashTable *table, gint64 id, guint position)
{
    gint64 *key;

    if (g_hash_table_contains(table, &id))
        return FALSE;
    key = g_new(gint64, 1);
    *key = id;
    return g_hash_table_insert(table, key, GUINT_TO_POINTER(position));
}

static void
insert_name(GHashTable *table, const gchar *name, guint position, gboolean keep_first)
{
    if (!g_hash_table_contains(table, name))
        g_hash_table_insert(table, (gpointer)name, GUINT_TO_POINTER(position));
    else if (!keep_first)
        g_hash_table_insert(table, (gpointer)name, GUINT_TO_POINTER(AMBIGUOUS));
}

gboolean
dinor1_coco_append_category(DinoR1Coco *coco, const DinoR1CocoCategory *category)
{
    DinoR1CocoCategory copy = *category;

    if (!insert_id(coco->category_ids, copy.id, coco->categories->len))
        return FALSE;
    copy.name = g_string_chunk_insert(coco->strings, copy.name);
    insert_name(coco->category_names, copy.name, coco->categories->len, TRUE);
    g_array_append_val(coco->categories, copy);
    return TRUE;
}

gboolean
dinor1_coco_append_image(DinoR1Coco *coco, const DinoR1CocoImage *image)
{
    DinoR1CocoImage copy = *image;

    if (!insert_id(coco->image_ids, copy.id, coco->images->len))
        return FALSE;
    copy.file_name = g_string_chunk_insert(coco->strings, copy.file_name);
    insert_name(coco->file_names, copy.file_name, coco->images->len, TRUE);
    insert_name(coco->base_names, last_part(copy.file_name), coco->images->len, FALSE);
    g_array_append_val(coco->images, copy);
    g_array_append_val(coco->first, coco->annotations->len);
    return TRUE;
}

guint
dinor1_coco_add_category(DinoR1Coco *coco, const gchar *name)
{
    DinoR1CocoCategory category = {.id = (gint64)coco->categories->len + 1, .name = name};

    while (!dinor1_coco_append_category(coco, &category))
        category.id++;
    return coco->categories->len - 1;
}

guint
dinor1_coco_add_image(DinoR1Coco *coco, const gchar *file_name, gint width, gint height)
{
    DinoR1CocoImage image = {
        .id = (gint64)coco->images->len + 1, .file_name = file_name, .width = width, .height = height};

    while (!dinor1_coco_append_image(coco, &image))
        image.id++;
    return coco->images->len - 1;
}

DinoR1CocoBad
dinor1_coco_check_box(const DinoR1CocoImage *image, const DinoR1CocoBox *box)
{
    if (!isfinite(box->x + box->width) || !isfinite(box->y + box->height) || !isfinite(box->width * box->height))
        return DINOR1_COCO_BAD_NOT_FINITE;
    if (box->width <= 0 || box->height <= 0)
        return DINOR1_COCO_BAD_SIZE;
    if (box->x + box->width <= 0 || box->y + box->height <= 0 || (image->width > 0 && box->x >= image->width) ||
        (image->height > 0 && box->y >= image->height))
        return DINOR1_COCO_BAD_OUTSIDE;
    return DINOR1_COCO_GOOD;
}

static gboolean
refuse(GError **error, const gchar *what)
{
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "cannot add the annotation: %s", what);
    return FALSE;
}

gboolean
dinor1_coco_add_annotation(DinoR1Coco *coco, guint category, const DinoR1CocoBox *box, GError **error)
{
    DinoR1CocoAnnotation annotation = {.id = (gint64)coco->annotations->len + 1, .category = category, .box = *box};
    DinoR1CocoBad bad;

    if (coco->images->len == 0)
        return refuse(error, "there is no image");
    if (category >= coco->categories->len)
        return refuse(error, "there is no such category");
    annotation.image = coco->images->len - 1;
    bad = dinor1_coco_check_box(&IMAGE(coco, annotation.image), box);
    if (bad != DINOR1_COCO_GOOD)
        return refuse(error, dinor1_coco_bad_to_string(bad));
    annotation.area = box->width * box->height;
    g_array_append_val(coco->annotations, annotation);
    return TRUE;
}

static gboolean
parse_frame(const gchar *text, gint64 *frame)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL))
        return FALSE;
    *frame = value;
    return TRUE;
}

static gboolean
parse_seconds(const gchar *text, gint64 *time)
{
    const gdouble nanoseconds = 1e9, most = 1e9;
    gchar *end;
    gdouble seconds = g_ascii_strtod(text, &end);

    if (!g_ascii_isdigit(*text) || *end || !(seconds >= 0 && seconds < most))
        return FALSE;
    *time = (gint64)(seconds * nanoseconds + 0.5);
    return TRUE;
}

gboolean
dinor1_coco_split_file_name(const gchar *file_name, gchar **path, gint64 *frame, gint64 *time, GError **error)
{
    const gchar *hash = strrchr(file_name, '#'), *number;
    gint64 found_frame = -1, found_time = -1;

    if (hash && g_str_has_prefix(hash, "#frame="))
        number = parse_frame(hash + strlen("#frame="), &found_frame) ? NULL : "frame number, from 0,";
    else if (hash && g_str_has_prefix(hash, "#t="))
        number = parse_seconds(hash + strlen("#t="), &found_time) ? NULL : "number of seconds";
    else {
        hash = NULL;
        number = NULL;
    }
    if (number) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "'%s': a %s must follow '%.*s'", file_name, number,
            (gint)(strchr(hash, '=') + 1 - hash), hash);
        return FALSE;
    }
    *path = hash ? g_strndup(file_name, hash - file_name) : g_strdup(file_name);
    *frame = found_frame;
    *time = found_time;
    return TRUE;
}
