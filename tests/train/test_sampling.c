/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random numbers, the prompts of a batch, the memory of negatives, denoising queries.
 */
#include "train/sampling.h"

#include <math.h>
#include <string.h>

/* Philox4x32-10 with the block and the stream as counter and the seed as key. The first is in Random123's kat_vectors;
 * the others, whose block a position can reach, come from a few lines of Python that give all three of its vectors. */
static void
test_philox(void)
{
    const struct {
        guint64 seed, stream, block;
        guint32 expected[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {0x299f31d0a4093822u, 0x0370734413198a2eu, 0x05a308d3243f6a88u,
            {0x2fe11a02, 0x572a2f27, 0x2f88763b, 0x78d5e325}},
        {G_MAXUINT64, G_MAXUINT64, G_MAXUINT64 / 4, {0x8c5f4338, 0x4a57523d, 0x7e300cb1, 0x411fcefd}},
    };

    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        DinoR1Rng rng = {known[i].seed, known[i].stream, known[i].block * 4};

        for (guint k = 0; k < 4; k++)
            g_assert_cmphex(dinor1_rng_u32(&rng), ==, known[i].expected[k]);
    }
}

/* A stream continues from a saved state, and streams differ. */
static void
test_position(void)
{
    DinoR1Rng rng = dinor1_rng_new(5, 3), other = dinor1_rng_new(5, 4), again;
    guint n_equal = 0;

    for (guint i = 0; i < 7; i++)
        n_equal += dinor1_rng_u32(&rng) == dinor1_rng_u32(&other);
    g_assert_cmpuint(n_equal, ==, 0);
    again = (DinoR1Rng){5, 3, 7};
    for (guint i = 0; i < 100; i++)
        g_assert_cmphex(dinor1_rng_u32(&rng), ==, dinor1_rng_u32(&again));
}

#define N_DRAWS 200000

/* Mean, variance and lag-1 correlation within five standard errors. */
static void
check_moments(const gfloat *x, gdouble mean, gdouble variance)
{
    gdouble sum = 0, squares = 0, lag = 0;

    for (guint i = 0; i < N_DRAWS; i++) {
        const gdouble d = (gdouble)x[i] - mean;

        sum += d;
        squares += d * d;
        lag += i ? d * ((gdouble)x[i - 1] - mean) : 0;
    }
    g_assert_cmpfloat(fabs(sum / N_DRAWS), <, 5 * sqrt(variance / N_DRAWS));
    g_assert_cmpfloat(fabs(squares / N_DRAWS - variance), <, 5 * variance * sqrt(2.0 / N_DRAWS));
    g_assert_cmpfloat(fabs(lag / N_DRAWS), <, 5 * variance / sqrt(N_DRAWS));
}

static void
test_uniform(void)
{
    g_autofree gfloat *x = g_new(gfloat, N_DRAWS);
    DinoR1Rng rng = dinor1_rng_new(11, 0);
    guint bins[10] = {0};

    for (guint i = 0; i < N_DRAWS; i++) {
        x[i] = dinor1_rng_uniform(&rng);
        g_assert_true(x[i] >= 0 && x[i] < 1);
        bins[(guint)(x[i] * 10)]++;
    }
    check_moments(x, 0.5, 1.0 / 12);
    for (guint i = 0; i < 10; i++)
        g_assert_cmpfloat(fabs(bins[i] - N_DRAWS / 10.0), <, 5 * sqrt(N_DRAWS / 10.0));
}

static void
test_normal(void)
{
    g_autofree gfloat *x = g_new(gfloat, N_DRAWS);
    DinoR1Rng rng = dinor1_rng_new(12, 0);
    guint n_beyond = 0;

    for (guint i = 0; i < N_DRAWS; i++) {
        x[i] = dinor1_rng_normal(&rng);
        g_assert_true(isfinite(x[i]));
        n_beyond += fabsf(x[i]) > 1.959964f;
    }
    check_moments(x, 0, 1);
    g_assert_cmpfloat(fabs(n_beyond - 0.05 * N_DRAWS), <, 5 * sqrt(0.05 * 0.95 * N_DRAWS));
}

