/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval/eval_internal.h"

#include <math.h>
#include <stdlib.h>

#define COCO_MAX_RESULTS 100 /* of an image and class */
#define LVIS_MAX_RESULTS 300 /* of an image */

/* A box or a result in the order of evaluation. */
typedef struct {
    guint category;
    guint rank; /* of the image, by id: that decides between equal scores */
    gdouble score;
    guint order; /* in the file */
    gconstpointer item;
} Entry;

/* The boxes, or the results. */
typedef struct {
    GArray *entries;      /* Entry, sorted */
    gconstpointer *items; /* theirs, never NULL */
    guint at;             /* the first that dinor1_eval_data_next() has not returned */
} Side;

struct _DinoR1EvalData {
    const DinoR1Coco *coco;
    DinoR1EvalRule rule;
    guint *ranks; /* of each image, or NO_PART */
    Side boxes, results;
};

#define NO_PART G_MAXUINT

typedef struct {
    gint64 id;
    guint image;
} ImageId;

static gint
compare_ids(gconstpointer a, gconstpointer b)
{
    const gint64 first = ((const ImageId *)a)->id, second = ((const ImageId *)b)->id;

    return (first > second) - (first < second);
}

static guint *
rank_images(const DinoR1Coco *coco, const gboolean *use_image)
{
    const guint n = dinor1_coco_get_n_images(coco);
    g_autofree ImageId *ids = g_new(ImageId, n);
    guint *ranks = g_new(guint, n);

    for (guint i = 0; i < n; i++)
        ids[i] = (ImageId){dinor1_coco_get_image(coco, i)->id, i};
    if (n > 0)
        qsort(ids, n, sizeof *ids, compare_ids);
    for (guint i = 0; i < n; i++)
        ranks[ids[i].image] = !use_image || use_image[ids[i].image] ? i : NO_PART;
    return ranks;
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
    const Entry *first = a, *second = b;

    if (first->category != second->category)
        return first->category < second->category ? -1 : 1;
    if (first->rank != second->rank)
        return first->rank < second->rank ? -1 : 1;
    if (first->score != second->score)
        return first->score > second->score ? -1 : 1;
    return first->order < second->order ? -1 : first->order > second->order;
}

static void
sort_entries(GArray *entries)
{
    if (entries->len > 0)
        qsort(entries->data, entries->len, sizeof(Entry), compare_entries);
}

/* The lvis package leaves out annotations and results without area or of infinite area. */
static gboolean
has_area(const DinoR1EvalData *data, gdouble area)
{
    return data->rule == DINOR1_EVAL_COCO || (area > 0 && isfinite(area));
}

static gboolean
contains(const guint *list, guint n, guint category)
{
    for (guint i = 0; i < n; i++)
        if (list[i] == category)
            return TRUE;
    return FALSE;
}

/* LVIS: whether it is known if @image has objects of @category. */
static gboolean
is_known(const DinoR1EvalData *data, guint image, guint category)
{
    const DinoR1CocoImage *facts = dinor1_coco_get_image(data->coco, image);
    guint n;
    const DinoR1CocoAnnotation *boxes = dinor1_coco_get_annotations(data->coco, image, &n);

    if (contains(facts->negative, facts->n_negative, category))
        return TRUE;
    for (guint i = 0; i < n; i++)
        if (boxes[i].category == category && has_area(data, boxes[i].area))
            return TRUE;
    return FALSE;
}

static GArray *
collect_boxes(const DinoR1EvalData *data)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));

    for (guint image = 0; image < dinor1_coco_get_n_images(data->coco); image++) {
        guint n;
        const DinoR1CocoAnnotation *boxes = dinor1_coco_get_annotations(data->coco, image, &n);

        for (guint i = 0; i < n && data->ranks[image] != NO_PART; i++) {
            const Entry entry = {boxes[i].category, data->ranks[image], 0, i, &boxes[i]};

            if (has_area(data, boxes[i].area))
                g_array_append_val(entries, entry);
        }
    }
    sort_entries(entries);
    return entries;
}

