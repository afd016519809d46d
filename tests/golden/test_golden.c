/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model against what the published code computed (README.md): every activation of every case, on every level of
 * the CPU backend and both forms of the fusion; or on the device that the environment variable DINOR1_TEST_DEVICE
 * names.
 */
#include "backend/cpu/cpu.h"
#include "backend/device.h"
#include "detector/token_groups.h"
#include "detector/tokens.h"
#include "graph/program.h"
#include "io/safetensors.h"
#include "model/build.h"
#include "model/model_internal.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

typedef struct {
    const gchar *name;
    guint flags; /* DinoR1CpuFlags */
    guint n_threads;
    DinoR1FusionMode fusion;
    gboolean padded;   /* tokens that stand for none make their number the detector's */
    gboolean recorded; /* the run that counts is the replay of a recorded one */
} Level;

static const Level levels[] = {
    {"reference", 0, 1, DINOR1_FUSION_DIRECT},
    {"reference-projected", 0, 1, DINOR1_FUSION_PROJECTED},
    {"generic", DINOR1_CPU_FAST, 2, DINOR1_FUSION_AUTO},
    {"avx2", DINOR1_CPU_FAST | DINOR1_CPU_AVX2, 2, DINOR1_FUSION_AUTO},
    {"avx2-direct", DINOR1_CPU_FAST | DINOR1_CPU_AVX2, 3, DINOR1_FUSION_DIRECT},
    {"avx2-projected", DINOR1_CPU_FAST | DINOR1_CPU_AVX2, 1, DINOR1_FUSION_PROJECTED},
    {"avx512", DINOR1_CPU_ALL, 2, DINOR1_FUSION_AUTO},
    {"padded-direct", DINOR1_CPU_FAST, 2, DINOR1_FUSION_DIRECT, TRUE},
    {"padded-projected", DINOR1_CPU_FAST, 2, DINOR1_FUSION_PROJECTED, TRUE},
};

static const Level device_levels[] = {
    {"device-direct", 0, 2, DINOR1_FUSION_DIRECT},
    {"device-projected", 0, 2, DINOR1_FUSION_PROJECTED},
    {"device-recorded", 0, 2, DINOR1_FUSION_AUTO, TRUE, TRUE},
};

/* One entry of the manifest on one level. Strings belong to the manifest. */
typedef struct {
    const gchar *name, *model, *file, *text;
    gdouble tolerance;
    const Level *level;
} Job;

typedef struct {
    const Job *job;
    DinoR1Safetensors *golden;
    DinoR1Model *model;
    DinoR1Backend *backend;
    GHashTable *compared; /* names in golden */
    /* The prompt tokens as they are made: visual ones, then text. [U, D], [U, U], [U] */
    guint n_tokens, n_visual;
    gint64 d;
    gfloat *tokens, *mask, *positions;
} Run;

static const DinoR1StoredTensor *
find(const Run *run, const gchar *name)
{
    return dinor1_safetensors_find(run->golden, name);
}

static const DinoR1StoredTensor *
need(const Run *run, const gchar *name)
{
    const DinoR1StoredTensor *tensor = find(run, name);

    if (!tensor)
        g_error("%s: no tensor %s", run->job->file, name);
    return tensor;
}

static gsize
count(const DinoR1StoredTensor *tensor)
{
    return tensor->size / dinor1_stored_type_size(tensor->dtype);
}

static gfloat *
read_floats(const DinoR1StoredTensor *tensor)
{
    gfloat *values = g_new(gfloat, count(tensor));

    g_assert_true(dinor1_stored_to_f32(tensor, values));
    return values;
}

/* For i32 tensors, and any other that is only copied. */
static gpointer
read_bytes(const DinoR1StoredTensor *tensor)
{
    return g_memdup2(tensor->data, tensor->size);
}

/* One row of the table. */
static void
report(Run *run, const gchar *name, gdouble difference, gdouble tolerance)
{
    const gboolean ok = difference <= tolerance; /* false for NaN */

    g_hash_table_add(run->compared, g_strdup(name));
    g_test_message("%-22s %8.1e %s", name, difference, ok ? "ok" : "FAILED");
    if (!ok)
        g_test_fail();
}

