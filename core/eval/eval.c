/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval/eval_internal.h"

#include <dinor1/error.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_SIZE (DINOR1_EVAL_N_IOUS * DINOR1_EVAL_N_RECALLS)
#define IOU_75     5

typedef struct {
    DinoR1EvalClass shown;
    gchar frequency;
    gdouble ap[DINOR1_EVAL_N_AREAS], ar[DINOR1_EVAL_N_AREAS];
    gdouble ar1, ar10;
} Class;

/* A figure is the mean of a member of Class over the classes of a frequency, 0 meaning all. */
typedef struct {
    const gchar *name, *text;
    gsize member;
    gchar frequency;
} Figure;

#define MEMBER(name) G_STRUCT_OFFSET(Class, name)

static const Figure coco_figures[] = {
    {"AP", "average precision, IoU 0.50:0.95", MEMBER(ap[DINOR1_EVAL_ALL])},
    {"AP50", "average precision, IoU 0.50", MEMBER(shown.ap50)},
    {"AP75", "average precision, IoU 0.75", MEMBER(shown.ap75)},
    {"APs", "average precision, small objects", MEMBER(ap[DINOR1_EVAL_SMALL])},
    {"APm", "average precision, medium objects", MEMBER(ap[DINOR1_EVAL_MEDIUM])},
    {"APl", "average precision, large objects", MEMBER(ap[DINOR1_EVAL_LARGE])},
    {"AR1", "average recall, 1 result per image and class", MEMBER(ar1)},
    {"AR10", "average recall, 10 results per image and class", MEMBER(ar10)},
    {"AR100", "average recall, 100 results per image and class", MEMBER(ar[DINOR1_EVAL_ALL])},
    {"ARs", "average recall, small objects", MEMBER(ar[DINOR1_EVAL_SMALL])},
    {"ARm", "average recall, medium objects", MEMBER(ar[DINOR1_EVAL_MEDIUM])},
    {"ARl", "average recall, large objects", MEMBER(ar[DINOR1_EVAL_LARGE])},
};

static const Figure lvis_figures[] = {
    {"AP", "average precision, IoU 0.50:0.95", MEMBER(ap[DINOR1_EVAL_ALL])},
    {"AP50", "average precision, IoU 0.50", MEMBER(shown.ap50)},
    {"AP75", "average precision, IoU 0.75", MEMBER(shown.ap75)},
    {"APs", "average precision, small objects", MEMBER(ap[DINOR1_EVAL_SMALL])},
    {"APm", "average precision, medium objects", MEMBER(ap[DINOR1_EVAL_MEDIUM])},
    {"APl", "average precision, large objects", MEMBER(ap[DINOR1_EVAL_LARGE])},
    {"APr", "average precision, rare classes", MEMBER(ap[DINOR1_EVAL_ALL]), 'r'},
    {"APc", "average precision, common classes", MEMBER(ap[DINOR1_EVAL_ALL]), 'c'},
    {"APf", "average precision, frequent classes", MEMBER(ap[DINOR1_EVAL_ALL]), 'f'},
    {"AR300", "average recall, 300 results per image", MEMBER(ar[DINOR1_EVAL_ALL])},
    {"ARs", "average recall, small objects", MEMBER(ar[DINOR1_EVAL_SMALL])},
    {"ARm", "average recall, medium objects", MEMBER(ar[DINOR1_EVAL_MEDIUM])},
    {"ARl", "average recall, large objects", MEMBER(ar[DINOR1_EVAL_LARGE])},
};

struct _DinoR1Eval {
    guint n_classes;
    Class *classes;
    gdouble *precision, *scores; /* [n_classes, T, R] */
    guint n_figures;
    DinoR1EvalFigure figures[G_N_ELEMENTS(lvis_figures)];
};

