/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static void
add_linear(
    GPtrArray *cases, gint64 m, gint64 n, gint64 k, DinoR1Activation activation, gboolean bias, gboolean residual)
{
    static const gchar *const names[] = {"", ", relu", ", gelu"};
    OpCase *c = opcheck_add(cases, DINOR1_OP_LINEAR, opcheck_sum_tolerance(k),
        "M=%" G_GINT64_FORMAT " N=%" G_GINT64_FORMAT " K=%" G_GINT64_FORMAT "%s%s%s", m, n, k, names[activation],
        bias ? ", bias" : "", residual ? ", residual" : "");

    c->params.linear.activation = activation;
    opcheck_input(c, DINOR1_SHAPE(m, k), UNIT);
    opcheck_input(c, DINOR1_SHAPE(n, k), UNIT);
    opcheck_optional(c, bias, DINOR1_SHAPE(n), UNIT);
    opcheck_optional(c, residual, DINOR1_SHAPE(m, n), UNIT);
}

static void
linear_cases(GPtrArray *cases)
{
    const gint64 sizes[][3] = {{1, 1, 1}, {1, 7, 5}, {3, 1, 9}, {5, 3, 1}, {7, 13, 17}, {2, 16, 8}, {33, 65, 31},
        {64, 64, 64}, {1, 256, 256}, {100, 96, 48}, {129, 257, 255}, {300, 4, 256}, {16, 300, 1029}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const gint64 *s = sizes[i];
        for (gint activation = DINOR1_ACT_NONE; activation <= DINOR1_ACT_GELU; activation++)
            for (guint parts = 0; parts < 4; parts++)
                add_linear(cases, s[0], s[1], s[2], activation, parts & 1, parts >> 1);
    }

    OpCase *c = opcheck_add(cases, DINOR1_OP_LINEAR, opcheck_sum_tolerance(19), "x of one dimension");
    opcheck_input(c, DINOR1_SHAPE(19), UNIT);
    opcheck_input(c, DINOR1_SHAPE(6, 19), UNIT);
    opcheck_input(c, DINOR1_SHAPE(6), UNIT);

    c = opcheck_add(cases, DINOR1_OP_LINEAR, opcheck_sum_tolerance(24), "x of four dimensions");
    opcheck_input(c, DINOR1_SHAPE(2, 3, 5, 24), UNIT);
    opcheck_input(c, DINOR1_SHAPE(9, 24), UNIT);
    opcheck_optional(c, FALSE, DINOR1_SHAPE(9), UNIT);
    opcheck_input(c, DINOR1_SHAPE(2, 3, 5, 9), UNIT);

    c = opcheck_add(cases, DINOR1_OP_LINEAR, opcheck_sum_tolerance(33), "large numbers");
    opcheck_input(c, DINOR1_SHAPE(9, 33), UNIFORM(-1e6f, 1e6f));
    opcheck_input(c, DINOR1_SHAPE(17, 33), UNIFORM(-1e6f, 1e6f));
    opcheck_input(c, DINOR1_SHAPE(17), UNIFORM(-1e6f, 1e6f));
}

static void
mlp_cases(GPtrArray *cases)
{
    static const gchar *const names[] = {"none", "relu", "gelu"};
    const gint64 sizes[][4] = {/* M, K, F, N */
        {1, 1, 1, 1}, {5, 7, 11, 3}, {33, 32, 128, 32}, {130, 96, 384, 96}, {1, 256, 1024, 256}, {65, 64, 1000, 17},
        {3, 5, 2049, 6}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const gint64 *s = sizes[i];
        for (gint activation = DINOR1_ACT_NONE; activation <= DINOR1_ACT_GELU; activation++) {
            for (guint residual = 0; residual < 2; residual++) {
                OpCase *c = opcheck_add(cases, DINOR1_OP_MLP, opcheck_sum_tolerance(s[1]) + opcheck_sum_tolerance(s[2]),
                    "M=%d K=%d F=%d N=%d, %s%s", (gint)s[0], (gint)s[1], (gint)s[2], (gint)s[3], names[activation],
                    residual ? ", residual" : "");
                c->params.linear.activation = activation;
                opcheck_input(c, DINOR1_SHAPE(s[0], s[1]), UNIT);
                opcheck_input(c, DINOR1_SHAPE(s[2], s[1]), UNIT);
                opcheck_input(c, DINOR1_SHAPE(s[2]), UNIT);
                opcheck_input(c, DINOR1_SHAPE(s[3], s[2]), UNIT);
                opcheck_input(c, DINOR1_SHAPE(s[3]), UNIT);
                opcheck_optional(c, residual, DINOR1_SHAPE(s[0], s[3]), UNIT);
            }
        }
    }

    OpCase *c =
        opcheck_add(cases, DINOR1_OP_MLP, opcheck_sum_tolerance(8) + opcheck_sum_tolerance(32), "x of four dimensions");
    c->params.linear.activation = DINOR1_ACT_GELU;
    opcheck_input(c, DINOR1_SHAPE(2, 3, 5, 8), UNIT);
    opcheck_input(c, DINOR1_SHAPE(32, 8), UNIT);
    opcheck_input(c, DINOR1_SHAPE(32), UNIT);
    opcheck_input(c, DINOR1_SHAPE(8, 32), UNIT);
    opcheck_input(c, DINOR1_SHAPE(8), UNIT);

    c = opcheck_add(cases, DINOR1_OP_MLP, opcheck_sum_tolerance(3) + opcheck_sum_tolerance(8200), "a large middle");
    c->params.linear.activation = DINOR1_ACT_RELU;
    opcheck_input(c, DINOR1_SHAPE(1030, 3), UNIT);
    opcheck_input(c, DINOR1_SHAPE(8200, 3), UNIT);
    opcheck_input(c, DINOR1_SHAPE(8200), UNIT);
    opcheck_input(c, DINOR1_SHAPE(2, 8200), UNIT);
    opcheck_input(c, DINOR1_SHAPE(2), UNIT);
    opcheck_input(c, DINOR1_SHAPE(1030, 2), UNIT);
}

