/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "graph/program.h"

#include "backend/resident.h"
#include "graph/op_timer.h"
#include "graph/plan.h"
#include "graph/recorder.h"

#include <dinor1/error.h>
#include <string.h>

/* Where a tensor's memory comes from. */
typedef enum {
    PLACE_NONE,     /* never read */
    PLACE_CONSTANT, /* host data, or its copy on the device */
    PLACE_STATIC,   /* a result of constants, computed once */
    PLACE_ARENA,    /* everything else */
} Place;

typedef struct {
    Place place;
    gint buffer; /* index into the plan of its arena, -1 = none */
    gpointer data;
    gpointer staged; /* the host's copy, where @data is a device's and someone asked for one */
} Slot;

/* Planned memory: buffers, then one allocation for all of them. */
typedef struct {
    GArray *buffers; /* DinoR1PlanBuffer */
    gsize size;
    gpointer memory;
} Arena;

struct _DinoR1Program {
    DinoR1Graph *graph;
    DinoR1Backend *backend;
    Slot *slots; /* by tensor id */
    guint n_slots;
    gboolean *live;         /* by node: something reads what it makes */
    gboolean *fixed;        /* by node: depends on constants only */
    DinoR1KernelArgs *args; /* by node */
    gint *workspaces;       /* by node: buffer index or -1 */
    Arena arena, statics;
    GPtrArray *residents; /* DinoR1Tensor: constants whose copy on the device was taken */
    DinoR1Recorder *recorder;
};

static gsize
tensor_bytes(const DinoR1Tensor *tensor)
{
    return (gsize)dinor1_shape_size(&tensor->shape) * dinor1_dtype_size(tensor->dtype);
}

static DinoR1Node *
get_node(const DinoR1Program *program, guint index)
{
    return dinor1_graph_get_nodes(program->graph)->pdata[index];
}

static guint
count_nodes(const DinoR1Program *program)
{
    return dinor1_graph_get_nodes(program->graph)->len;
}

/* A node is live if a live node or the caller reads one of its outputs. */
static void
find_live_nodes(DinoR1Program *program)
{
    g_autofree gboolean *needed = g_new0(gboolean, program->n_slots);

    for (guint i = count_nodes(program); i-- > 0;) {
        const DinoR1Node *node = get_node(program, i);

        for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
            program->live[i] |=
                needed[node->outputs[o]->id] || dinor1_graph_is_output(program->graph, node->outputs[o]);
        for (guint k = 0; program->live[i] && k < node->n_inputs; k++)
            if (node->inputs[k])
                needed[dinor1_tensor_root(node->inputs[k])->id] = TRUE;
    }
}

static gboolean
may_change(const DinoR1Program *program, const DinoR1Tensor *tensor)
{
    return tensor->variable || program->slots[tensor->id].place == PLACE_ARENA;
}

static void
place_tensors(DinoR1Program *program)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(program->graph);

    for (guint i = 0; i < program->n_slots; i++) {
        const DinoR1Tensor *tensor = tensors->pdata[i];

        program->slots[i].buffer = -1;
        if (tensor->kind == DINOR1_TENSOR_CONSTANT && dinor1_graph_is_output(program->graph, tensor))
            program->slots[i].place = PLACE_CONSTANT;
        else if (tensor->kind == DINOR1_TENSOR_INPUT)
            program->slots[i].place = PLACE_ARENA;
    }
    for (guint i = 0; i < count_nodes(program); i++) {
        const DinoR1Node *node = get_node(program, i);

        if (!program->live[i])
            continue;
        program->fixed[i] = TRUE;
        for (guint k = 0; k < node->n_inputs; k++) {
            const DinoR1Tensor *input = node->inputs[k] ? dinor1_tensor_root(node->inputs[k]) : NULL;

            if (input && input->kind == DINOR1_TENSOR_CONSTANT)
                program->slots[input->id].place = PLACE_CONSTANT;
            if (input && may_change(program, input))
                program->fixed[i] = FALSE;
        }
        for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
            program->slots[node->outputs[o]->id].place = program->fixed[i] ? PLACE_STATIC : PLACE_ARENA;
    }
}

