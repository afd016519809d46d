/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A safetensors file (8-byte little-endian header size, JSON header, data), mapped read-only. Immutable and thread-safe
 * once open. */
typedef struct _DinoR1Safetensors DinoR1Safetensors;

typedef enum {
    DINOR1_STORED_F32,
    DINOR1_STORED_F16,
    DINOR1_STORED_BF16,
    DINOR1_STORED_F64,
    DINOR1_STORED_I64,
    DINOR1_STORED_I32,
    DINOR1_STORED_I16,
    DINOR1_STORED_I8,
    DINOR1_STORED_U8,
    DINOR1_STORED_BOOL,
} DinoR1StoredType;

typedef struct {
    const gchar *name;
    DinoR1StoredType dtype;
    guint n_dims; /* 0 … 8 */
    gint64 dims[8];
    const guint8 *data; /* into the mapping; any alignment */
    gsize size;         /* bytes */
} DinoR1StoredTensor;

const gchar *dinor1_stored_type_name(DinoR1StoredType type); /* "F32", … */
gsize dinor1_stored_type_size(DinoR1StoredType type);

/* Opens and checks the whole header: sizes, types, shapes, duplicate names, overlaps, holes, offsets outside.
 * Returns: NULL with IO or FORMAT, naming file, tensor and reason. */
DinoR1Safetensors *dinor1_safetensors_open(const gchar *path, GError **error);
/* The same on memory that the caller keeps alive (tests, fuzzing). @name is used in errors. */
DinoR1Safetensors *dinor1_safetensors_open_memory(const gchar *name, const guint8 *data, gsize size, GError **error);
void dinor1_safetensors_close(DinoR1Safetensors *file);

const gchar *dinor1_safetensors_get_path(const DinoR1Safetensors *file);
guint dinor1_safetensors_get_n_tensors(const DinoR1Safetensors *file);
const DinoR1StoredTensor *dinor1_safetensors_get_tensor(const DinoR1Safetensors *file, guint index); /* by name order */
const DinoR1StoredTensor *dinor1_safetensors_find(const DinoR1Safetensors *file, const gchar *name); /* or NULL */
const gchar *dinor1_safetensors_get_metadata(const DinoR1Safetensors *file, const gchar *key);       /* or NULL */

/* Writes @tensors (data in host memory, size checked against shape) and @metadata (string to string, nullable) to a
 * temporary file beside @path, syncs and renames it. Entries in the given order. */
gboolean dinor1_safetensors_write(
    const gchar *path, const DinoR1StoredTensor *tensors, guint n_tensors, GHashTable *metadata, GError **error);

/* Widens to f32. F32, F16, BF16 and F64 only; FALSE otherwise. */
gboolean dinor1_stored_to_f32(const DinoR1StoredTensor *tensor, gfloat *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Safetensors, dinor1_safetensors_close)

G_END_DECLS