/* Keeps the best results of each image, and of those the ones that say something. */
static void
apply_lvis_limits(const DinoR1EvalData *data, GArray *entries)
{
    guint kept = 0, rank = NO_PART, n_of_image = 0;

    for (guint i = 0; i < entries->len; i++)
        g_array_index(entries, Entry, i).category = 0;
    sort_entries(entries);
    for (guint i = 0; i < entries->len; i++) {
        Entry *entry = &g_array_index(entries, Entry, i);
        const DinoR1CocoResult *result = entry->item;

        n_of_image = entry->rank == rank ? n_of_image + 1 : 1;
        rank = entry->rank;
        if (n_of_image > LVIS_MAX_RESULTS || !has_area(data, result->box.width * result->box.height) ||
            !is_known(data, result->image, result->category))
            continue;
        entry->category = result->category;
        g_array_index(entries, Entry, kept++) = *entry;
    }
    g_array_set_size(entries, kept);
}

static GArray *
collect_results(const DinoR1EvalData *data, const DinoR1CocoResults *results)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    guint n;
    const DinoR1CocoResult *list = dinor1_coco_results_get(results, &n);

    for (guint i = 0; i < n; i++) {
        const Entry entry = {list[i].category, data->ranks[list[i].image], list[i].score, i, &list[i]};

        if (entry.rank != NO_PART)
            g_array_append_val(entries, entry);
    }
    if (data->rule == DINOR1_EVAL_LVIS)
        apply_lvis_limits(data, entries);
    sort_entries(entries);
    return entries;
}

static Side
make_side(GArray *entries)
{
    Side side = {entries, g_new(gconstpointer, entries->len + 1), 0};

    for (guint i = 0; i < entries->len; i++)
        side.items[i] = g_array_index(entries, Entry, i).item;
    return side;
}

DinoR1EvalData *
dinor1_eval_data_new(const DinoR1CocoResults *results, DinoR1EvalRule rule, const gboolean *use_image)
{
    DinoR1EvalData *data = g_new0(DinoR1EvalData, 1);

    data->coco = dinor1_coco_results_get_coco(results);
    data->rule = rule;
    data->ranks = rank_images(data->coco, use_image);
    data->boxes = make_side(collect_boxes(data));
    data->results = make_side(collect_results(data, results));
    return data;
}

void
dinor1_eval_data_free(DinoR1EvalData *data)
{
    g_array_unref(data->boxes.entries);
    g_array_unref(data->results.entries);
    g_free(data->boxes.items);
    g_free(data->results.items);
    g_free(data->ranks);
    g_free(data);
}

/* The next entry of @category, NULL after the last. */
static const Entry *
peek(const Side *side, guint category)
{
    const Entry *entry = side->at < side->entries->len ? &g_array_index(side->entries, Entry, side->at) : NULL;

    return entry && entry->category == category ? entry : NULL;
}

/* Passes over the entries of an image and class. Returns their number, and their items. */
static guint
take(Side *side, guint category, guint rank, gconstpointer **items)
{
    const guint begin = side->at;
    const Entry *entry;

    *items = side->items + begin;
    while ((entry = peek(side, category)) && entry->rank == rank)
        side->at++;
    return side->at - begin;
}

static gboolean
is_exhaustive(const DinoR1EvalData *data, const DinoR1EvalGroup *group, guint category)
{
    const DinoR1CocoImage *image;

    if (data->rule == DINOR1_EVAL_COCO)
        return TRUE;
    image = dinor1_coco_get_image(data->coco, group->n_boxes > 0 ? group->boxes[0]->image : group->results[0]->image);
    return !contains(image->not_exhaustive, image->n_not_exhaustive, category);
}

gboolean
dinor1_eval_data_next(DinoR1EvalData *data, guint category, DinoR1EvalGroup *group)
{
    const Entry *box = peek(&data->boxes, category), *result = peek(&data->results, category);
    gconstpointer *boxes, *results;
    guint rank;

    if (!box && !result)
        return FALSE;
    rank = MIN(box ? box->rank : NO_PART, result ? result->rank : NO_PART);
    *group = (DinoR1EvalGroup){.rule = data->rule};
    group->n_boxes = take(&data->boxes, category, rank, &boxes);
    group->n_results = take(&data->results, category, rank, &results);
    group->boxes = (const DinoR1CocoAnnotation *const *)boxes;
    group->results = (const DinoR1CocoResult *const *)results;
    if (data->rule == DINOR1_EVAL_COCO)
        group->n_results = MIN(group->n_results, COCO_MAX_RESULTS);
    group->exhaustive = is_exhaustive(data, group, category);
    return TRUE;
}