/* For n = 3·2^30, the plain remainder would give the first quarter of the range twice as often. */
static void
test_below(void)
{
    const guint32 n = 3u << 30;
    DinoR1Rng rng = dinor1_rng_new(13, 0);
    guint thirds[3] = {0}, small[7] = {0};

    for (guint i = 0; i < N_DRAWS; i++) {
        const guint32 x = dinor1_rng_below(&rng, n), y = dinor1_rng_below(&rng, 7);

        g_assert_cmpuint(x, <, n);
        thirds[x >> 30]++;
        g_assert_cmpuint(y, <, 7);
        small[y]++;
        g_assert_cmpuint(dinor1_rng_below(&rng, 1), ==, 0);
    }
    for (guint i = 0; i < 3; i++)
        g_assert_cmpfloat(fabs(thirds[i] - N_DRAWS / 3.0), <, 5 * sqrt(N_DRAWS / 3.0));
    for (guint i = 0; i < 7; i++)
        g_assert_cmpfloat(fabs(small[i] - N_DRAWS / 7.0), <, 5 * sqrt(N_DRAWS / 7.0));
}

/* Each of the 6 orders of 3 items as often as the others. */
static void
test_shuffle(void)
{
    DinoR1Rng rng = dinor1_rng_new(14, 0);
    guint counts[27] = {0}, n_seen = 0;

    for (guint i = 0; i < 60000; i++) {
        guint32 items[3];

        dinor1_rng_shuffle(&rng, items, 3);
        counts[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    for (guint i = 0; i < 27; i++) {
        n_seen += counts[i] > 0;
        g_assert_true(!counts[i] || fabs(counts[i] - 10000.0) < 5 * 100);
    }
    g_assert_cmpuint(n_seen, ==, 6);
}

/* Three images: classes 7, 2, 7 / none / 2, 2, 30, 7. */
static gfloat boxes[] = {
    0.5f, 0.5f, 0.2f, 0.4f, 0.25f, 0.75f, 0.5f, 0.5f, 0.9f, 0.1f, 0.2f, 0.2f, 0.4f, 0.4f, 0.1f, 0.1f};
static guint classes_0[] = {7, 2, 7}, classes_2[] = {2, 2, 30, 7};
static const DinoR1ImageLabels images[] = {{3, boxes, classes_0}, {0, NULL, NULL}, {4, boxes, classes_2}};

#define N_IMAGES G_N_ELEMENTS(images)
#define MOST     4

static guint
class_at(gint32 prompt)
{
    const DinoR1ImageLabels *image = &images[prompt / MOST];

    g_assert_cmpuint((guint)prompt % MOST, <, image->n_boxes);
    return image->classes[prompt % MOST];
}

/* Classes in order, each shown by one of its boxes, all of them equally often. */
static void
test_choice(void)
{
    guint counts[N_IMAGES * MOST] = {0};
    DinoR1Rng rng = dinor1_rng_new(3, 0);

    for (guint round = 0; round < 30000; round++) {
        g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(images, N_IMAGES, MOST, &rng);

        g_assert_cmpuint(choice->n_classes, ==, 3);
        g_assert_cmpuint(choice->classes[0], ==, 2);
        g_assert_cmpuint(choice->classes[1], ==, 7);
        g_assert_cmpuint(choice->classes[2], ==, 30);
        for (guint i = 0; i < 3; i++) {
            g_assert_cmpuint(class_at(choice->prompt_index[i]), ==, choice->classes[i]);
            counts[choice->prompt_index[i]]++;
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        if (i / MOST == 1 || i % MOST >= images[i / MOST].n_boxes)
            g_assert_cmpuint(counts[i], ==, 0);
        else if (class_at((gint32)i) == 30)
            g_assert_cmpuint(counts[i], ==, 30000);
        else
            g_assert_cmpfloat(fabs(counts[i] - 10000.0), <, 5 * sqrt(20000 / 3.0));
    }
}

static void
test_choice_find(void)
{
    DinoR1Rng rng = dinor1_rng_new(3, 0);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(images, N_IMAGES, MOST, &rng);
    g_autoptr(DinoR1PromptChoice) empty = dinor1_choose_prompts(images + 1, 1, 1, &rng);

    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 2), ==, 0);
    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 7), ==, 1);
    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 30), ==, 2);
    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 0), ==, 3);
    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 8), ==, 3);
    g_assert_cmpuint(dinor1_prompt_choice_find(choice, 31), ==, 3);
    g_assert_cmpuint(empty->n_classes, ==, 0);
    g_assert_cmpuint(dinor1_prompt_choice_find(empty, 2), ==, 0);
}

