/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco_reader.h"
#include "io/file.h"

#include <dinor1/error.h>
#include <string.h>

#define MAX_REASONS 10000 /* kept in words; the rest is counted */

static void
reader_clear(DinoR1CocoReader *reader)
{
    g_clear_pointer(&reader->coco, dinor1_coco_unref);
    g_string_free(reader->key, TRUE);
    g_string_free(reader->string, TRUE);
    g_array_unref(reader->records);
    g_array_unref(reader->list_ids);
    g_array_unref(reader->lists);
    g_hash_table_unref(reader->unclear_images);
    g_hash_table_unref(reader->unclear_categories);
    g_clear_error(&reader->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DinoR1CocoReader, reader_clear)

void
dinor1_coco_set_json_error(const DinoR1Json *json, const gchar *name, GError **error)
{
    const gchar *line_begin = json->text;
    guint line = 1;

    for (const gchar *at = json->text; at < json->at; at++)
        if (*at == '\n') {
            line_begin = at + 1;
            line++;
        }
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: line %u, byte %" G_GSIZE_FORMAT ": %s", name, line,
        (gsize)(json->at - line_begin) + 1, json->problem);
}

gboolean
dinor1_coco_leave_out(DinoR1CocoReader *reader, DinoR1CocoBad bad)
{
    DinoR1Coco *coco = reader->coco;

    coco->n_bad[bad]++;
    if (!reader->options->skip_bad)
        return FALSE;
    if (coco->reasons->len < MAX_REASONS)
        g_ptr_array_add(coco->reasons, g_strdup(reader->error->message));
    g_clear_error(&reader->error);
    return TRUE;
}

static gboolean
reject(DinoR1CocoReader *reader, const DinoR1CocoRecord *record, DinoR1CocoBad bad)
{
    if (bad == DINOR1_COCO_BAD_TOO_MANY)
        dinor1_coco_set_entry_error(&reader->error, reader->name, "annotations", record->number, &record->id,
            "image %" G_GINT64_FORMAT " has more than %u boxes", record->image_id, reader->options->max_boxes);
    else
        dinor1_coco_set_record_error(&reader->error, reader->name, "annotations", record, bad);
    return dinor1_coco_leave_out(reader, bad);
}

static gboolean
read_annotation(DinoR1CocoReader *reader, guint number)
{
    const guint required = DINOR1_RECORD_ID | DINOR1_RECORD_IMAGE | DINOR1_RECORD_CATEGORY | DINOR1_RECORD_BOX;
    const guint optional = DINOR1_RECORD_AREA | DINOR1_RECORD_CROWD | DINOR1_RECORD_IGNORE;
    DinoR1CocoRecord record = {.number = number};

    if (!dinor1_coco_record_read(&reader->json, required, optional, reader->key, &record))
        return FALSE;
    if (record.bad != DINOR1_COCO_GOOD)
        return reject(reader, &record, record.bad);
    if (!(record.seen & DINOR1_RECORD_AREA))
        record.area = record.box.width * record.box.height;
    g_array_append_val(reader->records, record);
    return TRUE;
}

guint
dinor1_coco_find_key(const gchar *const *keys, const gchar *key)
{
    guint i = 0;

    while (keys[i] && strcmp(keys[i], key) != 0)
        i++;
    return i;
}

static gboolean
read_root(DinoR1CocoReader *reader)
{
    static const gchar *const keys[] = {"images", "categories", "annotations", NULL};
    static gboolean (*const read[])(DinoR1CocoReader *, guint) = {
        dinor1_coco_read_image, dinor1_coco_read_category, read_annotation};
    DinoR1Json *json = &reader->json;
    guint seen = 0;

    if (dinor1_json_peek(json) == '[')
        return dinor1_json_fail(json, "a list, such as of results, is no annotation file");
    dinor1_json_enter(json, '{');
    while (dinor1_json_next(json, '}') && dinor1_json_key(json, reader->key)) {
        guint member = dinor1_coco_find_key(keys, reader->key->str);

        if (!keys[member]) {
            dinor1_json_skip(json);
            continue;
        }
        if (seen & 1 << member)
            return dinor1_json_fail(json, "'images', 'categories' or 'annotations' is there twice");
        seen |= 1 << member;
        dinor1_json_enter(json, '[');
        for (guint number = 0; dinor1_json_next(json, ']'); number++)
            if (!read[member](reader, number))
                return FALSE;
    }
    if (!dinor1_json_end(json))
        return FALSE;
    for (guint i = 0; keys[i]; i++)
        if (!(seen & 1 << i) && !(i == 2 && reader->options->annotations_optional)) {
            g_set_error(&reader->error, DINOR1_ERROR, DINOR1_ERROR_FORMAT,
                "%s: is not a COCO annotation file: it has no list '%s'", reader->name, keys[i]);
            return FALSE;
        }
    return TRUE;
}