/* The golden tensor @name against @n floats; fewer than it has must be the same for each of its images. */
static void
compare(Run *run, const gchar *name, const gfloat *actual, gsize n)
{
    const DinoR1StoredTensor *tensor = need(run, name);
    const gsize total = count(tensor);
    g_autofree gfloat *expected = read_floats(tensor);
    gdouble worst = 0;

    g_assert_true(n == total || n * (gsize)tensor->dims[0] == total);
    for (gsize i = 0; i < total; i++) {
        const gdouble difference = fabs((gdouble)actual[i % n] - (gdouble)expected[i]);

        if (!(difference <= worst))
            worst = difference;
    }
    report(run, name, worst, run->job->tolerance);
}

static void
compare_ints(Run *run, const gchar *name, const gint32 *actual, gsize n)
{
    const DinoR1StoredTensor *tensor = need(run, name);
    g_autofree gint32 *expected = read_bytes(tensor);
    gsize n_wrong = 0;

    g_assert_cmpint(tensor->dtype, ==, DINOR1_STORED_I32);
    g_assert_cmpuint(n, ==, count(tensor));
    for (gsize i = 0; i < n; i++)
        n_wrong += actual[i] != expected[i];
    report(run, name, (gdouble)n_wrong, 0);
}

/* Leaves out what @data of @shape has for padding tokens: no dimension is larger than @golden's. Returns how many
 * elements there are then. */
static gsize
crop(gpointer data, const DinoR1Shape *shape, const DinoR1StoredTensor *golden)
{
    guint32 *words = data;
    gsize n = 0;

    g_assert_cmpuint((guint)shape->ndim, ==, golden->n_dims);
    for (gint64 i = 0; i < dinor1_shape_size(shape); i++) {
        gboolean inside = TRUE;
        gint64 rest = i;

        for (gint d = shape->ndim - 1; d >= 0; d--) {
            inside &= rest % shape->dims[d] < golden->dims[d];
            rest /= shape->dims[d];
        }
        if (inside)
            words[n++] = words[i];
    }
    return n;
}

/* @output of a program that has run against the golden tensor @name. */
static void
compare_output(Run *run, DinoR1Program *program, const gchar *output, const gchar *name)
{
    g_autoptr(GError) error = NULL;
    const DinoR1Tensor *tensor = dinor1_graph_find(dinor1_program_get_graph(program), output);
    g_autofree gpointer data = NULL;
    gsize n;

    if (!tensor) {
        g_test_message("%-22s is not an output of the graph", output);
        g_test_fail();
        return;
    }
    n = (gsize)dinor1_shape_size(&tensor->shape);
    data = g_malloc(n * dinor1_dtype_size(tensor->dtype));
    dinor1_program_get(program, output, data, n * dinor1_dtype_size(tensor->dtype), &error);
    g_assert_no_error(error);
    if (run->job->level->padded)
        n = crop(data, &tensor->shape, need(run, name));
    if (tensor->dtype == DINOR1_I32)
        compare_ints(run, name, data, n);
    else
        compare(run, name, data, n);
}

static void
set_input(DinoR1Program *program, const gchar *name, gconstpointer data, gsize size)
{
    g_autoptr(GError) error = NULL;

    dinor1_program_set(program, name, data, size, &error);
    g_assert_no_error(error);
}

static void
set_stored(DinoR1Program *program, const gchar *name, const DinoR1StoredTensor *tensor)
{
    set_input(program, name, tensor->data, tensor->size);
}

static void
execute(const Run *run, DinoR1Program *program)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < (run->job->level->recorded ? 2 : 1); i++)
        dinor1_program_run(program, &error);
    g_assert_no_error(error);
}

typedef DinoR1Graph *(*BuildFunc)(const DinoR1GraphSpec *spec, DinoR1WeightFunc weights, gpointer user_data);

