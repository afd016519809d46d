/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench_streams.h"
#include "command.h"
#include "model_options.h"
#include "profile_table.h"

#include <dinor1/dinor1.h>
#include <sys/resource.h>

typedef struct {
    gchar *model, *size, *format, *device, *precision;
    gint prompts, runs, threads, streams, batch;
    gboolean json;
} Options;

static const gchar *
get_size(const Options *options)
{
    return options->size ? options->size : "640x480";
}

/* What was measured. */
typedef struct {
    gint width, height;
    gdouble best, median; /* seconds of one frame: preprocessing, network and postprocessing */
    gdouble throughput;   /* frames per second of all streams, 0 unless asked for */
    DinoR1Profile *profile;
    const gchar *device;
} Result;

static const CommandHelp help = {
    .name = "dinor1 bench",
    .summary =
        "Measures how long one frame takes: as a whole, and by module and op of the network. The picture and the\n"
        "prompts are random numbers.",
    .description = "Examples:\n"
                   "  dinor1 bench --model models/dinor1-nano --size 768x576 --runs 20\n"
                   "  dinor1 bench --model DIR --size 1280x720 --prompts 8 --threads 2 --json\n"
                   "  dinor1 bench --model DIR --size 960x544 --format nv12 --device cuda --streams 2 --batch 8\n",
};

/* A bank of classes "1", "2", … whose embeddings are like those of a layer norm. */
static DinoR1PromptBank *
make_bank(DinoR1Model *model, guint n_prompts, GRand *random, GError **error)
{
    const guint size = (guint)dinor1_model_get_embedding_size(model);
    g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_new(model);
    g_autofree gfloat *embedding = g_new(gfloat, size);

    for (guint i = 0; i < n_prompts; i++) {
        g_autofree gchar *label = g_strdup_printf("%u", i + 1);

        for (guint d = 0; d < size; d++)
            embedding[d] = (gfloat)g_rand_double_range(random, -1.7, 1.7);
        if (!dinor1_prompt_bank_add_exemplar(bank, label, embedding, NULL, error))
            return NULL;
    }
    return g_steal_pointer(&bank);
}

static guint8 *
make_pixels(gsize size, GRand *random)
{
    guint8 *pixels = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        pixels[i] = (guint8)g_rand_int(random);
    return pixels;
}

static gint
compare_doubles(gconstpointer a, gconstpointer b)
{
    const gdouble x = *(const gdouble *)a, y = *(const gdouble *)b;

    return (x > y) - (x < y);
}

/* The first frame makes the plan and is not counted. */
static gboolean
time_frames(DinoR1Detector *detector, const DinoR1Image *image, gint runs, Result *result, GError **error)
{
    g_autoptr(GArray) seconds = g_array_new(FALSE, FALSE, sizeof(gdouble));
    DinoR1DetectionList found;

    for (gint i = 0; i <= runs; i++) {
        const gint64 start = g_get_monotonic_time();
        gdouble elapsed;

        if (!dinor1_detector_detect(detector, image, &found, error))
            return FALSE;
        elapsed = (gdouble)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
        if (i > 0)
            g_array_append_val(seconds, elapsed);
    }
    g_array_sort(seconds, compare_doubles);
    result->best = g_array_index(seconds, gdouble, 0);
    result->median = g_array_index(seconds, gdouble, seconds->len / 2);
    return TRUE;
}

static gboolean
is_nv12(const Options *options)
{
    return g_strcmp0(options->format, "nv12") == 0;
}

/* A picture in @pixels, which is to be freed. */
static DinoR1Image
make_image(const Options *options, gint width, gint height, GRand *random, guint8 **pixels)
{
    DinoR1Image image = {.format = DINOR1_PIXEL_RGB, .width = width, .height = height, .strides = {3 * width}};
    gsize size = 3 * (gsize)width * (gsize)height;

    if (is_nv12(options)) {
        image.format = DINOR1_PIXEL_NV12;
        image.strides[0] = image.strides[1] = width + width % 2;
        size = (gsize)image.strides[0] * (gsize)(height + (height + 1) / 2);
    }
    image.planes[0] = *pixels = make_pixels(size, random);
    if (is_nv12(options))
        image.planes[1] = *pixels + (gsize)image.strides[0] * (gsize)height;
    return image;
}

static gboolean
measure(const Options *options, const DinoR1DetectorOptions *settings, DinoR1Detector *detector, Result *result,
    GError **error)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autofree guint8 *pixels = NULL;
    const DinoR1Image image = make_image(options, result->width, result->height, random, &pixels);
    g_autoptr(DinoR1PromptBank) bank = make_bank(model, (guint)options->prompts, random, error);

    if (!bank || !dinor1_detector_set_prompts(detector, bank, error) ||
        !time_frames(detector, &image, options->runs, result, error))
        return FALSE;
    if (options->streams > 0 && !bench_streams(model, settings, bank, &image, (guint)options->streams,
                                    (guint)options->batch, (guint)options->runs, &result->throughput, error))
        return FALSE;
    result->profile = dinor1_detector_profile(
        detector, result->width, result->height, (guint)options->prompts, (guint)options->runs, error);
    return result->profile != NULL;
}

static gdouble
get_peak_mebibytes(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (gdouble)usage.ru_maxrss / 1024;
}

