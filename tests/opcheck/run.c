/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

#include <string.h>

static gsize
view_size(const DinoR1View *view)
{
    return (gsize)dinor1_shape_size(&view->shape) * dinor1_dtype_size(view->dtype);
}

static guint
n_outputs(const OpRun *run)
{
    return dinor1_op_n_outputs(run->c->op);
}

OpRun *
opcheck_run_new(const OpCase *c, gchar **why)
{
    OpRun *run = g_new0(OpRun, 1);

    run->c = c;
    *why = dinor1_op_infer(c->op, &c->params, c->inputs, c->present, run->outputs);
    if (*why) {
        g_free(run);
        return NULL;
    }
    for (guint i = 0; i < c->n_inputs; i++) {
        if (!c->present[i])
            continue;
        run->inputs[i] = opcheck_buffer_input(view_size(&c->inputs[i]));
        if (c->data[i])
            memcpy(run->inputs[i].data, c->data[i], run->inputs[i].size);
        else
            opcheck_fill(run->inputs[i].data, &c->inputs[i], c->fills[i], g_str_hash(c->name) + i);
        run->copies[i] = g_memdup2(run->inputs[i].data, run->inputs[i].size);
    }
    return run;
}

void
opcheck_run_free(OpRun *run)
{
    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++) {
        opcheck_buffer_free(&run->inputs[i]);
        g_free(run->copies[i]);
    }
    for (guint i = 0; i < DINOR1_MAX_OUTPUTS; i++) {
        opcheck_buffer_free(&run->expected[i]);
        opcheck_buffer_free(&run->got[i]);
    }
    g_free(run);
}

/* Shapes only, as the workspace rules see them. */
static DinoR1KernelArgs
kernel_args(const OpRun *run)
{
    DinoR1KernelArgs args = {.params = &run->c->params, .n_inputs = run->c->n_inputs};

    memcpy(args.inputs, run->c->inputs, sizeof args.inputs);
    memcpy(args.outputs, run->outputs, sizeof args.outputs);
    return args;
}

static void
attach_data(OpRun *run, DinoR1KernelArgs *args)
{
    for (guint i = 0; i < DINOR1_MAX_INPUTS; i++)
        args->inputs[i].data = run->inputs[i].data;
    for (guint i = 0; i < n_outputs(run); i++) {
        opcheck_buffer_free(&run->got[i]);
        run->got[i] = opcheck_buffer_output(view_size(&run->outputs[i]));
        args->outputs[i].data = run->got[i].data;
    }
}

static gchar *
find_damage(const OpRun *run, const OpBuffer *workspace)
{
    const gchar *where = opcheck_buffer_damage(workspace);

    if (where)
        return g_strdup_printf("wrote %s of the workspace", where);
    for (guint i = 0; i < n_outputs(run); i++)
        if ((where = opcheck_buffer_damage(&run->got[i])))
            return g_strdup_printf("wrote %s of output %u", where, i);
    for (guint i = 0; i < run->c->n_inputs; i++)
        if (run->copies[i] && memcmp(run->copies[i], run->inputs[i].data, run->inputs[i].size) != 0)
            return g_strdup_printf("changed input %u", i);
    return NULL;
}

gchar *
opcheck_run_execute(OpRun *run, DinoR1Backend *backend)
{
    g_autoptr(GError) error = NULL;
    DinoR1KernelArgs args = kernel_args(run);
    OpBuffer workspace = opcheck_buffer_output(backend->klass->workspace(backend, run->c->op, &args));
    gchar *why = NULL;

    attach_data(run, &args);
    args.workspace = workspace.data;
    if (!backend->klass->run(backend, run->c->op, &args, &error))
        why = g_strdup(error->message);
    else
        why = find_damage(run, &workspace);
    opcheck_buffer_free(&workspace);
    return why;
}

static gboolean
is_unwritten(const OpBuffer *buffer, gsize element, gsize size)
{
    static const guint64 unwritten = G_MAXUINT64; /* as wide as the widest type */
    return memcmp(buffer->data + element * size, &unwritten, size) == 0;
}

gchar *
opcheck_run_accept(OpRun *run)
{
    for (guint i = 0; i < n_outputs(run); i++) {
        const gsize size = dinor1_dtype_size(run->outputs[i].dtype);

        for (gsize k = 0; k < run->got[i].size / size; k++)
            if (is_unwritten(&run->got[i], k, size))
                return g_strdup_printf("left element %" G_GSIZE_FORMAT " of output %u unwritten", k, i);
        opcheck_buffer_free(&run->expected[i]);
        run->expected[i] = run->got[i];
        run->got[i] = (OpBuffer){0};
    }
    return NULL;
}

