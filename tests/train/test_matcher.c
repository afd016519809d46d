/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The Hungarian matcher against all permutations, and the targets it makes.
 */
#include "train/sampling.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define MAX_ROWS 7

/* The cheapest of all assignments of columns to rows of their own. */
static gdouble
cheapest(const gfloat *cost, guint n_rows, guint n_columns, guint stride, guint column, guint taken)
{
    gdouble best = INFINITY;

    if (column == n_columns)
        return 0;
    for (guint row = 0; row < n_rows; row++) {
        gdouble rest;

        if (taken & 1u << row)
            continue;
        rest = cheapest(cost, n_rows, n_columns, stride, column + 1, taken | 1u << row);
        best = MIN(best, (gdouble)cost[row * stride + column] + rest);
    }
    return best;
}

/* Every column has a row of its own; returns what they cost together. */
static gdouble
cost_of(const gfloat *cost, guint n_rows, guint n_columns, guint stride, const guint *row_of_column)
{
    g_autofree gboolean *taken = g_new0(gboolean, n_rows);
    gdouble sum = 0;

    for (guint column = 0; column < n_columns; column++) {
        const guint row = row_of_column[column];

        g_assert_cmpuint(row, <, n_rows);
        g_assert_false(taken[row]);
        taken[row] = TRUE;
        sum += (gdouble)cost[row * stride + column];
    }
    return sum;
}

typedef gfloat (*CostFunc)(DinoR1Rng *rng);

static gfloat
spread(DinoR1Rng *rng)
{
    return 10 * dinor1_rng_normal(rng);
}

/* Whole numbers: exact sums, many ties. */
static gfloat
tied(DinoR1Rng *rng)
{
    return (gfloat)dinor1_rng_below(rng, 3) - 1;
}

static gfloat
equal(DinoR1Rng *rng)
{
    return -2.5f;
}

/* A matching cost beside a padded one. */
static gfloat
far_apart(DinoR1Rng *rng)
{
    return dinor1_rng_below(rng, 4) ? 1e5f + dinor1_rng_uniform(rng) : dinor1_rng_uniform(rng);
}

static void
test_all_permutations(gconstpointer data)
{
    const CostFunc func = *(const CostFunc *)data;
    DinoR1Rng rng = dinor1_rng_new(7, 0);

    for (guint round = 0; round < 1500; round++) {
        const guint n_rows = 1 + dinor1_rng_below(&rng, MAX_ROWS - 1);
        const guint n_columns = dinor1_rng_below(&rng, n_rows + 1);
        const guint stride = n_columns + dinor1_rng_below(&rng, 3);
        gfloat cost[MAX_ROWS * (MAX_ROWS + 2)];
        guint row_of_column[MAX_ROWS];
        gdouble best;

        for (guint i = 0; i < n_rows * stride; i++)
            cost[i] = i % stride < n_columns ? func(&rng) : NAN; /* what is beside the columns is not read */
        g_assert_true(dinor1_assign(cost, n_rows, n_columns, stride, row_of_column));
        best = cheapest(cost, n_rows, n_columns, stride, 0, 0);
        g_assert_cmpfloat_with_epsilon(
            cost_of(cost, n_rows, n_columns, stride, row_of_column), best, 1e-12 * MAX(1, fabs(best)));
    }
}

/* The cost x_i y_j is least when the largest x meets the smallest y: the answer is known at any size. */
static void
test_large(void)
{
    const guint n_rows = 900, n_columns = 100;
    g_autofree gfloat *cost = g_new(gfloat, n_rows * n_columns);
    g_autofree guint *row_of_column = g_new(guint, n_columns), *order = g_new(guint, n_rows);
    DinoR1Rng rng = dinor1_rng_new(1, 0);
    gint64 start;

    dinor1_rng_shuffle(&rng, order, n_rows);
    for (guint row = 0; row < n_rows; row++)
        for (guint column = 0; column < n_columns; column++)
            cost[row * n_columns + column] = -(gfloat)(order[row] * column);
    start = g_get_monotonic_time();
    g_assert_true(dinor1_assign(cost, n_rows, n_columns, n_columns, row_of_column));
    g_test_minimized_result((gdouble)(g_get_monotonic_time() - start) * 1e-6, "900 x 100");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
    for (guint column = 1; column < n_columns; column++)
        g_assert_cmpuint(order[row_of_column[column]], ==, n_rows - n_columns + column);
}

