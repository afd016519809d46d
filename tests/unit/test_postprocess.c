/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/postprocess.h"
#include "detector/token_groups.h"

#include <math.h>

#define N_QUERIES 50
#define N_CLASSES 6

typedef struct {
    gfloat logits[N_QUERIES * N_CLASSES];
    gfloat boxes[N_QUERIES * 4];
    DinoR1TokenSet *tokens;
    DinoR1RawDetections raw;
} Fixture;

static gfloat
logit(gfloat p)
{
    return logf(p / (1 - p));
}

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    f->tokens = dinor1_token_set_new(N_CLASSES, N_CLASSES, N_CLASSES, 4);
    for (guint c = 0; c < N_CLASSES; c++)
        f->tokens->spans[c] = (DinoR1TokenSpan){c, 1};
    for (guint i = 0; i < N_QUERIES * N_CLASSES; i++)
        f->logits[i] = (gfloat)g_rand_double_range(rand, -4, 4);
    for (guint i = 0; i < N_QUERIES * 4; i++)
        f->boxes[i] = (gfloat)g_rand_double_range(rand, 0.05, 0.95);
    f->raw = (DinoR1RawDetections){f->logits, f->boxes, N_QUERIES, f->tokens, DINOR1_TOKEN_SCORE_MEAN, 200, 100, 0, 0};
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    dinor1_token_set_free(f->tokens);
}

static gint
by_falling_score(gconstpointer a, gconstpointer b)
{
    const gfloat x = *(const gfloat *)a, y = *(const gfloat *)b;

    return x > y ? -1 : x < y;
}

/* The k best of all pairs, whatever k is. */
static void
test_topk(Fixture *f, gconstpointer data)
{
    gfloat sorted[N_QUERIES * N_CLASSES];
    DinoR1Detection items[N_QUERIES * N_CLASSES];

    for (guint i = 0; i < G_N_ELEMENTS(sorted); i++)
        sorted[i] = 1 / (1 + expf(-f->logits[i]));
    qsort(sorted, G_N_ELEMENTS(sorted), sizeof *sorted, by_falling_score);
    for (guint k = 1; k <= G_N_ELEMENTS(sorted); k += 13) {
        g_assert_cmpuint(dinor1_postprocess(&f->raw, items, k), ==, k);
        for (guint i = 0; i < k; i++)
            g_assert_cmpfloat(items[i].score, ==, sorted[i]);
    }
    f->raw.threshold = 0.6f;
    for (guint i = 0; i < dinor1_postprocess(&f->raw, items, G_N_ELEMENTS(items)); i++)
        g_assert_cmpfloat(items[i].score, >=, 0.6f);
}

static void
test_ties_in_query_order(Fixture *f, gconstpointer data)
{
    DinoR1Detection items[8];

    for (guint i = 0; i < N_QUERIES * N_CLASSES; i++)
        f->logits[i] = 0;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, items, 8), ==, 8);
    for (guint i = 0; i < 8; i++)
        g_assert_cmpuint(items[i].class_index, ==, i % N_CLASSES);
}

static void
test_boxes(Fixture *f, gconstpointer data)
{
    DinoR1Detection item;

    for (guint i = 0; i < N_QUERIES * N_CLASSES; i++)
        f->logits[i] = -9;
    f->logits[N_CLASSES + 2] = 5;
    f->raw.threshold = 0.5f;
    f->boxes[4] = 0.1f, f->boxes[5] = 0.5f, f->boxes[6] = 0.4f, f->boxes[7] = 0.2f;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, &item, 1), ==, 1);
    g_assert_cmpuint(item.class_index, ==, 2);
    g_assert_cmpfloat_with_epsilon(item.box.x, 0, 1e-4); /* -20 clipped */
    g_assert_cmpfloat_with_epsilon(item.box.width, 60, 1e-4);
    g_assert_cmpfloat_with_epsilon(item.box.y, 40, 1e-4);
    g_assert_cmpfloat_with_epsilon(item.box.height, 20, 1e-4);
    f->boxes[6] = 0; /* no area */
    g_assert_cmpuint(dinor1_postprocess(&f->raw, &item, 1), ==, 0);
    f->boxes[6] = NAN;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, &item, 1), ==, 0);
    f->logits[N_CLASSES + 2] = NAN;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, &item, 1), ==, 0);
}

static void
test_nms(Fixture *f, gconstpointer data)
{
    DinoR1Detection items[4];

    for (guint i = 0; i < N_QUERIES * N_CLASSES; i++)
        f->logits[i] = -9;
    for (guint q = 0; q < 3; q++) {
        f->logits[q * N_CLASSES + (q == 2)] = 1 + (gfloat)q; /* the third is of another class */
        f->boxes[4 * q] = 0.5f + 0.01f * (gfloat)q, f->boxes[4 * q + 1] = 0.5f;
        f->boxes[4 * q + 2] = f->boxes[4 * q + 3] = 0.4f;
    }
    f->raw.threshold = 0.5f;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, items, 4), ==, 3);
    f->raw.nms = 0.5f;
    g_assert_cmpuint(dinor1_postprocess(&f->raw, items, 4), ==, 2);
    g_assert_cmpfloat_with_epsilon(logit(items[0].score), 3, 1e-4);
    g_assert_cmpfloat_with_epsilon(logit(items[1].score), 2, 1e-4);
}

/* A text class of two tokens. */
static void
test_token_scores(Fixture *f, gconstpointer data)
{
    DinoR1Detection item;

    f->tokens->n_classes = 1;
    f->tokens->spans[0] = (DinoR1TokenSpan){1, 2};
    f->raw.n_queries = 1;
    f->logits[1] = logit(0.2f), f->logits[2] = logit(0.6f);
    dinor1_postprocess(&f->raw, &item, 1);
    g_assert_cmpfloat_with_epsilon(item.score, 0.4, 1e-5);
    f->raw.token_score = DINOR1_TOKEN_SCORE_MAX;
    dinor1_postprocess(&f->raw, &item, 1);
    g_assert_cmpfloat_with_epsilon(item.score, 0.6, 1e-5);
}

/* [CLS] a b . c . [SEP] */
static void
test_token_groups(void)
{
    const gint32 ids[7] = {101, 5, 6, 1012, 7, 1012, 102};
    const gint32 expected_positions[7] = {0, 0, 1, 2, 0, 1, 0};
    const gint group[7] = {0, 1, 1, 1, 2, 2, 3};
    gfloat mask[7 * 9];
    gint32 positions[7];

    dinor1_token_groups(ids, 7, mask, 9, positions);
    for (guint i = 0; i < 7; i++) {
        g_assert_cmpint(positions[i], ==, expected_positions[i]);
        for (guint j = 0; j < 7; j++)
            g_assert_cmpfloat(mask[i * 9 + j], ==, group[i] == group[j] ? 0 : -INFINITY);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/postprocess/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("topk", test_topk);
    ADD("ties", test_ties_in_query_order);
    ADD("boxes", test_boxes);
    ADD("nms", test_nms);
    ADD("token-scores", test_token_scores);
    g_test_add_func("/token-groups", test_token_groups);
    return g_test_run();
}
