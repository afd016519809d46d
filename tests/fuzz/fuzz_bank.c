/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz.h"
#include "prompts/bank_internal.h"

static void
use_bank(const DinoR1PromptBank *bank)
{
    gint size = dinor1_prompt_bank_get_embedding_size(bank);
    g_autofree gfloat *mean = g_new(gfloat, size);
    g_autoptr(DinoR1PromptBank) copy = dinor1_prompt_bank_copy(bank);

    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++) {
        guint n = dinor1_prompt_bank_get_n_exemplars(bank, i);

        g_assert((n > 0) == !dinor1_prompt_bank_get_phrase(bank, i));
        if (n > 0)
            dinor1_prompt_bank_mean(bank, i, mean);
    }
    g_assert(dinor1_prompt_bank_merge(copy, bank, NULL));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const DinoR1BankFacts model = {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 3, FALSE};
    const DinoR1BankFacts *facts[] = {NULL, &model};

    for (guint i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DinoR1PromptBank) bank = dinor1_prompt_bank_load_memory("fuzz", data, size, facts[i], &error);

        g_assert(!bank == !!error);
        if (bank)
            use_bank(bank);
    }
    return 0;
}
