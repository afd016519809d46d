/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco_reader.h"

#include <string.h>

/* An image or a category being read; strings are in the set's chunk. */
typedef struct {
    const gchar *list;
    guint number;
    guint seen; /* bits of members */
    gint64 id, width, height;
    const gchar *text, *url;
    gchar frequency;
    DinoR1CocoImageLists lists;
} Entry;

enum { ENTRY_ID, ENTRY_TEXT };

static gboolean
fail_entry(DinoR1CocoReader *reader, const Entry *entry, const gchar *field, const gchar *reason)
{
    if (!reader->json.problem && !reader->error)
        dinor1_coco_set_entry_error(&reader->error, reader->name, entry->list, entry->number,
            entry->seen & 1 << ENTRY_ID ? &entry->id : NULL, "%s %s", field, reason);
    return FALSE;
}

/* The members of an entry, each read by @read; those that are not in @keys are skipped. */
static gboolean
read_entry(DinoR1CocoReader *reader, Entry *entry, const gchar *const *keys,
    gboolean (*read)(DinoR1CocoReader *reader, Entry *entry, guint member, const gchar *key))
{
    if (dinor1_json_peek(&reader->json) != '{')
        return fail_entry(reader, entry, "it", "is not an object");
    dinor1_json_enter(&reader->json, '{');
    while (dinor1_json_next(&reader->json, '}') && dinor1_json_key(&reader->json, reader->key)) {
        guint member = dinor1_coco_find_key(keys, reader->key->str);

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
read_id(DinoR1CocoReader *reader, const Entry *entry, const gchar *key, gint64 *id)
{
    return dinor1_coco_read_id(&reader->json, id) || fail_entry(reader, entry, key, "is not a non-negative integer");
}

/* Into reader->string. */
static gboolean
read_string(DinoR1CocoReader *reader, const Entry *entry, const gchar *key)
{
    if (dinor1_json_peek(&reader->json) != '"')
        return fail_entry(reader, entry, key, "is not a string");
    return dinor1_json_string(&reader->json, reader->string);
}

static gboolean
read_text(DinoR1CocoReader *reader, const Entry *entry, const gchar *key, const gchar **text)
{
    if (!read_string(reader, entry, key))
        return FALSE;
    if (reader->string->len == 0)
        return fail_entry(reader, entry, key, "is empty");
    *text = g_string_chunk_insert(reader->coco->strings, reader->string->str);
    return TRUE;
}

static gboolean
read_category_member(DinoR1CocoReader *reader, Entry *entry, guint member, const gchar *key)
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

/* An id that comes again. Whoever goes on without bad entries keeps the first if both say the same; else nobody knows
 * which of them is meant, and neither stays. */
static gboolean
fail_again(DinoR1CocoReader *reader, const Entry *entry, const gchar *text, const gchar *earlier, GHashTable *unclear)
{
    g_autofree gchar *reason = g_strdup_printf("is used by an earlier entry, '%s'", earlier);

    if (strcmp(text, earlier) != 0)
        g_hash_table_add(unclear, g_memdup2(&entry->id, sizeof entry->id));
    return fail_entry(reader, entry, "id", reason);
}

static const DinoR1CocoCategory *
find_category(const DinoR1CocoReader *reader, gint64 id)
{
    guint position = 0;

    dinor1_coco_find_category(reader->coco, id, &position);
    return dinor1_coco_get_category(reader->coco, position);
}

static gboolean
read_category(DinoR1CocoReader *reader, guint number)
{
    static const gchar *const keys[] = {"id", "name", "frequency", NULL};
    Entry entry = {.list = "categories", .number = number};
    DinoR1CocoCategory category;

    if (!read_entry(reader, &entry, keys, read_category_member))
        return FALSE;
    category = (DinoR1CocoCategory){entry.id, entry.text, entry.frequency};
    return dinor1_coco_append_category(reader->coco, &category) ||
           fail_again(reader, &entry, entry.text, find_category(reader, entry.id)->name, reader->unclear_categories);
}

static gboolean
read_side(DinoR1CocoReader *reader, const Entry *entry, const gchar *key, gint64 *side)
{
    *side = 0;
    if (dinor1_json_peek(&reader->json) == 'n') /* null, as Label Studio writes for a picture that it could not open */
        return dinor1_json_skip(&reader->json);
    if (!read_id(reader, entry, key, side))
        return FALSE;
    return *side <= G_MAXINT || fail_entry(reader, entry, key, "is too large");
}

static gboolean
read_ids(DinoR1CocoReader *reader, const Entry *entry, const gchar *key, DinoR1CocoIdRange *range)
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
read_url(DinoR1CocoReader *reader, Entry *entry, const gchar *key)
{
    if (!read_string(reader, entry, key))
        return FALSE;
    if (reader->string->len > 0)
        entry->url = g_string_chunk_insert(reader->coco->strings, reader->string->str);
    return TRUE;
}

static gboolean
read_image_member(DinoR1CocoReader *reader, Entry *entry, guint member, const gchar *key)
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

static const DinoR1CocoImage *
find_image(const DinoR1CocoReader *reader, gint64 id)
{
    guint position = 0;

    dinor1_coco_find_image(reader->coco, id, &position);
    return dinor1_coco_get_image(reader->coco, position);
}

static gboolean
read_image(DinoR1CocoReader *reader, guint number)
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
        return fail_again(
            reader, &entry, image.file_name, find_image(reader, entry.id)->file_name, reader->unclear_images);
    entry.lists.number = number;
    g_array_append_val(reader->lists, entry.lists);
    return TRUE;
}

/* Reads an entry, or passes over one that is broken where that is wanted. */
static gboolean
read_or_leave_out(
    DinoR1CocoReader *reader, guint number, DinoR1CocoBad bad, gboolean (*read)(DinoR1CocoReader *reader, guint number))
{
    const DinoR1Json before = reader->json;

    if (read(reader, number))
        return TRUE;
    if (!reader->error || !dinor1_coco_leave_out(reader, bad))
        return FALSE;
    reader->json = before;
    return dinor1_json_skip(&reader->json);
}

gboolean
dinor1_coco_read_image(DinoR1CocoReader *reader, guint number)
{
    return read_or_leave_out(reader, number, DINOR1_COCO_BAD_IMAGE_ENTRY, read_image);
}

gboolean
dinor1_coco_read_category(DinoR1CocoReader *reader, guint number)
{
    return read_or_leave_out(reader, number, DINOR1_COCO_BAD_CATEGORY_ENTRY, read_category);
}

/* The set without the entries that others contradict; the reasons name these. */
static void
take_out_unclear(DinoR1CocoReader *reader)
{
    g_autoptr(DinoR1Coco) all = g_steal_pointer(&reader->coco);
    g_autoptr(GArray) lists = g_steal_pointer(&reader->lists);

    reader->coco = dinor1_coco_new();
    reader->lists = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoImageLists));
    memcpy(reader->coco->n_bad, all->n_bad, sizeof all->n_bad);
    g_ptr_array_unref(reader->coco->reasons);
    reader->coco->reasons = g_ptr_array_ref(all->reasons);
    for (guint i = 0; i < all->categories->len; i++) {
        const DinoR1CocoCategory *category = dinor1_coco_get_category(all, i);

        if (g_hash_table_contains(reader->unclear_categories, &category->id))
            reader->coco->n_bad[DINOR1_COCO_BAD_CATEGORY_ENTRY]++;
        else
            dinor1_coco_append_category(reader->coco, category);
    }
    for (guint i = 0; i < all->images->len; i++) {
        const DinoR1CocoImage *image = dinor1_coco_get_image(all, i);

        if (g_hash_table_contains(reader->unclear_images, &image->id)) {
            reader->coco->n_bad[DINOR1_COCO_BAD_IMAGE_ENTRY]++;
            continue;
        }
        dinor1_coco_append_image(reader->coco, image);
        g_array_append_val(reader->lists, g_array_index(lists, DinoR1CocoImageLists, i));
    }
}

