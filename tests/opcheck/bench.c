/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "opcheck.h"

static gdouble
view_bytes(const DinoR1View *view)
{
    return (gdouble)dinor1_shape_size(&view->shape) * (gdouble)dinor1_dtype_size(view->dtype);
}

/* Everything needed read once and everything written once. */
static gdouble
bytes_moved(const OpRun *run)
{
    gboolean part_of_input = run->c->op == DINOR1_OP_SLICE || run->c->op == DINOR1_OP_GATHER;
    gdouble bytes = 0;

    for (guint i = 0; i < run->c->n_inputs; i++)
        if (run->c->present[i])
            bytes += view_bytes(i == 0 && part_of_input ? &run->outputs[0] : &run->c->inputs[i]);
    for (guint i = 0; i < dinor1_op_n_outputs(run->c->op); i++)
        bytes += view_bytes(&run->outputs[i]);
    return bytes;
}

static void
print_row(OpRun *run, const OpLevel *level, DinoR1Backend *backend)
{
    gdouble seconds = opcheck_run_time(run, backend);
    gdouble macs = dinor1_op_macs(run->c->op, &run->c->params, run->c->inputs, run->outputs);

    g_print("%-58s %-9s %9.3f ms", run->c->name, level->name, seconds * 1e3);
    if (macs > 0)
        g_print(" %8.2f GFLOP/s", 2e-9 * macs / seconds);
    else
        g_print(" %16s", "");
    g_print(" %7.2f GB/s\n", 1e-9 * bytes_moved(run) / seconds);
}

static void
bench_case(const OpCase *c, const gchar *only_level, DinoR1Backend *const *backends)
{
    g_autofree gchar *why = NULL;
    OpRun *run = opcheck_run_new(c, &why);

    if (!run) {
        g_print("%s: %s\n", c->name, why);
        return;
    }
    for (guint i = 0; i < OPCHECK_N_LEVELS; i++) {
        /* The references are slow by design: only when asked for. */
        gboolean wanted = only_level ? g_str_equal(only_level, opcheck_levels[i].name) : i > 0;
        if (wanted && backends[i] && (only_level || opcheck_level_has(i, c->op)))
            print_row(run, &opcheck_levels[i], backends[i]);
    }
    opcheck_run_free(run);
}

void
opcheck_bench(GPtrArray *cases, const gchar *op, const gchar *level, guint n_threads)
{
    DinoR1Backend *backends[OPCHECK_N_LEVELS] = {NULL};
    DinoR1CpuFlags available = dinor1_cpu_detect();

    for (guint i = 0; i < OPCHECK_N_LEVELS; i++)
        if ((opcheck_levels[i].flags & ~available) == 0)
            backends[i] = dinor1_cpu_backend_new(n_threads, opcheck_levels[i].flags);
    for (guint i = 0; i < cases->len; i++) {
        const OpCase *c = cases->pdata[i];
        if (c->big && (!op || g_str_equal(op, dinor1_op_name(c->op))))
            bench_case(c, level, backends);
    }
    for (guint i = 0; i < OPCHECK_N_LEVELS; i++)
        dinor1_backend_free(backends[i]);
}
