/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Times training steps - planning where a batch has other shapes than the one before, forward pass, matching, losses,
 * gradients, clipping, AdamW - over the batches of the given files, in turn. train_vs_pytorch.py writes the files and
 * does the same in PyTorch.
 *
 *     bench-train [OPTION…] MODEL_DIRECTORY BATCH.safetensors…
 */
#include "backend/device.h"
#include "backend/precision.h"
#include "io/safetensors.h"
#include "model/model_internal.h"
#include "train/optimizer.h"
#include "train/step.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MAX_IMAGES 64

typedef struct {
    gboolean grqo, recompute, profile;
    gint threads, steps;
    gchar *device, *precision;
} Options;

/* One batch as generate_training.py stores it. */
typedef struct {
    DinoR1Safetensors *file;
    DinoR1TrainSpec spec;
    DinoR1ImageSize sizes[MAX_IMAGES];
    DinoR1ImageLabels images[MAX_IMAGES];
    DinoR1PromptChoice choice;
    DinoR1Denoising denoising;
    DinoR1TrainBatch batch;
} Batch;

typedef struct {
    const Options *options;
    DinoR1Model *model;
    DinoR1Backend *backend;
    DinoR1DType dtype;
    DinoR1Parameters *parameters, *reference;
    DinoR1Optimizer *optimizer;
    DinoR1TrainStep *step;
    const Batch *planned;
    gdouble plan_seconds;
    gsize free_before; /* of the device's memory */
} Bench;

static gdouble
now(void)
{
    return (gdouble)g_get_monotonic_time() / G_USEC_PER_SEC;
}

static gdouble
to_seconds(struct timeval time)
{
    return (gdouble)time.tv_sec + (gdouble)time.tv_usec / G_USEC_PER_SEC;
}

/* The processor's seconds that this process took, the kernel's share included. */
static gdouble
processor_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
}

/* A line "NAME: N kB" of /proc/self/status in MiB; 0 where there is none. */
static gdouble
status_mebibytes(const gchar *name)
{
    g_autofree gchar *text = NULL;
    const gchar *line;

    if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL) || !(line = strstr(text, name)))
        return 0;
    return g_ascii_strtod(line + strlen(name) + 1, NULL) / 1024;
}

/* What is free of the device's memory; 0 on the CPU. */
static gboolean
read_free(DinoR1Backend *backend, gsize *free, GError **error)
{
    gsize total;

    *free = 0;
    return backend->host_memory || backend->klass->get_memory(backend, free, &total, error);
}

/* A copy with the alignment that its type needs, kept to the end; NULL if the file has no such tensor. */
static gpointer
load(const Batch *batch, const gchar *name, gint64 *first_dim)
{
    const DinoR1StoredTensor *tensor = dinor1_safetensors_find(batch->file, name);

    if (first_dim)
        *first_dim = tensor ? tensor->dims[0] : 0;
    return tensor ? g_memdup2(tensor->data, MAX(tensor->size, 1)) : NULL;
}

static void
load_images(Batch *batch)
{
    const DinoR1StoredTensor *pixels = dinor1_safetensors_find(batch->file, "pixel_values");
    DinoR1GraphSpec *spec = &batch->spec.graph;
    g_autofree gint32 *sizes = load(batch, "pixel_sizes", NULL);

    spec->batch = (gint)MIN(pixels->dims[0], MAX_IMAGES);
    spec->height = (gint)pixels->dims[1];
    spec->width = (gint)pixels->dims[2];
    spec->sizes = batch->sizes;
    batch->batch.pixels = load(batch, "pixel_values", NULL);
    batch->batch.images = batch->images;
    batch->spec.share = 1;
    for (gint i = 0; i < spec->batch; i++) {
        g_autofree gchar *boxes = g_strdup_printf("boxes.%d", i), *classes = g_strdup_printf("classes.%d", i);
        gint64 n;

        batch->sizes[i] = (DinoR1ImageSize){sizes[2 * i], sizes[2 * i + 1]};
        batch->images[i].boxes = load(batch, boxes, &n);
        batch->images[i].classes = load(batch, classes, NULL);
        batch->images[i].n_boxes = (guint)n;
        batch->spec.n_boxes = MAX(batch->spec.n_boxes, (gint)n);
    }
}

static void
load_prompts(Batch *batch)
{
    gint64 n;
    gint32 *index = load(batch, "prompt_index", &n);

    batch->choice = (DinoR1PromptChoice){(guint)n, g_new(guint, (gsize)n), index};
    for (guint i = 0; i < n; i++)
        batch->choice.classes[i] = i;
    batch->batch.choice = &batch->choice;
    batch->spec.n_classes = batch->spec.graph.n_tokens = (gint)n;
}

