/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cpu/cpu.h"
#include "backend/device.h"
#include "backend/precision.h"
#include "detector/detector_internal.h"
#include "detector/frame_loader.h"
#include "detector/postprocess.h"
#include "detector/prompt_tokens.h"
#include "model/build.h"
#include "model/model_internal.h"
#include "model/preprocess.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

#define MAX_DETECTIONS 10000
#define MAX_EDGE       4096

G_STATIC_ASSERT(DINOR1_DETECTOR_MAX_BATCH <= DINOR1_FRAME_MAX_BATCH);

struct _DinoR1Detector {
    DinoR1Model *model;
    DinoR1DetectorOptions options;
    gchar *device;
    DinoR1Backend *backend;
    GError *death;        /* what the device failed with; NULL = it works */
    DinoR1Pool *pool;     /* for the host's part of a frame */
    DinoR1Pool *own_pool; /* that, unless the backend has one */
    DinoR1Programs *programs;
    DinoR1FrameLoader *loader;
    DinoR1TokenSet *tokens; /* NULL before the first set_prompts */
    DinoR1Program *holder;  /* the program whose inputs hold the current tokens; only compared */
    DinoR1Detection *items; /* [n_items, MAX_DETECTIONS] */
    guint n_items;          /* pictures */
};

void
dinor1_detector_options_init(DinoR1DetectorOptions *options)
{
    *options = (DinoR1DetectorOptions){.threshold = 0.3f, .max_detections = 300};
}

static gboolean
check_edge(const gchar *name, gint edge, GError **error)
{
    if (edge >= 0 && edge <= MAX_EDGE)
        return TRUE;
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s must be 0 … %d, not %d", name, MAX_EDGE, edge);
    return FALSE;
}

static gboolean
check_options(const DinoR1DetectorOptions *options, GError **error)
{
    if (!(options->threshold >= 0 && options->threshold <= 1) || !(options->nms >= 0 && options->nms <= 1)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "threshold and nms must be 0 … 1, not %g and %g",
            options->threshold, options->nms);
        return FALSE;
    }
    if (options->max_detections < 1 || options->max_detections > MAX_DETECTIONS) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "max_detections must be 1 … %d, not %u", MAX_DETECTIONS,
            options->max_detections);
        return FALSE;
    }
    return check_edge("shortest_edge", options->shortest_edge, error) &&
           check_edge("longest_edge", options->longest_edge, error);
}

static gboolean
open_device(DinoR1Detector *detector, GError **error)
{
    const DinoR1DetectorOptions *options = &detector->options;
    const gchar *device = options->device ? options->device : "auto";

    detector->backend = dinor1_backend_open(device, options->n_threads, &detector->device, error);
    if (!detector->backend)
        return FALSE;
    detector->pool = dinor1_cpu_backend_get_pool(detector->backend);
    if (!detector->pool)
        detector->pool = detector->own_pool = dinor1_pool_new(options->n_threads);
    return TRUE;
}

/* Room for the detections of as many pictures. */
static void
reserve_items(DinoR1Detector *detector, guint n_images)
{
    if (detector->n_items >= n_images)
        return;
    g_free(detector->items);
    detector->items = g_new(DinoR1Detection, (gsize)n_images * MAX_DETECTIONS);
    detector->n_items = n_images;
}

DinoR1Detector *
dinor1_detector_new(DinoR1Model *model, const DinoR1DetectorOptions *options, GError **error)
{
    g_autoptr(DinoR1Detector) detector = g_new0(DinoR1Detector, 1);
    DinoR1Precision precision;

    detector->model = dinor1_model_ref(model);
    dinor1_detector_options_init(&detector->options);
    if (options)
        detector->options = *options;
    if (!check_options(&detector->options, error) || !open_device(detector, error))
        return NULL;
    if (!dinor1_precision_choose(detector->backend, &detector->device, detector->options.precision, &precision, error))
        return NULL;
    detector->options.device = detector->options.precision = NULL; /* the caller's strings */
    detector->programs = dinor1_programs_new(model, detector->backend, precision.dtype);
    detector->loader = dinor1_frame_loader_new(dinor1_model_get_config(model), detector->backend, detector->pool);
    reserve_items(detector, 1);
    return g_steal_pointer(&detector);
}

