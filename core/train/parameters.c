/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/parameters.h"

#include "backend/resident.h"
#include "backend/vector.h"
#include "base/half.h"
#include "io/safetensors.h"
#include "model/model_internal.h"
#include "train/initialise.h"

#include <dinor1/error.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

struct _DinoR1Parameters {
    const DinoR1Config *config;
    DinoR1Model *model; /* NULL: from nothing */
    guint64 seed;
    GPtrArray *list;     /* DinoR1Parameter; by name order once frozen */
    GHashTable *by_name; /* name -> DinoR1Parameter */
    gboolean fresh, frozen;
    DinoR1Backend *backend; /* NULL = not placed */
};

static void
parameter_free(gpointer data)
{
    DinoR1Parameter *parameter = data;

    g_free((gchar *)parameter->name);
    free(parameter->data);
    g_free(parameter);
}

static DinoR1Parameters *
new_empty(const DinoR1Config *config, DinoR1Model *model, guint64 seed)
{
    DinoR1Parameters *parameters = g_new0(DinoR1Parameters, 1);

    parameters->config = config;
    parameters->model = model ? dinor1_model_ref(model) : NULL;
    parameters->seed = seed;
    parameters->list = g_ptr_array_new_with_free_func(parameter_free);
    parameters->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return parameters;
}

DinoR1Parameters *
dinor1_parameters_new(const DinoR1Config *config, DinoR1Model *model, guint64 seed)
{
    return new_empty(config, model, seed);
}

void
dinor1_parameters_start_fresh(DinoR1Parameters *parameters)
{
    parameters->fresh = TRUE;
}

static gsize
data_size(const DinoR1Shape *shape)
{
    return (gsize)dinor1_shape_size(shape) * sizeof(gfloat);
}

static void
give_back(DinoR1Parameters *parameters)
{
    for (guint i = 0; i < parameters->list->len; i++) {
        DinoR1Parameter *parameter = parameters->list->pdata[i];

        if (parameter->memory)
            dinor1_resident_give(parameters->backend, parameter->data, DINOR1_F32, data_size(&parameter->shape));
        parameter->memory = NULL;
    }
    parameters->backend = NULL;
}

void
dinor1_parameters_free(DinoR1Parameters *parameters)
{
    if (!parameters)
        return;
    give_back(parameters);
    g_hash_table_unref(parameters->by_name);
    g_ptr_array_unref(parameters->list);
    dinor1_model_unref(parameters->model);
    g_free(parameters);
}

static DinoR1Parameter *
add(DinoR1Parameters *parameters, const gchar *name, const DinoR1Shape *shape)
{
    const gsize rounded = (MAX(data_size(shape), 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    gfloat *data = aligned_alloc(ALIGNMENT, rounded);
    DinoR1Parameter *parameter;

    if (!data)
        return NULL;
    parameter = g_new0(DinoR1Parameter, 1);
    parameter->name = g_strdup(name);
    parameter->shape = *shape;
    parameter->data = data;
    g_ptr_array_add(parameters->list, parameter);
    g_hash_table_insert(parameters->by_name, (gpointer)parameter->name, parameter);
    return parameter;
}

/* A stream of random numbers of its own for every name (FNV-1a). */
static guint64
stream_of(const gchar *name)
{
    guint64 hash = 0xcbf29ce484222325u;

    for (; *name; name++)
        hash = (hash ^ (guchar)*name) * 0x100000001b3u;
    return hash;
}

static gboolean
is_stored(const DinoR1Parameters *parameters, const gchar *name)
{
    return parameters->model && dinor1_model_has_weight(parameters->model, name) &&
           (!parameters->fresh || g_str_has_prefix(name, "model.text_backbone."));
}

static DinoR1Parameter *
make(DinoR1Parameters *parameters, const gchar *name, const DinoR1Shape *shape, GError **error)
{
    const gboolean stored = is_stored(parameters, name);
    DinoR1View view = {DINOR1_F32, *shape, NULL};
    DinoR1Parameter *parameter;

    if (stored && !dinor1_model_find_weight(parameters->model, name, shape, &view, error))
        return NULL;
    parameter = add(parameters, name, &view.shape);
    if (!parameter) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY, "not enough memory for parameter '%s'", name);
        return NULL;
    }
    parameter->is_fresh = !stored;
    if (stored) {
        memcpy(parameter->data, view.data, data_size(&view.shape));
    } else {
        DinoR1Rng rng = dinor1_rng_new(parameters->seed, stream_of(name));

        dinor1_initialise(parameters->config, name, shape, &rng, parameter->data);
    }
    return parameter;
}