static void
load_denoising(Batch *batch)
{
    const DinoR1StoredTensor *index = dinor1_safetensors_find(batch->file, "dn.index");
    DinoR1Denoising *dn = &batch->denoising;

    dn->n_queries = (guint)index->dims[1];
    dn->index = load(batch, "dn.index", NULL);
    dn->boxes = load(batch, "dn.boxes", NULL);
    dn->mask = load(batch, "dn.mask", NULL);
    dn->classes = load(batch, "dn.classes", NULL);
    dn->target_boxes = load(batch, "dn.target_boxes", NULL);
    dn->positive = load(batch, "dn.positive", NULL);
    for (gint64 i = 0; i < index->dims[0] * index->dims[1]; i++)
        dn->n_positive += dn->positive[i] > 0;
    batch->batch.denoising = dn;
    batch->spec.n_denoising = (gint)dn->n_queries;
}

static gboolean
load_batch(const Bench *bench, const gchar *path, Batch *batch, GError **error)
{
    static const gchar *const needed[] = {"pixel_values", "pixel_sizes", "prompt_index", "dn.index", "dn.boxes",
        "dn.mask", "dn.classes", "dn.target_boxes", "dn.positive", "labels"};

    batch->file = dinor1_safetensors_open(path, error);
    if (!batch->file)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!dinor1_safetensors_find(batch->file, needed[i])) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: no tensor '%s'", path, needed[i]);
            return FALSE;
        }
    }
    dinor1_loss_weights_init(&batch->spec.weights);
    if (!bench->options->grqo)
        batch->spec.weights.grqo_alpha = batch->spec.weights.grqo_beta = 0;
    batch->spec.graph.config = dinor1_model_get_config(bench->model);
    batch->spec.graph.recompute = bench->options->recompute;
    batch->spec.dtype = bench->dtype;
    load_images(batch);
    load_prompts(batch);
    load_denoising(batch);
    return TRUE;
}

static gboolean
load_parameters(Bench *bench, const Batch *batch, GError **error)
{
    const DinoR1Config *config = dinor1_model_get_config(bench->model);
    const DinoR1StoredTensor *labels = dinor1_safetensors_find(batch->file, "labels");
    const DinoR1Parameter *parameter;

    bench->parameters = dinor1_parameters_new(config, bench->model, 1);
    if (!dinor1_train_complete_parameters(bench->parameters, config, error))
        return FALSE;
    parameter = dinor1_parameters_lookup(bench->parameters, "denoising_label_embedding.weight");
    memcpy(parameter->data, labels->data, MIN(labels->size, (gsize)dinor1_shape_size(&parameter->shape) * 4));
    return dinor1_parameters_place(bench->parameters, bench->backend, error);
}

/* What the trainer does for one update of one batch. */
static gboolean
run_step(Bench *bench, const Batch *batch, DinoR1TrainLosses *losses, GError **error)
{
    gdouble norm;

    if (bench->planned != batch) {
        const gdouble start = now();

        g_clear_pointer(&bench->step, dinor1_train_step_free);
        bench->step = dinor1_train_step_new(&batch->spec, bench->parameters, bench->reference, bench->backend, error);
        if (!bench->step)
            return FALSE;
        bench->planned = batch;
        bench->plan_seconds += now() - start;
    }
    /* The last update of a device is waited for, so that the time is that of what was done. */
    return dinor1_train_step_run(bench->step, &batch->batch, losses, error) &&
           dinor1_optimizer_step(bench->optimizer, dinor1_train_step_get_gradients(bench->step), 1, &norm, error) &&
           bench->backend->klass->sync(bench->backend, error);
}

static gint
slower_first(gconstpointer a, gconstpointer b)
{
    const gdouble x = **(gdouble *const *)a, y = **(gdouble *const *)b;

    return (x < y) - (x > y);
}

/* Time by module and op of the program as it was last run, without matching. */
static gboolean
print_profile(Bench *bench, GError **error)
{
    DinoR1Program *program = dinor1_train_step_get_program(bench->step);
    const GPtrArray *nodes = dinor1_graph_get_nodes(dinor1_program_get_graph(program));
    g_autofree gdouble *seconds = g_new0(gdouble, nodes->len);
    g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(g_free);

    for (gint i = 0; i < bench->options->steps; i++)
        if (!dinor1_program_run_timed(program, seconds, error))
            return FALSE;
    for (guint i = 0; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        g_autofree gchar *key = g_strdup_printf("%-16s %s", node->module, dinor1_op_name(node->op));
        gdouble *row = g_hash_table_lookup(rows, key);

        if (!row) {
            row = g_new0(gdouble, 2);
            g_ptr_array_add(order, row);
            g_hash_table_insert(rows, g_steal_pointer(&key), row);
        }
        row[0] += seconds[i] * 1e3 / bench->options->steps;
        row[1] += dinor1_program_is_run(program, i);
    }
    g_ptr_array_sort(order, slower_first);
    for (guint i = 0; i < order->len; i++) {
        GHashTableIter iter;
        gpointer key, row;

        g_hash_table_iter_init(&iter, rows);
        while (g_hash_table_iter_next(&iter, &key, &row))
            if (row == order->pdata[i])
                fprintf(stderr, "%8.2f ms %5.0f  %s\n", ((gdouble *)row)[0], ((gdouble *)row)[1], (gchar *)key);
    }
    return TRUE;
}

