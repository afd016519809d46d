/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../companion/set_list.h"
#include "fuzz.h"

/* What the evaluation takes for granted. */
static void
check(const GArray *sets, gboolean same_image)
{
    g_assert(sets->len > 0);
    for (guint i = 0; i < sets->len; i++) {
        const EvalSet *set = &g_array_index(sets, EvalSet, i);

        g_assert(set->name && set->annotations && set->images && set->line > 0);
        g_assert(!set->train == !set->train_images);
        g_assert((set->prompts != NULL) + (set->train != NULL) == !same_image);
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    for (gint same_image = 0; same_image <= 1; same_image++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) sets =
            set_list_parse("fuzz", (const gchar *)data, size, same_image ? SET_LIST_SAME_IMAGE : 0, &error);

        g_assert(!sets == !!error);
        g_assert(!error || g_utf8_validate(error->message, -1, NULL));
        if (sets)
            check(sets, same_image);
    }
    return 0;
}
