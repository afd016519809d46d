/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/postprocess.h"

#include <math.h>

static gfloat
sigmoid(gfloat x)
{
    return 1.0f / (1.0f + expf(-x));
}

static gfloat
class_score(const DinoR1RawDetections *raw, guint query, guint class_index)
{
    const DinoR1TokenSpan *span = &raw->tokens->spans[class_index];
    const gfloat *logits = raw->logits + (gsize)query * raw->tokens->n_tokens + span->first;
    gfloat sum = 0, largest = 0;

    for (guint i = 0; i < span->n; i++) {
        const gfloat score = sigmoid(logits[i]);

        sum += score;
        largest = MAX(largest, score);
    }
    return raw->token_score == DINOR1_TOKEN_SCORE_MAX ? largest : sum / (gfloat)span->n;
}

/* While pairs are collected, box.x holds the query's number; the worst pair is at the root of a heap. */
static gboolean
worse(const DinoR1Detection *a, const DinoR1Detection *b)
{
    if (a->score != b->score)
        return a->score < b->score;
    if (a->box.x != b->box.x)
        return a->box.x > b->box.x;
    return a->class_index > b->class_index;
}

static void
swap(DinoR1Detection *a, DinoR1Detection *b)
{
    const DinoR1Detection t = *a;

    *a = *b;
    *b = t;
}

static void
sift_down(DinoR1Detection *heap, guint n, guint at)
{
    for (;;) {
        guint worst = at;

        for (guint child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (worse(&heap[child], &heap[worst]))
                worst = child;
        if (worst == at)
            return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

static void
sift_up(DinoR1Detection *heap, guint at)
{
    while (at > 0 && worse(&heap[at], &heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static guint
collect_best(const DinoR1RawDetections *raw, DinoR1Detection *heap, guint max_detections)
{
    guint n = 0;

    for (guint q = 0; q < raw->n_queries; q++) {
        for (guint c = 0; c < raw->tokens->n_classes; c++) {
            const DinoR1Detection pair = {{(gfloat)q, 0, 0, 0}, class_score(raw, q, c), c};

            if (!(pair.score >= raw->threshold)) /* NaN is nothing */
                continue;
            if (n < max_detections) {
                heap[n] = pair;
                sift_up(heap, n++);
            } else if (worse(&heap[0], &pair)) {
                heap[0] = pair;
                sift_down(heap, n, 0);
            }
        }
    }
    return n;
}

/* Heap sort: the worst pair goes to the end, again and again. */
static void
sort_best_first(DinoR1Detection *heap, guint n)
{
    while (n > 1) {
        swap(&heap[0], &heap[--n]);
        sift_down(heap, n, 0);
    }
}

static DinoR1Box
to_pixels(const DinoR1RawDetections *raw, guint query)
{
    const gfloat *box = raw->boxes + 4 * (gsize)query;
    const gfloat width = (gfloat)raw->width, height = (gfloat)raw->height;
    const gfloat x0 = CLAMP((box[0] - box[2] / 2) * width, 0, width);
    const gfloat y0 = CLAMP((box[1] - box[3] / 2) * height, 0, height);
    const gfloat x1 = CLAMP((box[0] + box[2] / 2) * width, 0, width);
    const gfloat y1 = CLAMP((box[1] + box[3] / 2) * height, 0, height);

    return (DinoR1Box){x0, y0, x1 - x0, y1 - y0};
}

static gfloat
iou(const DinoR1Box *a, const DinoR1Box *b)
{
    const gfloat w = MIN(a->x + a->width, b->x + b->width) - MAX(a->x, b->x);
    const gfloat h = MIN(a->y + a->height, b->y + b->height) - MAX(a->y, b->y);
    const gfloat both = MAX(w, 0) * MAX(h, 0);

    return both / (a->width * a->height + b->width * b->height - both);
}

static gboolean
is_suppressed(const DinoR1Detection *items, guint n, const DinoR1Detection *item, gfloat nms)
{
    for (guint i = 0; i < n; i++)
        if (items[i].class_index == item->class_index && iou(&items[i].box, &item->box) > nms)
            return TRUE;
    return FALSE;
}

guint
dinor1_postprocess(const DinoR1RawDetections *raw, DinoR1Detection *items, guint max_detections)
{
    const guint n = collect_best(raw, items, max_detections);
    guint kept = 0;

    sort_best_first(items, n);
    for (guint i = 0; i < n; i++) {
        DinoR1Detection item = items[i];

        item.box = to_pixels(raw, (guint)item.box.x);
        if (!(item.box.width > 0 && item.box.height > 0))
            continue;
        if (raw->nms > 0 && is_suppressed(items, kept, &item, raw->nms))
            continue;
        items[kept++] = item;
    }
    return kept;
}