static gdouble
mean_over_ious(const gdouble *values)
{
    gdouble sum = 0;

    for (guint t = 0; t < DINOR1_EVAL_N_IOUS; t++)
        sum += values[t];
    return sum / DINOR1_EVAL_N_IOUS;
}

/* The mean recall with at most @max_rank results of each image. */
static gdouble
recall_with(const GArray *hits, guint max_rank, guint n_counted)
{
    DinoR1EvalCurve curve;

    if (n_counted == 0)
        return -1;
    dinor1_eval_accumulate(hits, DINOR1_EVAL_ALL, max_rank, n_counted, &curve, NULL, NULL);
    return mean_over_ious(curve.ar);
}

static void
measure_area(DinoR1Eval *eval, guint category, guint area, const GArray *hits, guint n_counted)
{
    const gsize at = (gsize)category * CURVE_SIZE;
    const gboolean shown = area == DINOR1_EVAL_ALL;
    Class *class = &eval->classes[category];
    DinoR1EvalCurve curve;

    class->ap[area] = class->ar[area] = -1;
    if (n_counted == 0)
        return;
    dinor1_eval_accumulate(hits, area, G_MAXUINT, n_counted, &curve, shown ? eval->precision + at : NULL,
        shown ? eval->scores + at : NULL);
    class->ap[area] = mean_over_ious(curve.ap);
    class->ar[area] = mean_over_ious(curve.ar);
    if (shown)
        class->shown =
            (DinoR1EvalClass){n_counted, hits->len, class->ap[area], curve.ap[0], curve.ap[IOU_75], class->ar[area]};
}

static void
measure_class(DinoR1Eval *eval, DinoR1EvalData *data, guint category)
{
    g_autoptr(GArray) hits = g_array_new(FALSE, FALSE, sizeof(DinoR1EvalHit));
    Class *class = &eval->classes[category];
    guint n_counted[DINOR1_EVAL_N_AREAS] = {0};
    DinoR1EvalGroup group;

    while (dinor1_eval_data_next(data, category, &group))
        dinor1_eval_match(&group, hits, n_counted);
    dinor1_eval_sort_hits(hits);
    class->shown = (DinoR1EvalClass){0, hits->len, -1, -1, -1, -1};
    for (guint area = 0; area < DINOR1_EVAL_N_AREAS; area++)
        measure_area(eval, category, area, hits, n_counted[area]);
    class->ar1 = recall_with(hits, 1, n_counted[DINOR1_EVAL_ALL]);
    class->ar10 = recall_with(hits, 10, n_counted[DINOR1_EVAL_ALL]);
}

static gdouble
mean_over_classes(const DinoR1Eval *eval, const Figure *figure)
{
    gdouble sum = 0;
    guint n = 0;

    for (guint i = 0; i < eval->n_classes; i++) {
        const gdouble value = G_STRUCT_MEMBER(gdouble, &eval->classes[i], figure->member);

        if (value < 0 || (figure->frequency && eval->classes[i].frequency != figure->frequency))
            continue;
        sum += value;
        n++;
    }
    return n > 0 ? sum / n : -1;
}

static gboolean
check_federated(const DinoR1Coco *coco, const gboolean *use_image, GError **error)
{
    for (guint i = 0; i < dinor1_coco_get_n_images(coco); i++) {
        const DinoR1CocoImage *image = dinor1_coco_get_image(coco, i);

        if (!image->federated && (!use_image || use_image[i])) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
                "cannot evaluate as LVIS: image %" G_GINT64_FORMAT
                " has no neg_category_ids or no not_exhaustive_category_ids",
                image->id);
            return FALSE;
        }
    }
    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++) {
        const DinoR1CocoCategory *category = dinor1_coco_get_category(coco, i);

        if (!category->frequency) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
                "cannot evaluate as LVIS: category %" G_GINT64_FORMAT " ('%s') has no frequency", category->id,
                category->name);
            return FALSE;
        }
    }
    return TRUE;
}

