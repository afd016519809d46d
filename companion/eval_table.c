/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "eval_table.h"

#include "output.h"

#include <json-glib/json-glib.h>
#include <string.h>

typedef struct {
    const DinoR1CocoCategory *category;
    const DinoR1EvalClass *figures;
} Row;

static gint
compare_precision(gconstpointer a, gconstpointer b)
{
    const Row *row_a = a, *row_b = b;

    return row_a->figures->ap > row_b->figures->ap ? -1 : row_a->figures->ap < row_b->figures->ap;
}

/* The classes that have boxes. */
static GArray *
list_classes(const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    GArray *rows = g_array_new(FALSE, FALSE, sizeof(Row));

    for (guint i = 0; i < dinor1_coco_get_n_categories(coco); i++) {
        const Row row = {dinor1_coco_get_category(coco, i), dinor1_eval_get_class(eval, i)};

        if (row.figures->n_boxes > 0)
            g_array_append_val(rows, row);
    }
    return rows;
}

/* A figure that has nothing to measure is a dash. */
static void
print_figure(gdouble value)
{
    if (value < 0)
        g_print("       -");
    else
        g_print("  %6.4f", value);
}

void
eval_print(const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    g_autoptr(GArray) rows = list_classes(eval, coco);
    guint n;
    const DinoR1EvalFigure *figures = dinor1_eval_get_figures(eval, &n);

    for (guint i = 0; i < n; i++) {
        g_print("%-6s", figures[i].name);
        print_figure(figures[i].value);
        g_print("  %s\n", figures[i].text);
    }
    g_array_sort(rows, compare_precision);
    g_print("\n      AP    AP50    AP75      AR   boxes  class\n");
    for (guint i = 0; i < rows->len; i++) {
        const Row *row = &g_array_index(rows, Row, i);

        print_figure(row->figures->ap);
        print_figure(row->figures->ap50);
        print_figure(row->figures->ap75);
        print_figure(row->figures->ar);
        g_print("  %6u  %s\n", row->figures->n_boxes, row->category->name);
    }
}

static void
add_number(JsonBuilder *builder, const gchar *name, gdouble value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_double_value(builder, value);
}

static void
add_class(JsonBuilder *builder, const Row *row)
{
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "id");
    json_builder_add_int_value(builder, row->category->id);
    json_builder_set_member_name(builder, "name");
    json_builder_add_string_value(builder, row->category->name);
    json_builder_set_member_name(builder, "boxes");
    json_builder_add_int_value(builder, row->figures->n_boxes);
    add_number(builder, "AP", row->figures->ap);
    add_number(builder, "AP50", row->figures->ap50);
    add_number(builder, "AP75", row->figures->ap75);
    add_number(builder, "AR", row->figures->ar);
    json_builder_end_object(builder);
}

/* Into the object that is open. */
static void
add_eval(JsonBuilder *builder, const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    g_autoptr(GArray) rows = list_classes(eval, coco);
    guint n;
    const DinoR1EvalFigure *figures = dinor1_eval_get_figures(eval, &n);

    json_builder_set_member_name(builder, "figures");
    json_builder_begin_object(builder);
    for (guint i = 0; i < n; i++)
        add_number(builder, figures[i].name, figures[i].value);
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "classes");
    json_builder_begin_array(builder);
    for (guint i = 0; i < rows->len; i++)
        add_class(builder, &g_array_index(rows, Row, i));
    json_builder_end_array(builder);
}

static gboolean
write_json(JsonBuilder *builder, const gchar *path, GError **error)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autoptr(TextOutput) output = text_output_new(path, error);
    g_autofree gchar *text = json_to_string(root, TRUE);
    g_autofree gchar *line = g_strconcat(text, "\n", NULL);

    return output && text_output_write(output, line, strlen(line), error) && text_output_commit(output, error);
}

gboolean
eval_write_json(const DinoR1Eval *eval, const DinoR1Coco *coco, const gchar *path, GError **error)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    add_eval(builder, eval, coco);
    json_builder_end_object(builder);
    return write_json(builder, path, error);
}

struct _EvalListTable {
    JsonBuilder *builder; /* within the list of sets */
    GArray *sets;         /* DinoR1EvalSet: those that were measured */
    gboolean prints;
};

EvalListTable *
eval_list_table_new(gboolean prints)
{
    EvalListTable *table = g_new0(EvalListTable, 1);

    *table = (EvalListTable){json_builder_new(), g_array_new(FALSE, FALSE, sizeof(DinoR1EvalSet)), prints};
    json_builder_begin_object(table->builder);
    json_builder_set_member_name(table->builder, "sets");
    json_builder_begin_array(table->builder);
    if (prints)
        g_print("      AP    AP50    AP75  images  set\n");
    return table;
}

void
eval_list_table_free(EvalListTable *table)
{
    g_object_unref(table->builder);
    g_array_unref(table->sets);
    g_free(table);
}

static void
begin_set(EvalListTable *table, const gchar *name)
{
    json_builder_begin_object(table->builder);
    json_builder_set_member_name(table->builder, "name");
    json_builder_add_string_value(table->builder, name);
}

void
eval_list_table_add(EvalListTable *table, const gchar *name, const DinoR1Eval *eval, const DinoR1Coco *coco)
{
    const DinoR1EvalSet set = {name, dinor1_eval_get_figure(eval, "AP")};

    g_array_append_val(table->sets, set);
    begin_set(table, name);
    add_eval(table->builder, eval, coco);
    json_builder_end_object(table->builder);
    if (!table->prints)
        return;
    print_figure(set.ap);
    print_figure(dinor1_eval_get_figure(eval, "AP50"));
    print_figure(dinor1_eval_get_figure(eval, "AP75"));
    g_print("  %6u  %s\n", dinor1_coco_get_n_images(coco), name);
}

void
eval_list_table_add_missing(EvalListTable *table, const gchar *name)
{
    begin_set(table, name);
    json_builder_set_member_name(table->builder, "missing");
    json_builder_add_boolean_value(table->builder, TRUE);
    json_builder_end_object(table->builder);
    if (table->prints)
        g_print("       -       -       - missing  %s\n", name);
}

gboolean
eval_list_table_end(EvalListTable *table, const gchar *json_path, GError **error)
{
    const DinoR1EvalSet *sets = (const DinoR1EvalSet *)(gconstpointer)table->sets->data;
    const gdouble average = dinor1_eval_average(sets, table->sets->len);
    guint n_measured = 0;

    for (guint i = 0; i < table->sets->len; i++)
        n_measured += sets[i].ap >= 0;
    json_builder_end_array(table->builder);
    add_number(table->builder, "average", average);
    json_builder_set_member_name(table->builder, "averaged");
    json_builder_add_int_value(table->builder, n_measured);
    json_builder_end_object(table->builder);
    if (table->prints) {
        print_figure(average);
        g_print("  average of %u sets\n", n_measured);
    }
    return !json_path || write_json(table->builder, json_path, error);
}