static DinoR1Shape
swap_last(DinoR1Shape shape)
{
    gint64 last = shape.dims[shape.ndim - 1];

    shape.dims[shape.ndim - 1] = shape.dims[shape.ndim - 2];
    shape.dims[shape.ndim - 2] = last;
    return shape;
}

/* a [..., M, K], b [..., K, N] before they are transposed. */
static void
add_matmul(GPtrArray *cases, DinoR1Shape a, DinoR1Shape b, DinoR1Shape out, guint transposed, gfloat alpha,
    gboolean bias, gboolean residual)
{
    DinoR1Shape stored_a = transposed & 1 ? swap_last(a) : a, stored_b = transposed & 2 ? swap_last(b) : b;
    g_autofree gchar *text_a = opcheck_shape_text(&stored_a), *text_b = opcheck_shape_text(&stored_b);
    OpCase *c = opcheck_add(cases, DINOR1_OP_MATMUL, opcheck_sum_tolerance(dinor1_shape_dim(&a, -1)),
        "%s%s . %s%s, alpha %g%s%s", text_a, transposed & 1 ? "^T" : "", text_b, transposed & 2 ? "^T" : "", alpha,
        bias ? ", bias" : "", residual ? ", residual" : "");

    c->params.matmul.trans_a = transposed & 1;
    c->params.matmul.trans_b = transposed >> 1;
    c->params.matmul.alpha = alpha;
    opcheck_input(c, stored_a, UNIT);
    opcheck_input(c, stored_b, UNIT);
    opcheck_optional(c, bias, DINOR1_SHAPE(dinor1_shape_dim(&out, -1)), UNIT);
    opcheck_optional(c, residual, out, UNIT);
}

static void
matmul_cases(GPtrArray *cases)
{
    const struct {
        DinoR1Shape a, b, out;
    } rows[] = {
        {DINOR1_SHAPE(1, 1), DINOR1_SHAPE(1, 1), DINOR1_SHAPE(1, 1)},
        {DINOR1_SHAPE(3, 5), DINOR1_SHAPE(5, 7), DINOR1_SHAPE(3, 7)},
        {DINOR1_SHAPE(1, 33), DINOR1_SHAPE(33, 1), DINOR1_SHAPE(1, 1)},
        {DINOR1_SHAPE(17, 1), DINOR1_SHAPE(1, 19), DINOR1_SHAPE(17, 19)},
        {DINOR1_SHAPE(65, 129), DINOR1_SHAPE(129, 33), DINOR1_SHAPE(65, 33)},
        {DINOR1_SHAPE(3, 1501), DINOR1_SHAPE(1501, 9), DINOR1_SHAPE(3, 9)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(2, 16, 5), DINOR1_SHAPE(2, 9, 5)},
        {DINOR1_SHAPE(2, 9, 16), DINOR1_SHAPE(16, 5), DINOR1_SHAPE(2, 9, 5)},
        {DINOR1_SHAPE(9, 16), DINOR1_SHAPE(3, 16, 5), DINOR1_SHAPE(3, 9, 5)},
        {DINOR1_SHAPE(2, 1, 6, 8), DINOR1_SHAPE(3, 8, 4), DINOR1_SHAPE(2, 3, 6, 4)},
        {DINOR1_SHAPE(1, 2, 7, 64), DINOR1_SHAPE(2, 2, 64, 11), DINOR1_SHAPE(2, 2, 7, 11)},
        {DINOR1_SHAPE(2, 100, 32), DINOR1_SHAPE(2, 32, 1), DINOR1_SHAPE(2, 100, 1)},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (guint transposed = 0; transposed < 4; transposed++) {
            add_matmul(cases, rows[i].a, rows[i].b, rows[i].out, transposed, 1, FALSE, FALSE);
            add_matmul(cases, rows[i].a, rows[i].b, rows[i].out, transposed, 0.125f, TRUE, FALSE);
            add_matmul(cases, rows[i].a, rows[i].b, rows[i].out, transposed, 1, FALSE, TRUE);
            add_matmul(cases, rows[i].a, rows[i].b, rows[i].out, transposed, -2, TRUE, TRUE);
        }
    }
    /* As the gradient of a small weight: so deep that the depth is cut into several sums. */
    add_matmul(cases, DINOR1_SHAPE(5, 2049), DINOR1_SHAPE(2049, 7), DINOR1_SHAPE(5, 7), 1, 1, FALSE, FALSE);
    add_matmul(cases, DINOR1_SHAPE(3, 9001), DINOR1_SHAPE(9001, 2), DINOR1_SHAPE(3, 2), 1, -0.5f, FALSE, FALSE);
}

void
opcheck_matmul_cases(GPtrArray *cases)
{
    linear_cases(cases);
    mlp_cases(cases);
    matmul_cases(cases);
}