static gint
add_buffer(Arena *arena, gsize size, gint first, gint last)
{
    const DinoR1PlanBuffer buffer = {size, first, last, 0};

    g_array_append_val(arena->buffers, buffer);
    return (gint)arena->buffers->len - 1;
}

static void
use_at(DinoR1Program *program, const DinoR1Tensor *tensor, gint step)
{
    const Slot *slot = &program->slots[tensor->id];
    Arena *arena = slot->place == PLACE_STATIC ? &program->statics : &program->arena;

    if (slot->buffer >= 0) {
        DinoR1PlanBuffer *buffer = &g_array_index(arena->buffers, DinoR1PlanBuffer, slot->buffer);

        buffer->last = MAX(buffer->last, step);
    }
}

static void
fill_views(DinoR1Program *program, guint index)
{
    const DinoR1Node *node = get_node(program, index);
    DinoR1KernelArgs *args = &program->args[index];

    args->params = &node->params;
    args->n_inputs = node->n_inputs;
    for (guint k = 0; k < DINOR1_MAX_INPUTS; k++) {
        args->inputs[k].shape.ndim = -1;
        if (k < node->n_inputs && node->inputs[k])
            args->inputs[k] = (DinoR1View){node->inputs[k]->dtype, node->inputs[k]->shape, NULL};
    }
    for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
        args->outputs[o] = (DinoR1View){node->outputs[o]->dtype, node->outputs[o]->shape, NULL};
}

/* Lifetimes: an input lives from before the first step to the end, since a caller may leave it as it was; an output to
 * the end; a static result that a step of the frame reads, to the end of its own arena. */
static void
find_lifetimes(DinoR1Program *program)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(program->graph);
    const gint end = (gint)count_nodes(program);

    for (guint i = 0; i < program->n_slots; i++) {
        const DinoR1Tensor *tensor = tensors->pdata[i];

        if (tensor->kind == DINOR1_TENSOR_INPUT)
            program->slots[i].buffer = add_buffer(&program->arena, tensor_bytes(tensor), -1, end);
    }
    for (gint i = 0; i < end; i++) {
        const DinoR1Node *node = get_node(program, (guint)i);
        Arena *arena = program->fixed[i] ? &program->statics : &program->arena;
        gsize workspace;

        program->workspaces[i] = -1;
        if (!program->live[i])
            continue;
        fill_views(program, (guint)i);
        workspace = program->backend->klass->workspace(program->backend, node->op, &program->args[i]);
        if (workspace)
            program->workspaces[i] = add_buffer(arena, workspace, i, i);
        for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++) {
            const DinoR1Tensor *output = node->outputs[o];
            const gboolean kept = dinor1_graph_is_output(program->graph, output);

            program->slots[output->id].buffer = add_buffer(arena, tensor_bytes(output), i, kept ? end : i);
        }
        for (guint k = 0; k < node->n_inputs; k++)
            if (node->inputs[k])
                use_at(program, dinor1_tensor_root(node->inputs[k]), i);
    }
}

/* A static result that a step of the frame reads must survive all static steps. */
static void
keep_statics(DinoR1Program *program)
{
    const gint end = (gint)count_nodes(program);

    for (gint i = 0; i < end; i++) {
        const DinoR1Node *node = get_node(program, (guint)i);

        for (guint k = 0; program->live[i] && !program->fixed[i] && k < node->n_inputs; k++)
            if (node->inputs[k] && program->slots[dinor1_tensor_root(node->inputs[k])->id].place == PLACE_STATIC)
                use_at(program, dinor1_tensor_root(node->inputs[k]), end);
    }
}

static void
plan(Arena *arena)
{
    arena->size = dinor1_plan_arena((DinoR1PlanBuffer *)(gpointer)arena->buffers->data, arena->buffers->len);
}

static gboolean
allocate(DinoR1Program *program, Arena *arena, GError **error)
{
    if (!arena->size)
        return TRUE;
    arena->memory = program->backend->klass->alloc(program->backend, arena->size, error);
    return arena->memory != NULL;
}

static gpointer
buffer_memory(const Arena *arena, gint buffer)
{
    return (guint8 *)arena->memory + g_array_index(arena->buffers, DinoR1PlanBuffer, buffer).offset;
}