/* The program for the images under @prefix (NULL: it sees none) and @n_tokens. */
static DinoR1Program *
plan(Run *run, BuildFunc build, const gchar *prefix, guint n_tokens)
{
    g_autoptr(GError) error = NULL;
    g_autofree gint32 *sizes = NULL;
    g_autofree DinoR1ImageSize *images = NULL;
    DinoR1Program *program;
    DinoR1GraphSpec spec = {
        .config = dinor1_model_get_config(run->model),
        .batch = 1,
        .n_tokens = (gint)n_tokens,
        .fusion = run->job->level->fusion,
        .padded_tokens = run->job->level->padded,
        .taps = TRUE,
    };

    if (prefix) {
        g_autofree gchar *pixels = g_strconcat(prefix, "pixel_values", NULL);
        g_autofree gchar *valid = g_strconcat(prefix, "pixel_sizes", NULL);
        const DinoR1StoredTensor *tensor = need(run, pixels);

        spec.batch = (gint)tensor->dims[0];
        spec.height = (gint)tensor->dims[1];
        spec.width = (gint)tensor->dims[2];
        sizes = read_bytes(need(run, valid));
        images = g_new(DinoR1ImageSize, spec.batch);
        for (gint i = 0; i < spec.batch; i++)
            images[i] = (DinoR1ImageSize){sizes[2 * i], sizes[2 * i + 1]};
        spec.sizes = images;
    }
    program = dinor1_program_new(build(&spec, dinor1_model_find_weight, run->model), run->backend, &error);
    g_assert_no_error(error);
    return program;
}

/* Boxes of the prompt images to embeddings, and those to one token per class: the mean of its exemplars. */
static void
make_visual_tokens(Run *run)
{
    const DinoR1StoredTensor *boxes = need(run, "prompt.boxes");
    const gchar *taps[] = {"prompt.position", "prompt.cross", "prompt.self"};
    const gsize n = (gsize)(boxes->dims[0] * boxes->dims[1]), d = (gsize)run->d, exemplars = n / run->n_visual;
    g_autoptr(DinoR1Program) program = plan(run, dinor1_build_prompt_encoder, "prompt.", (guint)boxes->dims[1]);
    g_autofree gfloat *embeddings = g_new(gfloat, n * d);
    g_autoptr(GError) error = NULL;

    set_stored(program, "pixel_values", need(run, "prompt.pixel_values"));
    set_stored(program, "boxes", boxes);
    execute(run, program);
    compare_output(run, program, "feat", "prompt.feat");
    for (guint i = 0; i < G_N_ELEMENTS(taps); i++)
        compare_output(run, program, taps[i], taps[i]);
    compare_output(run, program, "embeddings", "prompt.embeddings");

    dinor1_program_get(program, "embeddings", embeddings, n * d * sizeof(gfloat), &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++)
        for (gsize j = 0; j < d; j++)
            run->tokens[i / exemplars * d + j] += embeddings[i * d + j] / (gfloat)exemplars;
    compare(run, "visual", run->tokens, run->n_visual * d);
}

static void
take_visual_tokens(Run *run)
{
    g_autofree gfloat *visual = read_floats(need(run, "visual"));

    memcpy(run->tokens, visual, run->n_visual * (gsize)run->d * sizeof(gfloat));
}

static void
check_tokenizer(Run *run, const gint32 *ids, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) found = dinor1_wordpiece_encode(dinor1_model_get_tokenizer(run->model), run->job->text, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(found->data, found->len * sizeof(gint32), ids, n * sizeof(gint32));
}

static guint
round_tokens(const Run *run, guint n)
{
    return run->job->level->padded ? dinor1_token_bucket(n) : n;
}

