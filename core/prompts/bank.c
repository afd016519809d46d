/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "prompts/bank_internal.h"

#include <dinor1/error.h>
#include <math.h>
#include <string.h>

/* info.source is owned. */
static void
clear_info(gpointer data)
{
    g_free((gchar *)((DinoR1ExemplarInfo *)data)->source);
}

typedef struct {
    gchar *label;
    gchar *phrase;      /* NULL: a visual class */
    GArray *infos;      /* DinoR1ExemplarInfo, n */
    GArray *embeddings; /* gfloat, [n, D] */
} PromptClass;

struct _DinoR1PromptBank {
    gatomicrefcount ref_count;
    gchar *model_hash;
    gint embedding_size; /* D */
    gboolean has_text;
    GPtrArray *classes; /* PromptClass */
};

static void
class_free(gpointer data)
{
    PromptClass *class = data;

    g_array_unref(class->embeddings);
    g_array_unref(class->infos);
    g_free(class->phrase);
    g_free(class->label);
    g_free(class);
}

static PromptClass *
class_new(const gchar *label, const gchar *phrase)
{
    PromptClass *class = g_new0(PromptClass, 1);

    class->label = g_strdup(label);
    class->phrase = g_strdup(phrase);
    class->infos = g_array_new(FALSE, FALSE, sizeof(DinoR1ExemplarInfo));
    g_array_set_clear_func(class->infos, clear_info);
    class->embeddings = g_array_new(FALSE, FALSE, sizeof(gfloat));
    return class;
}

/* Appends @from's exemplars. */
static void
class_append(PromptClass *class, const PromptClass *from)
{
    g_array_append_vals(class->embeddings, from->embeddings->data, from->embeddings->len);
    for (guint i = 0; i < from->infos->len; i++) {
        DinoR1ExemplarInfo info = g_array_index(from->infos, DinoR1ExemplarInfo, i);
        info.source = g_strdup(info.source);
        g_array_append_val(class->infos, info);
    }
}

static PromptClass *
get_class(const DinoR1PromptBank *bank, guint index)
{
    return g_ptr_array_index(bank->classes, index);
}

static PromptClass *
find_class(const DinoR1PromptBank *bank, const gchar *label, guint *index)
{
    for (guint i = 0; i < bank->classes->len; i++)
        if (g_str_equal(get_class(bank, i)->label, label)) {
            if (index)
                *index = i;
            return get_class(bank, i);
        }
    return NULL;
}

static gboolean G_GNUC_PRINTF(2, 3) fail(GError **error, const gchar *format, ...)
{
    g_autofree gchar *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, reason);
    return FALSE;
}

/* Labels and phrases are shown on pictures and written to lines of text: no control characters. */
static gboolean
check_text(const gchar *what, const gchar *text, gsize max_length, GError **error)
{
    if (!text || !*text)
        return fail(error, "the %s is empty", what);
    if (!g_utf8_validate(text, -1, NULL))
        return fail(error, "the %s is not valid UTF-8", what);
    if (strlen(text) > max_length)
        return fail(error, "the %s '%.40s…' is longer than %" G_GSIZE_FORMAT " bytes", what, text, max_length);
    for (const gchar *c = text; *c; c = g_utf8_next_char(c))
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            return fail(error, "the %s contains the control character U+%04X", what, g_utf8_get_char(c));
    return TRUE;
}

static gboolean
check_count(const DinoR1PromptBank *bank, guint more, GError **error)
{
    return bank->classes->len + more <= DINOR1_PROMPTS_MAX_CLASSES ||
           fail(error, "a prompt bank holds at most %d classes", DINOR1_PROMPTS_MAX_CLASSES);
}

static gboolean
check_exemplars(const PromptClass *class, guint more, GError **error)
{
    return class->infos->len + more <= DINOR1_PROMPTS_MAX_EXEMPLARS ||
           fail(error, "class '%s' holds at most %d exemplars", class->label, DINOR1_PROMPTS_MAX_EXEMPLARS);
}