void
dinor1_detector_free(DinoR1Detector *detector)
{
    if (!detector)
        return;
    g_clear_pointer(&detector->loader, dinor1_frame_loader_free);
    g_clear_pointer(&detector->programs, dinor1_programs_free);
    g_clear_pointer(&detector->backend, dinor1_backend_free);
    g_clear_pointer(&detector->own_pool, dinor1_pool_free);
    g_clear_error(&detector->death);
    g_clear_pointer(&detector->tokens, dinor1_token_set_free);
    dinor1_model_unref(detector->model);
    g_free(detector->device);
    g_free(detector->items);
    g_free(detector);
}

DinoR1Model *
dinor1_detector_get_model(const DinoR1Detector *detector)
{
    return detector->model;
}

const gchar *
dinor1_detector_get_device(const DinoR1Detector *detector)
{
    return detector->device;
}

gboolean
dinor1_detector_is_dead(const DinoR1Detector *detector)
{
    return detector->death != NULL;
}

gboolean
dinor1_detector_begin(DinoR1Detector *detector, GError **error)
{
    if (detector->death)
        g_propagate_error(error, g_error_copy(detector->death));
    return detector->death == NULL;
}

gboolean
dinor1_detector_end(DinoR1Detector *detector, gboolean done)
{
    if (!done && !detector->death)
        detector->backend->klass->sync(detector->backend, &detector->death);
    return done;
}

DinoR1Program *
dinor1_detector_get_program(DinoR1Detector *detector, const DinoR1ProgramKey *key, gboolean *is_new, GError **error)
{
    detector->holder = NULL;
    dinor1_frame_loader_forget(detector->loader);
    return dinor1_programs_get(detector->programs, key, is_new, error);
}

void
dinor1_detector_set_threshold(DinoR1Detector *detector, gfloat threshold)
{
    detector->options.threshold = CLAMP(threshold, 0.0f, 1.0f);
}

void
dinor1_detector_set_max_detections(DinoR1Detector *detector, guint max_detections)
{
    detector->options.max_detections = CLAMP(max_detections, 1, MAX_DETECTIONS);
}

DinoR1ProgramKey
dinor1_detector_make_key(const DinoR1Detector *detector, DinoR1ProgramKind kind, const DinoR1Image *image)
{
    const DinoR1Config *config = dinor1_model_get_config(detector->model);
    const DinoR1DetectorOptions *options = &detector->options;
    DinoR1ProgramKey key = {.kind = kind};

    dinor1_resize_rule(image->width, image->height,
        options->shortest_edge ? options->shortest_edge : config->shortest_edge,
        options->longest_edge ? options->longest_edge : config->longest_edge, &key.width, &key.height);
    key.room = dinor1_frame_room(image, key.width, key.height);
    return key;
}

gboolean
dinor1_detector_load_pictures(DinoR1Detector *detector, DinoR1Program *program, const DinoR1ProgramKey *key,
    const DinoR1Image *images, GError **error)
{
    return dinor1_frame_loader_load(
        detector->loader, program, images, MAX(key->batch, 1), key->width, key->height, error);
}

/* @box clipped to the image, as (cx, cy, w, h), 0 … 1. */
static gboolean
normalise_box(const DinoR1Image *image, const DinoR1Box *box, guint index, gfloat *out, GError **error)
{
    const gfloat width = (gfloat)image->width, height = (gfloat)image->height;
    const gfloat x0 = CLAMP(box->x, 0, width), x1 = CLAMP(box->x + box->width, 0, width);
    const gfloat y0 = CLAMP(box->y, 0, height), y1 = CLAMP(box->y + box->height, 0, height);

    if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(box->width) || !isfinite(box->height) || box->width <= 0 ||
        box->height <= 0 || x1 <= x0 || y1 <= y0) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "box %u (x %g, y %g, width %g, height %g) has no area inside the %dx%d picture", index, box->x, box->y,
            box->width, box->height, image->width, image->height);
        return FALSE;
    }
    out[0] = (x0 + x1) / 2 / width;
    out[1] = (y0 + y1) / 2 / height;
    out[2] = (x1 - x0) / width;
    out[3] = (y1 - y0) / height;
    return TRUE;
}

