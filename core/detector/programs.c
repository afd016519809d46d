/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "detector/programs.h"

#include "detector/tokens.h"
#include "graph/lower.h"
#include "model/build.h"
#include "model/model_internal.h"

#include <dinor1/error.h>

/* Two input sizes, each with its prompt encoder. A plan of Swin-T at 800x1333 holds some hundred MB. */
#define MAX_PROGRAMS 4

typedef struct {
    DinoR1ProgramKey key;
    DinoR1Program *program;
    guint64 used; /* the call that last asked for it */
} Entry;

struct _DinoR1Programs {
    DinoR1Model *model;
    DinoR1Backend *backend;
    DinoR1DType dtype;
    Entry entries[MAX_PROGRAMS];
    guint64 n_calls;
};

DinoR1Programs *
dinor1_programs_new(DinoR1Model *model, DinoR1Backend *backend, DinoR1DType dtype)
{
    DinoR1Programs *programs = g_new0(DinoR1Programs, 1);

    programs->model = model;
    programs->backend = backend;
    programs->dtype = dtype;
    return programs;
}

void
dinor1_programs_free(DinoR1Programs *programs)
{
    if (!programs)
        return;
    for (guint i = 0; i < MAX_PROGRAMS; i++)
        dinor1_program_free(programs->entries[i].program);
    g_free(programs);
}

/* Padding costs what tokens cost. The CPU rather plans anew, which takes it less than a frame; a device would record
 * anew. */
static gboolean
pads_tokens(const DinoR1Programs *programs)
{
    return !programs->backend->host_memory;
}

guint
dinor1_programs_round_tokens(const DinoR1Programs *programs, guint n)
{
    return pads_tokens(programs) ? dinor1_token_bucket(n) : n;
}

/* The CPU's own preprocessing needs no copy of the frame. */
static gboolean
starts_from_frame(const DinoR1Programs *programs, DinoR1ProgramKind kind)
{
    return !programs->backend->host_memory && kind != DINOR1_PROGRAM_TEXT_ENCODER;
}

static DinoR1Graph *
build_f32(const DinoR1Programs *programs, const DinoR1ProgramKey *key)
{
    const DinoR1GraphSpec spec = {
        .config = dinor1_model_get_config(programs->model),
        .height = key->height,
        .width = key->width,
        .batch = (gint)MAX(key->batch, 1),
        .n_tokens = key->n_tokens,
        .padded_tokens = pads_tokens(programs),
        .frame = starts_from_frame(programs, key->kind) ? key->room : (DinoR1FrameRoom){0},
    };

    switch (key->kind) {
    case DINOR1_PROGRAM_DETECTOR:
        return dinor1_build_detector(&spec, dinor1_model_find_weight, programs->model);
    case DINOR1_PROGRAM_PROMPT_ENCODER:
        return dinor1_build_prompt_encoder(&spec, dinor1_model_find_weight, programs->model);
    case DINOR1_PROGRAM_TEXT_ENCODER:
        break;
    }
    return dinor1_build_text_encoder(&spec, dinor1_model_find_weight, programs->model);
}

/* Whether a plan for @planned does what @key asks for. */
static gboolean
serves(const DinoR1Programs *programs, const DinoR1ProgramKey *planned, const DinoR1ProgramKey *key)
{
    const DinoR1FrameRoom *has = &planned->room, *needs = &key->room;
    const gboolean has_room =
        has->bytes >= needs->bytes && has->column_taps >= needs->column_taps && has->row_taps >= needs->row_taps;

    return planned->kind == key->kind && planned->width == key->width && planned->height == key->height &&
           planned->n_tokens == key->n_tokens && planned->batch == key->batch &&
           (has_room || !starts_from_frame(programs, key->kind));
}

static DinoR1Graph *
build(const DinoR1Programs *programs, const DinoR1ProgramKey *key)
{
    DinoR1Graph *graph = build_f32(programs, key);

    if (dinor1_dtype_is_half(programs->dtype))
        dinor1_graph_lower(graph, programs->dtype);
    return graph;
}

/* The entry for @key: its own, an empty one, or the least recently used. */
static Entry *
choose_entry(DinoR1Programs *programs, const DinoR1ProgramKey *key)
{
    Entry *oldest = &programs->entries[0];

    for (guint i = 0; i < MAX_PROGRAMS; i++) {
        Entry *entry = &programs->entries[i];

        if (entry->program && serves(programs, &entry->key, key))
            return entry;
        if (entry->used < oldest->used)
            oldest = entry;
    }
    return oldest;
}

/* What a frame fills and reads, so that no frame allocates it. */
static gboolean
stage(DinoR1Program *program, DinoR1ProgramKind kind, GError **error)
{
    if (kind == DINOR1_PROGRAM_TEXT_ENCODER)
        return TRUE;
    if (dinor1_graph_find(dinor1_program_get_graph(program), "pixel_values") &&
        !dinor1_program_stage(program, "pixel_values", error))
        return FALSE;
    return kind != DINOR1_PROGRAM_DETECTOR ||
           (dinor1_program_stage(program, "logits", error) && dinor1_program_stage(program, "pred_boxes", error));
}

/* FALSE if no plan is left. */
static gboolean
drop_oldest(DinoR1Programs *programs)
{
    Entry *oldest = NULL;

    for (guint i = 0; i < MAX_PROGRAMS; i++) {
        Entry *entry = &programs->entries[i];

        if (entry->program && (!oldest || entry->used < oldest->used))
            oldest = entry;
    }
    if (oldest)
        g_clear_pointer(&oldest->program, dinor1_program_free);
    return oldest != NULL;
}

/* While there is not enough memory, other plans are given up. */
static DinoR1Program *
plan(DinoR1Programs *programs, const DinoR1ProgramKey *key, GError **error)
{
    for (;;) {
        GError *why = NULL;
        DinoR1Program *program = dinor1_program_new(build(programs, key), programs->backend, &why);

        if (program)
            return program;
        if (!g_error_matches(why, DINOR1_ERROR, DINOR1_ERROR_MEMORY) || !drop_oldest(programs)) {
            g_propagate_error(error, why);
            return NULL;
        }
        g_error_free(why);
    }
}

DinoR1Program *
dinor1_programs_get(DinoR1Programs *programs, const DinoR1ProgramKey *key, gboolean *is_new, GError **error)
{
    Entry *entry = choose_entry(programs, key);

    *is_new = !entry->program || !serves(programs, &entry->key, key);
    entry->used = ++programs->n_calls;
    if (!*is_new)
        return entry->program;
    /* The old one goes first: both at once may be more than the machine has. */
    g_clear_pointer(&entry->program, dinor1_program_free);
    entry->program = plan(programs, key, error);
    entry->key = *key;
    if (entry->program && !stage(entry->program, key->kind, error))
        g_clear_pointer(&entry->program, dinor1_program_free);
    if (!entry->program)
        entry->used = 0;
    return entry->program;
}