static gboolean
check_embedding(const DinoR1PromptBank *bank, const gchar *label, const gfloat *embedding, GError **error)
{
    for (gint i = 0; i < bank->embedding_size; i++)
        if (!isfinite(embedding[i]))
            return fail(error, "the embedding of an exemplar of class '%s' is not finite", label);
    return TRUE;
}

static gboolean
check_info(const gchar *label, const DinoR1ExemplarInfo *info, GError **error)
{
    const DinoR1Box *box = &info->box;

    return (isfinite(box->x) && isfinite(box->y) && isfinite(box->width) && isfinite(box->height)) ||
           fail(error, "the box of an exemplar of class '%s' is not finite", label);
}

DinoR1PromptBank *
dinor1_prompt_bank_new_from_facts(const DinoR1BankFacts *facts)
{
    DinoR1PromptBank *bank = g_new0(DinoR1PromptBank, 1);

    g_atomic_ref_count_init(&bank->ref_count);
    bank->model_hash = g_strdup(facts->model_hash);
    bank->embedding_size = facts->embedding_size;
    bank->has_text = facts->has_text;
    bank->classes = g_ptr_array_new_with_free_func(class_free);
    return bank;
}

DinoR1PromptBank *
dinor1_prompt_bank_ref(DinoR1PromptBank *bank)
{
    g_atomic_ref_count_inc(&bank->ref_count);
    return bank;
}

void
dinor1_prompt_bank_unref(DinoR1PromptBank *bank)
{
    if (!g_atomic_ref_count_dec(&bank->ref_count))
        return;
    g_ptr_array_unref(bank->classes);
    g_free(bank->model_hash);
    g_free(bank);
}

DinoR1PromptBank *
dinor1_prompt_bank_copy(const DinoR1PromptBank *bank)
{
    DinoR1PromptBank *copy =
        dinor1_prompt_bank_new_from_facts(&(DinoR1BankFacts){bank->model_hash, bank->embedding_size, bank->has_text});

    for (guint i = 0; i < bank->classes->len; i++) {
        const PromptClass *from = get_class(bank, i);
        PromptClass *class = class_new(from->label, from->phrase);

        class_append(class, from);
        g_ptr_array_add(copy->classes, class);
    }
    return copy;
}

gboolean
dinor1_prompt_bank_add_exemplar(
    DinoR1PromptBank *bank, const gchar *label, const gfloat *embedding, const DinoR1ExemplarInfo *info, GError **error)
{
    DinoR1ExemplarInfo kept = info ? *info : (DinoR1ExemplarInfo){.frame = -1};
    PromptClass *class;

    if (!check_text("label", label, DINOR1_PROMPTS_MAX_LABEL, error) ||
        !check_embedding(bank, label, embedding, error) || !check_info(label, &kept, error))
        return FALSE;
    class = find_class(bank, label, NULL);
    if (class && class->phrase)
        return fail(error, "class '%s' is a text class and takes no exemplars", label);
    if (class ? !check_exemplars(class, 1, error) : !check_count(bank, 1, error))
        return FALSE;
    if (!class) {
        class = class_new(label, NULL);
        g_ptr_array_add(bank->classes, class);
    }
    kept.frame = MAX(kept.frame, -1);
    kept.source = kept.source ? g_utf8_make_valid(kept.source, -1) : NULL;
    g_array_append_val(class->infos, kept);
    g_array_append_vals(class->embeddings, embedding, bank->embedding_size);
    return TRUE;
}

gboolean
dinor1_prompt_bank_add_text(DinoR1PromptBank *bank, const gchar *label, const gchar *phrase, GError **error)
{
    if (!check_text("label", label, DINOR1_PROMPTS_MAX_LABEL, error) ||
        !check_text("phrase", phrase, DINOR1_PROMPTS_MAX_PHRASE, error))
        return FALSE;
    if (!bank->has_text) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED,
            "class '%s' is a text class, but the model has no text encoder: give it an example box instead", label);
        return FALSE;
    }
    if (find_class(bank, label, NULL))
        return fail(error, "class '%s' exists already", label);
    if (!check_count(bank, 1, error))
        return FALSE;
    g_ptr_array_add(bank->classes, class_new(label, phrase));
    return TRUE;
}

