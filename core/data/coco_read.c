/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco_record.h"
#include "io/file.h"

#include <dinor1/error.h>
#include <string.h>

typedef struct {
    guint begin, n; /* in Reader.list_ids */
} IdRange;

/* Category ids of an image until the categories are known. */
typedef struct {
    IdRange negative, not_exhaustive;
} ImageLists;

typedef struct {
    DinoR1Coco *coco;
    const DinoR1CocoOptions *options;
    const gchar *name; /* the file's */
    DinoR1Json json;
    GString *key, *string;
    GArray *records;  /* DinoR1CocoRecord without bad fields */
    GArray *list_ids; /* gint64 */
    GArray *lists;    /* ImageLists, one per image */
    GError *error;
} Reader;

static void
reader_clear(Reader *reader)
{
    g_clear_pointer(&reader->coco, dinor1_coco_unref);
    g_string_free(reader->key, TRUE);
    g_string_free(reader->string, TRUE);
    g_array_unref(reader->records);
    g_array_unref(reader->list_ids);
    g_array_unref(reader->lists);
    g_clear_error(&reader->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

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

/* Counts a bad record, or fails. */
static gboolean
reject(Reader *reader, const DinoR1CocoRecord *record, DinoR1CocoBad bad)
{
    reader->coco->n_bad[bad]++;
    if (!reader->options->skip_bad)
        dinor1_coco_set_record_error(&reader->error, reader->name, "annotations", record, bad);
    return reader->options->skip_bad;
}

static gboolean
read_annotation(Reader *reader, guint number)
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

/* The position of a member's name in a NULL-terminated list, whose length it is if there is none. */
static guint
find_key(const gchar *const *keys, const gchar *key)
{
    guint i = 0;

    while (keys[i] && strcmp(keys[i], key) != 0)
        i++;
    return i;
}

/* An image or a category being read; strings are in the set's chunk. */
typedef struct {
    const gchar *list;
    guint number;
    guint seen; /* bits of members */
    gint64 id, width, height;
    const gchar *text, *url;
    gchar frequency;
    ImageLists lists;
} Entry;

enum { ENTRY_ID, ENTRY_TEXT };

static gboolean
fail_entry(Reader *reader, const Entry *entry, const gchar *field, const gchar *reason)
{
    if (!reader->json.problem && !reader->error)
        dinor1_coco_set_entry_error(&reader->error, reader->name, entry->list, entry->number,
            entry->seen & 1 << ENTRY_ID ? &entry->id : NULL, "%s %s", field, reason);
    return FALSE;
}

/* The members of an entry, each read by @read; those that are not in @keys are skipped. */
static gboolean
read_entry(Reader *reader, Entry *entry, const gchar *const *keys,
    gboolean (*read)(Reader *reader, Entry *entry, guint member, const gchar *key))
{
    if (dinor1_json_peek(&reader->json) != '{')
        return fail_entry(reader, entry, "it", "is not an object");
    dinor1_json_enter(&reader->json, '{');
    while (dinor1_json_next(&reader->json, '}') && dinor1_json_key(&reader->json, reader->key)) {
        guint member = find_key(keys, reader->key->str);

        if (!keys[member])
            dinor1_json_skip(&reader->json);
        else if (entry->seen & 1 << member)
            return fail_entry(reader, entry, keys[member], "is there twice");
        else if (!read(reader, entry, member, keys[member]))
            return FALSE;
        else
            entry->seen |= 1 << member;
    }
    if (!(entry->seen & 1 << ENTRY_ID))
        return fail_entry(reader, entry, keys[ENTRY_ID], "is missing");
    if (!entry->text && !entry->url)
        return fail_entry(reader, entry, keys[ENTRY_TEXT], "is missing");
    return !reader->json.problem;
}

static gboolean
read_id(Reader *reader, const Entry *entry, const gchar *key, gint64 *id)
{
    return dinor1_coco_read_id(&reader->json, id) || fail_entry(reader, entry, key, "is not a non-negative integer");
}

static gboolean
read_text(Reader *reader, const Entry *entry, const gchar *key, const gchar **text)
{
    if (dinor1_json_peek(&reader->json) != '"')
        return fail_entry(reader, entry, key, "is not a string");
    if (!dinor1_json_string(&reader->json, reader->string))
        return FALSE;
    if (reader->string->len == 0)
        return fail_entry(reader, entry, key, "is empty");
    *text = g_string_chunk_insert(reader->coco->strings, reader->string->str);
    return TRUE;
}

static gboolean
read_category_member(Reader *reader, Entry *entry, guint member, const gchar *key)
{
    const gchar *text;

    switch (member) {
    case ENTRY_ID:
        return read_id(reader, entry, key, &entry->id);
    case ENTRY_TEXT:
        return read_text(reader, entry, key, &entry->text);
    default: /* frequency */
        if (!read_text(reader, entry, key, &text))
            return FALSE;
        if (strlen(text) != 1 || !strchr("rcf", *text))
            return fail_entry(reader, entry, key, "is none of 'r', 'c', 'f'");
        entry->frequency = *text;
        return TRUE;
    }
}

static gboolean
read_category(Reader *reader, guint number)
{
    static const gchar *const keys[] = {"id", "name", "frequency", NULL};
    Entry entry = {.list = "categories", .number = number};
    DinoR1CocoCategory category;

    if (!read_entry(reader, &entry, keys, read_category_member))
        return FALSE;
    category = (DinoR1CocoCategory){entry.id, entry.text, entry.frequency};
    return dinor1_coco_append_category(reader->coco, &category) ||
           fail_entry(reader, &entry, "id", "is used by an earlier category");
}

static gboolean
read_side(Reader *reader, const Entry *entry, const gchar *key, gint64 *side)
{
    *side = 0;
    if (dinor1_json_peek(&reader->json) == 'n') /* null, as Label Studio writes for a picture that it could not open */
        return dinor1_json_skip(&reader->json);
    if (!read_id(reader, entry, key, side))
        return FALSE;
    return *side <= G_MAXINT || fail_entry(reader, entry, key, "is too large");
}

static gboolean
read_ids(Reader *reader, const Entry *entry, const gchar *key, IdRange *range)
{
    range->begin = reader->list_ids->len;
    if (dinor1_json_peek(&reader->json) != '[')
        return fail_entry(reader, entry, key, "is not a list");
    dinor1_json_enter(&reader->json, '[');
    while (dinor1_json_next(&reader->json, ']')) {
        gint64 id;

        if (!dinor1_coco_read_id(&reader->json, &id))
            return fail_entry(reader, entry, key, "has what is not a non-negative integer");
        g_array_append_val(reader->list_ids, id);
    }
    range->n = reader->list_ids->len - range->begin;
    return TRUE;
}

static const gchar *const image_keys[] = {
    "id", "file_name", "coco_url", "width", "height", "neg_category_ids", "not_exhaustive_category_ids", NULL};

enum { IMAGE_URL = 2, IMAGE_WIDTH, IMAGE_HEIGHT, IMAGE_NEGATIVE, IMAGE_NOT_EXHAUSTIVE };

static gboolean
read_url(Reader *reader, Entry *entry, const gchar *key)
{
    if (dinor1_json_peek(&reader->json) != '"')
        return fail_entry(reader, entry, key, "is not a string");
    if (!dinor1_json_string(&reader->json, reader->string))
        return FALSE;
    if (reader->string->len > 0)
        entry->url = g_string_chunk_insert(reader->coco->strings, reader->string->str);
    return TRUE;
}

static gboolean
read_image_member(Reader *reader, Entry *entry, guint member, const gchar *key)
{
    switch (member) {
    case ENTRY_ID:
        return read_id(reader, entry, key, &entry->id);
    case ENTRY_TEXT:
        return read_text(reader, entry, key, &entry->text);
    case IMAGE_URL: /* CVAT writes an empty one */
        return read_url(reader, entry, key);
    case IMAGE_WIDTH:
        return read_side(reader, entry, key, &entry->width);
    case IMAGE_HEIGHT:
        return read_side(reader, entry, key, &entry->height);
    case IMAGE_NEGATIVE:
        return read_ids(reader, entry, key, &entry->lists.negative);
    default:
        return read_ids(reader, entry, key, &entry->lists.not_exhaustive);
    }
}

/* LVIS 1.0 names its pictures by coco_url alone; below COCO's folder that is "val2017/000000000139.jpg". */
static const gchar *
file_name_of_url(const gchar *url)
{
    const gchar *slash = strrchr(url, '/');

    while (slash && slash > url && slash[-1] != '/')
        slash--;
    return slash ? slash : url;
}

static gboolean
read_image(Reader *reader, guint number)
{
    const guint federated = 1 << IMAGE_NEGATIVE | 1 << IMAGE_NOT_EXHAUSTIVE;
    Entry entry = {.list = "images", .number = number};
    DinoR1CocoImage image;
    g_autofree gchar *path = NULL;
    gint64 frame, time;

    if (!read_entry(reader, &entry, image_keys, read_image_member))
        return FALSE;
    image = (DinoR1CocoImage){.id = entry.id,
        .file_name = entry.text ? entry.text : file_name_of_url(entry.url),
        .width = entry.width,
        .height = entry.height,
        .federated = (entry.seen & federated) == federated};
    if (!dinor1_coco_split_file_name(image.file_name, &path, &frame, &time, NULL))
        return fail_entry(reader, &entry, image.file_name, "has no number after '#frame=' or '#t='");
    if (!dinor1_coco_append_image(reader->coco, &image))
        return fail_entry(reader, &entry, "id", "is used by an earlier image");
    g_array_append_val(reader->lists, entry.lists);
    return TRUE;
}

static gboolean
read_root(Reader *reader)
{
    static const gchar *const keys[] = {"images", "categories", "annotations", NULL};
    static gboolean (*const read[])(Reader *, guint) = {read_image, read_category, read_annotation};
    DinoR1Json *json = &reader->json;
    guint seen = 0;

    if (dinor1_json_peek(json) == '[')
        return dinor1_json_fail(json, "a list, such as of results, is no annotation file");
    dinor1_json_enter(json, '{');
    while (dinor1_json_next(json, '}') && dinor1_json_key(json, reader->key)) {
        guint member = find_key(keys, reader->key->str);

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

/* Turns ids into positions in coco->lists. */
static gboolean
resolve_ids(Reader *reader, guint image, const gchar *field, IdRange range, guint *end)
{
    for (guint i = range.begin; i < range.begin + range.n; i++) {
        const gint64 id = g_array_index(reader->list_ids, gint64, i);

        if (dinor1_coco_find_category(reader->coco, id, &reader->coco->lists[*end])) {
            (*end)++;
            continue;
        }
        reader->coco->n_bad[DINOR1_COCO_BAD_CATEGORY]++;
        if (!reader->options->skip_bad) {
            dinor1_coco_set_entry_error(&reader->error, reader->name, "images", image,
                &dinor1_coco_get_image(reader->coco, image)->id, "%s: there is no category %" G_GINT64_FORMAT, field,
                id);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
resolve_lists(Reader *reader)
{
    DinoR1Coco *coco = reader->coco;
    guint end = 0;

    coco->lists = g_new(guint, reader->list_ids->len + 1); /* never NULL */
    for (guint i = 0; i < coco->images->len; i++) {
        const ImageLists *lists = &g_array_index(reader->lists, ImageLists, i);
        DinoR1CocoImage *image = &g_array_index(coco->images, DinoR1CocoImage, i);

        image->negative = coco->lists + end;
        if (!resolve_ids(reader, i, image_keys[IMAGE_NEGATIVE], lists->negative, &end))
            return FALSE;
        image->n_negative = coco->lists + end - image->negative;
        image->not_exhaustive = coco->lists + end;
        if (!resolve_ids(reader, i, image_keys[IMAGE_NOT_EXHAUSTIVE], lists->not_exhaustive, &end))
            return FALSE;
        image->n_not_exhaustive = coco->lists + end - image->not_exhaustive;
    }
    return TRUE;
}

/* @n_boxes: of each image so far. */
static DinoR1CocoBad
check_annotation(
    const Reader *reader, const DinoR1CocoRecord *record, const guint *n_boxes, DinoR1CocoAnnotation *annotation)
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
resolve_annotations(Reader *reader, GArray *good, guint *n_boxes)
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
order_annotations(Reader *reader)
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
    g_auto(Reader) reader = {.coco = dinor1_coco_new(),
        .options = options ? options : &defaults,
        .name = name,
        .key = g_string_new(NULL),
        .string = g_string_new(NULL),
        .records = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoRecord)),
        .list_ids = g_array_new(FALSE, FALSE, sizeof(gint64)),
        .lists = g_array_new(FALSE, FALSE, sizeof(ImageLists))};

    dinor1_json_init(&reader.json, text, size);
    if (read_root(&reader) && resolve_lists(&reader) && order_annotations(&reader))
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
