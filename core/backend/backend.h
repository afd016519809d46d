/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/pool.h"
#include "graph/ops.h"

G_BEGIN_DECLS

/* One execution of one op: what a kernel gets. */
typedef struct {
    const DinoR1OpParams *params;
    DinoR1View inputs[DINOR1_MAX_INPUTS];
    DinoR1View outputs[DINOR1_MAX_OUTPUTS];
    guint n_inputs;
    gpointer workspace; /* what the kernel's workspace rule asked for, 64-byte aligned */
    DinoR1Pool *pool;   /* CPU only */
} DinoR1KernelArgs;

/**
 * DinoR1Backend:
 *
 * Runs ops on one device. The program (graph/program.h) owns the plan; a backend owns memory and kernels.
 */
typedef struct _DinoR1Backend DinoR1Backend;
typedef struct _DinoR1Residents DinoR1Residents;
/* What a backend recorded: a sequence of ops with their memory. */
typedef struct _DinoR1Recording DinoR1Recording;

typedef struct {
    gpointer to;
    gconstpointer from;
    gsize size;
} DinoR1Download;

/* Rows of bytes that lie apart, from the host's memory or a device's. */
typedef struct {
    gpointer to;
    gconstpointer from;
    gsize to_stride, from_stride;
    gsize row_bytes, n_rows;
    gboolean from_device;
} DinoR1RowCopy;

typedef struct {
    const gchar *name; /* "cpu", "cuda" */
    void (*free)(DinoR1Backend *backend);
    /* Device memory, 64-byte aligned. alloc returns NULL with an error when there is not enough. */
    gpointer (*alloc)(DinoR1Backend *backend, gsize size, GError **error);
    void (*release)(DinoR1Backend *backend, gpointer memory);
    /* NULL where host_memory. How much of the device's memory is free, whoever has the rest. */
    gboolean (*get_memory)(DinoR1Backend *backend, gsize *free, gsize *total, GError **error);
    /* Enqueues the copy; the caller may reuse @from at once. */
    gboolean (*upload)(DinoR1Backend *backend, gpointer to, gconstpointer from, gsize size, GError **error);
    /* NULL where host_memory. The same for rows; those of a device must stay until everything enqueued is done. What
     * lies between the rows of @to may change. */
    gboolean (*copy_rows)(DinoR1Backend *backend, const DinoR1RowCopy *copy, GError **error);
    /* Both wait for everything enqueued, and return when the copies are there. */
    gboolean (*download)(DinoR1Backend *backend, gpointer to, gconstpointer from, gsize size, GError **error);
    gboolean (*download_many)(DinoR1Backend *backend, const DinoR1Download *copies, guint n, GError **error);
    /* Bytes of workspace that an op needs with these shapes (data pointers are NULL in @args). */
    gsize (*workspace)(DinoR1Backend *backend, DinoR1OpType op, const DinoR1KernelArgs *args);
    /* Runs one op, or enqueues it. */
    gboolean (*run)(DinoR1Backend *backend, DinoR1OpType op, DinoR1KernelArgs *args, GError **error);
    /* Waits until everything enqueued is done. */
    gboolean (*sync)(DinoR1Backend *backend, GError **error);
    /* The rest only where can_record. Between record_begin and record_end, run keeps ops instead of doing them; nothing
     * else may be called. record_end: (transfer full): NULL with an error, after which all is as before; it must be
     * called after a run that failed, too. */
    gboolean (*record_begin)(DinoR1Backend *backend, GError **error);
    DinoR1Recording *(*record_end)(DinoR1Backend *backend, GError **error);
    /* Enqueues a recording. @name: what it does, for messages. */
    gboolean (*replay)(DinoR1Backend *backend, DinoR1Recording *recording, const gchar *name, GError **error);
    void (*recording_free)(DinoR1Backend *backend, DinoR1Recording *recording);
} DinoR1BackendClass;

struct _DinoR1Backend {
    const DinoR1BackendClass *klass;
    gboolean host_memory; /* memory can be read and written in place by the host, and run returns when it is done */
    gboolean can_record;
    guint half_types;           /* 1 << DinoR1DType for each half type that it computes with */
    gboolean has_tf32;          /* it can multiply f32 in TF32, which rounds factors to 11 bits */
    gboolean tf32;              /* and is to do so; for the caller to set */
    DinoR1Residents *residents; /* backend/resident.h; NULL where host_memory */
};

void dinor1_backend_free(DinoR1Backend *backend);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Backend, dinor1_backend_free)

G_END_DECLS