/* @n_boxes: of each image so far. */
static DinoR1CocoBad
check_annotation(const DinoR1CocoReader *reader, const DinoR1CocoRecord *record, const guint *n_boxes,
    DinoR1CocoAnnotation *annotation)
{
    DinoR1CocoBad bad;

    if (!dinor1_coco_find_image(reader->coco, record->image_id, &annotation->image))
        return DINOR1_COCO_BAD_IMAGE;
    if (!dinor1_coco_find_category(reader->coco, record->category_id, &annotation->category))
        return DINOR1_COCO_BAD_CATEGORY;
    bad = dinor1_coco_check_box(dinor1_coco_get_image(reader->coco, annotation->image), &record->box);
    if (bad != DINOR1_COCO_GOOD)
        return bad;
    if (record->area < 0)
        return DINOR1_COCO_BAD_SIZE;
    if (reader->options->max_boxes > 0 && n_boxes[annotation->image] >= reader->options->max_boxes)
        return DINOR1_COCO_BAD_TOO_MANY;
    return DINOR1_COCO_GOOD;
}

/* The good annotations in the file's order; @n_boxes becomes the number of each image. */
static gboolean
resolve_annotations(DinoR1CocoReader *reader, GArray *good, guint *n_boxes)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; i < reader->records->len; i++) {
        DinoR1CocoRecord *record = &g_array_index(reader->records, DinoR1CocoRecord, i);
        DinoR1CocoAnnotation annotation = {.id = record->id,
            .box = record->box,
            .area = record->area,
            .crowd = record->crowd,
            .ignore = record->ignore};
        DinoR1CocoBad bad = g_hash_table_add(ids, &record->id) ? check_annotation(reader, record, n_boxes, &annotation)
                                                               : DINOR1_COCO_BAD_DUPLICATE;

        if (bad == DINOR1_COCO_GOOD) {
            n_boxes[annotation.image]++;
            g_array_append_val(good, annotation);
        } else if (!reject(reader, record, bad)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* Puts the annotations of each image together, in the file's order: a counting sort. */
static gboolean
order_annotations(DinoR1CocoReader *reader)
{
    DinoR1Coco *coco = reader->coco;
    g_autoptr(GArray) good = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoAnnotation));
    g_autofree guint *next = g_new0(guint, coco->images->len);

    if (!resolve_annotations(reader, good, next))
        return FALSE;
    for (guint i = 0, begin = 0; i < coco->images->len; i++) {
        const guint n = next[i];

        g_array_index(coco->first, guint, i) = next[i] = begin;
        begin += n;
    }
    g_array_set_size(coco->annotations, good->len);
    for (guint i = 0; i < good->len; i++) {
        const DinoR1CocoAnnotation *annotation = &g_array_index(good, DinoR1CocoAnnotation, i);

        g_array_index(coco->annotations, DinoR1CocoAnnotation, next[annotation->image]++) = *annotation;
    }
    return TRUE;
}

DinoR1Coco *
dinor1_coco_load_memory(
    const gchar *name, const gchar *text, gsize size, const DinoR1CocoOptions *options, GError **error)
{
    static const DinoR1CocoOptions defaults;
    g_auto(DinoR1CocoReader) reader = {.coco = dinor1_coco_new(),
        .options = options ? options : &defaults,
        .name = name,
        .key = g_string_new(NULL),
        .string = g_string_new(NULL),
        .records = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoRecord)),
        .list_ids = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .lists = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoImageLists)),
        .unclear_images = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
        .unclear_categories = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL)};

    dinor1_json_init(&reader.json, text, size);
    if (read_root(&reader) && dinor1_coco_settle_entries(&reader) && order_annotations(&reader))
        return g_steal_pointer(&reader.coco);
    if (reader.error)
        g_propagate_error(error, g_steal_pointer(&reader.error));
    else
        dinor1_coco_set_json_error(&reader.json, name, error);
    return NULL;
}

DinoR1Coco *
dinor1_coco_load(const gchar *path, const DinoR1CocoOptions *options, GError **error)
{
    gsize size = 0;
    guint8 *text = dinor1_file_map(path, &size, error);
    DinoR1Coco *coco;

    if (!text)
        return NULL;
    coco = dinor1_coco_load_memory(path, (const gchar *)text, size, options, error);
    dinor1_file_unmap(text, size);
    return coco;
}
