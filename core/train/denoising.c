/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contrastive denoising queries (DINO, arXiv 2203.03605, section 3.3): per group a positive copy of every box, slightly
 * moved, that must find its way back, and a negative copy, moved further, that must say "nothing".
 */
#include "train/sampling.h"

#include <math.h>
#include <string.h>

#define N_TARGET_QUERIES 100 /* groups are made until about this many positives */
#define LABEL_NOISE      0.25f

/* One batch while it is made: per image [groups][positive, negative][M] queries. */
typedef struct {
    DinoR1Denoising *dn;
    const DinoR1PromptChoice *choice;
    guint n_images, n_boxes, n_tokens;
    DinoR1Rng *rng;
} Maker;

/* One corner coordinate moved by ±U(low, low + 1) * side / 2 and clamped to the image. */
static gfloat
move_corner(Maker *maker, gfloat corner, gfloat side, gfloat low)
{
    const gfloat amount = low + dinor1_rng_uniform(maker->rng);
    const gfloat sign = dinor1_rng_below(maker->rng, 2) ? 1.0f : -1.0f;

    return CLAMP(corner + sign * amount * side / 2, 0.0f, 1.0f);
}

static void
noised_box(Maker *maker, const gfloat *box, gboolean negative, gfloat *out)
{
    const gfloat low = negative ? 1 : 0;
    const gfloat x0 = move_corner(maker, box[0] - box[2] / 2, box[2], low);
    const gfloat y0 = move_corner(maker, box[1] - box[3] / 2, box[3], low);
    const gfloat x1 = move_corner(maker, box[0] + box[2] / 2, box[2], low);
    const gfloat y1 = move_corner(maker, box[1] + box[3] / 2, box[3], low);

    out[0] = (x0 + x1) / 2;
    out[1] = (y0 + y1) / 2;
    out[2] = fabsf(x1 - x0);
    out[3] = fabsf(y1 - y0);
}

static guint
noised_class(Maker *maker, guint class_number)
{
    if (dinor1_rng_uniform(maker->rng) < LABEL_NOISE)
        return dinor1_rng_below(maker->rng, maker->choice->n_classes);
    return class_number;
}

static void
fill_query(Maker *maker, const DinoR1ImageLabels *labels, guint box, gboolean negative, gsize at)
{
    DinoR1Denoising *dn = maker->dn;
    const guint class_number = dinor1_prompt_choice_find(maker->choice, labels->classes[box]);

    dn->index[at] = (gint32)noised_class(maker, class_number);
    noised_box(maker, labels->boxes + (gsize)box * 4, negative, dn->boxes + at * 4);
    if (negative)
        return;
    dn->classes[at * maker->n_tokens + class_number] = 1;
    memcpy(dn->target_boxes + at * 4, labels->boxes + (gsize)box * 4, 4 * sizeof(gfloat));
    dn->positive[at] = 1;
    dn->n_positive++;
}

/* The places of the boxes that an image has fewer than the fullest one hold a still box without a target. */
static void
fill_padding(Maker *maker, gsize at)
{
    const gfloat middle[4] = {0.5f, 0.5f, 1, 1};

    memcpy(maker->dn->boxes + at * 4, middle, sizeof middle);
}

static void
fill_image(Maker *maker, const DinoR1ImageLabels *labels, guint image)
{
    gsize at = (gsize)image * maker->dn->n_queries;

    for (guint group = 0; group < maker->dn->n_groups; group++)
        for (guint negative = 0; negative < 2; negative++)
            for (guint box = 0; box < maker->n_boxes; box++, at++) {
                if (box < labels->n_boxes)
                    fill_query(maker, labels, box, negative != 0, at);
                else
                    fill_padding(maker, at);
            }
}

/* A group sees itself and the matching queries; these see no group. */
static gfloat *
make_mask(guint n_queries, guint group_size, gsize n_matching)
{
    const gsize n = n_queries + n_matching;
    gfloat *mask = g_new(gfloat, n * n);

    for (gsize i = 0; i < n; i++) {
        for (gsize j = 0; j < n; j++) {
            const gboolean same_group = i < n_queries && j < n_queries && i / group_size == j / group_size;

            mask[i * n + j] = j >= n_queries || same_group ? 0 : -INFINITY;
        }
    }
    return mask;
}

static guint
most_boxes(const DinoR1ImageLabels *images, guint n_images)
{
    guint n = 0;

    for (guint i = 0; i < n_images; i++)
        n = MAX(n, images[i].n_boxes);
    return n;
}

guint
dinor1_count_denoising(guint n_boxes)
{
    return n_boxes ? 2 * n_boxes * MAX(1, N_TARGET_QUERIES / n_boxes) : 0;
}

DinoR1Denoising *
dinor1_make_denoising(const DinoR1ImageLabels *images, guint n_images, const DinoR1PromptChoice *choice, guint n_tokens,
    gint64 n_matching, DinoR1Rng *rng)
{
    DinoR1Denoising *dn = g_new0(DinoR1Denoising, 1);
    Maker maker = {dn, choice, n_images, most_boxes(images, n_images), n_tokens, rng};
    gsize n;

    if (maker.n_boxes == 0)
        return dn;
    dn->n_groups = MAX(1, N_TARGET_QUERIES / maker.n_boxes);
    dn->n_queries = dinor1_count_denoising(maker.n_boxes);
    n = (gsize)n_images * dn->n_queries;
    dn->index = g_new0(gint32, n);
    dn->boxes = g_new0(gfloat, n * 4);
    dn->classes = g_new0(gfloat, n * n_tokens);
    dn->target_boxes = g_new0(gfloat, n * 4);
    dn->positive = g_new0(gfloat, n);
    dn->mask = make_mask(dn->n_queries, 2 * maker.n_boxes, (gsize)n_matching);
    for (guint i = 0; i < n_images; i++)
        fill_image(&maker, &images[i], i);
    return dn;
}

void
dinor1_denoising_keep(DinoR1Denoising *denoising, guint n_images, guint n_tokens, guint rank, guint n_ranks)
{
    const gsize n = denoising->n_queries;
    gsize to = 0;

    for (gsize from = rank; from < n_images; from += n_ranks, to++) {
        memmove(denoising->index + to * n, denoising->index + from * n, n * sizeof *denoising->index);
        memmove(denoising->boxes + to * n * 4, denoising->boxes + from * n * 4, n * 4 * sizeof(gfloat));
        memmove(denoising->classes + to * n * n_tokens, denoising->classes + from * n * n_tokens,
            n * n_tokens * sizeof(gfloat));
        memmove(denoising->target_boxes + to * n * 4, denoising->target_boxes + from * n * 4, n * 4 * sizeof(gfloat));
        memmove(denoising->positive + to * n, denoising->positive + from * n, n * sizeof(gfloat));
    }
}

void
dinor1_denoising_free(DinoR1Denoising *denoising)
{
    g_free(denoising->index);
    g_free(denoising->boxes);
    g_free(denoising->mask);
    g_free(denoising->classes);
    g_free(denoising->target_boxes);
    g_free(denoising->positive);
    g_free(denoising);
}