static void
test_not_finite(void)
{
    const gfloat bad[] = {NAN, INFINITY, -INFINITY};
    guint row_of_column[3];

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        gfloat cost[] = {1, 2, 3, 4, 5, 6};

        cost[3] = bad[i];
        g_assert_false(dinor1_assign(cost, 3, 2, 2, row_of_column));
    }
}

static void
test_more_columns_than_rows(void)
{
    const gfloat cost[] = {1, 2, 3};
    guint row_of_column[3];

    g_assert_false(dinor1_assign(cost, 1, 3, 3, row_of_column));
}

/* Two images, 3 queries, boxes padded to 2, tokens: classes 4 and 9 and one negative. */
static gfloat boxes[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f};
static guint classes[] = {9, 4};
static const DinoR1ImageLabels images[] = {{2, boxes, classes}, {1, boxes + 4, classes + 1}};
static guint batch_classes[] = {4, 9};
static const DinoR1PromptChoice choice = {2, batch_classes, NULL};

static void
test_targets(void)
{
    const gfloat cost[] = {5, 1, 1, 5, 0, 9, /**/ 3, 1e5f, 2, 1e5f, 7, 1e5f};
    const gfloat expected[] = {1, 0, 0, 0, 0, 0, 0, 1, 0, /**/ 0, 0, 0, 1, 0, 0, 0, 0, 0};
    const gfloat expected_positive[] = {1, 0, 1, /**/ 0, 1, 0};
    gfloat target_classes[18], target_boxes[24], positive[6];
    DinoR1SetTargets targets = {target_classes, target_boxes, positive};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 24; i++) {
        target_boxes[i] = -1;
        target_classes[i % 18] = -1;
        positive[i % 6] = -1;
    }
    /* Image 0: box 0 costs least on query 2, box 1 on query 0. Image 1: query 1. */
    g_assert_true(dinor1_match_targets(cost, images, 2, 2, 3, &choice, 3, &targets, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(positive, sizeof positive, expected_positive, sizeof expected_positive);
    g_assert_cmpmem(target_boxes + 8, 16, boxes, 16);
    g_assert_cmpmem(target_boxes, 16, boxes + 4, 16);
    g_assert_cmpmem(target_boxes + 16, 16, boxes + 4, 16);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpfloat(target_boxes[4 + i], ==, 0);
    g_assert_cmpmem(target_classes, sizeof target_classes, expected, sizeof expected);
}

static void
test_targets_not_finite(void)
{
    const gfloat cost[] = {5, 1, 1, 5, 0, 9, /**/ 3, 1e5f, NAN, 1e5f, 7, 1e5f};
    gfloat target_classes[18], target_boxes[24], positive[6];
    DinoR1SetTargets targets = {target_classes, target_boxes, positive};
    g_autoptr(GError) error = NULL;

    g_assert_false(dinor1_match_targets(cost, images, 2, 2, 3, &choice, 3, &targets, &error));
    g_assert_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "image 1"));
}

/* More boxes than queries: the first ones are matched, as many as there are queries. */
static void
test_targets_too_many_boxes(void)
{
    const gfloat cost[] = {5, 1};
    gfloat target_classes[3], target_boxes[4], positive[1];
    DinoR1SetTargets targets = {target_classes, target_boxes, positive};
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_match_targets(cost, images, 1, 2, 1, &choice, 3, &targets, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(target_boxes, 16, boxes, 16);
}

int
main(int argc, char **argv)
{
    static const struct {
        const gchar *name;
        CostFunc func;
    } costs[] = {{"spread", spread}, {"tied", tied}, {"equal", equal}, {"far-apart", far_apart}};

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(costs); i++) {
        g_autofree gchar *path = g_strdup_printf("/matcher/all-permutations/%s", costs[i].name);

        g_test_add_data_func(path, &costs[i].func, test_all_permutations);
    }
    g_test_add_func("/matcher/large", test_large);
    g_test_add_func("/matcher/not-finite", test_not_finite);
    g_test_add_func("/matcher/more-columns-than-rows", test_more_columns_than_rows);
    g_test_add_func("/matcher/targets", test_targets);
    g_test_add_func("/matcher/targets-not-finite", test_targets_not_finite);
    g_test_add_func("/matcher/targets-too-many-boxes", test_targets_too_many_boxes);
    return g_test_run();
}
