/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/detector_internal.h"
#include "model/model_internal.h"

#include <dinor1/error.h>
#include <dinor1/inspect.h>
#include <string.h>

#define MAX_PROFILE_PROMPTS 4096

guint
dinor1_model_get_n_tensors(const DinoR1Model *model)
{
    return dinor1_weights_get_n_tensors(dinor1_model_get_weights(model));
}

void
dinor1_model_get_tensor(const DinoR1Model *model, guint index, DinoR1TensorInfo *info)
{
    const DinoR1StoredTensor *tensor = dinor1_weights_get_tensor(dinor1_model_get_weights(model), index);

    info->name = tensor->name;
    info->dtype = dinor1_stored_type_name(tensor->dtype);
    info->n_dims = tensor->n_dims;
    memcpy(info->dims, tensor->dims, sizeof info->dims);
}

/* Adds @node, one of a kind, to the entry called its name. */
static void
account(GArray *entries, const DinoR1ProfileEntry *node)
{
    DinoR1ProfileEntry *entry = NULL;

    for (guint i = 0; i < entries->len && !entry; i++)
        if (g_str_equal(g_array_index(entries, DinoR1ProfileEntry, i).name, node->name))
            entry = &g_array_index(entries, DinoR1ProfileEntry, i);
    if (!entry) {
        g_array_set_size(entries, entries->len + 1);
        entry = &g_array_index(entries, DinoR1ProfileEntry, entries->len - 1);
        entry->name = node->name;
    }
    entry->gmac += node->gmac;
    entry->bytes += node->bytes;
    entry->seconds += node->seconds;
    entry->n_nodes++;
}

static gint
costliest_first(gconstpointer a, gconstpointer b)
{
    const DinoR1ProfileEntry *x = a, *y = b;

    if (x->seconds != y->seconds)
        return x->seconds > y->seconds ? -1 : 1;
    return x->gmac > y->gmac ? -1 : x->gmac < y->gmac;
}

/* The fastest of @runs passes, seconds per node. */
static gboolean
measure(DinoR1Program *program, guint runs, gdouble *best, GError **error)
{
    const guint n = dinor1_graph_get_nodes(dinor1_program_get_graph(program))->len;
    g_autofree gdouble *seconds = g_new(gdouble, n);
    gdouble best_total = 0;

    /* The first pass touches the memory. */
    if (runs > 0 && !dinor1_program_run(program, error))
        return FALSE;
    for (guint r = 0; r < runs; r++) {
        gdouble total = 0;

        memset(seconds, 0, n * sizeof *seconds);
        if (!dinor1_program_run_timed(program, seconds, error))
            return FALSE;
        for (guint i = 0; i < n; i++)
            total += seconds[i];
        if (r == 0 || total < best_total) {
            best_total = total;
            memcpy(best, seconds, n * sizeof *seconds);
        }
    }
    return TRUE;
}

static gfloat
next_noise(guint32 *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (gfloat)(*state >> 8) / 8388608.0f - 1.0f;
}

/* Noise for the pixels, which @image lacks. */
static gboolean
fill_picture(DinoR1Detector *detector, DinoR1Program *program, const DinoR1ProgramKey *key, const DinoR1Image *image,
    GError **error)
{
    const gsize n = (gsize)image->strides[0] * (gsize)image->height;
    g_autofree guint8 *pixels = g_malloc(n);
    DinoR1Image noise = *image;
    guint32 state = 2;

    for (gsize i = 0; i < n; i++)
        pixels[i] = (guint8)(127.5f + 127.5f * next_noise(&state));
    noise.planes[0] = pixels;
    return dinor1_detector_load_pictures(detector, program, key, &noise, error);
}

/* Noise for the tokens; every token sees itself. */
static gboolean
fill_tokens(DinoR1Program *program, guint n_prompts, GError **error)
{
    const gchar *names[] = {"tokens", "token_mask", "token_positions", "token_padding"};

    for (guint k = 0; k < G_N_ELEMENTS(names); k++) {
        const DinoR1Tensor *tensor = dinor1_graph_find(dinor1_program_get_graph(program), names[k]);
        const gsize n = tensor ? (gsize)dinor1_shape_size(&tensor->shape) : 0;
        g_autofree gfloat *data = g_new0(gfloat, n);
        guint32 state = 1;

        if (!tensor)
            continue;
        for (gsize i = 0; k == 0 && i < n; i++)
            data[i] = next_noise(&state);
        for (gsize i = 0; k == 1 && i < n; i++)
            data[i] = i / n_prompts == i % n_prompts ? 0 : -G_MAXFLOAT;
        if (!dinor1_program_set(program, names[k], data, n * sizeof *data, error))
            return FALSE;
    }
    return TRUE;
}

