/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/gradients.h"

#include "backend/vector.h"

#include <math.h>
#include <string.h>

struct _DinoR1Gradients {
    const DinoR1Parameters *parameters;
    DinoR1Backend *backend;
    guint n_parameters;
    gfloat *memory; /* [n] of the backend: the sums one after another, so that one exchange of the ranks does */
    gsize n;
    gfloat **sums;         /* by parameter index, in memory; NULL = not trained */
    gfloat *counts;        /* by parameter index: passes with a gradient for it */
    const gfloat **summed; /* sums of those with a count */
};

static gsize
count_elements(const DinoR1Gradients *gradients, guint index)
{
    return (gsize)dinor1_shape_size(&dinor1_parameters_get(gradients->parameters, index)->shape);
}

static gsize
count_floats(const DinoR1Gradients *gradients, guint index)
{
    return dinor1_vector_span(count_elements(gradients, index), sizeof(gfloat));
}

DinoR1Gradients *
dinor1_gradients_new(const DinoR1Parameters *parameters, const DinoR1Optimizer *optimizer, GError **error)
{
    g_autoptr(DinoR1Gradients) gradients = g_new0(DinoR1Gradients, 1);
    gfloat *next;

    gradients->parameters = parameters;
    gradients->backend = dinor1_parameters_get_backend(parameters);
    gradients->n_parameters = dinor1_parameters_get_n(parameters);
    for (guint i = 0; i < gradients->n_parameters; i++)
        if (dinor1_optimizer_trains(optimizer, i))
            gradients->n += count_floats(gradients, i);
    gradients->memory = dinor1_vector_new(gradients->backend, gradients->n, error);
    if (!gradients->memory)
        return NULL;
    gradients->sums = g_new0(gfloat *, gradients->n_parameters);
    gradients->counts = g_new0(gfloat, gradients->n_parameters);
    gradients->summed = g_new0(const gfloat *, gradients->n_parameters);
    next = gradients->memory;
    for (guint i = 0; i < gradients->n_parameters; i++) {
        if (!dinor1_optimizer_trains(optimizer, i))
            continue;
        gradients->sums[i] = next;
        next += count_floats(gradients, i);
    }
    return g_steal_pointer(&gradients);
}

void
dinor1_gradients_free(DinoR1Gradients *gradients)
{
    if (!gradients)
        return;
    if (gradients->memory)
        gradients->backend->klass->release(gradients->backend, gradients->memory);
    g_free(gradients->sums);
    g_free(gradients->counts);
    g_free(gradients->summed);
    g_free(gradients);
}

void
dinor1_gradients_begin(DinoR1Gradients *gradients)
{
    memset(gradients->counts, 0, gradients->n_parameters * sizeof *gradients->counts);
}

gboolean
dinor1_gradients_add(DinoR1Gradients *gradients, const gfloat *const *pass, gfloat share, GError **error)
{
    for (guint i = 0; i < gradients->n_parameters; i++) {
        gfloat *sum = gradients->sums[i];
        const gsize n = count_elements(gradients, i);

        if (!sum || !pass[i])
            continue;
        if (gradients->counts[i] == 0 ? !dinor1_vector_scale(gradients->backend, sum, pass[i], n, share, error)
                                      : !dinor1_vector_blend(gradients->backend, sum, 1, pass[i], share, n, error))
            return FALSE;
        gradients->counts[i]++;
    }
    return TRUE;
}

/* This rank has no gradient for some parameters, of which the others may have one: zeros. */
static void
clear_unused(const DinoR1Gradients *gradients, gfloat *values)
{
    for (guint i = 0; i < gradients->n_parameters; i++)
        if (gradients->sums[i] && gradients->counts[i] == 0)
            memset(values + (gradients->sums[i] - gradients->memory), 0, count_elements(gradients, i) * sizeof *values);
}

gboolean
dinor1_gradients_sum(DinoR1Gradients *gradients, const DinoR1TrainRanks *ranks, GError **error)
{
    DinoR1Backend *backend = gradients->backend;
    g_autofree gfloat *copy = NULL;
    gfloat *values = gradients->memory;
    GError *mine = NULL;

    if (!ranks)
        return TRUE;
    if (!backend->host_memory) {
        values = copy = g_new(gfloat, gradients->n);
        backend->klass->download(backend, copy, gradients->memory, gradients->n * sizeof *copy, &mine);
    }
    if (!dinor1_ranks_agree(ranks, mine, error))
        return FALSE;
    clear_unused(gradients, values);
    if (!dinor1_ranks_sum(ranks, gradients->counts, gradients->n_parameters, error) ||
        !dinor1_ranks_sum(ranks, values, gradients->n, error))
        return FALSE;
    mine = NULL;
    if (copy)
        backend->klass->upload(backend, gradients->memory, copy, gradients->n * sizeof *copy, &mine);
    return dinor1_ranks_agree(ranks, mine, error);
}

const gfloat *const *
dinor1_gradients_get(DinoR1Gradients *gradients)
{
    for (guint i = 0; i < gradients->n_parameters; i++)
        gradients->summed[i] = gradients->counts[i] > 0 ? gradients->sums[i] : NULL;
    return gradients->summed;
}

const gchar *
dinor1_gradients_find_not_finite(DinoR1Gradients *gradients)
{
    DinoR1Backend *backend = gradients->backend;

    for (guint i = 0; i < gradients->n_parameters; i++) {
        const gsize n = count_elements(gradients, i);
        g_autofree gfloat *values = NULL;

        if (!gradients->sums[i] || gradients->counts[i] == 0)
            continue;
        values = g_new(gfloat, n);
        if (!backend->klass->download(backend, values, gradients->sums[i], n * sizeof *values, NULL))
            return NULL;
        for (gsize k = 0; k < n; k++)
            if (!isfinite(values[k]))
                return dinor1_parameters_get(gradients->parameters, i)->name;
    }
    return NULL;
}