gboolean
dinor1_parameters_find(
    gpointer user_data, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error)
{
    DinoR1Parameters *parameters = user_data;
    DinoR1Parameter *parameter = g_hash_table_lookup(parameters->by_name, name);

    if (!parameter && parameters->frozen) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_WEIGHTS, "parameter '%s' was not there when training began", name);
        return FALSE;
    }
    if (!parameter)
        parameter = make(parameters, name, shape, error);
    if (!parameter)
        return FALSE;
    *view = (DinoR1View){DINOR1_F32, parameter->shape, parameter->data};
    return TRUE;
}

guint
dinor1_parameters_get_n(const DinoR1Parameters *parameters)
{
    return parameters->list->len;
}

const DinoR1Parameter *
dinor1_parameters_get(const DinoR1Parameters *parameters, guint index)
{
    return parameters->list->pdata[index];
}

const DinoR1Parameter *
dinor1_parameters_lookup(const DinoR1Parameters *parameters, const gchar *name)
{
    return g_hash_table_lookup(parameters->by_name, name);
}

static gint
by_name_order(gconstpointer a, gconstpointer b)
{
    return strcmp((*(DinoR1Parameter *const *)a)->name, (*(DinoR1Parameter *const *)b)->name);
}

void
dinor1_parameters_freeze(DinoR1Parameters *parameters)
{
    g_ptr_array_sort(parameters->list, by_name_order);
    parameters->frozen = TRUE;
}

