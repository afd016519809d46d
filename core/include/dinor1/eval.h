/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/dataset.h>

G_BEGIN_DECLS

/* Both rules score a box by its intersection over union (IoU) with the annotations of its image and class, at ten
 * thresholds from 0.50 to 0.95, and average the precision at 101 recalls from 0 to 1 (T.-Y. Lin et al., Microsoft
 * COCO, 2014; https://cocodataset.org/#detection-eval). */
typedef enum {
    /* The 100 best of an image and class. Crowd regions count for nothing and take any number of boxes. Equal to
     * pycocotools 2.0, also in that a match with an annotation of id 0 counts as none. */
    DINOR1_EVAL_COCO,
    /* Federated (A. Gupta et al., LVIS, 2019): the 300 best of an image; an image counts for the classes it has boxes
     * of or is known not to contain; where its boxes are not exhaustive, further ones are no error. Equal to lvis
     * 0.5. */
    DINOR1_EVAL_LVIS,
} DinoR1EvalRule;

#define DINOR1_EVAL_N_IOUS    10  /* thresholds 0.50, 0.55 … 0.95 */
#define DINOR1_EVAL_N_RECALLS 101 /* 0.00, 0.01 … 1.00 */

/* A figure from 0 to 1; -1 where there is nothing to measure. */
typedef struct {
    const gchar *name; /* static: "AP50" */
    const gchar *text; /* static: "average precision, IoU 0.50" */
    gdouble value;
} DinoR1EvalFigure;

typedef struct {
    guint n_boxes;              /* annotations that count: neither crowd nor ignored */
    guint n_results;            /* the best of each image that took part */
    gdouble ap, ap50, ap75, ar; /* over all areas with the most results allowed; -1 without boxes */
} DinoR1EvalClass;

/**
 * DinoR1Eval:
 *
 * The figures of one evaluation. Immutable; any number of threads may read it.
 */
typedef struct _DinoR1Eval DinoR1Eval;

/**
 * dinor1_eval_new:
 * @use_image: (nullable): one per image of the set: whether it takes part; NULL: all do
 *
 * Evaluates @results against the annotations of their set. Keeps neither.
 *
 * Returns: (transfer full): the figures; NULL with UNSUPPORTED: the LVIS rule, and an image has no neg_category_ids
 * and not_exhaustive_category_ids or a category no frequency.
 */
DINOR1_API DinoR1Eval *dinor1_eval_new(
    const DinoR1CocoResults *results, DinoR1EvalRule rule, const gboolean *use_image, GError **error);
DINOR1_API void dinor1_eval_free(DinoR1Eval *eval);

/**
 * dinor1_eval_get_figures:
 *
 * COCO: AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl.
 * LVIS: AP AP50 AP75 APs APm APl APr APc APf AR300 ARs ARm ARl.
 * s, m, l: areas up to 32², 96², beyond. r, c, f: rare, common and frequent classes. ARn: n results an image (COCO: of
 * each class).
 *
 * Returns: (array length=n): in this order; owned by @eval.
 */
DINOR1_API const DinoR1EvalFigure *dinor1_eval_get_figures(const DinoR1Eval *eval, guint *n);

/* The figure of a name above; -1 also if there is no such figure. */
DINOR1_API gdouble dinor1_eval_get_figure(const DinoR1Eval *eval, const gchar *name);

/* @category: position in the set. */
DINOR1_API const DinoR1EvalClass *dinor1_eval_get_class(const DinoR1Eval *eval, guint category);

/**
 * dinor1_eval_get_precision:
 * @category: position in the set
 * @iou: threshold 0.50 + 0.05 @iou
 * @scores: (out) (optional): [DINOR1_EVAL_N_RECALLS] the score of the result that reaches each recall, 0 if none does
 *
 * Returns: (nullable): [DINOR1_EVAL_N_RECALLS] precision at each recall, over all areas; NULL for a class without
 * boxes.
 */
DINOR1_API const gdouble *dinor1_eval_get_precision(
    const DinoR1Eval *eval, guint category, guint iou, const gdouble **scores);

/* Writes the mean of that over the classes with boxes to @precision [DINOR1_EVAL_N_RECALLS]. FALSE if there are none.
 */
DINOR1_API gboolean dinor1_eval_get_mean_precision(const DinoR1Eval *eval, guint iou, gdouble *precision);

/* One of the sets of ODinW (C. Li et al., ELEVATER, 2022), or of any other collection. */
typedef struct {
    const gchar *name;
    gdouble ap; /* its AP by COCO's rule; -1 if it had nothing to measure */
} DinoR1EvalSet;

/* ODinW's average: the mean AP of the sets, each with the same weight; sets with -1 are left out. -1 if none is left.
 */
DINOR1_API gdouble dinor1_eval_average(const DinoR1EvalSet *sets, guint n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Eval, dinor1_eval_free)

G_END_DECLS
