/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two ways to compute the fusion layer give the same numbers, and the projected one costs less for few prompts.
 */
#include "backend/cpu/cpu.h"
#include "graph/program.h"
#include "model/build.h"
#include "model/model_internal.h"

#include <math.h>

#define HEIGHT 72
#define WIDTH  100

typedef struct {
    gint n_tokens, batch;
} Case;

static const DinoR1ImageSize sizes[2] = {{HEIGHT, 60}, {50, WIDTH}};

static gfloat *
noise(gsize n, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    gfloat *data = g_new(gfloat, n);

    for (gsize i = 0; i < n; i++)
        data[i] = (gfloat)g_rand_double_range(rand, -1.5, 1.5);
    return data;
}

static void
set(DinoR1Program *program, const gchar *name, guint32 seed)
{
    const DinoR1Tensor *input = dinor1_graph_find(dinor1_program_get_graph(program), name);
    const gsize n = (gsize)dinor1_shape_size(&input->shape);
    g_autofree gfloat *data = seed ? noise(n, seed) : g_new0(gfloat, n);
    g_autoptr(GError) error = NULL;

    g_assert_true(dinor1_program_set(program, name, data, n * sizeof *data, &error));
}

static DinoR1Program *
run(DinoR1Model *model, DinoR1Backend *backend, const Case *c, DinoR1FusionMode mode)
{
    const DinoR1GraphSpec spec = {.config = dinor1_model_get_config(model),
        .height = HEIGHT,
        .width = WIDTH,
        .batch = c->batch,
        .sizes = c->batch > 1 ? sizes : NULL,
        .n_tokens = c->n_tokens,
        .fusion = mode,
        .taps = TRUE};
    g_autoptr(GError) error = NULL;
    DinoR1Program *program =
        dinor1_program_new(dinor1_build_detector(&spec, dinor1_model_find_weight, model), backend, &error);

    g_assert_no_error(error);
    set(program, "pixel_values", 1);
    set(program, "tokens", 2);
    set(program, "token_mask", 0);
    set(program, "token_positions", 0);
    g_assert_true(dinor1_program_run(program, &error));
    return program;
}

static gdouble
max_difference(DinoR1Program *a, DinoR1Program *b, const gchar *name)
{
    const DinoR1Tensor *tensor = dinor1_graph_find(dinor1_program_get_graph(a), name);
    const gfloat *x = dinor1_program_map(a, name), *y = dinor1_program_map(b, name);
    gdouble largest = 0;

    for (gint64 i = 0; i < dinor1_shape_size(&tensor->shape); i++)
        if (!(fabs(x[i] - y[i]) <= largest))
            largest = fabs(x[i] - y[i]);
    return largest;
}

static gdouble
count_macs(DinoR1Program *program)
{
    const GPtrArray *nodes = dinor1_graph_get_nodes(dinor1_program_get_graph(program));
    gdouble macs = 0;

    for (guint i = 0; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];

        if (g_str_equal(node->module, "encoder fusion"))
            macs += dinor1_node_macs(node);
    }
    return macs;
}

static void
test_equal(gconstpointer data)
{
    const Case *c = data;
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", "dino-r1", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, &error);
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(2, dinor1_cpu_detect());
    g_autoptr(DinoR1Program) direct = NULL, projected = NULL;

    g_assert_no_error(error);
    direct = run(model, backend, c, DINOR1_FUSION_DIRECT);
    projected = run(model, backend, c, DINOR1_FUSION_PROJECTED);
    g_assert_cmpfloat(max_difference(direct, projected, "encoder.0.vision"), <, 1e-4);
    g_assert_cmpfloat(max_difference(direct, projected, "encoder.0.text"), <, 1e-4);
    g_assert_cmpfloat(max_difference(direct, projected, "enc_logits_max"), <, 1e-4);
    g_test_message("%d prompts: %.0f of %.0f MAC", c->n_tokens, count_macs(projected), count_macs(direct));
    if (c->n_tokens == 1)
        g_assert_cmpfloat(count_macs(projected), <, count_macs(direct) / 2);
}

/* AUTO takes the cheaper way on both sides of the point where they cost the same. */
static void
test_auto(void)
{
    g_autofree gchar *path = g_test_build_filename(G_TEST_DIST, "..", "golden", "data", "models", "dino-r1", NULL);
    g_autoptr(DinoR1Model) model = dinor1_model_load(path, NULL);
    g_autoptr(DinoR1Backend) backend = dinor1_cpu_backend_new(1, dinor1_cpu_detect());

    for (gint n = 1; n <= 64; n *= 4) {
        const Case c = {n, 1};
        g_autoptr(DinoR1Program) direct = run(model, backend, &c, DINOR1_FUSION_DIRECT);
        g_autoptr(DinoR1Program) projected = run(model, backend, &c, DINOR1_FUSION_PROJECTED);
        g_autoptr(DinoR1Program) chosen = run(model, backend, &c, DINOR1_FUSION_AUTO);
        const gdouble best = MIN(count_macs(direct), count_macs(projected));

        g_assert_cmpfloat(count_macs(chosen), <=, best * 1.1);
    }
}

int
main(int argc, char **argv)
{
    static const Case cases[] = {{1, 1}, {4, 1}, {40, 1}, {3, 2}};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/fusion/equal/1", &cases[0], test_equal);
    g_test_add_data_func("/fusion/equal/4", &cases[1], test_equal);
    g_test_add_data_func("/fusion/equal/40", &cases[2], test_equal);
    g_test_add_data_func("/fusion/equal/padded", &cases[3], test_equal);
    g_test_add_func("/fusion/auto", test_auto);
    return g_test_run();
}