static gboolean
place_constant(DinoR1Program *program, const DinoR1Tensor *tensor, GError **error)
{
    Slot *slot = &program->slots[tensor->id];

    slot->data = dinor1_resident_take(program->backend, tensor->data, tensor->dtype, tensor_bytes(tensor), error);
    if (!slot->data)
        return FALSE;
    g_ptr_array_add(program->residents, (gpointer)tensor);
    return TRUE;
}

static gboolean
resolve_slots(DinoR1Program *program, GError **error)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(program->graph);

    for (guint i = 0; i < program->n_slots; i++) {
        const DinoR1Tensor *tensor = tensors->pdata[i];
        Slot *slot = &program->slots[i];

        if (slot->place == PLACE_CONSTANT) {
            if (!place_constant(program, tensor, error))
                return FALSE;
        } else if (slot->buffer >= 0) {
            slot->data = buffer_memory(slot->place == PLACE_STATIC ? &program->statics : &program->arena, slot->buffer);
        }
    }
    return TRUE;
}

static void
resolve_args(DinoR1Program *program)
{
    for (guint i = 0; i < count_nodes(program); i++) {
        const DinoR1Node *node = get_node(program, i);
        DinoR1KernelArgs *args = &program->args[i];

        if (!program->live[i])
            continue;
        for (guint k = 0; k < node->n_inputs; k++)
            if (node->inputs[k])
                args->inputs[k].data = program->slots[dinor1_tensor_root(node->inputs[k])->id].data;
        for (guint o = 0; o < dinor1_op_n_outputs(node->op); o++)
            args->outputs[o].data = program->slots[node->outputs[o]->id].data;
        if (program->workspaces[i] >= 0)
            args->workspace =
                buffer_memory(program->fixed[i] ? &program->statics : &program->arena, program->workspaces[i]);
    }
}

static gboolean
run_node(DinoR1Program *program, guint index, gdouble *seconds, GError **error)
{
    const DinoR1OpType op = get_node(program, index)->op;
    gdouble taken;

    if (!seconds)
        return program->backend->klass->run(program->backend, op, &program->args[index], error);
    if (!dinor1_time_op(program->backend, op, &program->args[index], &taken, error))
        return FALSE;
    seconds[index] += taken;
    return TRUE;
}

/* What depends on constants only. */
static gboolean
run_fixed(DinoR1Program *program, GError **error)
{
    for (guint i = 0; i < count_nodes(program); i++)
        if (program->fixed[i] && !run_node(program, i, NULL, error))
            return FALSE;
    return program->backend->klass->sync(program->backend, error);
}