/* Turns ids into positions in coco->lists. */
static gboolean
resolve_ids(DinoR1CocoReader *reader, guint image, const gchar *field, DinoR1CocoIdRange range, guint *end)
{
    for (guint i = range.begin; i < range.begin + range.n; i++) {
        const gint64 id = g_array_index(reader->list_ids, gint64, i);

        if (dinor1_coco_find_category(reader->coco, id, &reader->coco->lists[*end])) {
            (*end)++;
            continue;
        }
        dinor1_coco_set_entry_error(&reader->error, reader->name, "images",
            g_array_index(reader->lists, DinoR1CocoImageLists, image).number,
            &dinor1_coco_get_image(reader->coco, image)->id, "%s: there is no category %" G_GINT64_FORMAT, field, id);
        if (!dinor1_coco_leave_out(reader, DINOR1_COCO_BAD_CATEGORY))
            return FALSE;
    }
    return TRUE;
}

gboolean
dinor1_coco_settle_entries(DinoR1CocoReader *reader)
{
    DinoR1Coco *coco;
    guint end = 0;

    if (g_hash_table_size(reader->unclear_images) + g_hash_table_size(reader->unclear_categories) > 0)
        take_out_unclear(reader);
    coco = reader->coco;
    coco->lists = g_new(guint, reader->list_ids->len + 1); /* never NULL */
    for (guint i = 0; i < coco->images->len; i++) {
        const DinoR1CocoImageLists *lists = &g_array_index(reader->lists, DinoR1CocoImageLists, i);
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
