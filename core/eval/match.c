/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval/eval_internal.h"

#include <math.h>

/* numpy.linspace(0.5, 0.95, 10): the eighth is one ulp below 0.9. */
static const gdouble thresholds[DINOR1_EVAL_N_IOUS] = {
    0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};

static const struct {
    gdouble least, most;
} areas[DINOR1_EVAL_N_AREAS] = {{0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

/* A box that a result may match: IoU of at least the lowest threshold. */
typedef struct {
    guint box;
    gdouble iou;
} Candidate;

typedef struct {
    const DinoR1EvalGroup *group;
    GArray *candidates;
    guint *first;    /* [n_results + 1]: of a result, in candidates */
    guint8 *ignored; /* [n_boxes] in the current area range */
    guint16 *taken;  /* [n_boxes] a bit per threshold */
} Matcher;

static gboolean
is_crowd(const DinoR1EvalGroup *group, guint box)
{
    return group->rule == DINOR1_EVAL_COCO && group->boxes[box]->crowd;
}

static gboolean
is_outside(guint area, gdouble size)
{
    return size < areas[area].least || size > areas[area].most;
}

/* Intersection over union; over the result's own area if the box is a crowd region. */
static gdouble
overlap(const DinoR1CocoBox *result, const DinoR1CocoBox *box, gboolean crowd)
{
    const gdouble width = fmin(result->x + result->width, box->x + box->width) - fmax(result->x, box->x);
    const gdouble height = fmin(result->y + result->height, box->y + box->height) - fmax(result->y, box->y);
    const gdouble area = result->width * result->height;
    gdouble both;

    if (width <= 0 || height <= 0)
        return 0;
    both = width * height;
    return both / (crowd ? area : area + box->width * box->height - both);
}

static void
find_candidates(Matcher *matcher)
{
    const DinoR1EvalGroup *group = matcher->group;

    for (guint i = 0; i < group->n_results; i++) {
        matcher->first[i] = matcher->candidates->len;
        for (guint box = 0; box < group->n_boxes; box++) {
            const Candidate candidate = {
                box, overlap(&group->results[i]->box, &group->boxes[box]->box, is_crowd(group, box))};

            if (candidate.iou >= thresholds[0])
                g_array_append_val(matcher->candidates, candidate);
        }
    }
    matcher->first[group->n_results] = matcher->candidates->len;
}

/* The box that result @i gets: the free one that overlaps most, of equal ones the last; one to ignore only if there is
 * no other. n_boxes if there is none. */
static guint
find_match(const Matcher *matcher, guint i, guint threshold)
{
    const guint none = matcher->group->n_boxes;
    guint best = none;

    for (guint ignored = 0; ignored <= 1 && best == none; ignored++) {
        gdouble iou = thresholds[threshold];

        for (guint c = matcher->first[i]; c < matcher->first[i + 1]; c++) {
            const Candidate *candidate = &g_array_index(matcher->candidates, Candidate, c);
            const gboolean taken = matcher->taken[candidate->box] >> threshold & 1;

            if (matcher->ignored[candidate->box] != ignored || candidate->iou < iou ||
                (taken && !is_crowd(matcher->group, candidate->box)))
                continue;
            iou = candidate->iou;
            best = candidate->box;
        }
    }
    return best;
}

static void
match_result(Matcher *matcher, guint i, guint area, DinoR1EvalHit *hit)
{
    const DinoR1EvalGroup *group = matcher->group;
    const DinoR1CocoBox *box = &group->results[i]->box;
    const gboolean forgiven = is_outside(area, box->width * box->height) || !group->exhaustive;

    for (guint t = 0; t < DINOR1_EVAL_N_IOUS; t++) {
        const guint match = find_match(matcher, i, t);
        const gboolean found = match < group->n_boxes;
        /* Both packages mark a match by the annotation's id, so that one with id 0 is none. */
        const gboolean matched = found && group->boxes[match]->id != 0;

        if (found)
            matcher->taken[match] |= 1 << t;
        hit->matched[area] |= matched << t;
        hit->ignored[area] |= ((found && matcher->ignored[match]) || (!matched && forgiven)) << t;
    }
}

/* @begin: the group's first, in @hits. */
static void
match_area(Matcher *matcher, guint area, GArray *hits, guint begin, guint *n_counted)
{
    const DinoR1EvalGroup *group = matcher->group;

    for (guint i = 0; i < group->n_boxes; i++) {
        const DinoR1CocoAnnotation *box = group->boxes[i];
        const gboolean ignore = group->rule == DINOR1_EVAL_COCO ? box->crowd : box->ignore;

        matcher->ignored[i] = ignore || is_outside(area, box->area);
        matcher->taken[i] = 0;
        *n_counted += !matcher->ignored[i];
    }
    for (guint i = 0; i < group->n_results; i++)
        match_result(matcher, i, area, &g_array_index(hits, DinoR1EvalHit, begin + i));
}

void
dinor1_eval_match(const DinoR1EvalGroup *group, GArray *hits, guint *n_counted)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    g_autofree guint *first = g_new(guint, group->n_results + 1);
    g_autofree guint8 *ignored = g_new(guint8, group->n_boxes);
    g_autofree guint16 *taken = g_new(guint16, group->n_boxes);
    Matcher matcher = {group, candidates, first, ignored, taken};
    const guint begin = hits->len;

    find_candidates(&matcher);
    for (guint i = 0; i < group->n_results; i++) {
        const DinoR1EvalHit hit = {.score = group->results[i]->score, .rank = i};

        g_array_append_val(hits, hit);
    }
    for (guint area = 0; area < DINOR1_EVAL_N_AREAS; area++)
        match_area(&matcher, area, hits, begin, &n_counted[area]);
}
