/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco_record.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

static const struct {
    const gchar *key;
    guint bit;
} fields[] = {
    {"id", DINOR1_RECORD_ID},
    {"image_id", DINOR1_RECORD_IMAGE},
    {"category_id", DINOR1_RECORD_CATEGORY},
    {"bbox", DINOR1_RECORD_BOX},
    {"area", DINOR1_RECORD_AREA},
    {"iscrowd", DINOR1_RECORD_CROWD},
    {"ignore", DINOR1_RECORD_IGNORE},
    {"score", DINOR1_RECORD_SCORE},
};

static gboolean
take_word(DinoR1Json *json, const gchar *word)
{
    gsize length = strlen(word);

    dinor1_json_peek(json);
    if (json->problem || (gsize)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
        return FALSE;
    json->at += length;
    return TRUE;
}

/* A value read or skipped: FALSE if it is no number. NaN and Infinity are no JSON, but Python writes them. */
static gboolean
read_number(DinoR1Json *json, gdouble *value)
{
    const gchar first = dinor1_json_peek(json), *begin = json->at;
    gchar buffer[64] = "";
    g_autofree gchar *copy = NULL;
    gsize length;

    *value = NAN;
    if (take_word(json, "NaN") || take_word(json, "Infinity") || take_word(json, "-Infinity"))
        return TRUE;
    if (!dinor1_json_skip(json) || (first != '-' && !g_ascii_isdigit(first)))
        return FALSE;
    length = json->at - begin;
    if (length < sizeof buffer)
        memcpy(buffer, begin, length);
    else
        copy = g_strndup(begin, length);
    *value = g_ascii_strtod(copy ? copy : buffer, NULL);
    return TRUE;
}

gboolean
dinor1_coco_read_id(DinoR1Json *json, gint64 *id)
{
    const gchar first = dinor1_json_peek(json), *at = json->at;
    guint64 value = 0;

    if (!dinor1_json_skip(json) || !g_ascii_isdigit(first))
        return FALSE;
    for (; at < json->at; at++)
        if (!g_ascii_isdigit(*at) || !g_uint64_checked_mul(&value, value, 10) ||
            !g_uint64_checked_add(&value, value, *at - '0') || value > G_MAXINT64)
            return FALSE;
    *id = value;
    return TRUE;
}

/* 0 or not, true or false. */
static gboolean
read_flag(DinoR1Json *json, gboolean *flag)
{
    gint64 value;

    *flag = take_word(json, "true");
    if (*flag || take_word(json, "false"))
        return TRUE;
    if (!dinor1_coco_read_id(json, &value))
        return FALSE;
    *flag = value != 0;
    return TRUE;
}

static gboolean
read_box(DinoR1Json *json, DinoR1CocoBox *box)
{
    gdouble *values[] = {&box->x, &box->y, &box->width, &box->height};
    gboolean ok = TRUE;
    guint n = 0;

    if (dinor1_json_peek(json) != '[') {
        dinor1_json_skip(json);
        return FALSE;
    }
    dinor1_json_enter(json, '[');
    for (; dinor1_json_next(json, ']'); n++) {
        gdouble beyond;

        ok &= read_number(json, n < G_N_ELEMENTS(values) ? values[n] : &beyond);
    }
    return ok && n == G_N_ELEMENTS(values);
}

static void
set_bad(DinoR1CocoRecord *record, DinoR1CocoBad bad, const gchar *field, const gchar *reason)
{
    if (record->bad != DINOR1_COCO_GOOD)
        return;
    record->bad = bad;
    record->field = field;
    record->reason = reason;
}

/* Returns what was expected, NULL if that was there. */
static const gchar *
read_field(DinoR1Json *json, DinoR1CocoRecord *record, guint bit)
{
    switch (bit) {
    case DINOR1_RECORD_ID:
        return dinor1_coco_read_id(json, &record->id) ? NULL : "is not a non-negative integer";
    case DINOR1_RECORD_IMAGE:
        return dinor1_coco_read_id(json, &record->image_id) ? NULL : "is not a non-negative integer";
    case DINOR1_RECORD_CATEGORY:
        return dinor1_coco_read_id(json, &record->category_id) ? NULL : "is not a non-negative integer";
    case DINOR1_RECORD_BOX:
        return read_box(json, &record->box) ? NULL : "is not a list of four numbers";
    case DINOR1_RECORD_AREA:
        return read_number(json, &record->area) ? NULL : "is not a number";
    case DINOR1_RECORD_SCORE:
        return read_number(json, &record->score) ? NULL : "is not a number";
    case DINOR1_RECORD_CROWD:
        return read_flag(json, &record->crowd) ? NULL : "is neither 0 nor 1";
    default:
        return read_flag(json, &record->ignore) ? NULL : "is neither 0 nor 1";
    }
}

static void
read_member(DinoR1Json *json, const gchar *key, guint known, DinoR1CocoRecord *record)
{
    const gchar *expected;
    guint i = 0;

    while (i < G_N_ELEMENTS(fields) && strcmp(key, fields[i].key) != 0)
        i++;
    if (i == G_N_ELEMENTS(fields) || !(known & fields[i].bit)) {
        dinor1_json_skip(json);
        return;
    }
    if (record->seen & fields[i].bit)
        set_bad(record, DINOR1_COCO_BAD_FIELD, fields[i].key, "is there twice");
    expected = read_field(json, record, fields[i].bit);
    if (expected)
        set_bad(record, DINOR1_COCO_BAD_FIELD, fields[i].key, expected);
    else
        record->seen |= fields[i].bit;
}

static void
check_record(DinoR1CocoRecord *record, guint required)
{
    const DinoR1CocoBox *box = &record->box;

    for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
        if (required & ~record->seen & fields[i].bit)
            set_bad(record, DINOR1_COCO_BAD_FIELD, fields[i].key, "is missing");
    if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(box->width) || !isfinite(box->height))
        set_bad(record, DINOR1_COCO_BAD_NOT_FINITE, "bbox", "is not finite");
    if (!isfinite(record->area))
        set_bad(record, DINOR1_COCO_BAD_NOT_FINITE, "area", "is not finite");
    if (!isfinite(record->score))
        set_bad(record, DINOR1_COCO_BAD_NOT_FINITE, "score", "is not finite");
}

