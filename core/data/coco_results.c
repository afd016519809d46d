/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/coco_record.h"
#include "io/file.h"

#include <dinor1/error.h>
#include <math.h>

struct _DinoR1CocoResults {
    DinoR1Coco *coco;
    GArray *results; /* DinoR1CocoResult */
    guint n_bad[DINOR1_COCO_N_BAD];
};

DinoR1CocoResults *
dinor1_coco_results_new(DinoR1Coco *coco)
{
    DinoR1CocoResults *results = g_new0(DinoR1CocoResults, 1);

    results->coco = dinor1_coco_ref(coco);
    results->results = g_array_new(FALSE, FALSE, sizeof(DinoR1CocoResult));
    return results;
}

void
dinor1_coco_results_free(DinoR1CocoResults *results)
{
    dinor1_coco_unref(results->coco);
    g_array_unref(results->results);
    g_free(results);
}

const DinoR1CocoResult *
dinor1_coco_results_get(const DinoR1CocoResults *results, guint *n)
{
    *n = results->results->len;
    return (const DinoR1CocoResult *)results->results->data;
}

guint
dinor1_coco_results_get_n_bad(const DinoR1CocoResults *results, DinoR1CocoBad bad)
{
    return results->n_bad[bad];
}

DinoR1Coco *
dinor1_coco_results_get_coco(const DinoR1CocoResults *results)
{
    return results->coco;
}

/* A result without size is legal: it is a miss. */
static DinoR1CocoBad
check_result(const DinoR1CocoResults *results, const DinoR1CocoResult *result)
{
    const DinoR1CocoBox *box = &result->box;

    if (result->image >= dinor1_coco_get_n_images(results->coco))
        return DINOR1_COCO_BAD_IMAGE;
    if (result->category >= dinor1_coco_get_n_categories(results->coco))
        return DINOR1_COCO_BAD_CATEGORY;
    if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(box->width) || !isfinite(box->height) ||
        !isfinite(result->score))
        return DINOR1_COCO_BAD_NOT_FINITE;
    return box->width < 0 || box->height < 0 ? DINOR1_COCO_BAD_SIZE : DINOR1_COCO_GOOD;
}

gboolean
dinor1_coco_results_add(DinoR1CocoResults *results, const DinoR1CocoResult *result, GError **error)
{
    DinoR1CocoBad bad = check_result(results, result);

    if (bad != DINOR1_COCO_GOOD) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "cannot add the result: %s", dinor1_coco_bad_to_string(bad));
        return FALSE;
    }
    g_array_append_val(results->results, *result);
    return TRUE;
}

static DinoR1CocoBad
append_record(DinoR1CocoResults *results, const DinoR1CocoRecord *record)
{
    DinoR1CocoResult result = {.box = record->box, .score = record->score};
    DinoR1CocoBad bad;

    if (record->bad != DINOR1_COCO_GOOD)
        return record->bad;
    if (!dinor1_coco_find_image(results->coco, record->image_id, &result.image))
        return DINOR1_COCO_BAD_IMAGE;
    if (!dinor1_coco_find_category(results->coco, record->category_id, &result.category))
        return DINOR1_COCO_BAD_CATEGORY;
    bad = check_result(results, &result);
    if (bad == DINOR1_COCO_GOOD)
        g_array_append_val(results->results, result);
    return bad;
}

/* FALSE without an error if @json is broken. */
static gboolean
read_results(DinoR1CocoResults *results, DinoR1Json *json, const gchar *name, gboolean skip_bad, GError **error)
{
    const guint required = DINOR1_RECORD_IMAGE | DINOR1_RECORD_CATEGORY | DINOR1_RECORD_BOX | DINOR1_RECORD_SCORE;
    g_autoptr(GString) key = g_string_new(NULL);
    DinoR1CocoRecord record = {0};

    if (dinor1_json_peek(json) == '{')
        return dinor1_json_fail(json, "an object, such as of annotations, is no list of results");
    dinor1_json_enter(json, '[');
    for (; dinor1_json_next(json, ']'); record.number++) {
        DinoR1CocoBad bad;

        if (!dinor1_coco_record_read(json, required, 0, key, &record))
            return FALSE;
        bad = append_record(results, &record);
        if (bad == DINOR1_COCO_GOOD)
            continue;
        results->n_bad[bad]++;
        if (!skip_bad) {
            dinor1_coco_set_record_error(error, name, "results", &record, bad);
            return FALSE;
        }
    }
    return dinor1_json_end(json);
}

DinoR1CocoResults *
dinor1_coco_results_load_memory(DinoR1Coco *coco, const gchar *name, const gchar *text, gsize size,
    const DinoR1CocoOptions *options, GError **error)
{
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(coco);
    DinoR1Json json;

    dinor1_json_init(&json, text, size);
    if (read_results(results, &json, name, options && options->skip_bad, error))
        return g_steal_pointer(&results);
    if (json.problem)
        dinor1_coco_set_json_error(&json, name, error);
    return NULL;
}

DinoR1CocoResults *
dinor1_coco_results_load(DinoR1Coco *coco, const gchar *path, const DinoR1CocoOptions *options, GError **error)
{
    gsize size = 0;
    guint8 *text = dinor1_file_map(path, &size, error);
    DinoR1CocoResults *results;

    if (!text)
        return NULL;
    results = dinor1_coco_results_load_memory(coco, path, (const gchar *)text, size, options, error);
    dinor1_file_unmap(text, size);
    return results;
}