static gsize
count_weight_bytes(const DinoR1Graph *graph)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(graph);
    gsize bytes = 0;

    for (guint i = 0; i < tensors->len; i++) {
        const DinoR1Tensor *tensor = tensors->pdata[i];

        if (tensor->kind == DINOR1_TENSOR_CONSTANT)
            bytes += (gsize)dinor1_shape_size(&tensor->shape) * dinor1_dtype_size(tensor->dtype);
    }
    return bytes;
}

static void
steal_entries(GArray *array, DinoR1ProfileEntry **entries, guint *n)
{
    *n = array->len;
    *entries = (DinoR1ProfileEntry *)(gpointer)g_array_free(array, FALSE);
}

static DinoR1Profile *
summarise(DinoR1Program *program, const gdouble *seconds)
{
    DinoR1Graph *graph = dinor1_program_get_graph(program);
    const GPtrArray *nodes = dinor1_graph_get_nodes(graph);
    DinoR1Profile *profile = g_new0(DinoR1Profile, 1);
    GArray *modules = g_array_new(FALSE, TRUE, sizeof(DinoR1ProfileEntry));
    GArray *ops = g_array_new(FALSE, TRUE, sizeof(DinoR1ProfileEntry));

    for (guint i = 0; i < nodes->len; i++) {
        const DinoR1Node *node = nodes->pdata[i];
        const gboolean is_run = dinor1_program_is_run(program, i);
        DinoR1ProfileEntry entry = {.name = node->module, .seconds = seconds[i]};

        entry.gmac = is_run ? dinor1_node_macs(node) * 1e-9 : 0;
        entry.bytes = is_run ? dinor1_node_bytes(node) : 0;
        account(modules, &entry);
        entry.name = dinor1_op_name(node->op);
        account(ops, &entry);
    }
    g_array_sort(ops, costliest_first);
    steal_entries(modules, &profile->modules, &profile->n_modules);
    steal_entries(ops, &profile->ops, &profile->n_ops);
    profile->arena_bytes = dinor1_program_get_arena_size(program);
    profile->unplanned_bytes = dinor1_program_get_unplanned_size(program);
    profile->weight_bytes = count_weight_bytes(graph);
    return profile;
}

static DinoR1Profile *
profile_program(
    DinoR1Detector *detector, const DinoR1ProgramKey *key, const DinoR1Image *image, guint runs, GError **error)
{
    g_autofree gdouble *seconds = NULL;
    DinoR1Profile *profile;
    DinoR1Program *program;
    gboolean is_new;

    program = dinor1_detector_get_program(detector, key, &is_new, error);
    if (!program)
        return NULL;
    if (runs > 0 &&
        (!fill_picture(detector, program, key, image, error) || !fill_tokens(program, (guint)key->n_tokens, error)))
        return NULL;
    seconds = g_new0(gdouble, dinor1_graph_get_nodes(dinor1_program_get_graph(program))->len);
    if (!measure(program, runs, seconds, error))
        return NULL;
    profile = summarise(program, seconds);
    profile->input_width = key->width;
    profile->input_height = key->height;
    return profile;
}

DinoR1Profile *
dinor1_detector_profile(DinoR1Detector *detector, gint width, gint height, guint n_prompts, guint runs, GError **error)
{
    const DinoR1Image image = {.format = DINOR1_PIXEL_RGB, .width = width, .height = height, .strides = {3 * width}};
    DinoR1ProgramKey key;
    DinoR1Profile *profile;

    if (width < 1 || height < 1 || width > DINOR1_IMAGE_MAX_SIDE || height > DINOR1_IMAGE_MAX_SIDE || n_prompts < 1 ||
        n_prompts > MAX_PROFILE_PROMPTS) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "cannot profile %dx%d with %u prompts: sides are 1 … %d, prompts 1 … %d", width, height, n_prompts,
            DINOR1_IMAGE_MAX_SIDE, MAX_PROFILE_PROMPTS);
        return NULL;
    }
    if (!dinor1_detector_begin(detector, error))
        return NULL;
    key = dinor1_detector_make_key(detector, DINOR1_PROGRAM_DETECTOR, &image);
    key.n_tokens = (gint)n_prompts;
    profile = profile_program(detector, &key, &image, runs, error);
    dinor1_detector_end(detector, profile != NULL);
    return profile;
}

void
dinor1_profile_free(DinoR1Profile *profile)
{
    if (!profile)
        return;
    g_free(profile->modules);
    g_free(profile->ops);
    g_free(profile);
}
