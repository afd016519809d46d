/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "command.h"
#include "model_options.h"
#include "profile_table.h"

#include <dinor1/dinor1.h>
#include <string.h>

typedef struct {
    gchar *model, *size, *device, *precision;
    gint prompts;
    gboolean tensors, json;
} Options;

static const gchar *
get_size(const Options *options)
{
    return options->size ? options->size : "640x480";
}

/* The tensors whose names begin alike. */
typedef struct {
    gchar *prefix;
    guint n_tensors;
    gint64 n_parameters;
} Group;

static const CommandHelp help = {
    .name = "dinor1 inspect",
    .summary =
        "Shows what a model is and costs: its configuration, parameters by module, and for a picture of the given\n"
        "size the multiply-accumulates by module and op, and the memory that the device needs.",
    .description = "Examples:\n"
                   "  dinor1 inspect --model models/dinor1-nano\n"
                   "  dinor1 inspect --model DIR --size 1920x1080 --prompts 8 --json\n",
};

static void
group_clear(gpointer data)
{
    g_free(((Group *)data)->prefix);
}

static gint64
count_parameters(const DinoR1TensorInfo *tensor)
{
    gint64 n = 1;

    for (guint i = 0; i < tensor->n_dims; i++)
        n *= tensor->dims[i];
    return n;
}

/* "model.encoder" of "model.encoder.layers.0…", "bbox_embed" of "bbox_embed.0…". */
static gsize
get_prefix_length(const gchar *name)
{
    const gsize skip = g_str_has_prefix(name, "model.") ? strlen("model.") : 0;

    return skip + strcspn(name + skip, ".");
}

static Group *
find_group(GArray *groups, const gchar *name, gsize length)
{
    for (guint i = 0; i < groups->len; i++) {
        Group *group = &g_array_index(groups, Group, i);

        if (strlen(group->prefix) == length && !strncmp(group->prefix, name, length))
            return group;
    }
    return NULL;
}

static GArray *
group_tensors(const DinoR1Model *model)
{
    GArray *groups = g_array_new(FALSE, TRUE, sizeof(Group));

    g_array_set_clear_func(groups, group_clear);
    for (guint i = 0; i < dinor1_model_get_n_tensors(model); i++) {
        DinoR1TensorInfo tensor;
        gsize length;
        Group *group;

        dinor1_model_get_tensor(model, i, &tensor);
        length = get_prefix_length(tensor.name);
        group = find_group(groups, tensor.name, length);
        if (!group) {
            g_array_append_vals(groups, &(Group){.prefix = g_strndup(tensor.name, length)}, 1);
            group = &g_array_index(groups, Group, groups->len - 1);
        }
        group->n_tensors++;
        group->n_parameters += count_parameters(&tensor);
    }
    return groups;
}

static Group
sum_groups(const GArray *groups)
{
    Group sum = {.prefix = (gchar *)"total"};

    for (guint i = 0; i < groups->len; i++) {
        sum.n_tensors += g_array_index(groups, Group, i).n_tensors;
        sum.n_parameters += g_array_index(groups, Group, i).n_parameters;
    }
    return sum;
}

static const gchar *
yes_or_no(gboolean value)
{
    return value ? "yes" : "no";
}

static void
print_model(DinoR1Model *model)
{
    g_print("model:      %s\n", dinor1_model_get_path(model));
    g_print("type:       %s, %s\n", dinor1_model_get_type(model),
        dinor1_model_is_trained(model) ? "trained" : "not trained (random weights)");
    g_print("prompts:    visual %s, text %s\n", yes_or_no(dinor1_model_has_visual_prompts(model)),
        yes_or_no(dinor1_model_has_text_prompts(model)));
    g_print("embedding:  %d numbers\nqueries:    %d\n", dinor1_model_get_embedding_size(model),
        dinor1_model_get_num_queries(model));
    g_print("hash:       %s\n\n", dinor1_model_get_hash(model));
}

static void
print_group(const Group *group)
{
    g_print("  %-34s %7u %12.3f\n", group->prefix, group->n_tensors, (gdouble)group->n_parameters / 1e6);
}

static void
print_groups(const GArray *groups)
{
    const Group sum = sum_groups(groups);

    g_print("  %-34s %7s %12s\n", "module", "tensors", "parameters/M");
    for (guint i = 0; i < groups->len; i++)
        print_group(&g_array_index(groups, Group, i));
    print_group(&sum);
}

static gchar *
describe_shape(const DinoR1TensorInfo *tensor)
{
    g_autoptr(GString) text = g_string_new("[");

    for (guint i = 0; i < tensor->n_dims; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", tensor->dims[i]);
    g_string_append_c(text, ']');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
print_tensors(const DinoR1Model *model)
{
    for (guint i = 0; i < dinor1_model_get_n_tensors(model); i++) {
        DinoR1TensorInfo tensor;
        g_autofree gchar *shape = NULL;

        dinor1_model_get_tensor(model, i, &tensor);
        shape = describe_shape(&tensor);
        g_print("  %-5s %-20s %s\n", tensor.dtype, shape, tensor.name);
    }
    g_print("\n");
}

static void
print_text(const Options *options, const DinoR1Detector *detector, const GArray *groups, const DinoR1Profile *profile)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);

    print_model(model);
    if (options->tensors)
        print_tensors(model);
    print_groups(groups);
    g_print("\non %s\na picture of %s with %d prompts is seen as %dx%d:\n", dinor1_detector_get_device(detector),
        get_size(options), options->prompts, profile->input_width, profile->input_height);
    profile_table_print("module", profile->modules, profile->n_modules);
    g_print("\n");
    profile_table_print("op", profile->ops, profile->n_ops);
    g_print("\n");
    profile_print_memory(profile);
}