/* Embeddings (class, age). */
static void
remember(DinoR1PromptMemory *memory, guint class_index, guint age)
{
    const gfloat embedding[2] = {(gfloat)class_index, (gfloat)age};

    dinor1_prompt_memory_add(memory, class_index, embedding);
}

static void
test_memory(void)
{
    g_autoptr(DinoR1PromptMemory) memory = dinor1_prompt_memory_new(2, 5);
    DinoR1Rng rng = dinor1_rng_new(3, 0);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(images, N_IMAGES, MOST, &rng);
    const guint added[] = {99, 7, 50, 60, 50, 70}; /* 99 is forgotten */
    const gfloat *embeddings;
    const guint *classes;
    guint n_aged[6] = {0};
    gfloat out[10];

    g_assert_cmpuint(dinor1_prompt_memory_draw(memory, choice, 3, &rng, out), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(added); i++)
        remember(memory, added[i], i);
    g_assert_cmpuint(dinor1_prompt_memory_get(memory, &classes, &embeddings), ==, 5);
    for (guint i = 0; i < 5; i++) {
        g_assert_cmpuint(classes[i], ==, added[i + 1]);
        g_assert_cmpfloat(embeddings[2 * i], ==, added[i + 1]);
        g_assert_cmpfloat(embeddings[2 * i + 1], ==, i + 1);
    }
    for (guint round = 0; round < 3000; round++) {
        const guint n = dinor1_prompt_memory_draw(memory, choice, 5, &rng, out);
        gboolean seen[100] = {FALSE};

        g_assert_cmpuint(n, ==, 3); /* 50, 60 and 70 once each; 7 is in the batch */
        for (guint i = 0; i < n; i++) {
            g_assert_false(seen[(guint)out[2 * i]]);
            seen[(guint)out[2 * i]] = TRUE;
            n_aged[(guint)out[2 * i + 1]]++;
        }
        g_assert_true(seen[50] && seen[60] && seen[70]);
        g_assert_cmpuint(dinor1_prompt_memory_draw(memory, choice, 2, &rng, out), ==, 2);
    }
    g_assert_cmpfloat(fabs(n_aged[2] - 1500.0), <, 5 * sqrt(750)); /* either of the two of class 50 */
}

static void
test_memory_of_nothing(void)
{
    g_autoptr(DinoR1PromptMemory) memory = dinor1_prompt_memory_new(2, 0);
    const gfloat *embeddings;
    const guint *classes;

    remember(memory, 1, 1);
    g_assert_cmpuint(dinor1_prompt_memory_get(memory, &classes, &embeddings), ==, 0);
}

#define N_TOKENS   5
#define N_MATCHING 6

static DinoR1Denoising *
make(guint64 seed)
{
    DinoR1Rng rng = dinor1_rng_new(seed, 1);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(images, N_IMAGES, MOST, &rng);

    return dinor1_make_denoising(images, N_IMAGES, choice, N_TOKENS, N_MATCHING, &rng);
}

static void
test_denoising_counts(void)
{
    g_autoptr(DinoR1Denoising) dn = make(1);
    gdouble n_positive = 0;

    g_assert_cmpuint(dn->n_groups, ==, 25);
    g_assert_cmpuint(dn->n_queries, ==, 25 * 2 * MOST);
    g_assert_cmpuint(dn->n_positive, ==, 25 * 7);
    for (guint i = 0; i < N_IMAGES * dn->n_queries; i++)
        n_positive += (gdouble)dn->positive[i];
    g_assert_cmpfloat(n_positive, ==, 25 * 7);
}

