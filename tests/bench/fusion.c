/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the prompt-side algebra of the fusion layer saves: multiply-accumulates and time of the fusion layers of one
 * frame, computed as published (direct) and with the prompts projected into image space.
 *
 *     bench-fusion MODEL_DIRECTORY [WIDTHxHEIGHT [THREADS]]
 */
#include "backend/cpu/cpu.h"
#include "graph/program.h"
#include "model/build.h"
#include "model/model_internal.h"

#include <stdio.h>

#define RUNS 3

typedef struct {
    gdouble gmac, seconds; /* of the fusion layers */
    gdouble total_gmac, total_seconds;
} Cost;

/* Zeros in all inputs: the time does not depend on the values. */
static gboolean
clear_inputs(DinoR1Program *program, GError **error)
{
    const gchar *names[] = {"pixel_values", "tokens", "token_mask", "token_positions"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const DinoR1Tensor *input = dinor1_graph_find(dinor1_program_get_graph(program), names[i]);
        const gsize size = (gsize)dinor1_shape_size(&input->shape) * sizeof(gfloat);
        g_autofree gfloat *zeros = g_malloc0(size);

        if (!dinor1_program_set(program, names[i], zeros, size, error))
            return FALSE;
    }
    return TRUE;
}

static Cost
sum_up(DinoR1Program *program, const gdouble *seconds)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(dinor1_program_get_graph(program));
    Cost cost = {0};

    for (guint i = 0; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        const gdouble gmac = dinor1_program_is_run(program, i) ? dinor1_node_macs(node) * 1e-9 : 0;

        cost.total_gmac += gmac;
        cost.total_seconds += seconds[i];
        if (g_str_equal(node->module, "encoder fusion")) {
            cost.gmac += gmac;
            cost.seconds += seconds[i];
        }
    }
    return cost;
}

static gboolean
measure(DinoR1Model *model, DinoR1Backend *backend, const DinoR1GraphSpec *spec, Cost *best, GError **error)
{
    g_autoptr(DinoR1Program) program =
        dinor1_program_new(dinor1_build_detector(spec, dinor1_model_find_weight, model), backend, error);
    guint n_nodes;

    if (!program || !clear_inputs(program, error) || !dinor1_program_run(program, error))
        return FALSE;
    n_nodes = dinor1_graph_get_nodes(dinor1_program_get_graph(program))->len;
    for (guint run = 0; run < RUNS; run++) {
        g_autofree gdouble *seconds = g_new0(gdouble, n_nodes);
        Cost cost;

        if (!dinor1_program_run_timed(program, seconds, error))
            return FALSE;
        cost = sum_up(program, seconds);
        if (run == 0 || cost.total_seconds < best->total_seconds)
            *best = cost;
    }
    return TRUE;
}

static gboolean
run(const gchar *path, gint width, gint height, guint threads, GError **error)
{
    static const gint prompts[] = {1, 4, 16, 64, 256};
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, error);
    g_autoptr(DinoR1Backend) backend = NULL;

    if (!model)
        return FALSE;
    backend = dinor1_cpu_backend_new(threads, dinor1_cpu_detect());
    printf("%dx%d\nprompts |  direct: fusion GMAC      ms  frame ms | projected: fusion GMAC      ms  frame ms\n",
        width, height);
    for (guint i = 0; i < G_N_ELEMENTS(prompts); i++) {
        DinoR1GraphSpec spec = {.config = dinor1_model_get_config(model),
            .height = height,
            .width = width,
            .batch = 1,
            .n_tokens = prompts[i],
            .fusion = DINOR1_FUSION_DIRECT};
        Cost direct, projected;

        if (!measure(model, backend, &spec, &direct, error))
            return FALSE;
        spec.fusion = DINOR1_FUSION_PROJECTED;
        if (!measure(model, backend, &spec, &projected, error))
            return FALSE;
        printf("%7d | %20.2f %7.1f %9.1f | %23.2f %7.1f %9.1f\n", prompts[i], direct.gmac, direct.seconds * 1e3,
            direct.total_seconds * 1e3, projected.gmac, projected.seconds * 1e3, projected.total_seconds * 1e3);
    }
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    gint width = 1333, height = 800;

    if (argc < 2 || (argc > 2 && sscanf(argv[2], "%dx%d", &width, &height) != 2) || width < 1 || height < 1) {
        fprintf(stderr, "usage: bench-fusion MODEL_DIRECTORY [WIDTHxHEIGHT [THREADS]]\n");
        return 2;
    }
    if (run(argv[1], width, height, argc > 3 ? (guint)g_ascii_strtoull(argv[3], NULL, 10) : 0, &error))
        return 0;
    fprintf(stderr, "bench-fusion: %s\n", error->message);
    return 1;
}