static void
build_model(JsonBuilder *builder, DinoR1Model *model)
{
    json_builder_set_member_name(builder, "model");
    json_builder_add_string_value(builder, dinor1_model_get_path(model));
    json_builder_set_member_name(builder, "type");
    json_builder_add_string_value(builder, dinor1_model_get_type(model));
    json_builder_set_member_name(builder, "trained");
    json_builder_add_boolean_value(builder, dinor1_model_is_trained(model));
    json_builder_set_member_name(builder, "visual_prompts");
    json_builder_add_boolean_value(builder, dinor1_model_has_visual_prompts(model));
    json_builder_set_member_name(builder, "text_prompts");
    json_builder_add_boolean_value(builder, dinor1_model_has_text_prompts(model));
    json_builder_set_member_name(builder, "embedding_size");
    json_builder_add_int_value(builder, dinor1_model_get_embedding_size(model));
    json_builder_set_member_name(builder, "queries");
    json_builder_add_int_value(builder, dinor1_model_get_num_queries(model));
    json_builder_set_member_name(builder, "hash");
    json_builder_add_string_value(builder, dinor1_model_get_hash(model));
}

static void
build_groups(JsonBuilder *builder, const GArray *groups)
{
    json_builder_set_member_name(builder, "parameters");
    json_builder_begin_object(builder);
    for (guint i = 0; i < groups->len; i++) {
        json_builder_set_member_name(builder, g_array_index(groups, Group, i).prefix);
        json_builder_add_int_value(builder, g_array_index(groups, Group, i).n_parameters);
    }
    json_builder_end_object(builder);
}

static void
build_tensors(JsonBuilder *builder, const DinoR1Model *model)
{
    json_builder_set_member_name(builder, "tensors");
    json_builder_begin_object(builder);
    for (guint i = 0; i < dinor1_model_get_n_tensors(model); i++) {
        DinoR1TensorInfo tensor;

        dinor1_model_get_tensor(model, i, &tensor);
        json_builder_set_member_name(builder, tensor.name);
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "dtype");
        json_builder_add_string_value(builder, tensor.dtype);
        json_builder_set_member_name(builder, "shape");
        json_builder_begin_array(builder);
        for (guint d = 0; d < tensor.n_dims; d++)
            json_builder_add_int_value(builder, tensor.dims[d]);
        json_builder_end_array(builder);
        json_builder_end_object(builder);
    }
    json_builder_end_object(builder);
}

static void
print_json(const Options *options, const DinoR1Detector *detector, const GArray *groups, const DinoR1Profile *profile)
{
    DinoR1Model *model = dinor1_detector_get_model(detector);
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    build_model(builder, model);
    build_groups(builder, groups);
    if (options->tensors)
        build_tensors(builder, model);
    json_builder_set_member_name(builder, "device");
    json_builder_add_string_value(builder, dinor1_detector_get_device(detector));
    profile_build_json(builder, profile);
    json_builder_end_object(builder);
    json_print(builder);
}

static gboolean
inspect(const Options *options, GError **error)
{
    g_autoptr(DinoR1Model) model = NULL;
    g_autoptr(DinoR1Detector) detector = NULL;
    g_autoptr(DinoR1Profile) profile = NULL;
    g_autoptr(GArray) groups = NULL;
    DinoR1DetectorOptions settings;
    gint width, height;

    dinor1_detector_options_init(&settings);
    settings.device = options->device ? options->device : settings.device;
    settings.precision = options->precision;
    if (!command_require("--model", options->model, error) ||
        !command_check_range("--prompts", options->prompts, 1, DINOR1_PROMPTS_MAX_CLASSES, error) ||
        !command_parse_size(get_size(options), &width, &height, error) ||
        !(model = dinor1_model_load(options->model, error)) ||
        !(detector = dinor1_detector_new(model, &settings, error)) ||
        !(profile = dinor1_detector_profile(detector, width, height, (guint)options->prompts, 0, error)))
        return FALSE;
    groups = group_tensors(model);
    (options->json ? print_json : print_text)(options, detector, groups, profile);
    return TRUE;
}

int
cmd_inspect(gint argc, gchar **argv)
{
    Options options = {.prompts = 4};
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, "model directory (required)", "DIR"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &options.size, "the picture's size (640x480)", "WIDTHxHEIGHT"},
        {"prompts", 0, 0, G_OPTION_ARG_INT, &options.prompts, "number of prompts (4)", "N"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, DEVICE_HELP, "DEVICE"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options.precision, PRECISION_HELP, "PRECISION"},
        {"tensors", 0, 0, G_OPTION_ARG_NONE, &options.tensors, "also list every tensor", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL},
        {NULL},
    };
    GError *error = NULL;
    const gboolean done = command_parse(&help, entries, &argc, &argv, &error) && inspect(&options, &error);

    g_free(options.model);
    g_free(options.size);
    g_free(options.device);
    g_free(options.precision);
    return done ? EXIT_OK : command_fail(error);
}