static gboolean
check_embed(const DinoR1Detector *detector, const DinoR1Image *image, guint n_boxes, GError **error)
{
    if (!dinor1_model_has_visual_prompts(detector->model)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
            "%s: a %s model has no visual prompt encoder: use a dino-r1 model, or text prompts",
            dinor1_model_get_path(detector->model), dinor1_model_get_type(detector->model));
        return FALSE;
    }
    if (n_boxes < 1 || n_boxes > DINOR1_PROMPTS_MAX_CLASSES) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%u boxes: give 1 … %d", n_boxes, DINOR1_PROMPTS_MAX_CLASSES);
        return FALSE;
    }
    return dinor1_image_check(image, error);
}

static gboolean
embed(DinoR1Detector *detector, const DinoR1Image *image, const DinoR1Box *boxes, guint n_boxes, gfloat *embeddings,
    GError **error)
{
    const gsize d = (gsize)dinor1_model_get_embedding_size(detector->model);
    g_autofree gfloat *normalised = NULL;
    DinoR1ProgramKey key;
    DinoR1Program *program;
    gboolean is_new;

    if (!check_embed(detector, image, n_boxes, error))
        return FALSE;
    normalised = g_new(gfloat, (gsize)n_boxes * 4);
    for (guint i = 0; i < n_boxes; i++)
        if (!normalise_box(image, &boxes[i], i, normalised + 4 * (gsize)i, error))
            return FALSE;
    key = dinor1_detector_make_key(detector, DINOR1_PROGRAM_PROMPT_ENCODER, image);
    key.n_tokens = (gint)n_boxes;
    program = dinor1_detector_get_program(detector, &key, &is_new, error);
    return program && dinor1_detector_load_pictures(detector, program, &key, image, error) &&
           dinor1_program_set(program, "boxes", normalised, n_boxes * 4 * sizeof(gfloat), error) &&
           dinor1_program_run(program, error) &&
           dinor1_program_get(program, "embeddings", embeddings, n_boxes * d * sizeof(gfloat), error);
}

gboolean
dinor1_detector_embed(DinoR1Detector *detector, const DinoR1Image *image, const DinoR1Box *boxes, guint n_boxes,
    gfloat *embeddings, GError **error)
{
    return dinor1_detector_begin(detector, error) &&
           dinor1_detector_end(detector, embed(detector, image, boxes, n_boxes, embeddings, error));
}

gboolean
dinor1_detector_add_prompt(DinoR1Detector *detector, DinoR1PromptBank *bank, const gchar *label,
    const DinoR1Image *image, const DinoR1Box *box, const gchar *source, GError **error)
{
    const DinoR1ExemplarInfo info = {source, -1, *box};
    g_autofree gfloat *embedding = g_new(gfloat, (gsize)dinor1_model_get_embedding_size(detector->model));

    return dinor1_detector_embed(detector, image, box, 1, embedding, error) &&
           dinor1_prompt_bank_add_exemplar(bank, label, embedding, &info, error);
}

gboolean
dinor1_detector_set_prompts(DinoR1Detector *detector, const DinoR1PromptBank *bank, GError **error)
{
    DinoR1TokenSet *tokens;

    if (!dinor1_detector_begin(detector, error))
        return FALSE;
    detector->holder = NULL; /* other tokens, and encoding text may evict it */
    dinor1_frame_loader_forget(detector->loader);
    tokens = dinor1_prompt_tokens_new(detector->model, detector->programs, bank, error);
    if (!tokens)
        return dinor1_detector_end(detector, FALSE);
    dinor1_token_set_free(detector->tokens);
    detector->tokens = tokens;
    return TRUE;
}

static gboolean
load_tokens(DinoR1Detector *detector, DinoR1Program *program, GError **error)
{
    const DinoR1TokenSet *set = detector->tokens;
    const gsize n = set->n_tokens, d = (gsize)set->embedding_size;

    if (!dinor1_program_set(program, "tokens", set->embeddings, n * d * sizeof(gfloat), error) ||
        !dinor1_program_set(program, "token_mask", set->mask, n * n * sizeof(gfloat), error) ||
        !dinor1_program_set(program, "token_positions", set->positions, n * sizeof(gfloat), error) ||
        (dinor1_graph_find(dinor1_program_get_graph(program), "token_padding") &&
            !dinor1_program_set(program, "token_padding", set->padding, n * sizeof(gfloat), error)))
        return FALSE;
    detector->holder = program;
    return TRUE;
}

