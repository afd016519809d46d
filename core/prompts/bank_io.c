/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "io/json.h"
#include "io/safetensors.h"
#include "prompts/bank_internal.h"

#include <dinor1/error.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* The format is described in docs/prompt-bank.md. */
#define FORMAT             "dinor1-prompt-bank/1"
#define FORMAT_STEM        "dinor1-prompt-bank/"
#define MAX_EMBEDDING_SIZE 4096
#define MAX_CLASSES_JSON   (64 << 20)

static gchar *
tensor_name(guint index)
{
    return g_strdup_printf("class.%u.exemplars", index);
}

static void
append_number(GString *json, gfloat value)
{
    gchar text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(json, g_ascii_formatd(text, sizeof text, "%.9g", value));
}

static void
append_exemplar(GString *json, const DinoR1ExemplarInfo *info)
{
    g_string_append(json, "{\"source\":");
    if (info->source)
        dinor1_json_append_string(json, info->source);
    else
        g_string_append(json, "null");
    if (info->frame >= 0)
        g_string_append_printf(json, ",\"frame\":%" G_GINT64_FORMAT ",\"box\":[", info->frame);
    else
        g_string_append(json, ",\"frame\":null,\"box\":[");
    append_number(json, info->box.x);
    g_string_append_c(json, ',');
    append_number(json, info->box.y);
    g_string_append_c(json, ',');
    append_number(json, info->box.width);
    g_string_append_c(json, ',');
    append_number(json, info->box.height);
    g_string_append(json, "]}");
}

static void
append_class(GString *json, const DinoR1PromptBank *bank, guint index)
{
    const gchar *phrase = dinor1_prompt_bank_get_phrase(bank, index);
    guint n = dinor1_prompt_bank_get_n_exemplars(bank, index);

    g_string_append(json, "{\"label\":");
    dinor1_json_append_string(json, dinor1_prompt_bank_get_label(bank, index));
    if (phrase) {
        g_string_append(json, ",\"phrase\":");
        dinor1_json_append_string(json, phrase);
    } else {
        g_string_append(json, ",\"exemplars\":[");
        for (guint i = 0; i < n; i++) {
            DinoR1ExemplarInfo info;

            dinor1_prompt_bank_get_exemplar(bank, index, i, &info);
            if (i > 0)
                g_string_append_c(json, ',');
            append_exemplar(json, &info);
        }
        g_string_append_c(json, ']');
    }
    g_string_append_c(json, '}');
}

static GHashTable *
make_metadata(const DinoR1PromptBank *bank)
{
    GHashTable *metadata = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    guint n_classes = dinor1_prompt_bank_get_n_classes(bank);
    GString *classes = g_string_new("[");

    for (guint i = 0; i < n_classes; i++) {
        if (i > 0)
            g_string_append_c(classes, ',');
        append_class(classes, bank, i);
    }
    g_string_append_c(classes, ']');
    g_hash_table_insert(metadata, "format", g_strdup(FORMAT));
    g_hash_table_insert(metadata, "model_hash", g_strdup(dinor1_prompt_bank_get_model_hash(bank)));
    g_hash_table_insert(metadata, "embedding_size", g_strdup_printf("%d", dinor1_prompt_bank_get_embedding_size(bank)));
    g_hash_table_insert(metadata, "classes", g_string_free(classes, FALSE));
    return metadata;
}

