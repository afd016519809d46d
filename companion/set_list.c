/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "set_list.h"

#include "command.h"
#include "plain_yaml.h"

#include <dinor1/error.h>
#include <string.h>

#define MAX_SETS 1000

static const struct {
    const gchar *name;
    gsize offset; /* in EvalSet: gchar * */
    gboolean is_path, is_folder, required;
} keys[] = {
    {"name", G_STRUCT_OFFSET(EvalSet, name), FALSE, FALSE, TRUE},
    {"annotations", G_STRUCT_OFFSET(EvalSet, annotations), TRUE, FALSE, TRUE},
    {"images", G_STRUCT_OFFSET(EvalSet, images), TRUE, TRUE, TRUE},
    {"prompts", G_STRUCT_OFFSET(EvalSet, prompts), TRUE, FALSE, FALSE},
    {"train.annotations", G_STRUCT_OFFSET(EvalSet, train), TRUE, FALSE, FALSE},
    {"train.images", G_STRUCT_OFFSET(EvalSet, train_images), TRUE, TRUE, FALSE},
};

typedef struct {
    PlainYaml yaml;
    gchar *folder; /* of the file */
    SetListFlags flags;
    GArray *sets;
} Reader;

static void
reader_clear(Reader *reader)
{
    plain_yaml_clear(&reader->yaml);
    g_free(reader->folder);
    g_clear_pointer(&reader->sets, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

void
eval_set_clear(EvalSet *set)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        g_free(G_STRUCT_MEMBER(gchar *, set, keys[i].offset));
}

static gboolean
refuse_unknown(const PlainYaml *yaml, const gchar *name, GError **error)
{
    const gchar *names[G_N_ELEMENTS(keys) + 1] = {NULL};
    g_autofree gchar *reason = NULL;
    const gchar *nearest;

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        names[i] = keys[i].name;
    nearest = strlen(name) < 100 ? command_nearest(name, names) : NULL;
    reason = nearest ? g_strdup_printf("is no key of a set; did you mean '%s'?", nearest)
                     : g_strdup("is no key of a set (docs/evaluation.md lists all)");
    return plain_yaml_refuse(yaml, reason, name, error);
}

/* The value of the key that was just read. */
static gboolean
read_value(Reader *reader, const gchar *name, EvalSet *set, GError **error)
{
    PlainYaml *yaml = &reader->yaml;
    const gchar *text;
    gchar **field;
    guint i = 0;

    while (i < G_N_ELEMENTS(keys) && strcmp(keys[i].name, name))
        i++;
    if (i == G_N_ELEMENTS(keys))
        return refuse_unknown(yaml, name, error);
    field = &G_STRUCT_MEMBER(gchar *, set, keys[i].offset);
    if (*field)
        return plain_yaml_refuse(yaml, "is there twice", name, error);
    if (!plain_yaml_next(yaml, error))
        return FALSE;
    text = plain_yaml_get_text(yaml);
    if (!text || !*text)
        return plain_yaml_refuse(yaml, "must be one value", name, error);
    *field =
        keys[i].is_path && !g_path_is_absolute(text) ? g_build_filename(reader->folder, text, NULL) : g_strdup(text);
    return TRUE;
}

/* Up to the end of a mapping whose keys begin with @section. */
static gboolean
read_members(Reader *reader, const gchar *section, EvalSet *set, GError **error)
{
    PlainYaml *yaml = &reader->yaml;

    while (plain_yaml_next(yaml, error)) {
        g_autofree gchar *name = NULL;

        if (yaml->event.type == YAML_MAPPING_END_EVENT)
            return TRUE;
        if (!plain_yaml_get_text(yaml))
            return plain_yaml_refuse(yaml, "has something that is no key", "a set", error);
        name = g_strconcat(section, plain_yaml_get_text(yaml), NULL);
        if (!strcmp(name, "train")) {
            if (!plain_yaml_expect(yaml, YAML_MAPPING_START_EVENT, name, "must have annotations and images", error) ||
                !read_members(reader, "train.", set, error))
                return FALSE;
        } else if (!read_value(reader, name, set, error)) {
            return FALSE;
        }
    }
    return FALSE;
}

static gboolean refuse_set(const Reader *reader, const EvalSet *set, GError **error, const gchar *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
refuse_set(const Reader *reader, const EvalSet *set, GError **error, const gchar *format, ...)
{
    g_autofree gchar *reason = NULL;
    const gchar *name = set->name ? set->name : "";
    va_list arguments;

    va_start(arguments, format);
    reason = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s:%u: set '%.*s': %s", reader->yaml.path, set->line,
        plain_yaml_shown(name), name, reason);
    return FALSE;
}

/* Exactly one way to say what to look for. */
static gboolean
check_prompts(const Reader *reader, const EvalSet *set, GError **error)
{
    const gboolean same_image = (reader->flags & SET_LIST_SAME_IMAGE) != 0;

    if (!set->train != !set->train_images)
        return refuse_set(reader, set, error, "'train' needs both annotations and images");
    if (same_image && (set->prompts || set->train))
        return refuse_set(reader, set, error, "neither 'prompts' nor 'train' go with --same-image");
    if (!same_image && !set->prompts == !set->train)
        return refuse_set(reader, set, error, "needs one of 'prompts' and 'train'");
    return TRUE;
}

static gboolean
check_set(const Reader *reader, const EvalSet *set, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i].required && !G_STRUCT_MEMBER(gchar *, set, keys[i].offset))
            return refuse_set(reader, set, error, "'%s' is missing", keys[i].name);
    for (guint i = 0; i + 1 < reader->sets->len; i++)
        if (!strcmp(g_array_index(reader->sets, EvalSet, i).name, set->name))
            return refuse_set(reader, set, error, "an earlier set has the same name");
    return check_prompts(reader, set, error);
}