/* @fill: with the host's data. */
static gboolean
place(DinoR1Parameters *parameters, DinoR1Backend *backend, gboolean fill, GError **error)
{
    g_return_val_if_fail(parameters->frozen && !parameters->backend, FALSE);
    parameters->backend = backend;
    for (guint i = 0; i < parameters->list->len; i++) {
        DinoR1Parameter *parameter = parameters->list->pdata[i];
        const gsize size = data_size(&parameter->shape);

        parameter->memory = fill ? dinor1_resident_take(backend, parameter->data, DINOR1_F32, size, error)
                                 : dinor1_resident_take_unset(backend, parameter->data, DINOR1_F32, size, error);
        if (!parameter->memory) {
            give_back(parameters);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
dinor1_parameters_place(DinoR1Parameters *parameters, DinoR1Backend *backend, GError **error)
{
    return place(parameters, backend, TRUE, error);
}

DinoR1Backend *
dinor1_parameters_get_backend(const DinoR1Parameters *parameters)
{
    return parameters->backend;
}

gboolean
dinor1_parameters_fetch(const DinoR1Parameters *parameters, GError **error)
{
    DinoR1Backend *backend = parameters->backend;
    g_autofree DinoR1Download *copies = g_new(DinoR1Download, MAX(parameters->list->len, 1));

    if (!backend || backend->host_memory)
        return TRUE;
    for (guint i = 0; i < parameters->list->len; i++) {
        const DinoR1Parameter *parameter = parameters->list->pdata[i];

        copies[i] = (DinoR1Download){parameter->data, parameter->memory, data_size(&parameter->shape)};
    }
    return backend->klass->download_many(backend, copies, parameters->list->len, error);
}

gboolean
dinor1_parameters_send(DinoR1Parameters *parameters, GError **error)
{
    DinoR1Backend *backend = parameters->backend;

    for (guint i = 0; backend && !backend->host_memory && i < parameters->list->len; i++) {
        const DinoR1Parameter *parameter = parameters->list->pdata[i];

        if (!backend->klass->upload(backend, parameter->memory, parameter->data, data_size(&parameter->shape), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
add_all(DinoR1Parameters *copy, const DinoR1Parameters *parameters)
{
    for (guint i = 0; i < parameters->list->len; i++) {
        const DinoR1Parameter *from = parameters->list->pdata[i];
        DinoR1Parameter *to = add(copy, from->name, &from->shape);

        if (!to)
            return FALSE;
        to->is_fresh = from->is_fresh;
    }
    dinor1_parameters_freeze(copy);
    return TRUE;
}

DinoR1Parameters *
dinor1_parameters_copy(const DinoR1Parameters *parameters, GError **error)
{
    g_autoptr(DinoR1Parameters) copy = new_empty(parameters->config, parameters->model, parameters->seed);

    if (!add_all(copy, parameters)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MEMORY, "not enough memory for a copy of the parameters");
        return NULL;
    }
    if ((parameters->backend && !place(copy, parameters->backend, FALSE, error)) ||
        !dinor1_parameters_assign(copy, parameters, error))
        return NULL;
    return g_steal_pointer(&copy);
}

gboolean
dinor1_parameters_assign(DinoR1Parameters *to, const DinoR1Parameters *from, GError **error)
{
    g_return_val_if_fail(to->backend == from->backend, FALSE);
    for (guint i = 0; i < from->list->len; i++) {
        const DinoR1Parameter *source = from->list->pdata[i];
        DinoR1Parameter *target = g_hash_table_lookup(to->by_name, source->name);

        g_return_val_if_fail(target && dinor1_shape_equal(&target->shape, &source->shape), FALSE);
        if (!to->backend)
            memcpy(target->data, source->data, data_size(&source->shape));
        else if (!dinor1_vector_copy(
                     to->backend, target->memory, source->memory, (gsize)dinor1_shape_size(&source->shape), error))
            return FALSE;
    }
    return TRUE;
}

/* @tensors: DinoR1StoredTensor; fp16 copies are kept alive by @copies. */
static void
append_stored(const DinoR1Parameter *parameter, gboolean half, GArray *tensors, GPtrArray *copies)
{
    const gsize n = (gsize)dinor1_shape_size(&parameter->shape);
    DinoR1StoredTensor stored = {.name = parameter->name,
        .dtype = DINOR1_STORED_F32,
        .n_dims = (guint)parameter->shape.ndim,
        .data = (const guint8 *)parameter->data,
        .size = n * sizeof(gfloat)};

    memcpy(stored.dims, parameter->shape.dims, sizeof stored.dims);
    if (half) {
        guint16 *copy = g_new(guint16, n);

        for (gsize i = 0; i < n; i++)
            copy[i] = dinor1_float_to_half(parameter->data[i]);
        g_ptr_array_add(copies, copy);
        stored.dtype = DINOR1_STORED_F16;
        stored.data = (const guint8 *)copy;
        stored.size = n * sizeof *copy;
    }
    g_array_append_val(tensors, stored);
}

gboolean
dinor1_parameters_save(const DinoR1Parameters *parameters, const gchar *directory, gboolean half, GError **error)
{
    g_autoptr(GArray) tensors = g_array_new(FALSE, FALSE, sizeof(DinoR1StoredTensor));
    g_autoptr(GPtrArray) copies = g_ptr_array_new_with_free_func(g_free);
    g_autofree gchar *path = g_build_filename(directory, "model.safetensors", NULL);

    for (guint i = 0; i < parameters->list->len; i++) {
        const DinoR1Parameter *parameter = parameters->list->pdata[i];

        if (!g_str_equal(parameter->name, "denoising_label_embedding.weight"))
            append_stored(parameter, half, tensors, copies);
    }
    return dinor1_safetensors_write(
        path, (const DinoR1StoredTensor *)(gconstpointer)tensors->data, tensors->len, NULL, error);
}