/* Text to ids to tokens, mask and positions, behind the visual tokens. */
static void
make_text_tokens(Run *run)
{
    const guint n = run->n_tokens - run->n_visual, first = run->n_visual, slots = round_tokens(run, n);
    const gsize d = (gsize)run->d;
    g_autoptr(DinoR1TokenSet) alone = dinor1_token_set_new(n, slots, 0, 1);
    g_autofree gint32 *ids = g_new0(gint32, slots), *positions = g_new0(gint32, slots);
    g_autofree gfloat *tokens = g_new(gfloat, slots * d);
    gfloat *mask = alone->mask; /* padding sees itself */
    g_autoptr(DinoR1Program) program = plan(run, dinor1_build_text_encoder, NULL, slots);
    g_autoptr(GError) error = NULL;

    memcpy(ids, need(run, "input_ids")->data, n * sizeof *ids);
    check_tokenizer(run, ids, n);
    dinor1_token_groups(ids, n, mask, slots, positions);
    set_input(program, "input_ids", ids, slots * sizeof *ids);
    set_input(program, "position_ids", positions, slots * sizeof *positions);
    set_input(program, "token_mask", mask, (gsize)slots * slots * sizeof *mask);
    execute(run, program);
    compare_output(run, program, "bert", "bert");

    for (guint i = 0; i < n; i++) {
        memcpy(run->mask + (gsize)(first + i) * run->n_tokens + first, mask + (gsize)i * slots, n * sizeof *mask);
        run->positions[first + i] = (gfloat)positions[i];
    }
    dinor1_program_get(program, "tokens", tokens, slots * d * sizeof *tokens, &error);
    g_assert_no_error(error);
    memcpy(run->tokens + first * d, tokens, n * d * sizeof *tokens);
}

static void
compare_tokens(Run *run)
{
    const gsize n = run->n_tokens;
    g_autofree gint32 *mask = g_new(gint32, n * n);
    g_autofree gint32 *positions = g_new(gint32, n);

    for (gsize i = 0; i < n * n; i++)
        mask[i] = run->mask[i] == 0;
    for (gsize i = 0; i < n; i++)
        positions[i] = (gint32)run->positions[i];
    compare_ints(run, "tokens.mask", mask, n * n);
    compare_ints(run, "tokens.position_ids", positions, n);
    compare(run, "tokens.in", run->tokens, n * (gsize)run->d);
}

static void
make_tokens(Run *run)
{
    const DinoR1StoredTensor *visual = find(run, "visual"), *ids = find(run, "input_ids");
    gsize n;

    run->n_visual = visual ? (guint)visual->dims[0] : 0;
    run->n_tokens = run->n_visual + (ids ? (guint)ids->dims[0] : 0);
    n = run->n_tokens;
    run->tokens = g_new0(gfloat, n * (gsize)run->d);
    run->mask = g_new(gfloat, n * n);
    run->positions = g_new0(gfloat, n);
    for (gsize i = 0; i < n * n; i++)
        run->mask[i] = i / n == i % n ? 0 : -INFINITY;

    if (find(run, "prompt.boxes"))
        make_visual_tokens(run);
    else if (visual)
        take_visual_tokens(run);
    if (ids)
        make_text_tokens(run);
    compare_tokens(run);
}

static gboolean
is_input(const gchar *name)
{
    const gchar *inputs[] = {"pixel_values", "pixel_sizes", "input_ids", "visual", "prompt.pixel_values",
        "prompt.pixel_sizes", "prompt.boxes", NULL};

    return g_strv_contains(inputs, name);
}

/* The tokens as inputs of a detector; what padding holds must not matter. */
static void
set_tokens(Run *run, DinoR1Program *program, guint slots)
{
    const gsize n = run->n_tokens, d = (gsize)run->d;
    g_autoptr(DinoR1TokenSet) set = dinor1_token_set_new(run->n_tokens, slots, 0, (gint)d);

    memcpy(set->embeddings, run->tokens, n * d * sizeof(gfloat));
    for (gsize i = n * d; i < slots * d; i++)
        set->embeddings[i] = (gfloat)(i % 7) - 2;
    for (gsize i = 0; i < n; i++)
        memcpy(set->mask + i * slots, run->mask + i * n, n * sizeof(gfloat));
    memcpy(set->positions, run->positions, n * sizeof(gfloat));
    set_input(program, "tokens", set->embeddings, slots * d * sizeof(gfloat));
    set_input(program, "token_mask", set->mask, (gsize)slots * slots * sizeof(gfloat));
    set_input(program, "token_positions", set->positions, slots * sizeof(gfloat));
    if (run->job->level->padded)
        set_input(program, "token_padding", set->padding, slots * sizeof(gfloat));
}