static gboolean
read_sets(Reader *reader, GError **error)
{
    PlainYaml *yaml = &reader->yaml;

    while (plain_yaml_next(yaml, error)) {
        EvalSet empty = {.line = plain_yaml_get_line(yaml)}, *set;

        if (yaml->event.type == YAML_SEQUENCE_END_EVENT)
            return reader->sets->len > 0 || plain_yaml_refuse(yaml, "has no set", "sets", error);
        if (yaml->event.type != YAML_MAPPING_START_EVENT)
            return plain_yaml_refuse(yaml, "must be a list of sets, each with keys of its own", "sets", error);
        if (reader->sets->len == MAX_SETS)
            return plain_yaml_refuse(yaml, "has too many sets", "sets", error);
        g_array_append_val(reader->sets, empty);
        set = &g_array_index(reader->sets, EvalSet, reader->sets->len - 1);
        if (!read_members(reader, "", set, error) || !check_set(reader, set, error))
            return FALSE;
    }
    return FALSE;
}

static gboolean
read_document(Reader *reader, GError **error)
{
    PlainYaml *yaml = &reader->yaml;
    const gchar *name;

    if (!plain_yaml_expect(yaml, YAML_SCALAR_EVENT, "the file", "has no list 'sets'", error))
        return FALSE;
    name = plain_yaml_get_text(yaml);
    if (!name || strcmp(name, "sets"))
        return plain_yaml_refuse(yaml, "is no key here; the file is one list 'sets'", name ? name : "", error);
    return plain_yaml_expect(yaml, YAML_SEQUENCE_START_EVENT, "sets", "must be a list of sets", error) &&
           read_sets(reader, error) &&
           plain_yaml_expect(yaml, YAML_MAPPING_END_EVENT, "the file", "has more than the list 'sets'", error);
}

GArray *
set_list_parse(const gchar *path, const gchar *text, gsize length, SetListFlags flags, GError **error)
{
    g_auto(Reader) reader = {.folder = g_path_get_dirname(path), .flags = flags};

    reader.sets = g_array_new(FALSE, FALSE, sizeof(EvalSet));
    g_array_set_clear_func(reader.sets, (GDestroyNotify)eval_set_clear);
    if (!plain_yaml_begin(&reader.yaml, path, text, length, error) || !read_document(&reader, error) ||
        !plain_yaml_end(&reader.yaml, error))
        return NULL;
    return g_steal_pointer(&reader.sets);
}

/* The first file or folder of the set that is not there, or NULL. */
static const gchar *
find_missing(const EvalSet *set, const gchar **kind)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const gchar *value = G_STRUCT_MEMBER(gchar *, set, keys[i].offset);
        const GFileTest test = keys[i].is_folder ? G_FILE_TEST_IS_DIR : G_FILE_TEST_IS_REGULAR;

        *kind = keys[i].is_folder ? "folder" : "file";
        if (value && keys[i].is_path && !g_file_test(value, test))
            return value;
    }
    return NULL;
}

GArray *
set_list_load(const gchar *path, SetListFlags flags, GError **error)
{
    gsize length;
    g_autofree gchar *text = plain_yaml_load(path, &length, error);
    g_autoptr(GArray) sets = text ? set_list_parse(path, text, length, flags, error) : NULL;

    for (guint i = 0; sets && i < sets->len; i++) {
        EvalSet *set = &g_array_index(sets, EvalSet, i);
        const gchar *kind, *missing = find_missing(set, &kind);

        set->missing = missing != NULL;
        if (missing && !(flags & SET_LIST_SKIP_MISSING)) {
            g_set_error(error, DINOR1_ERROR, DINOR1_ERROR_CONFIG, "%s:%u: set '%s': there is no %s '%s'", path,
                set->line, set->name, kind, missing);
            return NULL;
        }
    }
    return g_steal_pointer(&sets);
}
