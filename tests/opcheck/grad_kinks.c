/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gradients where differences say nothing: at kinks, ties, edges and extremes, against values worked out by hand.
 */
#include "grad.h"

#include <string.h>

#define VALUES(...) ((const gfloat[]){__VA_ARGS__})

typedef struct {
    const gchar *name;
    DinoR1OpType op;
    DinoR1OpParams params;
    guint n_inputs;
    DinoR1Shape shapes[4];
    const gfloat *values[4];
    guint input; /* whose gradient */
    const gfloat *expected;
} Kink;

static DinoR1Tensor *
build_kink(GradGraph *g, gconstpointer data)
{
    const Kink *kink = data;
    DinoR1Tensor *inputs[4] = {NULL};

    for (guint i = 0; i < kink->n_inputs; i++) {
        if (!kink->values[i])
            continue;
        inputs[i] = i == kink->input ? opcheck_grad_input(g, kink->shapes[i], UNIT)
                                     : opcheck_grad_fixed(g, kink->shapes[i], UNIT);
        memcpy(g->values[g->n_inputs - 1].data, kink->values[i],
            (gsize)dinor1_shape_size(&kink->shapes[i]) * sizeof(gfloat));
    }
    return dinor1_graph_op(g->graph, kink->op, &kink->params, inputs, kink->n_inputs);
}

static gchar *
check_kink(const Kink *kink)
{
    const gint64 n = dinor1_shape_size(&kink->shapes[kink->input]);
    g_autoptr(GError) error = NULL;
    gfloat *got[DINOR1_MAX_INPUTS] = {NULL};
    gchar *why = NULL;
    GradGraph *g = opcheck_grad_new(kink->name, build_kink, kink, TRUE, &why);

    if (!g)
        return why;
    if (!opcheck_grad_run(g, got, &error))
        why = g_strdup(error->message);
    for (gint64 i = 0; i < n && !why; i++)
        if (!(fabs(got[kink->input][i] - kink->expected[i]) <= 1e-6 * MAX(1, fabs(kink->expected[i]))))
            why = g_strdup_printf(
                "element %" G_GINT64_FORMAT " is %.9g instead of %.9g", i, got[kink->input][i], kink->expected[i]);
    for (guint i = 0; i < g->n_inputs; i++)
        g_free(got[i]);
    opcheck_grad_free(g);
    return why;
}

static void
run_kinks(OpCount *count, const Kink *kinks, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autofree gchar *what = g_strdup_printf("kink: %s", kinks[i].name);
        opcheck_count(count, what, check_kink(&kinks[i]));
    }
}