/* Numbers this small are as good as 0: weights of e^-100 may be flushed. */
#define NEGLIGIBLE 1e-30

gdouble
opcheck_scale(const gfloat *x, gsize n)
{
    gdouble sum = 0;
    gsize finite = 0;

    for (gsize i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            sum += (gdouble)x[i] * x[i];
            finite++;
        }
    }
    return MAX(finite ? sqrt(sum / (gdouble)finite) : 0, NEGLIGIBLE);
}

static gchar *
compare_floats(const OpCase *c, const gfloat *expected, const gfloat *got, gsize n, gdouble *worst)
{
    gdouble scale = c->scale > 0 ? c->scale : opcheck_scale(expected, n);

    for (gsize i = 0; i < n; i++) {
        gdouble allowed = c->tolerance * MAX(fabs(expected[i]), scale);
        gdouble error = fabs((gdouble)got[i] - expected[i]);
        if (got[i] == expected[i])
            continue;
        if (!(error <= allowed) || isinf(expected[i]))
            return g_strdup_printf("element %" G_GSIZE_FORMAT " is %.9g instead of %.9g, off by %.3g; allowed %.3g", i,
                got[i], expected[i], error, allowed);
        *worst = MAX(*worst, error / allowed);
    }
    return NULL;
}

static gchar *
compare_halves(const OpCase *c, DinoR1DType dtype, gconstpointer expected, gconstpointer got, gsize n, gdouble *worst)
{
    g_autofree gfloat *want = g_new(gfloat, n), *have = g_new(gfloat, n);

    opcheck_to_floats(dtype, expected, n, want);
    opcheck_to_floats(dtype, got, n, have);
    return compare_floats(c, want, have, n, worst);
}

static gchar *
compare_doubles(const OpCase *c, const gdouble *expected, const gdouble *got, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (!(fabs(got[i] - expected[i]) <= c->tolerance * fabs(expected[i])))
            return g_strdup_printf("element %" G_GSIZE_FORMAT " is %.17g instead of %.17g", i, got[i], expected[i]);
    return NULL;
}

static gchar *
compare_integers(const gint32 *expected, const gint32 *got, gsize n)
{
    for (gsize i = 0; i < n; i++)
        if (got[i] != expected[i])
            return g_strdup_printf("element %" G_GSIZE_FORMAT " is %d instead of %d", i, got[i], expected[i]);
    return NULL;
}

gchar *
opcheck_run_compare(const OpRun *run, gdouble *worst)
{
    for (guint i = 0; i < n_outputs(run); i++) {
        gconstpointer expected = run->expected[i].data, got = run->got[i].data;
        const DinoR1DType dtype = run->outputs[i].dtype;
        const gsize n = run->got[i].size / dinor1_dtype_size(dtype);
        gchar *why = NULL;

        switch (dtype) {
        case DINOR1_F32:
            why = compare_floats(run->c, expected, got, n, worst);
            break;
        case DINOR1_I32:
            why = compare_integers(expected, got, n);
            break;
        case DINOR1_U8:
            why = memcmp(expected, got, n) == 0 ? NULL : g_strdup("other bytes");
            break;
        case DINOR1_F64:
            why = compare_doubles(run->c, expected, got, n);
            break;
        case DINOR1_F16:
        case DINOR1_BF16:
            why = compare_halves(run->c, dtype, expected, got, n, worst);
            break;
        }
        if (why)
            return why;
    }
    return NULL;
}

gdouble
opcheck_run_time(OpRun *run, DinoR1Backend *backend)
{
    DinoR1KernelArgs args = kernel_args(run);
    OpBuffer workspace = opcheck_buffer_output(backend->klass->workspace(backend, run->c->op, &args));
    gint64 begin = g_get_monotonic_time(), best = G_MAXINT64;

    attach_data(run, &args);
    args.workspace = workspace.data;
    /* The first one warms up; then at least three, for half a second. */
    for (guint i = 0; i < 4 || g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2; i++) {
        gint64 start = g_get_monotonic_time();
        backend->klass->run(backend, run->c->op, &args, NULL);
        if (i > 0)
            best = MIN(best, g_get_monotonic_time() - start);
    }
    opcheck_buffer_free(&workspace);
    return (gdouble)MAX(best, 1) / G_USEC_PER_SEC;
}