DinoR1Eval *
dinor1_eval_new(const DinoR1CocoResults *results, DinoR1EvalRule rule, const gboolean *use_image, GError **error)
{
    const DinoR1Coco *coco = dinor1_coco_results_get_coco(results);
    const Figure *figures = rule == DINOR1_EVAL_LVIS ? lvis_figures : coco_figures;
    g_autoptr(DinoR1EvalData) data = NULL;
    DinoR1Eval *eval;

    if (rule == DINOR1_EVAL_LVIS && !check_federated(coco, use_image, error))
        return NULL;
    data = dinor1_eval_data_new(results, rule, use_image);
    eval = g_new0(DinoR1Eval, 1);
    eval->n_classes = dinor1_coco_get_n_categories(coco);
    eval->classes = g_new0(Class, eval->n_classes);
    eval->precision = g_new0(gdouble, (gsize)eval->n_classes * CURVE_SIZE);
    eval->scores = g_new0(gdouble, (gsize)eval->n_classes * CURVE_SIZE);
    for (guint i = 0; i < eval->n_classes; i++) {
        eval->classes[i].frequency = dinor1_coco_get_category(coco, i)->frequency;
        measure_class(eval, data, i);
    }
    eval->n_figures = rule == DINOR1_EVAL_LVIS ? G_N_ELEMENTS(lvis_figures) : G_N_ELEMENTS(coco_figures);
    for (guint i = 0; i < eval->n_figures; i++)
        eval->figures[i] = (DinoR1EvalFigure){figures[i].name, figures[i].text, mean_over_classes(eval, &figures[i])};
    return eval;
}

void
dinor1_eval_free(DinoR1Eval *eval)
{
    g_free(eval->classes);
    g_free(eval->precision);
    g_free(eval->scores);
    g_free(eval);
}

const DinoR1EvalFigure *
dinor1_eval_get_figures(const DinoR1Eval *eval, guint *n)
{
    *n = eval->n_figures;
    return eval->figures;
}

gdouble
dinor1_eval_get_figure(const DinoR1Eval *eval, const gchar *name)
{
    for (guint i = 0; i < eval->n_figures; i++)
        if (strcmp(eval->figures[i].name, name) == 0)
            return eval->figures[i].value;
    return -1;
}

const DinoR1EvalClass *
dinor1_eval_get_class(const DinoR1Eval *eval, guint category)
{
    return &eval->classes[category].shown;
}

const gdouble *
dinor1_eval_get_precision(const DinoR1Eval *eval, guint category, guint iou, const gdouble **scores)
{
    const gsize at = (gsize)category * CURVE_SIZE + iou * DINOR1_EVAL_N_RECALLS;
    const gboolean measured = eval->classes[category].shown.n_boxes > 0;

    if (scores)
        *scores = measured ? eval->scores + at : NULL;
    return measured ? eval->precision + at : NULL;
}

gboolean
dinor1_eval_get_mean_precision(const DinoR1Eval *eval, guint iou, gdouble *precision)
{
    guint n = 0;

    memset(precision, 0, DINOR1_EVAL_N_RECALLS * sizeof *precision);
    for (guint i = 0; i < eval->n_classes; i++) {
        const gdouble *curve = dinor1_eval_get_precision(eval, i, iou, NULL);

        for (guint r = 0; curve && r < DINOR1_EVAL_N_RECALLS; r++)
            precision[r] += curve[r];
        n += curve != NULL;
    }
    for (guint r = 0; n > 0 && r < DINOR1_EVAL_N_RECALLS; r++)
        precision[r] /= n;
    return n > 0;
}

gdouble
dinor1_eval_average(const DinoR1EvalSet *sets, guint n)
{
    gdouble sum = 0;
    guint n_measured = 0;

    for (guint i = 0; i < n; i++)
        if (sets[i].ap >= 0) {
            sum += sets[i].ap;
            n_measured++;
        }
    return n_measured > 0 ? sum / n_measured : -1;
}