/* 100 div the most boxes, at least one group. */
static void
test_denoising_many_boxes(void)
{
    g_autofree gfloat *many = g_new0(gfloat, 4 * 150);
    g_autofree guint *classes = g_new0(guint, 150);
    const DinoR1ImageLabels image = {150, many, classes};
    DinoR1Rng rng = dinor1_rng_new(1, 1);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(&image, 1, 150, &rng);
    g_autoptr(DinoR1Denoising) dn = dinor1_make_denoising(&image, 1, choice, 1, 2, &rng);

    g_assert_cmpuint(dn->n_groups, ==, 1);
    g_assert_cmpuint(dn->n_queries, ==, 300);
}

static void
test_denoising_no_boxes(void)
{
    DinoR1Rng rng = dinor1_rng_new(1, 1);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(images + 1, 1, 1, &rng);
    g_autoptr(DinoR1Denoising) dn = dinor1_make_denoising(images + 1, 1, choice, 1, 2, &rng);

    g_assert_cmpuint(dn->n_groups, ==, 0);
    g_assert_cmpuint(dn->n_queries, ==, 0);
    g_assert_cmpuint(dn->n_positive, ==, 0);
}

static void
test_denoising_mask(void)
{
    g_autoptr(DinoR1Denoising) dn = make(1);
    const guint n = dn->n_queries + N_MATCHING, size = 2 * MOST;

    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j < n; j++) {
            const gboolean group = i < dn->n_queries && j < dn->n_queries && i / size == j / size;
            const gboolean sees = j >= dn->n_queries || group;

            g_assert_true(sees ? dn->mask[i * n + j] == 0 : dn->mask[i * n + j] == -INFINITY);
        }
    }
}

/* How far a corner of @made is from @box's, in half sides; NAN where the image's border stopped it. */
static gdouble
moved(const gfloat *box, const gfloat *made, guint axis, gint end)
{
    const gdouble from = (gdouble)box[axis] + end * (gdouble)box[axis + 2] / 2;
    const gdouble to = (gdouble)made[axis] + end * (gdouble)made[axis + 2] / 2;

    return to <= 1e-6 || to >= 1 - 1e-6 ? NAN : fabs(to - from) / ((gdouble)box[axis + 2] / 2);
}

static void
check_box(const gfloat *box, const gfloat *made, gboolean negative, gdouble *least, gdouble *most)
{
    for (guint axis = 0; axis < 2; axis++) {
        g_assert_true(made[axis + 2] >= 0);
        g_assert_true(made[axis] - made[axis + 2] / 2 >= -1e-6f && made[axis] + made[axis + 2] / 2 <= 1 + 1e-6f);
        for (gint end = -1; end <= 1; end += 2) {
            const gdouble distance = moved(box, made, axis, end);

            if (isnan(distance))
                continue;
            *least = MIN(*least, distance);
            *most = MAX(*most, distance);
            /* A negative's corners may have changed places: how far each went can then not be told. */
            if (!negative)
                g_assert_cmpfloat(distance, <=, 1 + 1e-5);
        }
    }
}

static void
check_target(const DinoR1Denoising *dn, gsize at, const gfloat *box, guint class_number)
{
    for (guint u = 0; u < N_TOKENS; u++)
        g_assert_cmpfloat(dn->classes[at * N_TOKENS + u], ==, box && u == class_number);
    g_assert_cmpfloat(dn->positive[at], ==, box != NULL);
    for (guint k = 0; k < 4; k++)
        g_assert_cmpfloat(dn->target_boxes[at * 4 + k], ==, box ? box[k] : 0);
}