gboolean
dinor1_prompt_bank_save(const DinoR1PromptBank *bank, const gchar *path, GError **error)
{
    g_autoptr(GHashTable) metadata = make_metadata(bank);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) tensors = g_array_new(FALSE, FALSE, sizeof(DinoR1StoredTensor));
    gint size = dinor1_prompt_bank_get_embedding_size(bank);

    if (strlen(g_hash_table_lookup(metadata, "classes")) > MAX_CLASSES_JSON) {
        g_set_error(
            error, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT, "%s: the bank has too many exemplars to be saved", path);
        return FALSE;
    }
    for (guint i = 0; i < dinor1_prompt_bank_get_n_classes(bank); i++) {
        guint n = dinor1_prompt_bank_get_n_exemplars(bank, i);
        DinoR1StoredTensor tensor = {.dtype = DINOR1_STORED_F32, .n_dims = 2, .dims = {n, size}};

        if (n == 0)
            continue;
        g_ptr_array_add(names, tensor_name(i));
        tensor.name = g_ptr_array_index(names, names->len - 1);
        tensor.data = (const guint8 *)dinor1_prompt_bank_get_exemplar(bank, i, 0, NULL);
        tensor.size = (gsize)n * size * sizeof(gfloat);
        g_array_append_val(tensors, tensor);
    }
    return dinor1_safetensors_write(path, (DinoR1StoredTensor *)tensors->data, tensors->len, metadata, error);
}

/* What is being read; every failure names the file and, inside a class, its number. */
typedef struct {
    const DinoR1Safetensors *file;
    DinoR1PromptBank *bank;
    gint class_index; /* -1 outside classes */
    guint n_tensors;  /* used so far */
    GError **error;
} Reader;

static gboolean G_GNUC_PRINTF(2, 3) fail(Reader *reader, const gchar *format, ...)
{
    const gchar *path = dinor1_safetensors_get_path(reader->file);
    g_autofree gchar *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    if (reader->class_index >= 0)
        g_set_error(
            reader->error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: class %d: %s", path, reader->class_index, reason);
    else
        g_set_error(reader->error, DINOR1_ERROR, DINOR1_ERROR_FORMAT, "%s: %s", path, reason);
    return FALSE;
}

static gboolean
holds(JsonNode *node, GType type)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

/* @value stays NULL if the member is absent or null. */
static gboolean
get_string(Reader *reader, JsonObject *object, const gchar *key, const gchar **value)
{
    JsonNode *node = json_object_get_member(object, key);

    *value = NULL;
    if (!node || JSON_NODE_HOLDS_NULL(node))
        return TRUE;
    if (!holds(node, G_TYPE_STRING))
        return fail(reader, "'%s' is not a string", key);
    *value = json_node_get_string(node);
    return TRUE;
}

static gboolean
read_box(Reader *reader, JsonObject *exemplar, DinoR1Box *box)
{
    JsonNode *node = json_object_get_member(exemplar, "box");
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    gfloat *places[] = {&box->x, &box->y, &box->width, &box->height};

    if (!array || json_array_get_length(array) != G_N_ELEMENTS(places))
        return fail(reader, "the box of an exemplar is not [x, y, width, height]");
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        JsonNode *item = json_array_get_element(array, i);

        if (!holds(item, G_TYPE_INT64) && !holds(item, G_TYPE_DOUBLE))
            return fail(reader, "the box of an exemplar is not made of numbers");
        *places[i] = (gfloat)json_node_get_double(item);
    }
    return TRUE;
}

static gboolean
read_info(Reader *reader, JsonNode *node, DinoR1ExemplarInfo *info)
{
    JsonObject *object;
    JsonNode *frame;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return fail(reader, "an exemplar is not an object");
    object = json_node_get_object(node);
    frame = json_object_get_member(object, "frame");
    info->frame = -1;
    if (frame && !JSON_NODE_HOLDS_NULL(frame)) {
        if (!holds(frame, G_TYPE_INT64) || json_node_get_int(frame) < 0)
            return fail(reader, "the frame of an exemplar is not a frame number");
        info->frame = json_node_get_int(frame);
    }
    return get_string(reader, object, "source", &info->source) && read_box(reader, object, &info->box);
}

static const DinoR1StoredTensor *
find_exemplars(Reader *reader, guint n)
{
    g_autofree gchar *name = tensor_name(reader->class_index);
    const DinoR1StoredTensor *tensor = dinor1_safetensors_find(reader->file, name);
    gint size = dinor1_prompt_bank_get_embedding_size(reader->bank);

    if (!tensor) {
        fail(reader, "tensor '%s' is missing", name);
        return NULL;
    }
    if (tensor->dtype != DINOR1_STORED_F32 || tensor->n_dims != 2 || tensor->dims[0] != n || tensor->dims[1] != size) {
        fail(reader, "tensor '%s' is not F32 [%u, %d]", name, n, size);
        return NULL;
    }
    reader->n_tensors++;
    return tensor;
}