gboolean
dinor1_coco_record_read(DinoR1Json *json, guint required, guint optional, GString *key, DinoR1CocoRecord *record)
{
    *record = (DinoR1CocoRecord){.number = record->number, .bad = DINOR1_COCO_GOOD};
    if (dinor1_json_peek(json) != '{') {
        set_bad(record, DINOR1_COCO_BAD_FIELD, "it", "is not an object");
        return dinor1_json_skip(json);
    }
    dinor1_json_enter(json, '{');
    while (dinor1_json_next(json, '}') && dinor1_json_key(json, key))
        read_member(json, key->str, required | optional, record);
    check_record(record, required);
    return !json->problem;
}

void
dinor1_coco_set_entry_error(
    GError **error, const gchar *name, const gchar *list, guint number, const gint64 *id, const gchar *format, ...)
{
    g_autofree gchar *what = NULL, *id_text = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    id_text = id ? g_strdup_printf(", id %" G_GINT64_FORMAT, *id) : g_strdup("");
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %s[%u]%s: %s", name, list, number, id_text, what);
}

void
dinor1_coco_set_record_error(
    GError **error, const gchar *name, const gchar *list, const DinoR1CocoRecord *record, DinoR1CocoBad bad)
{
    const DinoR1CocoBox *box = &record->box;
    g_autofree gchar *what = NULL;

    if (record->field)
        what = g_strdup_printf("%s %s", record->field, record->reason);
    else if (bad == DINOR1_COCO_BAD_IMAGE)
        what = g_strdup_printf("there is no image %" G_GINT64_FORMAT, record->image_id);
    else if (bad == DINOR1_COCO_BAD_CATEGORY)
        what = g_strdup_printf("there is no category %" G_GINT64_FORMAT, record->category_id);
    else if (bad == DINOR1_COCO_BAD_SIZE && record->area < 0 && record->seen & DINOR1_RECORD_AREA)
        what = g_strdup_printf("area is negative: %g", record->area);
    else if (bad == DINOR1_COCO_BAD_NOT_FINITE || bad == DINOR1_COCO_BAD_SIZE || bad == DINOR1_COCO_BAD_OUTSIDE)
        what = g_strdup_printf("%s: bbox [%g, %g, %g, %g] of image %" G_GINT64_FORMAT, dinor1_coco_bad_to_string(bad),
            box->x, box->y, box->width, box->height, record->image_id);
    else
        what = g_strdup_printf("%s (image %" G_GINT64_FORMAT ")", dinor1_coco_bad_to_string(bad), record->image_id);
    dinor1_coco_set_entry_error(
        error, name, list, record->number, record->seen & DINOR1_RECORD_ID ? &record->id : NULL, "%s", what);
}
