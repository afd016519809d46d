/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/inspect.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Prints "title, nodes, GMAC[, ms, share, GFLOP/s]" for the entries and their sum; the times only if there are any. */
void profile_table_print(const gchar *title, const DinoR1ProfileEntry *entries, guint n_entries);

void profile_print_memory(const DinoR1Profile *profile);

/* Appends the members "modules", "ops", "arena_bytes", … to the object that @builder is in. */
void profile_build_json(JsonBuilder *builder, const DinoR1Profile *profile);

/* Prints what was built, indented. */
void json_print(JsonBuilder *builder);

/* The sum of the entries. */
DinoR1ProfileEntry profile_sum(const DinoR1ProfileEntry *entries, guint n_entries);

G_END_DECLS