/* The bank's own checks of labels, embeddings and boxes speak for the file. */
static gboolean
take_argument_error(Reader *reader, GError *cause)
{
    if (!g_error_matches(cause, DINOR1_ERROR, DINOR1_ERROR_ARGUMENT)) {
        g_propagate_prefixed_error(reader->error, cause, "%s: ", dinor1_safetensors_get_path(reader->file));
        return FALSE;
    }
    fail(reader, "%s", cause->message);
    g_error_free(cause);
    return FALSE;
}

static gboolean
read_exemplars(Reader *reader, const gchar *label, JsonArray *exemplars)
{
    guint n = json_array_get_length(exemplars);
    gsize row = dinor1_prompt_bank_get_embedding_size(reader->bank) * sizeof(gfloat);
    const DinoR1StoredTensor *tensor;
    g_autofree gfloat *embedding = NULL;

    if (n == 0)
        return fail(reader, "has no exemplars");
    tensor = find_exemplars(reader, n);
    if (!tensor)
        return FALSE;
    embedding = g_malloc(row);
    for (guint i = 0; i < n; i++) {
        DinoR1ExemplarInfo info;
        GError *cause = NULL;

        if (!read_info(reader, json_array_get_element(exemplars, i), &info))
            return FALSE;
        memcpy(embedding, tensor->data + i * row, row); /* the file aligns its data as it likes */
        if (!dinor1_prompt_bank_add_exemplar(reader->bank, label, embedding, &info, &cause))
            return take_argument_error(reader, cause);
    }
    return TRUE;
}

static gboolean
read_class(Reader *reader, JsonNode *node)
{
    const gchar *label, *phrase;
    JsonNode *exemplars;
    JsonObject *object;
    GError *cause = NULL;
    guint n_before = dinor1_prompt_bank_get_n_classes(reader->bank);

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return fail(reader, "is not an object");
    object = json_node_get_object(node);
    if (!get_string(reader, object, "label", &label) || !get_string(reader, object, "phrase", &phrase))
        return FALSE;
    exemplars = json_object_get_member(object, "exemplars");
    if (!label || !phrase == !exemplars)
        return fail(reader, "needs a label and either a phrase or exemplars");
    if (phrase)
        return dinor1_prompt_bank_add_text(reader->bank, label, phrase, &cause) || take_argument_error(reader, cause);
    if (!JSON_NODE_HOLDS_ARRAY(exemplars))
        return fail(reader, "'exemplars' is not a list");
    if (!read_exemplars(reader, label, json_node_get_array(exemplars)))
        return FALSE;
    return dinor1_prompt_bank_get_n_classes(reader->bank) > n_before || fail(reader, "label '%s' appears twice", label);
}

static gboolean
read_classes(Reader *reader, JsonArray *classes)
{
    guint n = json_array_get_length(classes);

    for (guint i = 0; i < n; i++) {
        reader->class_index = i;
        if (!read_class(reader, json_array_get_element(classes, i)))
            return FALSE;
    }
    reader->class_index = -1;
    if (reader->n_tensors != dinor1_safetensors_get_n_tensors(reader->file))
        return fail(reader, "has %u tensors, but its classes need %u", dinor1_safetensors_get_n_tensors(reader->file),
            reader->n_tensors);
    return TRUE;
}