static void
print_text(const Options *options, const Result *result)
{
    const DinoR1Profile *profile = result->profile;

    g_print("%s on %s\n", options->model, result->device);
    g_print("picture %dx%d, seen as %dx%d, %d prompts, %d runs\n\n", result->width, result->height,
        profile->input_width, profile->input_height, options->prompts, options->runs);
    g_print("one frame: %.2f ms at best, %.2f ms median: %.1f frames/s\n\n", 1e3 * result->best, 1e3 * result->median,
        1 / result->median);
    if (result->throughput > 0)
        g_print("%d streams at a time, each %d frames at once: %.1f frames/s\n\n", options->streams, options->batch,
            result->throughput);
    profile_table_print("module", profile->modules, profile->n_modules);
    g_print("\n");
    profile_table_print("op", profile->ops, profile->n_ops);
    g_print("\n");
    profile_print_memory(profile);
    g_print("peak resident memory: %.1f MiB\n", get_peak_mebibytes());
}

static void
print_json(const Options *options, const Result *result)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "model");
    json_builder_add_string_value(builder, options->model);
    json_builder_set_member_name(builder, "device");
    json_builder_add_string_value(builder, result->device);
    json_builder_set_member_name(builder, "width");
    json_builder_add_int_value(builder, result->width);
    json_builder_set_member_name(builder, "height");
    json_builder_add_int_value(builder, result->height);
    json_builder_set_member_name(builder, "prompts");
    json_builder_add_int_value(builder, options->prompts);
    json_builder_set_member_name(builder, "runs");
    json_builder_add_int_value(builder, options->runs);
    json_builder_set_member_name(builder, "best_ms");
    json_builder_add_double_value(builder, 1e3 * result->best);
    json_builder_set_member_name(builder, "median_ms");
    json_builder_add_double_value(builder, 1e3 * result->median);
    json_builder_set_member_name(builder, "frames_per_second");
    json_builder_add_double_value(builder, 1 / result->median);
    if (result->throughput > 0) {
        json_builder_set_member_name(builder, "streams");
        json_builder_add_int_value(builder, options->streams);
        json_builder_set_member_name(builder, "batch");
        json_builder_add_int_value(builder, options->batch);
        json_builder_set_member_name(builder, "streams_frames_per_second");
        json_builder_add_double_value(builder, result->throughput);
    }
    json_builder_set_member_name(builder, "peak_rss_mib");
    json_builder_add_double_value(builder, get_peak_mebibytes());
    profile_build_json(builder, result->profile);
    json_builder_end_object(builder);
    json_print(builder);
}

static gboolean
check_format(const Options *options, GError **error)
{
    if (!options->format || g_str_equal(options->format, "rgb") || is_nv12(options))
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0, "--format is '%s'; it must be rgb or nv12", options->format);
    return FALSE;
}

static gboolean
check_options(const Options *options, Result *result, GError **error)
{
    return command_require("--model", options->model, error) &&
           command_check_range("--prompts", options->prompts, 1, DINOR1_PROMPTS_MAX_CLASSES, error) &&
           command_check_range("--runs", options->runs, 1, 1000000, error) &&
           command_check_range("--threads", options->threads, 0, 1024, error) &&
           command_check_range("--streams", options->streams, 0, 256, error) &&
           command_check_range("--batch", options->batch, 1, DINOR1_DETECTOR_MAX_BATCH, error) &&
           check_format(options, error) &&
           command_parse_size(get_size(options), &result->width, &result->height, error);
}

static gboolean
bench(const Options *options, GError **error)
{
    g_autoptr(DinoR1Model) model = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    DinoR1DetectorOptions settings;
    Result result = {0};
    gboolean done;

    if (!check_options(options, &result, error) || !(model = dinor1_model_load(options->model, error)))
        return FALSE;
    dinor1_detector_options_init(&settings);
    settings.device = options->device ? options->device : settings.device;
    settings.precision = options->precision;
    settings.n_threads = (guint)options->threads;
    detector = dinor1_detector_new(model, &settings, error);
    if (!detector)
        return FALSE;
    result.device = dinor1_detector_get_device(detector);
    done = measure(options, &settings, detector, &result, error);
    if (done)
        (options->json ? print_json : print_text)(options, &result);
    g_clear_pointer(&result.profile, dinor1_profile_free);
    return done;
}

int
cmd_bench(gint argc, gchar **argv)
{
    Options options = {.prompts = 4, .runs = 10, .batch = 1};
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, "model directory (required)", "DIR"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &options.size, "the picture's size (640x480)", "WIDTHxHEIGHT"},
        {"format", 0, 0, G_OPTION_ARG_STRING, &options.format, "its pixels: rgb or nv12 (rgb)", "FORMAT"},
        {"prompts", 0, 0, G_OPTION_ARG_INT, &options.prompts, "number of prompts (4)", "N"},
        {"runs", 0, 0, G_OPTION_ARG_INT, &options.runs, "how often to measure (10)", "N"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, DEVICE_HELP, "DEVICE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options.precision, PRECISION_HELP, "PRECISION"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "CPU threads (0 = all)", "N"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &options.streams,
            "also measure this many at a time, each with its own detector and prompts (0 = none)", "N"},
        {"batch", 0, 0, G_OPTION_ARG_INT, &options.batch,
            "with --streams: frames that a stream gives at once, 1 … 8 (1)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL},
        {NULL},
    };
    GError *error = NULL;
    const gboolean done = command_parse(&help, entries, &argc, &argv, &error) && bench(&options, &error);

    g_free(options.model);
    g_free(options.size);
    g_free(options.format);
    g_free(options.device);
    g_free(options.precision);
    return done ? EXIT_OK : command_fail(error);
}