static void
elementwise_kinks(OpCount *count)
{
#define UNARY(func, a, b, n)                                                                                           \
    DINOR1_OP_UNARY, {.unary = {DINOR1_UNARY_##func, a, b}}, 1,                                                        \
    {                                                                                                                  \
        DINOR1_SHAPE(n)                                                                                                \
    }
    const Kink kinks[] = {
        {"relu at 0", UNARY(RELU, 0, 0, 4), {VALUES(-1, 0, -0.f, 1)}, 0, VALUES(0, 0, 0, 1)},
        {"abs at 0", UNARY(ABS, 0, 0, 4), {VALUES(-2, 0, -0.f, 3)}, 0, VALUES(-1, 0, 0, 1)},
        {"clamp at its edges", UNARY(CLAMP, -0.5, 0.25, 5), {VALUES(-0.75, -0.5, 0, 0.25, 0.5)}, 0,
            VALUES(0, 1, 1, 1, 0)},
        {"logit at its edges", UNARY(LOGIT, 0.25, 0, 5), {VALUES(0.125, 0.25, 0.5, 0.75, 0.875)}, 0,
            VALUES(0, 16 / 3.f, 4, 16 / 3.f, 0)},
        {"sigmoid far out", UNARY(SIGMOID, 0, 0, 3), {VALUES(-100, 0, 100)}, 0, VALUES(0, 0.25, 0)},
        {"maximum of equals", DINOR1_OP_REDUCE, {.reduce = {DINOR1_REDUCE_MAX, 1}}, 1, {DINOR1_SHAPE(2, 4)},
            {VALUES(1, 3, 3, 2, -INFINITY, -INFINITY, -INFINITY, -INFINITY)}, 0, VALUES(0, 1, 0, 0, 1, 0, 0, 0)},
        /* x = +-100 with either label, and a probability that is its label already */
        {"focal loss far out", DINOR1_OP_FOCAL, {.focal = {0.25, 2}}, 2, {DINOR1_SHAPE(5), DINOR1_SHAPE(5)},
            {VALUES(100, 100, -100, -100, 0), VALUES(0, 1, 0, 1, 0.5)}, 0, VALUES(0.75, 0, 0, -0.25, 0)},
    };
#undef UNARY
    run_kinks(count, kinks, G_N_ELEMENTS(kinks));
}

static void
box_kinks(OpCount *count)
{
#define GIOU                                                                                                           \
    DINOR1_OP_GIOU, {{0}}, 2,                                                                                          \
    {                                                                                                                  \
        DINOR1_SHAPE(4), DINOR1_SHAPE(4)                                                                               \
    }
    const Kink kinks[] = {
        {"equal boxes", GIOU, {VALUES(0.5, 0.5, 0.25, 0.5), VALUES(0.5, 0.5, 0.25, 0.5)}, 0, VALUES(0, 0, 0, 0)},
        {"boxes that touch", GIOU, {VALUES(0.25, 0.5, 0.5, 0.5), VALUES(0.75, 0.5, 0.5, 0.5)}, 0, VALUES(1, 0, 0.5, 0)},
        {"a box inside another, on its edge", GIOU, {VALUES(0.375, 0.5, 0.25, 0.25), VALUES(0.5, 0.5, 0.5, 0.5)}, 0,
            VALUES(1.125, 0, 0.4375, 1)},
        {"boxes without an area", GIOU, {VALUES(0.5, 0.5, 0, 0), VALUES(0.5, 0.5, 0, 0)}, 0, VALUES(0, 0, 0, 0)},
        {"boxes of no area apart", GIOU, {VALUES(0.5, 0.5, 0, 0), VALUES(0.75, 0.75, 0, 0)}, 0, VALUES(0, 0, 0, 0)},
    };
#undef GIOU
    run_kinks(count, kinks, G_N_ELEMENTS(kinks));
}

static void
attention_kinks(OpCount *count)
{
    const DinoR1OpParams attention = {.attention = {1, 1}};
    /* One head and point on a map of 3 x 1: on the middle pixel, just reaching the first from its left, on the last,
     * just past it. */
    const DinoR1OpParams map = {
        .deformable = {.heads = 1, .n_levels = 1, .n_points = 1, .heights = {1}, .widths = {3}}};
    const DinoR1Shape queries = DINOR1_SHAPE(1, 4, 1, 2);
    const Kink kinks[] = {
        {"a masked row", DINOR1_OP_SOFTMAX, {.softmax = {-1}}, 1, {DINOR1_SHAPE(3)},
            {VALUES(-INFINITY, -INFINITY, -INFINITY)}, 0, VALUES(0, 0, 0)},
        {"a query that sees nothing", DINOR1_OP_ATTENTION, attention, 4,
            {DINOR1_SHAPE(1, 1, 1), DINOR1_SHAPE(1, 2, 1), DINOR1_SHAPE(1, 2, 1), DINOR1_SHAPE(1, 1, 2)},
            {VALUES(1), VALUES(1, 2), VALUES(3, 4), VALUES(-INFINITY, -INFINITY)}, 0, VALUES(0)},
        {"a key that nobody sees", DINOR1_OP_ATTENTION, attention, 4,
            {DINOR1_SHAPE(1, 1, 1), DINOR1_SHAPE(1, 2, 1), DINOR1_SHAPE(1, 2, 1), DINOR1_SHAPE(1, 1, 2)},
            {VALUES(1), VALUES(1, 2), VALUES(3, 4), VALUES(0, -INFINITY)}, 2, VALUES(1, 0)},
        {"samples on pixel centres", DINOR1_OP_DEFORMABLE_ATTENTION, map, 4,
            {DINOR1_SHAPE(1, 3, 1), queries, DINOR1_SHAPE(1, 4, 2), DINOR1_SHAPE(1, 4, 1)},
            {VALUES(1, 2, 4), VALUES(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), VALUES(0, 0, -2, 0, 1, 0, 2, 0),
                VALUES(0, 0, 0, 0)},
            2, VALUES(2, -2, 1, 0, -4, -4, 0, 0)},
    };
    run_kinks(count, kinks, G_N_ELEMENTS(kinks));
}

void
opcheck_grad_kinks(OpCount *count)
{
    elementwise_kinks(count);
    box_kinks(count);
    attention_kinks(count);
}
