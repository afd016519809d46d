/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "grad.h"

#include "graph/backward.h"
#include "graph/program.h"

/* Differences of doubles over this step err by its square and by 2^-53 / STEP. */
#define STEP 1e-5
/* As shares of a gradient's largest element. */
#define DIFFERENCE_TOLERANCE 1e-6
#define SINGLE_TOLERANCE     2e-6
/* Elements of an input that are tried. */
#define MAX_TRIED 97

static DinoR1Tensor *
add_input(GradGraph *g, DinoR1Shape shape, OpFill fill, gboolean wanted)
{
    const guint i = g->n_inputs++;
    g_autofree gchar *name = g_strdup_printf("x%u", i);
    const DinoR1DType dtype = fill.kind == FILL_INDEX ? DINOR1_I32 : DINOR1_F32;

    g->inputs[i] = dinor1_graph_input(g->graph, name, dtype, shape);
    g->wanted[i] = wanted;
    g->values[i] = (DinoR1View){dtype, shape, g_malloc((gsize)dinor1_shape_size(&shape) * dinor1_dtype_size(dtype))};
    opcheck_fill(g->values[i].data, &g->values[i], fill, g->seed + i);
    return g->inputs[i];
}

DinoR1Tensor *
opcheck_grad_input(GradGraph *g, DinoR1Shape shape, OpFill fill)
{
    return add_input(g, shape, fill, TRUE);
}

DinoR1Tensor *
opcheck_grad_fixed(GradGraph *g, DinoR1Shape shape, OpFill fill)
{
    return add_input(g, shape, fill, FALSE);
}

/* [1, n] . [n, 1] */
static DinoR1Tensor *
weighted_sum(GradGraph *g, DinoR1Tensor *y)
{
    const DinoR1Shape shape = DINOR1_SHAPE(y ? dinor1_shape_size(&y->shape) : 1, 1);
    g_autofree gfloat *weights = g_new(gfloat, dinor1_shape_size(&shape));

    opcheck_fill(weights, &(DinoR1View){DINOR1_F32, shape, NULL}, g->even ? UNIFORM(1, 1) : UNIFORM(-1, 1),
        g->seed + DINOR1_MAX_INPUTS);
    return dinor1_matmul(g->graph, dinor1_reshape(g->graph, y, DINOR1_SHAPE(1, -1)), FALSE,
        dinor1_graph_constant(g->graph, DINOR1_F32, shape, weights), FALSE, 1, NULL, NULL);
}

static void
differentiate(GradGraph *g)
{
    DinoR1Tensor *wanted[DINOR1_MAX_INPUTS], *gradients[DINOR1_MAX_INPUTS];
    guint n = 0;

    for (guint i = 0; i < g->n_inputs; i++)
        if (g->wanted[i])
            wanted[n++] = g->inputs[i];
    dinor1_graph_backward(g->graph, g->loss, wanted, n, gradients);
    for (guint i = g->n_inputs; i-- > 0;) {
        g_autofree gchar *name = g_strdup_printf("g%u", i);
        if (g->wanted[i])
            g->gradients[i] = gradients[--n];
        dinor1_graph_output(g->graph, name, g->gradients[i]);
    }
}

GradGraph *
opcheck_grad_new(const gchar *name, GradBuildFunc build, gconstpointer data, gboolean even, gchar **why)
{
    g_autoptr(GError) error = NULL;
    GradGraph *g = g_new0(GradGraph, 1);

    g->graph = dinor1_graph_new(NULL, NULL);
    g->even = even;
    g->seed = g_str_hash(name);
    g->loss = weighted_sum(g, build(g, data));
    g->n_forward = dinor1_graph_get_nodes(g->graph)->len;
    if (g->loss)
        differentiate(g);
    if (!dinor1_graph_check(g->graph, &error)) {
        *why = g_strdup(error->message);
        g_clear_pointer(&g, opcheck_grad_free);
    }
    return g;
}

void
opcheck_grad_free(GradGraph *g)
{
    for (guint i = 0; i < g->n_inputs; i++)
        g_free(g->values[i].data);
    g_clear_pointer(&g->graph, dinor1_graph_free);
    g_free(g);
}