/* Positives have their box as target and stay near it, negatives and padding have none. */
static void
test_denoising_queries(void)
{
    const guint numbers[31] = {[2] = 0, [7] = 1, [30] = 2};
    gdouble least[2] = {INFINITY, INFINITY}, most[2] = {0, 0};
    guint n_changed = 0, n_all = 0;

    for (guint64 seed = 0; seed < 40; seed++) {
        g_autoptr(DinoR1Denoising) dn = make(seed);

        for (gsize at = 0; at < N_IMAGES * dn->n_queries; at++) {
            const DinoR1ImageLabels *image = &images[at / dn->n_queries];
            const guint box = at % MOST, side = at / MOST % 2;
            const gfloat *truth = box < image->n_boxes ? image->boxes + 4 * box : NULL;

            g_assert_true(dn->index[at] >= 0 && dn->index[at] < 3);
            check_target(dn, at, side ? NULL : truth, truth ? numbers[image->classes[box]] : 0);
            if (!truth)
                continue;
            check_box(truth, dn->boxes + 4 * at, side == 1, &least[side], &most[side]);
            n_changed += dn->index[at] != (gint32)numbers[image->classes[box]];
            n_all++;
        }
    }
    g_assert_cmpfloat(least[0], <, 0.01);
    g_assert_cmpfloat(most[0], >, 0.99);
    g_assert_cmpfloat(most[1], >, 1.99);
    g_assert_cmpfloat(most[1], <=, 4);
    /* A quarter of the labels is drawn anew, a third of these draws the same. */
    g_assert_cmpfloat(fabs(n_changed - n_all / 6.0), <, 5 * sqrt(n_all * 5 / 36.0));
}

/* In the middle of a large image a negative's corner is between one and two half sides away. */
static void
test_denoising_negatives(void)
{
    gfloat box[] = {0.5f, 0.5f, 0.1f, 0.2f};
    guint class_index = 0;
    const DinoR1ImageLabels image = {1, box, &class_index};
    DinoR1Rng rng = dinor1_rng_new(1, 1);
    g_autoptr(DinoR1PromptChoice) choice = dinor1_choose_prompts(&image, 1, 1, &rng);
    g_autoptr(DinoR1Denoising) dn = dinor1_make_denoising(&image, 1, choice, 1, 2, &rng);

    g_assert_cmpuint(dn->n_queries, ==, 200);
    for (gsize at = 1; at < 200; at += 2) {
        for (guint axis = 0; axis < 2; axis++) {
            const gdouble half = (gdouble)box[axis + 2] / 2;
            const gdouble low = (gdouble)dn->boxes[4 * at + axis] - (gdouble)dn->boxes[4 * at + axis + 2] / 2 - 0.5;
            const gdouble high = low + (gdouble)dn->boxes[4 * at + axis + 2];
            /* Ends at ∓1 ± [1, 2] half sides: [-3, -2] or [0, 1] and [-1, 0] or [2, 3]; in order, whichever was which.
             */
            const gboolean low_out = low / half <= -2 + 1e-4 && low / half >= -3 - 1e-4;
            const gboolean low_in = fabs(low / half) <= 1 + 1e-4;
            const gboolean high_out = high / half >= 2 - 1e-4 && high / half <= 3 + 1e-4;
            const gboolean high_in = fabs(high / half) <= 1 + 1e-4;

            g_assert_true((low_out || low_in) && (high_out || high_in));
        }
    }
}

static void
test_denoising_repeats(void)
{
    g_autoptr(DinoR1Denoising) a = make(9), b = make(9), other = make(10);
    const gsize size = N_IMAGES * a->n_queries * 4 * sizeof(gfloat);

    g_assert_cmpmem(a->boxes, size, b->boxes, size);
    g_assert_cmpmem(a->index, size / 4, b->index, size / 4);
    g_assert_true(memcmp(a->boxes, other->boxes, size) != 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rng/philox", test_philox);
    g_test_add_func("/rng/position", test_position);
    g_test_add_func("/rng/uniform", test_uniform);
    g_test_add_func("/rng/normal", test_normal);
    g_test_add_func("/rng/below", test_below);
    g_test_add_func("/rng/shuffle", test_shuffle);
    g_test_add_func("/prompts/choice", test_choice);
    g_test_add_func("/prompts/find", test_choice_find);
    g_test_add_func("/prompts/memory", test_memory);
    g_test_add_func("/prompts/memory-of-nothing", test_memory_of_nothing);
    g_test_add_func("/denoising/counts", test_denoising_counts);
    g_test_add_func("/denoising/many-boxes", test_denoising_many_boxes);
    g_test_add_func("/denoising/no-boxes", test_denoising_no_boxes);
    g_test_add_func("/denoising/mask", test_denoising_mask);
    g_test_add_func("/denoising/queries", test_denoising_queries);
    g_test_add_func("/denoising/negatives", test_denoising_negatives);
    g_test_add_func("/denoising/repeats", test_denoising_repeats);
    return g_test_run();
}