/* The first round over the batches is not timed; its losses are the proof that both sides compute the same. */
static gboolean
measure(Bench *bench, const Batch *batches, gint n_batches, GError **error)
{
    const gdouble before = status_mebibytes("VmRSS:");
    g_autoptr(GString) losses = g_string_new(NULL);
    gdouble start = 0, processor = 0;
    DinoR1OptimizerOptions options;
    DinoR1TrainLosses loss;
    gsize free;

    dinor1_optimizer_options_init(&options);
    bench->optimizer = dinor1_optimizer_new(bench->parameters, &options, NULL, error);
    if (!bench->optimizer)
        return FALSE;
    if (bench->options->grqo && !(bench->reference = dinor1_parameters_copy(bench->parameters, error)))
        return FALSE;
    for (gint i = 0; i < n_batches + bench->options->steps; i++) {
        if (i == n_batches) {
            start = now();
            processor = processor_seconds();
            bench->plan_seconds = 0;
        }
        if (!run_step(bench, &batches[i % n_batches], &loss, error))
            return FALSE;
        if (i < n_batches)
            g_string_append_printf(losses, "%s%.6g", i ? ", " : "", (gdouble)loss.total);
    }
    if (!read_free(bench->backend, &free, error))
        return FALSE;
    printf("{\"seconds\": %.6f, \"processor_seconds\": %.6f, \"plan_seconds\": %.6f, \"before_mib\": %.1f, "
           "\"peak_mib\": %.1f, \"device_mib\": %.1f, \"arena_mib\": %.1f, \"losses\": [%s]}\n",
        (now() - start) / bench->options->steps, (processor_seconds() - processor) / bench->options->steps,
        bench->plan_seconds / bench->options->steps, before, status_mebibytes("VmHWM:"),
        (gdouble)(bench->free_before - free) / 1048576,
        (gdouble)dinor1_program_get_arena_size(dinor1_train_step_get_program(bench->step)) / 1048576, losses->str);
    return !bench->options->profile || print_profile(bench, error);
}

static gboolean
open_device(Bench *bench, GError **error)
{
    const gchar *name = bench->options->device ? bench->options->device : "cpu";
    g_autofree gchar *device = NULL;
    DinoR1Precision precision;

    bench->backend = dinor1_backend_open(name, (guint)bench->options->threads, &device, error);
    if (!bench->backend ||
        !dinor1_precision_choose(bench->backend, &device, bench->options->precision, &precision, error))
        return FALSE;
    bench->dtype = precision.dtype;
    return read_free(bench->backend, &bench->free_before, error);
}

static gboolean
run(const Options *options, gchar **paths, GError **error)
{
    const gint n_batches = (gint)g_strv_length(paths) - 1;
    g_autofree Batch *batches = g_new0(Batch, (gsize)n_batches);
    Bench bench = {.options = options, .model = dinor1_model_load(paths[0], error)};
    gboolean done = bench.model && open_device(&bench, error);

    for (gint i = 0; done && i < n_batches; i++)
        done = load_batch(&bench, paths[i + 1], &batches[i], error);
    done = done && load_parameters(&bench, &batches[0], error) && measure(&bench, batches, n_batches, error);
    dinor1_train_step_free(bench.step);
    g_clear_pointer(&bench.optimizer, dinor1_optimizer_free);
    g_clear_pointer(&bench.reference, dinor1_parameters_free);
    g_clear_pointer(&bench.parameters, dinor1_parameters_free);
    g_clear_pointer(&bench.backend, dinor1_backend_free);
    g_clear_pointer(&bench.model, dinor1_model_unref);
    return done;
}

int
main(int argc, char **argv)
{
    Options options = {.steps = 3};
    g_auto(GStrv) paths = NULL;
    const GOptionEntry entries[] = {
        {"grqo", 0, 0, G_OPTION_ARG_NONE, &options.grqo, "with the group's loss, not SFT alone", NULL},
        {"recompute", 0, 0, G_OPTION_ARG_NONE, &options.recompute, "compute activations again", NULL},
        {"profile", 0, 0, G_OPTION_ARG_NONE, &options.profile, "print time by module and op", NULL},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "threads (0 = all)", "N"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, cuda or cuda:N (cpu)", "DEVICE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options.precision, "fp32, tf32 or bf16 (fp32)", "PRECISION"},
        {"steps", 0, 0, G_OPTION_ARG_INT, &options.steps, "timed steps, after one round that is not (3)", "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, "MODEL_DIRECTORY BATCH…"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- times training steps");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, &argc, &argv, &error)) {
        if (!paths || g_strv_length(paths) < 2 || options.steps < 1) {
            fprintf(stderr, "usage: bench-train [OPTION…] MODEL_DIRECTORY BATCH.safetensors…\n");
            return 2;
        }
        if (run(&options, paths, &error))
            return 0;
    }
    fprintf(stderr, "bench-train: %s\n", error->message);
    return 1;
}
