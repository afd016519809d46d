/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>

G_BEGIN_DECLS

/* T: IoU thresholds, R: recalls, A: area ranges (all, small, medium, large). */
enum {
    DINOR1_EVAL_ALL,
    DINOR1_EVAL_SMALL,
    DINOR1_EVAL_MEDIUM,
    DINOR1_EVAL_LARGE,
    DINOR1_EVAL_N_AREAS,
};

/* What a result turned out to be. Bit t of a mask is for IoU threshold t. */
typedef struct {
    gdouble score;
    guint rank; /* among the results of its image and class, best first, from 0 */
    guint16 matched[DINOR1_EVAL_N_AREAS];
    guint16 ignored[DINOR1_EVAL_N_AREAS]; /* neither right nor wrong */
} DinoR1EvalHit;

/* The boxes and results of one image and class. */
typedef struct {
    DinoR1EvalRule rule;
    gboolean exhaustive;                      /* all objects have boxes */
    const DinoR1CocoAnnotation *const *boxes; /* in the file's order */
    guint n_boxes;
    const DinoR1CocoResult *const *results; /* best first, equal ones in the file's order */
    guint n_results;
} DinoR1EvalGroup;

/* What is evaluated, in the order of classes, images and scores. */
typedef struct _DinoR1EvalData DinoR1EvalData;

DinoR1EvalData *dinor1_eval_data_new(const DinoR1CocoResults *results, DinoR1EvalRule rule, const gboolean *use_image);
void dinor1_eval_data_free(DinoR1EvalData *data);

/* The next image with boxes or results of @category; categories rise from call to call. FALSE after the last image. */
gboolean dinor1_eval_data_next(DinoR1EvalData *data, guint category, DinoR1EvalGroup *group);

/* Appends a hit per result to @hits and adds the number of boxes that count to @n_counted [A]. */
void dinor1_eval_match(const DinoR1EvalGroup *group, GArray *hits, guint *n_counted);

/* What the curve of one class and area range says, for its results of rank < max_rank. */
typedef struct {
    gdouble ap[DINOR1_EVAL_N_IOUS]; /* mean of precision over the recalls */
    gdouble ar[DINOR1_EVAL_N_IOUS]; /* recall that all results together reach */
} DinoR1EvalCurve;

/* Sorts hits, best first, equal ones in the order they are in. */
void dinor1_eval_sort_hits(GArray *hits);

/* @hits: sorted; @n_counted > 0; @precision and @scores: (nullable): [T, R] */
void dinor1_eval_accumulate(const GArray *hits, guint area, guint max_rank, guint n_counted, DinoR1EvalCurve *curve,
    gdouble *precision, gdouble *scores);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1EvalData, dinor1_eval_data_free)

G_END_DECLS
