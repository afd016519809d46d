/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The visual prompts of a batch (spec section 6) and the memory of recent ones.
 */
#include "train/sampling.h"

#include <string.h>

/* Reservoir sampling: the k-th box seen of a class replaces the one kept with probability 1/k. */
typedef struct {
    guint class_index;
    gint32 prompt;
    guint n_seen;
} Candidate;

static gint
by_class(gconstpointer a, gconstpointer b)
{
    const Candidate *x = a, *y = b;

    return x->class_index < y->class_index ? -1 : x->class_index > y->class_index;
}

static Candidate *
find_candidate(GArray *candidates, GHashTable *by_number, guint class_index)
{
    gpointer position;

    if (!g_hash_table_lookup_extended(by_number, GUINT_TO_POINTER(class_index), NULL, &position)) {
        const Candidate fresh = {class_index, 0, 0};

        position = GUINT_TO_POINTER(candidates->len);
        g_hash_table_insert(by_number, GUINT_TO_POINTER(class_index), position);
        g_array_append_val(candidates, fresh);
    }
    return &g_array_index(candidates, Candidate, GPOINTER_TO_UINT(position));
}

DinoR1PromptChoice *
dinor1_choose_prompts(const DinoR1ImageLabels *images, guint n_images, guint n_boxes_padded, DinoR1Rng *rng)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    g_autoptr(GHashTable) by_number = g_hash_table_new(NULL, NULL);
    DinoR1PromptChoice *choice = g_new0(DinoR1PromptChoice, 1);

    for (guint i = 0; i < n_images; i++) {
        for (guint j = 0; j < images[i].n_boxes; j++) {
            Candidate *candidate = find_candidate(candidates, by_number, images[i].classes[j]);

            if (dinor1_rng_below(rng, ++candidate->n_seen) == 0)
                candidate->prompt = (gint32)(i * n_boxes_padded + j);
        }
    }
    g_array_sort(candidates, by_class);
    choice->n_classes = candidates->len;
    choice->classes = g_new(guint, candidates->len);
    choice->prompt_index = g_new(gint32, candidates->len);
    for (guint i = 0; i < candidates->len; i++) {
        choice->classes[i] = g_array_index(candidates, Candidate, i).class_index;
        choice->prompt_index[i] = g_array_index(candidates, Candidate, i).prompt;
    }
    return choice;
}

void
dinor1_prompt_choice_free(DinoR1PromptChoice *choice)
{
    g_free(choice->classes);
    g_free(choice->prompt_index);
    g_free(choice);
}

guint
dinor1_prompt_choice_find(const DinoR1PromptChoice *choice, guint class_index)
{
    guint low = 0, high = choice->n_classes;

    while (low < high) {
        const guint middle = low + (high - low) / 2;

        if (choice->classes[middle] < class_index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < choice->n_classes && choice->classes[low] == class_index ? low : choice->n_classes;
}

struct _DinoR1PromptMemory {
    gsize embedding_size;
    guint capacity;
    GArray *classes;    /* guint, oldest first */
    GArray *embeddings; /* gfloat, embedding_size each */
};

DinoR1PromptMemory *
dinor1_prompt_memory_new(gint embedding_size, guint capacity)
{
    DinoR1PromptMemory *memory = g_new0(DinoR1PromptMemory, 1);

    memory->embedding_size = (gsize)embedding_size;
    memory->capacity = capacity;
    memory->classes = g_array_new(FALSE, FALSE, sizeof(guint));
    memory->embeddings = g_array_new(FALSE, FALSE, sizeof(gfloat));
    return memory;
}

void
dinor1_prompt_memory_free(DinoR1PromptMemory *memory)
{
    g_array_unref(memory->classes);
    g_array_unref(memory->embeddings);
    g_free(memory);
}

void
dinor1_prompt_memory_add(DinoR1PromptMemory *memory, guint class_index, const gfloat *embedding)
{
    if (memory->capacity == 0)
        return;
    if (memory->classes->len == memory->capacity) {
        g_array_remove_index(memory->classes, 0);
        g_array_remove_range(memory->embeddings, 0, (guint)memory->embedding_size);
    }
    g_array_append_val(memory->classes, class_index);
    g_array_append_vals(memory->embeddings, embedding, (guint)memory->embedding_size);
}

guint
dinor1_prompt_memory_draw(
    const DinoR1PromptMemory *memory, const DinoR1PromptChoice *choice, guint n, DinoR1Rng *rng, gfloat *out)
{
    g_autofree guint32 *order = g_new(guint32, MAX(memory->classes->len, 1));
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    guint n_drawn = 0;

    dinor1_rng_shuffle(rng, order, memory->classes->len);
    for (guint i = 0; i < memory->classes->len && n_drawn < n; i++) {
        const guint class_index = g_array_index(memory->classes, guint, order[i]);

        if (dinor1_prompt_choice_find(choice, class_index) < choice->n_classes ||
            !g_hash_table_add(taken, GUINT_TO_POINTER(class_index)))
            continue;
        memcpy(out + n_drawn++ * memory->embedding_size,
            &g_array_index(memory->embeddings, gfloat, order[i] * memory->embedding_size),
            memory->embedding_size * sizeof(gfloat));
    }
    return n_drawn;
}

guint
dinor1_prompt_memory_get(const DinoR1PromptMemory *memory, const guint **classes, const gfloat **embeddings)
{
    *classes = (const guint *)(gconstpointer)memory->classes->data;
    *embeddings = (const gfloat *)(gconstpointer)memory->embeddings->data;
    return memory->classes->len;
}