/* Everything else of the stages [first, last]: enqueued, and timed if @seconds. */
static gboolean
run_stages(DinoR1Program *program, guint first, guint last, gdouble *seconds, GError **error)
{
    for (guint i = 0; i < count_nodes(program); i++) {
        const guint stage = get_node(program, i)->stage;

        if (stage >= first && stage <= last && dinor1_program_is_run(program, i) &&
            !run_node(program, i, seconds, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
run_untimed(gpointer program, guint first, guint last, GError **error)
{
    return run_stages(program, first, last, NULL, error);
}

static gboolean
check_types(const DinoR1Program *program, GError **error)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(program->graph);

    for (guint i = 0; i < program->n_slots; i++) {
        const DinoR1DType dtype = ((const DinoR1Tensor *)tensors->pdata[i])->dtype;

        if (!dinor1_dtype_is_half(dtype) || program->backend->half_types & 1u << dtype)
            continue;
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_UNSUPPORTED, "%s: this device does not compute with %s",
            program->backend->klass->name, dinor1_dtype_name(dtype));
        return FALSE;
    }
    return TRUE;
}

static gboolean
prepare(DinoR1Program *program, GError **error)
{
    find_live_nodes(program);
    place_tensors(program);
    find_lifetimes(program);
    keep_statics(program);
    plan(&program->statics);
    plan(&program->arena);
    if (!allocate(program, &program->statics, error) || !allocate(program, &program->arena, error) ||
        !resolve_slots(program, error))
        return FALSE;
    resolve_args(program);
    return run_fixed(program, error);
}

static gsize
weight_bytes(const DinoR1Program *program)
{
    const GPtrArray *tensors = dinor1_graph_get_tensors(program->graph);
    gsize bytes = 0;

    for (guint i = 0; i < program->n_slots && !program->backend->host_memory; i++)
        if (program->slots[i].place == PLACE_CONSTANT)
            bytes += tensor_bytes(tensors->pdata[i]);
    return bytes;
}

/* Where memory was short: how much there should have been. */
static void
add_needed(const DinoR1Program *program, GError *error)
{
    const gsize weights = weight_bytes(program), all = dinor1_program_get_arena_size(program) + weights;
    g_autofree gchar *all_text = g_format_size_full(all, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree gchar *weights_text = g_format_size_full(weights, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree gchar *before = error->message;

    error->message = g_strdup_printf("%s; the plan needs %s, %s of it for weights", before, all_text, weights_text);
}

DinoR1Program *
dinor1_program_new(DinoR1Graph *graph, DinoR1Backend *backend, GError **error)
{
    g_autoptr(DinoR1Program) program = g_new0(DinoR1Program, 1);
    const guint n_nodes = dinor1_graph_get_nodes(graph)->len;
    GError *why = NULL;

    program->graph = graph;
    program->backend = backend;
    program->n_slots = dinor1_graph_get_tensors(graph)->len;
    program->slots = g_new0(Slot, program->n_slots);
    program->live = g_new0(gboolean, n_nodes);
    program->fixed = g_new0(gboolean, n_nodes);
    program->args = g_new0(DinoR1KernelArgs, n_nodes);
    program->workspaces = g_new0(gint, n_nodes);
    program->arena.buffers = g_array_new(FALSE, FALSE, sizeof(DinoR1PlanBuffer));
    program->statics.buffers = g_array_new(FALSE, FALSE, sizeof(DinoR1PlanBuffer));
    program->residents = g_ptr_array_new();
    program->recorder = dinor1_recorder_new(backend, run_untimed, program);
    if (!dinor1_graph_check(graph, error) || !check_types(program, error))
        return NULL;
    if (!prepare(program, &why)) {
        if (g_error_matches(why, DINOR1_ERROR, DINOR1_ERROR_MEMORY))
            add_needed(program, why);
        g_propagate_error(error, why);
        return NULL;
    }
    return g_steal_pointer(&program);
}

void
dinor1_program_free(DinoR1Program *program)
{
    if (!program)
        return;
    dinor1_recorder_free(program->recorder);
    for (guint i = 0; i < program->residents->len; i++) {
        const DinoR1Tensor *tensor = program->residents->pdata[i];

        dinor1_resident_give(program->backend, tensor->data, tensor->dtype, tensor_bytes(tensor));
    }
    g_ptr_array_unref(program->residents);
    if (program->arena.memory)
        program->backend->klass->release(program->backend, program->arena.memory);
    if (program->statics.memory)
        program->backend->klass->release(program->backend, program->statics.memory);
    g_array_unref(program->arena.buffers);
    g_array_unref(program->statics.buffers);
    for (guint i = 0; i < program->n_slots; i++)
        g_free(program->slots[i].staged);
    g_free(program->slots);
    g_free(program->live);
    g_free(program->fixed);
    g_free(program->args);
    g_free(program->workspaces);
    dinor1_graph_free(program->graph);
    g_free(program);
}

DinoR1Graph *
dinor1_program_get_graph(DinoR1Program *program)
{
    return program->graph;
}

static const DinoR1Tensor *
find_tensor(DinoR1Program *program, const gchar *name, GError **error)
{
    const DinoR1Tensor *tensor = dinor1_graph_find(program->graph, name);

    if (!tensor)
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED, "no input or output '%s'", name);
    return tensor;
}

static gpointer
find_data(DinoR1Program *program, const gchar *name, gsize size, GError **error)
{
    const DinoR1Tensor *tensor = find_tensor(program, name, error);

    if (!tensor)
        return NULL;
    if (tensor_bytes(tensor) != size) {
        g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_FAILED,
            "'%s' has %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT, name, tensor_bytes(tensor), size);
        return NULL;
    }
    return program->slots[dinor1_tensor_root(tensor)->id].data;
}

gboolean
dinor1_program_set(DinoR1Program *program, const gchar *name, gconstpointer data, gsize size, GError **error)
{
    gpointer to = find_data(program, name, size, error);

    return to && program->backend->klass->upload(program->backend, to, data, size, error);
}

gboolean
dinor1_program_get(DinoR1Program *program, const gchar *name, gpointer data, gsize size, GError **error)
{
    gpointer from = find_data(program, name, size, error);

    return from && program->backend->klass->download(program->backend, data, from, size, error);
}

gboolean
dinor1_program_get_many(DinoR1Program *program, const DinoR1ProgramRead *reads, guint n, GError **error)
{
    DinoR1Download copies[DINOR1_MAX_READS];

    g_return_val_if_fail(n <= DINOR1_MAX_READS, FALSE);
    for (guint i = 0; i < n; i++) {
        copies[i] =
            (DinoR1Download){reads[i].data, find_data(program, reads[i].name, reads[i].size, error), reads[i].size};
        if (!copies[i].from)
            return FALSE;
    }
    return program->backend->klass->download_many(program->backend, copies, n, error);
}

gpointer
dinor1_program_map(DinoR1Program *program, const gchar *name)
{
    return program->backend->host_memory ? dinor1_program_locate(program, name) : NULL;
}

gpointer
dinor1_program_locate(DinoR1Program *program, const gchar *name)
{
    const DinoR1Tensor *tensor = dinor1_graph_find(program->graph, name);

    return tensor ? program->slots[dinor1_tensor_root(tensor)->id].data : NULL;
}

gpointer
dinor1_program_stage(DinoR1Program *program, const gchar *name, GError **error)
{
    const DinoR1Tensor *tensor = find_tensor(program, name, error);
    Slot *slot;

    if (!tensor)
        return NULL;
    slot = &program->slots[dinor1_tensor_root(tensor)->id];
    if (program->backend->host_memory)
        return slot->data;
    if (!slot->staged)
        slot->staged = g_malloc(tensor_bytes(tensor));
    return slot->staged;
}

gboolean
dinor1_program_push(DinoR1Program *program, const gchar *name, GError **error)
{
    gconstpointer from = dinor1_program_stage(program, name, error);

    return from && (program->backend->host_memory || dinor1_program_set(program, name, from,
                                                         tensor_bytes(dinor1_graph_find(program->graph, name)), error));
}

gboolean
dinor1_program_pull_many(
    DinoR1Program *program, const gchar *const *names, gconstpointer *data, guint n, GError **error)
{
    DinoR1ProgramRead reads[DINOR1_MAX_READS];

    g_return_val_if_fail(n <= DINOR1_MAX_READS, FALSE);
    for (guint i = 0; i < n; i++) {
        gpointer to = dinor1_program_stage(program, names[i], error);

        if (!to)
            return FALSE;
        reads[i] = (DinoR1ProgramRead){names[i], to, tensor_bytes(dinor1_graph_find(program->graph, names[i]))};
        data[i] = to;
    }
    return program->backend->host_memory || dinor1_program_get_many(program, reads, n, error);
}

gconstpointer
dinor1_program_pull(DinoR1Program *program, const gchar *name, GError **error)
{
    gconstpointer data;

    return dinor1_program_pull_many(program, &name, &data, 1, error) ? data : NULL;
}

gboolean
dinor1_program_run(DinoR1Program *program, GError **error)
{
    return dinor1_recorder_run(program->recorder, 0, G_MAXUINT, error);
}

gboolean
dinor1_program_run_stage(DinoR1Program *program, guint stage, GError **error)
{
    return dinor1_recorder_run(program->recorder, stage, stage, error);
}

gboolean
dinor1_program_run_timed(DinoR1Program *program, gdouble *seconds, GError **error)
{
    return run_stages(program, 0, G_MAXUINT, seconds, error);
}

gboolean
dinor1_program_is_run(const DinoR1Program *program, guint node)
{
    return program->live[node] && !program->fixed[node];
}

gsize
dinor1_program_get_arena_size(const DinoR1Program *program)
{
    return program->arena.size + program->statics.size;
}

gsize
dinor1_program_get_unplanned_size(const DinoR1Program *program)
{
    const Arena *arenas[] = {&program->arena, &program->statics};
    gsize size = 0;

    for (guint a = 0; a < G_N_ELEMENTS(arenas); a++)
        for (guint i = 0; i < arenas[a]->buffers->len; i++)
            size += g_array_index(arenas[a]->buffers, DinoR1PlanBuffer, i).size;
    return size;
}
