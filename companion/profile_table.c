/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "profile_table.h"

#define MEBIBYTE (1024.0 * 1024.0)

DinoR1ProfileEntry
profile_sum(const DinoR1ProfileEntry *entries, guint n_entries)
{
    DinoR1ProfileEntry sum = {.name = "total"};

    for (guint i = 0; i < n_entries; i++) {
        sum.gmac += entries[i].gmac;
        sum.bytes += entries[i].bytes;
        sum.seconds += entries[i].seconds;
        sum.n_nodes += entries[i].n_nodes;
    }
    return sum;
}

/* A multiply-accumulate is two operations. */
static gdouble
get_gflops(const DinoR1ProfileEntry *entry)
{
    return entry->seconds > 0 ? 2 * entry->gmac / entry->seconds : 0;
}

static gdouble
get_gigabytes_per_second(const DinoR1ProfileEntry *entry)
{
    return entry->seconds > 0 ? 1e-9 * entry->bytes / entry->seconds : 0;
}

static void
print_entry(const DinoR1ProfileEntry *entry, gdouble total_seconds)
{
    g_print("  %-28s %6u %10.3f %9.1f", entry->name, entry->n_nodes, entry->gmac, entry->bytes / MEBIBYTE);
    if (total_seconds > 0)
        g_print(" %10.3f %6.1f %% %9.1f %8.1f", 1e3 * entry->seconds, 100 * entry->seconds / total_seconds,
            get_gflops(entry), get_gigabytes_per_second(entry));
    g_print("\n");
}

void
profile_table_print(const gchar *title, const DinoR1ProfileEntry *entries, guint n_entries)
{
    const DinoR1ProfileEntry sum = profile_sum(entries, n_entries);

    g_print("  %-28s %6s %10s %9s%s\n", title, "nodes", "GMAC", "MiB",
        sum.seconds > 0 ? "         ms    share   GFLOP/s     GB/s" : "");
    for (guint i = 0; i < n_entries; i++)
        print_entry(&entries[i], sum.seconds);
    print_entry(&sum, sum.seconds);
}

void
profile_print_memory(const DinoR1Profile *profile)
{
    g_print("memory: weights %.1f MiB, activations %.1f MiB (%.1f MiB without sharing)\n",
        (gdouble)profile->weight_bytes / MEBIBYTE, (gdouble)profile->arena_bytes / MEBIBYTE,
        (gdouble)profile->unplanned_bytes / MEBIBYTE);
}

static void
build_entries(JsonBuilder *builder, const gchar *name, const DinoR1ProfileEntry *entries, guint n_entries)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (guint i = 0; i < n_entries; i++) {
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "name");
        json_builder_add_string_value(builder, entries[i].name);
        json_builder_set_member_name(builder, "nodes");
        json_builder_add_int_value(builder, entries[i].n_nodes);
        json_builder_set_member_name(builder, "gmac");
        json_builder_add_double_value(builder, entries[i].gmac);
        json_builder_set_member_name(builder, "bytes");
        json_builder_add_double_value(builder, entries[i].bytes);
        if (entries[i].seconds > 0) {
            json_builder_set_member_name(builder, "ms");
            json_builder_add_double_value(builder, 1e3 * entries[i].seconds);
            json_builder_set_member_name(builder, "gflops");
            json_builder_add_double_value(builder, get_gflops(&entries[i]));
        }
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

void
profile_build_json(JsonBuilder *builder, const DinoR1Profile *profile)
{
    json_builder_set_member_name(builder, "input_width");
    json_builder_add_int_value(builder, profile->input_width);
    json_builder_set_member_name(builder, "input_height");
    json_builder_add_int_value(builder, profile->input_height);
    json_builder_set_member_name(builder, "gmac");
    json_builder_add_double_value(builder, profile_sum(profile->modules, profile->n_modules).gmac);
    json_builder_set_member_name(builder, "weight_bytes");
    json_builder_add_int_value(builder, (gint64)profile->weight_bytes);
    json_builder_set_member_name(builder, "arena_bytes");
    json_builder_add_int_value(builder, (gint64)profile->arena_bytes);
    json_builder_set_member_name(builder, "unplanned_bytes");
    json_builder_add_int_value(builder, (gint64)profile->unplanned_bytes);
    build_entries(builder, "modules", profile->modules, profile->n_modules);
    build_entries(builder, "ops", profile->ops, profile->n_ops);
}

void
json_print(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree gchar *text = json_to_string(root, TRUE);

    g_print("%s\n", text);
}
