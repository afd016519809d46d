/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "evaluation.h"

#include "interrupt.h"

#include <string.h>

/* A box that was drawn as exemplar. */
typedef struct {
    const DinoR1CocoAnnotation *annotation; /* NULL = its picture cannot be decoded */
    guint number;                           /* of the order in which they go into the bank */
} Pick;

static GRand *
make_random(guint64 seed, guint stream)
{
    const guint32 words[] = {(guint32)seed, (guint32)(seed >> 32), stream};

    return g_rand_new_with_seed_array(words, G_N_ELEMENTS(words));
}

/* Moves @n random ones of the array's pointers to its front. */
static void
draw(GPtrArray *array, guint n, GRand *random)
{
    for (guint i = 0; i < MIN(n, array->len) && i + 1 < array->len; i++) {
        const guint other = (guint)g_rand_int_range(random, (gint32)i, (gint32)array->len);
        const gpointer swapped = array->pdata[i];

        array->pdata[i] = array->pdata[other];
        array->pdata[other] = swapped;
    }
}

/* The boxes of each category. */
static GPtrArray **
sort_boxes(const DinoR1Coco *coco, guint first, guint last)
{
    const guint n_categories = dinor1_coco_get_n_categories(coco);
    GPtrArray **boxes = g_new(GPtrArray *, n_categories);

    for (guint i = 0; i < n_categories; i++)
        boxes[i] = g_ptr_array_new();
    for (guint i = first; i < last; i++) {
        guint n;
        const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(coco, i, &n);

        for (guint k = 0; k < n; k++)
            if (dinor1_coco_is_object(&annotations[k]))
                g_ptr_array_add(boxes[annotations[k].category], (gpointer)&annotations[k]);
    }
    return boxes;
}

/* Draws @per_class boxes of each category out of the images first … last - 1. */
static GArray *
draw_picks(const DinoR1Coco *coco, guint first, guint last, guint per_class, GRand *random)
{
    GArray *picks = g_array_new(FALSE, FALSE, sizeof(Pick));
    g_autofree GPtrArray **boxes = sort_boxes(coco, first, last);

    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++) {
        draw(boxes[i], per_class, random);
        for (guint k = 0; k < MIN(per_class, boxes[i]->len); k++) {
            const Pick pick = {boxes[i]->pdata[k], picks->len};

            g_array_append_val(picks, pick);
        }
        g_ptr_array_unref(boxes[i]);
    }
    return picks;
}

static gint
compare_images(gconstpointer a, gconstpointer b)
{
    const Pick *pick_a = a, *pick_b = b;
    const guint image_a = pick_a->annotation->image, image_b = pick_b->annotation->image;

    if (image_a != image_b)
        return image_a < image_b ? -1 : 1;
    return pick_a->number < pick_b->number ? -1 : pick_a->number > pick_b->number;
}

static DinoR1Box
scale_box(const DinoR1CocoBox *box, const CocoPicture *picture)
{
    return (DinoR1Box){(gfloat)(box->x * picture->scale_x), (gfloat)(box->y * picture->scale_y),
        (gfloat)(box->width * picture->scale_x), (gfloat)(box->height * picture->scale_y)};
}

/* Embeds @n picks of one picture; pick number i's embedding goes to row i of @embeddings. */
static gboolean
embed_picks(const CocoPicture *picture, const Pick *picks, guint n, DinoR1Detector *detector, gfloat *embeddings,
    GError **error)
{
    const gsize size = (gsize)dinor1_model_get_embedding_size(dinor1_detector_get_model(detector));
    g_autofree DinoR1Box *boxes = g_new(DinoR1Box, n);
    g_autofree gfloat *rows = g_new(gfloat, n * size);

    for (guint i = 0; i < n; i++)
        boxes[i] = scale_box(&picks[i].annotation->box, picture);
    if (!dinor1_detector_embed(detector, &picture->image, boxes, n, rows, error))
        return FALSE;
    for (guint i = 0; i < n; i++)
        memcpy(embeddings + picks[i].number * size, rows + i * size, size * sizeof *rows);
    return TRUE;
}

