/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/resident.h"

typedef struct {
    gconstpointer data; /* host */
    DinoR1DType dtype;
    gsize size;      /* of the copy */
    gpointer memory; /* the backend's */
    guint n_users;
} Resident;

struct _DinoR1Residents {
    GMutex mutex;
    GHashTable *table; /* Resident -> itself, by data, type and size */
    gsize size;
};

static guint
hash(gconstpointer key)
{
    const Resident *resident = key;

    return g_direct_hash(resident->data) * 31 + (guint)resident->size + (guint)resident->dtype;
}

static gboolean
equal(gconstpointer a, gconstpointer b)
{
    const Resident *x = a, *y = b;

    return x->data == y->data && x->dtype == y->dtype && x->size == y->size;
}

DinoR1Residents *
dinor1_residents_new(void)
{
    DinoR1Residents *residents = g_new0(DinoR1Residents, 1);

    g_mutex_init(&residents->mutex);
    residents->table = g_hash_table_new_full(hash, equal, g_free, NULL);
    return residents;
}

void
dinor1_residents_free(DinoR1Backend *backend)
{
    DinoR1Residents *residents = backend->residents;
    GHashTableIter iter;
    gpointer resident;

    if (!residents)
        return;
    g_hash_table_iter_init(&iter, residents->table);
    while (g_hash_table_iter_next(&iter, &resident, NULL))
        backend->klass->release(backend, ((Resident *)resident)->memory);
    g_hash_table_unref(residents->table);
    g_mutex_clear(&residents->mutex);
    g_free(residents);
    backend->residents = NULL;
}

/* Uploads @data as its type says. */
static gboolean
fill(DinoR1Backend *backend, const Resident *resident, GError **error)
{
    g_autofree guint16 *rounded = NULL;

    if (!dinor1_dtype_is_half(resident->dtype))
        return backend->klass->upload(backend, resident->memory, resident->data, resident->size, error);
    rounded = g_malloc(resident->size);
    dinor1_narrow(resident->dtype, rounded, resident->data, resident->size / sizeof *rounded);
    return backend->klass->upload(backend, resident->memory, rounded, resident->size, error);
}

static Resident *
add(DinoR1Backend *backend, const Resident *key, gboolean is_filled, GError **error)
{
    gpointer memory = backend->klass->alloc(backend, key->size, error);
    Resident *resident;

    if (!memory)
        return NULL;
    resident = g_new(Resident, 1);
    *resident = *key;
    resident->memory = memory;
    if (is_filled && !fill(backend, resident, error)) {
        backend->klass->release(backend, memory);
        g_free(resident);
        return NULL;
    }
    g_hash_table_add(backend->residents->table, resident);
    backend->residents->size += key->size;
    return resident;
}

static gpointer
take(DinoR1Backend *backend, const Resident *key, gboolean is_filled, GError **error)
{
    DinoR1Residents *residents = backend->residents;
    gpointer memory = NULL;
    Resident *resident;

    if (backend->host_memory)
        return (gpointer)key->data;
    g_mutex_lock(&residents->mutex);
    resident = g_hash_table_lookup(residents->table, key);
    if (!resident)
        resident = add(backend, key, is_filled, error);
    if (resident) {
        resident->n_users++;
        memory = resident->memory;
    }
    g_mutex_unlock(&residents->mutex);
    return memory;
}

gpointer
dinor1_resident_take(DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size, GError **error)
{
    return take(backend, &(Resident){data, dtype, size, NULL, 0}, TRUE, error);
}

gpointer
dinor1_resident_take_unset(DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size, GError **error)
{
    return take(backend, &(Resident){data, dtype, size, NULL, 0}, FALSE, error);
}

void
dinor1_resident_give(DinoR1Backend *backend, gconstpointer data, DinoR1DType dtype, gsize size)
{
    const Resident key = {data, dtype, size, NULL, 0};
    DinoR1Residents *residents = backend->residents;
    Resident *resident;

    if (backend->host_memory)
        return;
    g_mutex_lock(&residents->mutex);
    resident = g_hash_table_lookup(residents->table, &key);
    if (resident && --resident->n_users == 0) {
        backend->klass->release(backend, resident->memory);
        residents->size -= size;
        g_hash_table_remove(residents->table, resident);
    }
    g_mutex_unlock(&residents->mutex);
}

gsize
dinor1_resident_get_size(DinoR1Backend *backend)
{
    gsize size = 0;

    if (!backend->residents)
        return 0;
    g_mutex_lock(&backend->residents->mutex);
    size = backend->residents->size;
    g_mutex_unlock(&backend->residents->mutex);
    return size;
}