gboolean
dinor1_prompt_bank_remove(DinoR1PromptBank *bank, const gchar *label)
{
    guint index;

    if (!find_class(bank, label, &index))
        return FALSE;
    g_ptr_array_remove_index(bank->classes, index);
    return TRUE;
}

void
dinor1_prompt_bank_clear(DinoR1PromptBank *bank)
{
    g_ptr_array_set_size(bank->classes, 0);
}

guint
dinor1_prompt_bank_get_n_classes(const DinoR1PromptBank *bank)
{
    return bank->classes->len;
}

const gchar *
dinor1_prompt_bank_get_label(const DinoR1PromptBank *bank, guint index)
{
    return get_class(bank, index)->label;
}

const gchar *
dinor1_prompt_bank_get_phrase(const DinoR1PromptBank *bank, guint index)
{
    return get_class(bank, index)->phrase;
}

guint
dinor1_prompt_bank_get_n_exemplars(const DinoR1PromptBank *bank, guint index)
{
    return get_class(bank, index)->infos->len;
}

const gfloat *
dinor1_prompt_bank_get_exemplar(const DinoR1PromptBank *bank, guint index, guint exemplar, DinoR1ExemplarInfo *info)
{
    const PromptClass *class = get_class(bank, index);

    if (info)
        *info = g_array_index(class->infos, DinoR1ExemplarInfo, exemplar);
    return &g_array_index(class->embeddings, gfloat, (gsize)exemplar * bank->embedding_size);
}

const gchar *
dinor1_prompt_bank_get_model_hash(const DinoR1PromptBank *bank)
{
    return bank->model_hash;
}

gint
dinor1_prompt_bank_get_embedding_size(const DinoR1PromptBank *bank)
{
    return bank->embedding_size;
}

void
dinor1_prompt_bank_mean(const DinoR1PromptBank *bank, guint index, gfloat *out)
{
    const PromptClass *class = get_class(bank, index);
    guint n = class->infos->len;

    for (gint d = 0; d < bank->embedding_size; d++) {
        gdouble sum = 0;
        for (guint i = 0; i < n; i++)
            sum += g_array_index(class->embeddings, gfloat, (gsize)i * bank->embedding_size + d);
        out[d] = (gfloat)(sum / n);
    }
}

/* Whether @from can go into @bank, and whether that needs a new class. */
static gboolean
check_merge(const DinoR1PromptBank *bank, const PromptClass *from, guint *n_new, GError **error)
{
    const PromptClass *class = find_class(bank, from->label, NULL);

    if (!class) {
        (*n_new)++;
        return TRUE;
    }
    if (!class->phrase != !from->phrase)
        return fail(error, "class '%s' is a text class in one bank and has exemplars in the other", from->label);
    if (class->phrase && !g_str_equal(class->phrase, from->phrase))
        return fail(error, "class '%s' has the phrase '%s' in one bank and '%s' in the other", from->label,
            class->phrase, from->phrase);
    return check_exemplars(class, from->infos->len, error);
}

gboolean
dinor1_prompt_bank_merge(DinoR1PromptBank *bank, const DinoR1PromptBank *other, GError **error)
{
    guint n_new = 0;

    if (bank == other)
        return TRUE;
    if (!g_str_equal(bank->model_hash, other->model_hash)) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
            "the prompt banks were made by different models (%.12s and %.12s) and cannot be merged: make one of them "
            "again",
            bank->model_hash, other->model_hash);
        return FALSE;
    }
    for (guint i = 0; i < other->classes->len; i++)
        if (!check_merge(bank, get_class(other, i), &n_new, error))
            return FALSE;
    if (!check_count(bank, n_new, error))
        return FALSE;
    for (guint i = 0; i < other->classes->len; i++) {
        const PromptClass *from = get_class(other, i);
        PromptClass *class = find_class(bank, from->label, NULL);

        if (!class) {
            class = class_new(from->label, from->phrase);
            g_ptr_array_add(bank->classes, class);
        }
        class_append(class, from);
    }
    return TRUE;
}
