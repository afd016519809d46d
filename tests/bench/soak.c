/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looks at frames without end, with other prompts and other sizes every now and then, and watches the memory of the
 * process and of the device. Memory is read whenever all sizes have had their turn; what it is after the second time
 * may grow by 1 % until the last.
 *
 *     bench-soak [OPTION…] MODEL_DIRECTORY
 */
#include "backend/device.h"

#include <dinor1/dinor1.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROWTH_ALLOWED 0.01
#define WARM_UP_ROUNDS 2
#define MEBIBYTE       1048576.0

static const gint sizes[][2] = {{960, 544}, {640, 480}, {1333, 800}, {544, 960}, {1280, 720}, {720, 576}};
/* Most changes stay within what the detector is planned for, some do not. */
static const guint prompt_counts[] = {4, 3, 4, 3, 4, 6, 4, 3, 1};

typedef struct {
    gchar *device, *precision;
    gint seconds, frames, prompts_every, sizes_every, threads;
} Options;

typedef struct {
    gdouble host, device; /* bytes; of the device whoever has them */
} Memory;

typedef struct {
    const Options *options;
    DinoR1Model *model;
    DinoR1Detector *detector;
    DinoR1Backend *watcher; /* another one on the same device; NULL on the CPU */
    GRand *random;
    guint8 *pixels;
    guint n_frames, n_prompt_changes, n_size_changes, n_readings;
    guint turn; /* of prompt_counts, from the start for each round of the sizes, so that readings can be compared */
    Memory first, last;
} Soak;

static gdouble
resident_bytes(void)
{
    g_autofree gchar *text = NULL;
    gchar *second = NULL;

    if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        second = strchr(text, ' ');
    return second ? g_ascii_strtod(second, NULL) * (gdouble)sysconf(_SC_PAGESIZE) : 0;
}

static gboolean
read_memory(Soak *soak, GError **error)
{
    gsize free = 0, total = 0;

    if (soak->watcher && !soak->watcher->klass->get_memory(soak->watcher, &free, &total, error))
        return FALSE;
    malloc_trim(0); /* what is free, but scattered, is not growth */
    soak->turn = 0;
    soak->last = (Memory){resident_bytes(), (gdouble)(total - free)};
    if (++soak->n_readings == WARM_UP_ROUNDS)
        soak->first = soak->last;
    return TRUE;
}

static gboolean
change_prompts(Soak *soak, GError **error)
{
    const guint n = prompt_counts[soak->turn++ % G_N_ELEMENTS(prompt_counts)];
    const gint size = dinor1_model_get_embedding_size(soak->model);
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(soak->model);
    g_autofree gfloat *embedding = g_new(gfloat, (gsize)size);

    for (guint i = 0; i < n; i++) {
        g_autofree gchar *label = g_strdup_printf("%u", i);

        for (gint d = 0; d < size; d++)
            embedding[d] = (gfloat)g_rand_double_range(soak->random, -1.7, 1.7);
        if (!dinor1_prompt_bank_add_exemplar(bank, label, embedding, NULL, error))
            return FALSE;
    }
    soak->n_prompt_changes++;
    return dinor1_detector_set_prompts(soak->detector, bank, error);
}

static gboolean
look(Soak *soak, GError **error)
{
    const gint *size = sizes[soak->n_size_changes % G_N_ELEMENTS(sizes)];
    const DinoR1Image image = {.format = DINOR1_PIXEL_RGB,
        .width = size[0],
        .height = size[1],
        .planes = {soak->pixels},
        .strides = {3 * size[0]}};
    DinoR1DetectionList found;

    soak->n_frames++;
    return dinor1_detector_detect(soak->detector, &image, &found, error);
}

/* What comes before the next frame. */
static gboolean
advance(Soak *soak, GError **error)
{
    const guint n = soak->n_frames;

    if (n % (guint)soak->options->prompts_every == 0 && !change_prompts(soak, error))
        return FALSE;
    if (n > 0 && n % (guint)soak->options->sizes_every == 0 && ++soak->n_size_changes % G_N_ELEMENTS(sizes) == 0)
        return read_memory(soak, error);
    return TRUE;
}

