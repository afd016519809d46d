/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "prompts/bank_internal.h"

static DinoR1BankFacts
facts_of_model(DinoR1Model *model)
{
    return (DinoR1BankFacts){
        dinor1_model_get_hash(model), dinor1_model_get_embedding_size(model), dinor1_model_has_text_prompts(model)};
}

DinoR1PromptBank *
dinor1_prompt_bank_new(DinoR1Model *model)
{
    DinoR1BankFacts facts = facts_of_model(model);

    return dinor1_prompt_bank_new_from_facts(&facts);
}

DinoR1PromptBank *
dinor1_prompt_bank_load(const gchar *path, DinoR1Model *model, GError **error)
{
    DinoR1BankFacts facts;

    if (!model)
        return dinor1_prompt_bank_load_with_facts(path, NULL, error);
    facts = facts_of_model(model);
    return dinor1_prompt_bank_load_with_facts(path, &facts, error);
}