/* @lists: [n_images] */
static gboolean
read_detections(DinoR1Detector *detector, DinoR1Program *program, const DinoR1Image *images, guint n_images,
    DinoR1DetectionList *lists, GError **error)
{
    const DinoR1ModelType type = dinor1_model_get_config(detector->model)->type;
    const gint64 *dims = dinor1_graph_find(dinor1_program_get_graph(program), "logits")->shape.dims; /* B, Q, U */
    const gchar *const names[] = {"logits", "pred_boxes"};
    gconstpointer data[] = {NULL, NULL};

    if (!dinor1_program_pull_many(program, names, data, 2, error))
        return FALSE;
    for (guint i = 0; i < n_images; i++) {
        const DinoR1RawDetections raw = {
            .logits = (const gfloat *)data[0] + i * dims[1] * dims[2],
            .boxes = (const gfloat *)data[1] + i * dims[1] * 4,
            .n_queries = (guint)dims[1],
            .tokens = detector->tokens,
            .token_score = type == DINOR1_MODEL_GROUNDING_DINO ? DINOR1_TOKEN_SCORE_MAX : DINOR1_TOKEN_SCORE_MEAN,
            .width = images[i].width,
            .height = images[i].height,
            .threshold = detector->options.threshold,
            .nms = detector->options.nms,
        };
        DinoR1Detection *items = detector->items + (gsize)i * MAX_DETECTIONS;

        lists[i] = (DinoR1DetectionList){items, dinor1_postprocess(&raw, items, detector->options.max_detections)};
    }
    return TRUE;
}

/* The key for all of @images, which the network must see in one size. */
static gboolean
make_batch_key(
    const DinoR1Detector *detector, const DinoR1Image *images, guint n_images, DinoR1ProgramKey *key, GError **error)
{
    for (guint i = 0; i < n_images; i++) {
        DinoR1ProgramKey one;

        if (!dinor1_image_check(&images[i], error))
            return FALSE;
        one = dinor1_detector_make_key(detector, DINOR1_PROGRAM_DETECTOR, &images[i]);
        if (i == 0)
            *key = one;
        if (one.width != key->width || one.height != key->height) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
                "picture %u of the batch is seen as %dx%d, the first as %dx%d: they must be alike", i, one.width,
                one.height, key->width, key->height);
            return FALSE;
        }
        key->room.bytes = MAX(key->room.bytes, one.room.bytes);
        key->room.column_taps = MAX(key->room.column_taps, one.room.column_taps);
        key->room.row_taps = MAX(key->room.row_taps, one.room.row_taps);
    }
    key->batch = n_images > 1 ? n_images : 0;
    return TRUE;
}

static gboolean
detect(DinoR1Detector *detector, const DinoR1Image *images, guint n_images, DinoR1DetectionList *lists, GError **error)
{
    DinoR1ProgramKey key;
    DinoR1Program *program;
    gboolean is_new;

    if (!make_batch_key(detector, images, n_images, &key, error))
        return FALSE;
    if (!detector->tokens || detector->tokens->n_tokens == 0)
        return TRUE;
    key.n_tokens = (gint)detector->tokens->n_tokens;
    program = dinor1_programs_get(detector->programs, &key, &is_new, error);
    if (!program)
        return FALSE;
    if (is_new)
        dinor1_frame_loader_forget(detector->loader);
    if ((is_new || detector->holder != program) && !load_tokens(detector, program, error))
        return FALSE;
    return dinor1_detector_load_pictures(detector, program, &key, images, error) &&
           dinor1_program_run(program, error) && read_detections(detector, program, images, n_images, lists, error);
}

gboolean
dinor1_detector_detect_batch(
    DinoR1Detector *detector, const DinoR1Image *images, guint n_images, DinoR1DetectionList *found, GError **error)
{
    for (guint i = 0; i < n_images; i++)
        found[i] = (DinoR1DetectionList){NULL, 0};
    if (n_images < 1 || n_images > DINOR1_DETECTOR_MAX_BATCH) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "a batch of %u pictures: give 1 … %d", n_images,
            DINOR1_DETECTOR_MAX_BATCH);
        return FALSE;
    }
    reserve_items(detector, n_images);
    return dinor1_detector_begin(detector, error) &&
           dinor1_detector_end(detector, detect(detector, images, n_images, found, error));
}

gboolean
dinor1_detector_detect(DinoR1Detector *detector, const DinoR1Image *image, DinoR1DetectionList *found, GError **error)
{
    return dinor1_detector_detect_batch(detector, image, 1, found, error);
}