static gboolean
report(const Soak *soak, gdouble seconds)
{
    const Memory *first = &soak->first, *last = &soak->last;
    const gdouble host = last->host / first->host - 1,
                  device = first->device > 0 ? last->device / first->device - 1 : 0;

    if (soak->n_readings <= WARM_UP_ROUNDS) {
        printf("too short: the sizes had %u turns, %d are needed\n", soak->n_readings, WARM_UP_ROUNDS + 1);
        return FALSE;
    }
    printf("%u frames in %.0f s, %u prompt changes, %u size changes: host %.1f MiB, then %.1f (%+.2f %%)",
        soak->n_frames, seconds, soak->n_prompt_changes, soak->n_size_changes, first->host / MEBIBYTE,
        last->host / MEBIBYTE, 100 * host);
    if (first->device > 0)
        printf(
            ", device %.1f MiB, then %.1f (%+.2f %%)", first->device / MEBIBYTE, last->device / MEBIBYTE, 100 * device);
    printf("\n");
    return host <= GROWTH_ALLOWED && device <= GROWTH_ALLOWED;
}

static gboolean
soak_model(Soak *soak, gboolean *flat, GError **error)
{
    const Options *options = soak->options;
    const gint64 start = g_get_monotonic_time();
    gdouble seconds = 0;

    while (options->frames > 0 ? soak->n_frames < (guint)options->frames : seconds < options->seconds) {
        if (!advance(soak, error) || !look(soak, error))
            return FALSE;
        seconds = (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    }
    *flat = report(soak, seconds);
    return TRUE;
}

static gboolean
prepare(Soak *soak, const gchar *directory, GError **error)
{
    DinoR1DetectorOptions options;
    gsize most = 0;

    dinor1_detector_options_init(&options);
    options.device = soak->options->device;
    options.precision = soak->options->precision;
    options.n_threads = (guint)soak->options->threads;
    soak->model = dinor1_model_load(directory, error);
    if (!soak->model || !(soak->detector = dinor1_detector_new(soak->model, &options, error)))
        return FALSE;
    soak->watcher = dinor1_backend_open(options.device, 1, NULL, error);
    if (!soak->watcher)
        return FALSE;
    if (soak->watcher->host_memory)
        g_clear_pointer(&soak->watcher, dinor1_backend_free);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
        most = MAX(most, 3 * (gsize)sizes[i][0] * (gsize)sizes[i][1]);
    soak->random = g_rand_new_with_seed(1);
    soak->pixels = g_malloc(most);
    for (gsize i = 0; i < most; i++)
        soak->pixels[i] = (guint8)g_rand_int(soak->random);
    return TRUE;
}

static int
run(const Options *options, const gchar *directory)
{
    Soak soak = {.options = options};
    gboolean flat = FALSE;
    g_autoptr(GError) error = NULL;

    if (!prepare(&soak, directory, &error) || !soak_model(&soak, &flat, &error))
        fprintf(stderr, "bench-soak: %s\n", error->message);
    g_clear_pointer(&soak.watcher, dinor1_backend_free);
    g_clear_pointer(&soak.detector, dinor1_detector_free);
    g_clear_pointer(&soak.model, dinor1_model_unref);
    g_clear_pointer(&soak.random, g_rand_free);
    g_free(soak.pixels);
    return flat ? 0 : 1;
}

int
main(int argc, char **argv)
{
    Options options = {.seconds = 60, .prompts_every = 25, .sizes_every = 250};
    g_auto(GStrv) paths = NULL;
    const GOptionEntry entries[] = {
        {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, cuda or cuda:N (cpu)", "DEVICE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options.precision, "fp32, tf32, fp16 or bf16 (fp32)", "PRECISION"},
        {"seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds, "how long (60)", "N"},
        {"frames", 0, 0, G_OPTION_ARG_INT, &options.frames, "how many frames, instead of how long", "N"},
        {"prompts-every", 0, 0, G_OPTION_ARG_INT, &options.prompts_every, "frames between other prompts (25)", "N"},
        {"sizes-every", 0, 0, G_OPTION_ARG_INT, &options.sizes_every, "frames between other sizes (250)", "N"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "CPU threads (0 = all)", "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &paths, NULL, "MODEL_DIRECTORY"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- looks for growing memory");
    g_autoptr(GError) error = NULL;
    int status;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !paths || g_strv_length(paths) != 1 ||
        options.prompts_every < 1 || options.sizes_every < 1 || options.seconds < 1 || options.frames < 0) {
        fprintf(stderr, "%s\n", error ? error->message : "usage: bench-soak [OPTION…] MODEL_DIRECTORY");
        return 2;
    }
    if (!options.device)
        options.device = g_strdup("cpu");
    status = run(&options, paths[0]);
    g_free(options.device);
    g_free(options.precision);
    return status;
}