/* No picture, and no error, for one that is left out. */
static gboolean
load(const EvaluationSet *set, guint image, CocoPicture *picture, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (coco_picture_load(set->pictures, set->coco, image, picture, &reason) ||
        coco_pictures_is_skipped(set->pictures, set->coco, image))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static gboolean
embed_set(const EvaluationSet *set, GArray *picks, DinoR1Detector *detector, gfloat *embeddings, GError **error)
{
    Pick *all = (Pick *)(gpointer)picks->data;
    guint n;

    for (guint i = 0; i < picks->len; i += n) {
        g_auto(CocoPicture) picture = {.memory = NULL};

        for (n = 1; i + n < picks->len && all[i + n].annotation->image == all[i].annotation->image;)
            n++;
        if (!load(set, all[i].annotation->image, &picture, error))
            return FALSE;
        if (picture.memory && !embed_picks(&picture, all + i, n, detector, embeddings, error))
            return FALSE;
        for (guint k = 0; !picture.memory && k < n; k++)
            all[i + k].annotation = NULL;
    }
    return TRUE;
}

static gboolean
add_exemplar(const DinoR1Coco *coco, const DinoR1CocoAnnotation *annotation, const gfloat *embedding,
    DinoR1PromptBank *bank, GError **error)
{
    const DinoR1CocoBox *box = &annotation->box;
    const DinoR1ExemplarInfo info = {.source = dinor1_coco_get_image(coco, annotation->image)->file_name,
        .frame = -1,
        .box = {(gfloat)box->x, (gfloat)box->y, (gfloat)box->width, (gfloat)box->height}};

    return dinor1_prompt_bank_add_exemplar(
        bank, dinor1_coco_get_category(coco, annotation->category)->name, embedding, &info, error);
}

/* In the order they were drawn: by category. */
static gboolean
fill_bank(const DinoR1Coco *coco, const GArray *picks, const gfloat *embeddings, DinoR1Detector *detector,
    DinoR1PromptBank *bank, GError **error)
{
    const gsize size = (gsize)dinor1_model_get_embedding_size(dinor1_detector_get_model(detector));
    g_autofree const DinoR1CocoAnnotation **ordered = g_new(const DinoR1CocoAnnotation *, picks->len);

    for (guint i = 0; i < picks->len; i++) {
        const Pick *pick = &g_array_index(picks, Pick, i);

        ordered[pick->number] = pick->annotation;
    }
    for (guint i = 0; i < picks->len; i++)
        if (ordered[i] && !add_exemplar(coco, ordered[i], embeddings + i * size, bank, error))
            return FALSE;
    return TRUE;
}

gboolean
evaluation_add_exemplars(const EvaluationSet *set, DinoR1Detector *detector, DinoR1PromptBank *bank, guint per_class,
    guint64 seed, GError **error)
{
    const gsize size = (gsize)dinor1_model_get_embedding_size(dinor1_detector_get_model(detector));
    GRand *random = make_random(seed, 0);
    g_autoptr(GArray) picks = draw_picks(set->coco, 0, dinor1_coco_get_n_images(set->coco), per_class, random);
    g_autofree gfloat *embeddings = g_new(gfloat, picks->len * size);

    g_rand_free(random);
    g_array_sort(picks, compare_images);
    return embed_set(set, picks, detector, embeddings, error) &&
           fill_bank(set->coco, picks, embeddings, detector, bank, error);
}

/* One run over a set. */
typedef struct {
    const EvaluationSet *set;
    DinoR1Detector *detector;
    guint *categories; /* of the bank's classes; G_MAXUINT = none */
    DinoR1CocoResults *results;
} Run;

static void
map_classes(Run *run, const DinoR1PromptBank *bank)
{
    const guint n = dinor1_prompt_bank_get_n_classes(bank);

    g_free(run->categories);
    run->categories = g_new(guint, MAX(n, 1));
    for (guint i = 0; i < n; i++) {
        run->categories[i] = G_MAXUINT;
        dinor1_coco_find_category_name(run->set->coco, dinor1_prompt_bank_get_label(bank, i), &run->categories[i]);
    }
}

static gboolean
add_results(Run *run, const CocoPicture *picture, guint image, const DinoR1DetectionList *found, GError **error)
{
    for (guint i = 0; i < found->n_items; i++) {
        const DinoR1Detection *item = &found->items[i];
        const DinoR1CocoResult result = {
            .image = image,
            .category = run->categories[item->class_index],
            .box = {(gdouble)item->box.x / picture->scale_x, (gdouble)item->box.y / picture->scale_y,
                (gdouble)item->box.width / picture->scale_x, (gdouble)item->box.height / picture->scale_y},
            .score = (gdouble)item->score,
        };

        if (result.category != G_MAXUINT && !dinor1_coco_results_add(run->results, &result, error))
            return FALSE;
    }
    return TRUE;
}

/* Takes one random box of each class of the image as prompt. */
static gboolean
prompt_with_own_boxes(Run *run, const CocoPicture *picture, guint image, guint64 seed, GError **error)
{
    const DinoR1Coco *coco = run->set->coco;
    DinoR1Model *model = dinor1_detector_get_model(run->detector);
    GRand *random = make_random(seed, image + 1);
    g_autoptr(GArray) picks = draw_picks(coco, image, image + 1, 1, random);
    g_autofree gfloat *embeddings = g_new(gfloat, picks->len * (gsize)dinor1_model_get_embedding_size(model));
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(model);

    g_rand_free(random);
    if ((picks->len > 0 && !embed_picks(picture, (const Pick *)(gconstpointer)picks->data, picks->len, run->detector,
                               embeddings, error)) ||
        !fill_bank(coco, picks, embeddings, run->detector, bank, error) ||
        !dinor1_detector_set_prompts(run->detector, bank, error))
        return FALSE;
    map_classes(run, bank);
    return TRUE;
}

static gboolean
detect_image(Run *run, guint image, gboolean with_own_boxes, guint64 seed, GError **error)
{
    g_auto(CocoPicture) picture = {.memory = NULL};
    DinoR1DetectionList found;

    if (!load(run->set, image, &picture, error))
        return FALSE;
    if (!picture.memory)
        return TRUE;
    return (!with_own_boxes || prompt_with_own_boxes(run, &picture, image, seed, error)) &&
           dinor1_detector_detect(run->detector, &picture.image, &found, error) &&
           add_results(run, &picture, image, &found, error);
}

DinoR1CocoResults *
evaluation_detect(const EvaluationSet *set, DinoR1Detector *detector, DinoR1PromptBank *bank, guint64 seed, guint limit,
    Progress *progress, GError **error)
{
    const guint n = MIN(limit ? limit : G_MAXUINT, dinor1_coco_get_n_images(set->coco));
    g_autoptr(DinoR1CocoResults) results = dinor1_coco_results_new(set->coco);
    Run run = {.set = set, .detector = detector, .results = results};
    gboolean done = TRUE;

    if (bank) {
        map_classes(&run, bank);
        done = dinor1_detector_set_prompts(detector, bank, error);
    }
    for (guint i = 0; done && i < n && !interrupt_get_signal(); i++) {
        guint n_results;

        done = detect_image(&run, i, !bank, seed, error);
        dinor1_coco_results_get(results, &n_results);
        if (progress)
            progress_update(progress, i + 1, n_results, (i + 1) / (gdouble)n);
    }
    g_free(run.categories);
    return done ? g_steal_pointer(&results) : NULL;
}