static gboolean
parse_classes(Reader *reader)
{
    const gchar *text = dinor1_safetensors_get_metadata(reader->file, "classes");
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    DinoR1Json scan;
    JsonNode *root;

    if (!text)
        return fail(reader, "metadata 'classes' is missing");
    if (strlen(text) > MAX_CLASSES_JSON)
        return fail(reader, "metadata 'classes' is too long");
    dinor1_json_init(&scan, text, strlen(text));
    dinor1_json_skip(&scan);
    if (!dinor1_json_end(&scan))
        return fail(
            reader, "metadata 'classes', byte %" G_GSIZE_FORMAT ": %s", (gsize)(scan.at - scan.text), scan.problem);
    if (!json_parser_load_from_data(parser, text, -1, NULL))
        return fail(reader, "metadata 'classes' is not JSON");
    root = json_parser_get_root(parser);
    if (!JSON_NODE_HOLDS_ARRAY(root))
        return fail(reader, "metadata 'classes' is not a list");
    return read_classes(reader, json_node_get_array(root));
}

static gboolean
check_format(Reader *reader)
{
    const gchar *format = dinor1_safetensors_get_metadata(reader->file, "format");

    if (!format || !g_str_has_prefix(format, FORMAT_STEM))
        return fail(
            reader, "is not a prompt bank: metadata 'format' is %s, not '%s'", format ? format : "missing", FORMAT);
    return g_str_equal(format, FORMAT) ||
           fail(reader, "is a prompt bank of format '%s', but this version reads '%s' only", format, FORMAT);
}

static gboolean
is_hash(const gchar *text)
{
    return strlen(text) == DINOR1_PROMPTS_HASH_LENGTH && strspn(text, "0123456789abcdef") == DINOR1_PROMPTS_HASH_LENGTH;
}

/* Fills @facts from the metadata and compares them with the model's. */
static gboolean
read_facts(Reader *reader, const DinoR1BankFacts *model, DinoR1BankFacts *facts)
{
    const gchar *hash = dinor1_safetensors_get_metadata(reader->file, "model_hash");
    const gchar *size = dinor1_safetensors_get_metadata(reader->file, "embedding_size");
    guint64 value = 0;

    if (!hash || !is_hash(hash))
        return fail(reader, "metadata 'model_hash' is not a SHA-256 in hex digits");
    if (!size || !g_ascii_string_to_unsigned(size, 10, 1, MAX_EMBEDDING_SIZE, &value, NULL))
        return fail(reader, "metadata 'embedding_size' is not a number from 1 to %d", MAX_EMBEDDING_SIZE);
    if (model && !g_str_equal(hash, model->model_hash)) {
        g_set_error(reader->error, DINOR1_ERROR, DINOR1_ERROR_MISMATCH,
            "%s: was made by other weights (model %.12s) than those loaded (%.12s): load the model that made it, or "
            "make "
            "the prompts again from their sources with this one",
            dinor1_safetensors_get_path(reader->file), hash, model->model_hash);
        return FALSE;
    }
    if (model && (gint)value != model->embedding_size)
        return fail(reader, "its embeddings have %d numbers, the model's %d", (gint)value, model->embedding_size);
    *facts = (DinoR1BankFacts){hash, value, model ? model->has_text : TRUE};
    return TRUE;
}

static DinoR1PromptBank *
read_bank(const DinoR1Safetensors *file, const DinoR1BankFacts *model, GError **error)
{
    Reader reader = {.file = file, .class_index = -1, .error = error};
    g_autoptr(DinoR1PromptBank) bank = NULL;
    DinoR1BankFacts facts;

    if (!check_format(&reader) || !read_facts(&reader, model, &facts))
        return NULL;
    bank = reader.bank = dinor1_prompt_bank_new_from_facts(&facts);
    return parse_classes(&reader) ? g_steal_pointer(&bank) : NULL;
}

DinoR1PromptBank *
dinor1_prompt_bank_load_memory(
    const gchar *name, const guint8 *data, gsize size, const DinoR1BankFacts *facts, GError **error)
{
    g_autoptr(DinoR1Safetensors) file = dinor1_safetensors_open_memory(name, data, size, error);

    return file ? read_bank(file, facts, error) : NULL;
}

DinoR1PromptBank *
dinor1_prompt_bank_load_with_facts(const gchar *path, const DinoR1BankFacts *facts, GError **error)
{
    g_autoptr(DinoR1Safetensors) file = dinor1_safetensors_open(path, error);

    return file ? read_bank(file, facts, error) : NULL;
}