/* Everything of the golden file that the tokens did not settle. */
static void
compare_detector(Run *run)
{
    const guint slots = round_tokens(run, run->n_tokens);
    g_autoptr(DinoR1Program) program = plan(run, dinor1_build_detector, "", slots);

    set_stored(program, "pixel_values", need(run, "pixel_values"));
    set_tokens(run, program, slots);
    execute(run, program);
    for (guint i = 0; i < dinor1_safetensors_get_n_tensors(run->golden); i++) {
        const gchar *name = dinor1_safetensors_get_tensor(run->golden, i)->name;

        if (!is_input(name) && !g_hash_table_contains(run->compared, name))
            compare_output(run, program, name, name);
    }
}

static gchar *
data_path(const gchar *folder, const gchar *name, const gchar *suffix)
{
    g_autofree gchar *file = g_strconcat(name, suffix, NULL);

    return g_test_build_filename(G_TEST_DIST, "data", folder, file, NULL);
}

static DinoR1Backend *
open_backend(const Level *level)
{
    const gchar *device = g_getenv("DINOR1_TEST_DEVICE");
    g_autoptr(GError) error = NULL;
    DinoR1Backend *backend;

    if (!device)
        return dinor1_cpu_backend_new(level->n_threads, (DinoR1CpuFlags)level->flags);
    backend = dinor1_backend_open(device, level->n_threads, NULL, &error);
    g_assert_no_error(error);
    return backend;
}

static void
test_case(gconstpointer data)
{
    const Job *job = data;
    g_autofree gchar *golden_path = data_path("cases", job->file, ".safetensors");
    g_autofree gchar *model_path = data_path("models", job->model, "");
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Safetensors) golden = NULL;
    g_autoptr(DinoR1Model) model = NULL;
    g_autoptr(DinoR1Backend) backend = NULL;
    g_autoptr(GHashTable) compared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Run run = {.job = job, .compared = compared};

    if (job->level->flags & ~(guint)dinor1_cpu_detect()) {
        g_test_skip("this processor cannot");
        return;
    }
    run.golden = golden = dinor1_safetensors_open(golden_path, &error);
    g_assert_no_error(error);
    run.model = model = dinor1_model_load(model_path, &error);
    g_assert_no_error(error);
    run.backend = backend = open_backend(job->level);
    run.d = dinor1_model_get_embedding_size(model);

    make_tokens(&run);
    compare_detector(&run);
    g_free(run.tokens);
    g_free(run.mask);
    g_free(run.positions);
}

static void
add_case(JsonObject *entry, gdouble tolerance)
{
    const gboolean on_device = g_getenv("DINOR1_TEST_DEVICE") != NULL;
    const Level *table = on_device ? device_levels : levels;

    for (guint i = 0; i < (on_device ? G_N_ELEMENTS(device_levels) : G_N_ELEMENTS(levels)); i++) {
        const gchar *name = json_object_get_string_member(entry, "name");
        g_autofree gchar *path = g_strdup_printf("/golden/%s/%s", name, table[i].name);
        Job *job = g_new(Job, 1);

        *job = (Job){
            .name = name,
            .model = json_object_get_string_member(entry, "model"),
            .file = json_object_get_string_member(entry, "file"),
            .text = json_object_get_string_member_with_default(entry, "text", NULL),
            .tolerance = tolerance,
            .level = &table[i],
        };
        g_test_add_data_func_full(path, job, test_case, g_free);
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(JsonParser) manifest = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    g_autofree gchar *path = NULL;
    JsonObject *root;
    JsonArray *cases;

    g_test_init(&argc, &argv, NULL);
    path = g_test_build_filename(G_TEST_DIST, "data", "manifest.json", NULL);
    if (!json_parser_load_from_mapped_file(manifest, path, &error))
        g_error("%s", error->message);
    root = json_node_get_object(json_parser_get_root(manifest));
    cases = json_object_get_array_member(root, "cases");
    for (guint i = 0; i < json_array_get_length(cases); i++)
        add_case(json_array_get_object_element(cases, i), json_object_get_double_member(root, "tolerance"));
    return g_test_run();
}