gboolean
opcheck_grad_run(GradGraph *g, gfloat **gradients, GError **error)
{
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(1, 0);
    g_autoptr(DinoR1Program) program = dinor1_program_new(g_steal_pointer(&g->graph), backend, error);

    for (guint i = 0; program && i < g->n_inputs; i++) {
        g_autofree gchar *name = g_strdup_printf("x%u", i);
        const DinoR1View *x = &g->values[i];
        const gsize size = (gsize)dinor1_shape_size(&x->shape) * dinor1_dtype_size(x->dtype);
        if (!dinor1_program_set(program, name, x->data, size, error))
            return FALSE;
    }
    if (!program || !dinor1_program_run(program, error))
        return FALSE;
    for (guint i = 0; i < g->n_inputs; i++) {
        g_autofree gchar *name = g_strdup_printf("g%u", i);
        const gsize size = (gsize)dinor1_shape_size(&g->values[i].shape) * sizeof(gfloat);
        gradients[i] = g->gradients[i] ? g_malloc(size) : NULL;
        if (gradients[i] && !dinor1_program_get(program, name, gradients[i], size, error))
            return FALSE;
    }
    return TRUE;
}

static gdouble
loss_at(const GradGraph *g, GradEvaluation *evaluation, gdouble *x, gdouble value)
{
    const gdouble before = *x;

    *x = value;
    opcheck_evaluation_run(evaluation, g->n_forward);
    *x = before;
    return *(const gdouble *)evaluation->data[g->loss->id];
}

static gdouble
largest(const gdouble *x, gint64 n)
{
    gdouble size = 0;

    for (gint64 i = 0; i < n; i++)
        size = MAX(size, fabs(x[i]));
    return size;
}

/* Input @i's gradients in double precision against differences of the loss. */
static gchar *
compare_differences(const GradGraph *g, GradEvaluation *evaluation, guint i, const gdouble *gradient)
{
    const gint64 n = dinor1_shape_size(&g->values[i].shape), stride = MAX(1, n / MAX_TRIED);
    const gdouble allowed = DIFFERENCE_TOLERANCE * MAX(largest(gradient, n), 1e-2);
    gdouble *x = evaluation->data[g->inputs[i]->id];

    for (gint64 k = 0; k < n; k += stride) {
        const gdouble above = loss_at(g, evaluation, x + k, x[k] + STEP);
        const gdouble below = loss_at(g, evaluation, x + k, x[k] - STEP), slope = (above - below) / (2 * STEP);
        if (!(fabs(gradient[k] - slope) <= allowed))
            return g_strdup_printf("input %u, element %" G_GINT64_FORMAT ": the gradient is %.9g, differences say %.9g",
                i, k, gradient[k], slope);
    }
    return NULL;
}

static gchar *
compare_single(const GradGraph *g, guint i, const gdouble *expected, const gfloat *got)
{
    const gint64 n = dinor1_shape_size(&g->values[i].shape);
    const gdouble allowed = SINGLE_TOLERANCE * MAX(largest(expected, n), 1e-2);

    for (gint64 k = 0; k < n; k++)
        if (!(fabs(got[k] - expected[k]) <= allowed))
            return g_strdup_printf("input %u, element %" G_GINT64_FORMAT ": %.9g in single precision, %.9g in double",
                i, k, got[k], expected[k]);
    return NULL;
}

/* Fills @gradients with those in double precision. */
static gchar *
check_double(const GradGraph *g, gdouble **gradients)
{
    GradEvaluation *evaluation = opcheck_evaluation_new(g);
    gchar *why = NULL;

    opcheck_evaluation_run(evaluation, dinor1_graph_get_nodes(g->graph)->len);
    for (guint i = 0; i < g->n_inputs; i++)
        if (g->gradients[i])
            gradients[i] = g_memdup2(
                evaluation->data[g->gradients[i]->id], (gsize)dinor1_shape_size(&g->values[i].shape) * sizeof(gdouble));
    for (guint i = 0; i < g->n_inputs && !why; i++) {
        if (g->wanted[i] && !gradients[i])
            why = g_strdup_printf("no gradient for input %u", i);
        else if (g->wanted[i])
            why = compare_differences(g, evaluation, i, gradients[i]);
    }
    opcheck_evaluation_free(evaluation);
    return why;
}

gchar *
opcheck_grad_check(const gchar *name, GradBuildFunc build, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gdouble *expected[DINOR1_MAX_INPUTS] = {NULL};
    gfloat *got[DINOR1_MAX_INPUTS] = {NULL};
    gchar *why = NULL;
    GradGraph *g = opcheck_grad_new(name, build, data, FALSE, &why);

    if (!g)
        return why;
    why = check_double(g, expected);
    if (!why && !opcheck_grad_run(g, got, &error))
        why = g_strdup(error->message);
    for (guint i = 0; i < g->n_inputs && !why; i++)
        if (g->wanted[i])
            why = compare_single(g, i, expected[i], got[i]);
    for (guint i = 0; i < g->n_inputs; i++) {
        g_free(expected[i]);
        g_free(got[i]);
    }
    opcheck_grad_free(g);
    return why;
}
