/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz.h"
#include "io/safetensors.h"

/* Whatever the reader lets through must be readable to its last byte. */
static void
use_tensor(const DinoR1Safetensors *file, const DinoR1StoredTensor *tensor)
{
    gsize n = tensor->size / dinor1_stored_type_size(tensor->dtype);
    g_autofree gfloat *values = g_new(gfloat, n + 1);
    g_autoptr(GBytes) copy = g_bytes_new(tensor->data, tensor->size);

    g_assert(g_bytes_get_size(copy) == tensor->size);
    dinor1_stored_to_f32(tensor, values);
    g_assert(dinor1_safetensors_find(file, tensor->name) == tensor);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Safetensors) file = dinor1_safetensors_open_memory("fuzz", data, size, &error);

    g_assert(!file == !!error);
    for (guint i = 0; file && i < dinor1_safetensors_get_n_tensors(file); i++)
        use_tensor(file, dinor1_safetensors_get_tensor(file, i));
    return 0;
}
