/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/vector.h"

#define ZEROS 65536 /* floats of one upload */

static DinoR1View
vector(gconstpointer data, gsize n)
{
    return (DinoR1View){DINOR1_F32, DINOR1_SHAPE((gint64)n), (gpointer)data};
}

/* None of these ops has a workspace. */
static gboolean
run(DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, GError **error)
{
    for (guint i = args->n_inputs; i < DINOR1_MAX_INPUTS; i++)
        args->inputs[i].shape.ndim = -1;
    return backend->klass->run(backend, op, args, error);
}

gboolean
dinor1_vector_copy(DinoR1Backend *backend, gfloat *to, const gfloat *from, gsize n, GError **error)
{
    const DinoR1OpParams params = {.slice = {.axis = 0, .start = 0, .length = (gint64)n}};
    DinoR1KernelArgs args = {.params = &params, .inputs = {vector(from, n)}, .outputs = {vector(to, n)}, .n_inputs = 1};

    return run(backend, DINOR1_OP_SLICE, &args, error);
}

gboolean
dinor1_vector_scale(DinoR1Backend *backend, gfloat *to, const gfloat *from, gsize n, gfloat factor, GError **error)
{
    const DinoR1OpParams params = {.unary = {.func = DINOR1_UNARY_AFFINE, .a = factor, .b = 0}};
    DinoR1KernelArgs args = {.params = &params, .inputs = {vector(from, n)}, .outputs = {vector(to, n)}, .n_inputs = 1};

    return run(backend, DINOR1_OP_UNARY, &args, error);
}

gboolean
dinor1_vector_blend(DinoR1Backend *backend, gfloat *x, gfloat a, const gfloat *y, gfloat b, gsize n, GError **error)
{
    const DinoR1OpParams params = {.blend = {.a = a, .b = b}};
    DinoR1KernelArgs args = {
        .params = &params, .inputs = {vector(x, n), vector(y, n)}, .outputs = {vector(x, n)}, .n_inputs = 2};

    return run(backend, DINOR1_OP_BLEND, &args, error);
}

gboolean
dinor1_vector_sum_squares(DinoR1Backend *backend, const gfloat *x, gsize n, gdouble *sums, GError **error)
{
    const DinoR1OpParams params = {{0}};
    const gsize n_blocks = (n + DINOR1_SUM_BLOCK - 1) / DINOR1_SUM_BLOCK;
    DinoR1KernelArgs args = {.params = &params,
        .inputs = {vector(x, n)},
        .outputs = {{DINOR1_F64, DINOR1_SHAPE((gint64)n_blocks), sums}},
        .n_inputs = 1};

    return run(backend, DINOR1_OP_SUM_SQUARES, &args, error);
}

gboolean
dinor1_vector_adamw(DinoR1Backend *backend, gfloat *p, gfloat *m, gfloat *v, const gfloat *g, gsize n,
    const DinoR1OpParams *params, GError **error)
{
    DinoR1KernelArgs args = {.params = params,
        .inputs = {vector(p, n), vector(m, n), vector(v, n), vector(g, n)},
        .outputs = {vector(p, n), vector(m, n), vector(v, n)},
        .n_inputs = 4};

    return run(backend, DINOR1_OP_ADAMW, &args, error);
}

gfloat *
dinor1_vector_new(DinoR1Backend *backend, gsize n, GError **error)
{
    g_autofree gfloat *zeros = g_new0(gfloat, ZEROS);
    gfloat *memory = backend->klass->alloc(backend, n * sizeof(gfloat), error);

    for (gsize i = 0; memory && i < n; i += ZEROS) {
        if (backend->klass->upload(backend, memory + i, zeros, MIN(ZEROS, n - i) * sizeof(gfloat), error))
            continue;
        backend->klass->release(backend, memory);
        return NULL;
    }
    return memory;
}
