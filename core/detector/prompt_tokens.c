/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/prompt_tokens.h"

#include "detector/token_groups.h"
#include "model/model_internal.h"
#include "prompts/bank_internal.h"

#include <dinor1/error.h>
#include <string.h>

/* The text classes of a bank as one caption. */
typedef struct {
    GArray *ids;   /* gint32 */
    GArray *spans; /* DinoR1TokenSpan per text class, in bank order */
} Caption;

static void
caption_clear(Caption *caption)
{
    g_clear_pointer(&caption->ids, g_array_unref);
    g_clear_pointer(&caption->spans, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Caption, caption_clear)

static void
append_token(Caption *caption, const DinoR1WordPiece *tokenizer, const gchar *token)
{
    const gint32 id = dinor1_wordpiece_find(tokenizer, token);

    g_array_append_val(caption->ids, id);
}

/* The tokens of a phrase that carry meaning: a '.' or '?' inside splits it, and is left out at its ends. */
static gboolean
append_phrase(Caption *caption, const DinoR1WordPiece *tokenizer, const gchar *phrase, GError **error)
{
    g_autoptr(GArray) ids = dinor1_wordpiece_tokenize(tokenizer, phrase, error);
    DinoR1TokenSpan span = {caption->ids->len, 0};

    if (!ids)
        return FALSE;
    while (ids->len > 0 && dinor1_token_is_special(g_array_index(ids, gint32, ids->len - 1)))
        g_array_set_size(ids, ids->len - 1);
    if (ids->len == 0) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "text prompt '%s' has no words", phrase);
        return FALSE;
    }
    span.n = ids->len;
    g_array_append_vals(caption->ids, ids->data, ids->len);
    g_array_append_val(caption->spans, span);
    append_token(caption, tokenizer, ".");
    return TRUE;
}

static gboolean
make_caption(const DinoR1Model *model, const DinoR1PromptBank *bank, Caption *caption, GError **error)
{
    const DinoR1WordPiece *tokenizer = dinor1_model_get_tokenizer(model);
    const DinoR1Config *config = dinor1_model_get_config(model);
    const guint limit = (guint)MIN(config->max_text_len, config->text.max_position_embeddings);

    caption->ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    caption->spans = g_array_new(FALSE, FALSE, sizeof(DinoR1TokenSpan));
    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++) {
        const gchar *phrase = dinor1_prompt_bank_get_phrase(bank, i);

        if (!phrase)
            continue;
        if (!tokenizer) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
                "%s: text prompt '%s' needs a model with a text encoder and its vocab.txt",
                dinor1_model_get_path(model), phrase);
            return FALSE;
        }
        if (caption->ids->len == 0)
            append_token(caption, tokenizer, "[CLS]");
        if (!append_phrase(caption, tokenizer, phrase, error))
            return FALSE;
    }
    if (caption->ids->len == 0)
        return TRUE;
    append_token(caption, tokenizer, "[SEP]");
    if (caption->ids->len > limit) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT,
            "the text prompts make %u tokens, this model takes at most %u: use fewer or shorter phrases",
            caption->ids->len, limit);
        return FALSE;
    }
    return TRUE;
}

/* Encodes the caption into rows of @set, from @first on. */
static gboolean
encode_caption(DinoR1Programs *programs, const Caption *caption, DinoR1TokenSet *set, guint first, GError **error)
{
    const guint n_used = caption->ids->len, n = dinor1_programs_round_tokens(programs, n_used);
    const DinoR1ProgramKey key = {DINOR1_PROGRAM_TEXT_ENCODER, 0, 0, (gint)n};
    const gsize d = (gsize)set->embedding_size;
    g_autofree gint32 *ids = g_new0(gint32, n), *positions = g_new0(gint32, n);
    g_autofree gfloat *mask = g_new(gfloat, (gsize)n * n), *tokens = g_new(gfloat, n * d);
    gfloat *rows = set->embeddings + (gsize)first * (gsize)set->embedding_size;
    gboolean is_new;
    DinoR1Program *program = dinor1_programs_get(programs, &key, &is_new, error);

    if (!program)
        return FALSE;
    memcpy(ids, caption->ids->data, n_used * sizeof *ids);
    dinor1_token_mask_own(mask, n);
    dinor1_token_groups(ids, n_used, mask, n, positions);
    for (guint i = 0; i < n_used; i++) {
        memcpy(set->mask + (gsize)(first + i) * set->n_tokens + first, mask + (gsize)i * n, n_used * sizeof *mask);
        set->positions[first + i] = (gfloat)positions[i];
    }
    if (!dinor1_program_set(program, "input_ids", ids, n * sizeof *ids, error) ||
        !dinor1_program_set(program, "position_ids", positions, n * sizeof *positions, error) ||
        !dinor1_program_set(program, "token_mask", mask, (gsize)n * n * sizeof *mask, error) ||
        !dinor1_program_run(program, error) ||
        !dinor1_program_get(program, "tokens", tokens, n * d * sizeof *tokens, error))
        return FALSE;
    memcpy(rows, tokens, n_used * d * sizeof *rows);
    return TRUE;
}

static guint
count_visual(const DinoR1PromptBank *bank)
{
    guint n = 0;

    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++)
        n += dinor1_prompt_bank_get_phrase(bank, i) == NULL;
    return n;
}

static void
fill_classes(const DinoR1PromptBank *bank, const Caption *caption, guint n_visual, DinoR1TokenSet *set)
{
    guint visual = 0, text = 0;

    for (guint i = 0; i < set->n_classes; i++) {
        if (dinor1_prompt_bank_get_phrase(bank, i)) {
            set->spans[i] = g_array_index(caption->spans, DinoR1TokenSpan, text++);
            set->spans[i].first += n_visual;
        } else {
            dinor1_prompt_bank_mean(bank, i, set->embeddings + (gsize)visual * (gsize)set->embedding_size);
            set->spans[i] = (DinoR1TokenSpan){visual++, 1};
        }
    }
}

DinoR1TokenSet *
dinor1_prompt_tokens_new(DinoR1Model *model, DinoR1Programs *programs, const DinoR1PromptBank *bank, GError **error)
{
    g_auto(Caption) caption = {NULL, NULL};
    const guint n_visual = count_visual(bank);
    guint n_tokens;
    g_autoptr(DinoR1TokenSet) set = NULL;

    if (!g_str_equal(dinor1_prompt_bank_get_model_hash(bank), dinor1_model_get_hash(model))) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
            "the prompt bank was made with model %.12s, but %s is %.12s: make the prompts again with this model",
            dinor1_prompt_bank_get_model_hash(bank), dinor1_model_get_path(model), dinor1_model_get_hash(model));
        return NULL;
    }
    if (!make_caption(model, bank, &caption, error))
        return NULL;
    n_tokens = n_visual + caption.ids->len;
    set = dinor1_token_set_new(n_tokens, dinor1_programs_round_tokens(programs, n_tokens),
        dinor1_prompt_bank_get_n_classes(bank), dinor1_model_get_embedding_size(model));
    fill_classes(bank, &caption, n_visual, set);
    if (caption.ids->len > 0 && !encode_caption(programs, &caption, set, n_visual, error))
        return NULL;
    return g_steal_pointer(&set);
}
